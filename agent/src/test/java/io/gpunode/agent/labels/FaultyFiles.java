package io.gpunode.agent.labels;

import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.SystemHostFiles;
import java.io.IOException;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** A host's files whose disk can be full. */
final class FaultyFiles implements HostFiles {
    private final HostFiles files;
    /** What the kernel says to a write; empty while there is room. */
    String refusal = "";

    int replaced;

    FaultyFiles(Path root) {
        this.files = new SystemHostFiles(root);
    }

    @Override
    public Path resolve(Path hostPath) {
        return files.resolve(hostPath);
    }

    @Override
    public HostFiles below(Path hostDirectory) {
        return files.below(hostDirectory);
    }

    @Override
    public Optional<Path> realPath(Path hostPath) {
        return files.realPath(hostPath);
    }

    @Override
    public Optional<Path> linkTarget(Path hostPath) {
        return files.linkTarget(hostPath);
    }

    @Override
    public boolean exists(Path hostPath) {
        return files.exists(hostPath);
    }

    @Override
    public Optional<String> readText(Path hostPath, int limitBytes) throws IOException {
        return files.readText(hostPath, limitBytes);
    }

    @Override
    public SeekableByteChannel open(Path hostPath) throws IOException {
        return files.open(hostPath);
    }

    @Override
    public List<String> list(Path hostDirectory) throws IOException {
        return files.list(hostDirectory);
    }

    @Override
    public void replace(Path hostPath, byte[] content, String mode) throws IOException {
        if (!refusal.isEmpty()) {
            throw new FileSystemException(hostPath.toString(), null, refusal);
        }
        replaced++;
        files.replace(hostPath, content, mode);
    }

    @Override
    public void delete(Path hostPath) throws IOException {
        if (!refusal.isEmpty()) {
            throw new FileSystemException(hostPath.toString(), null, refusal);
        }
        files.delete(hostPath);
    }
}
