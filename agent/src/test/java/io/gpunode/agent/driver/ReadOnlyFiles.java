package io.gpunode.agent.driver;

import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * Files of which none can be changed.
 *
 * @param reason why, in the system's words
 */
record ReadOnlyFiles(HostFiles files, String reason) implements HostFiles {
    ReadOnlyFiles(HostFiles files) {
        this(files, "Read-only file system");
    }

    @Override
    public Path resolve(Path hostPath) {
        return files.resolve(hostPath);
    }

    @Override
    public HostFiles below(Path hostDirectory) {
        return new ReadOnlyFiles(files.below(hostDirectory), reason);
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
        throw readOnly(hostPath);
    }

    @Override
    public void delete(Path hostPath) throws IOException {
        if (files.exists(hostPath)) {
            throw readOnly(hostPath);
        }
    }

    private FileSystemException readOnly(Path hostPath) {
        return new FileSystemException(hostPath.toString(), null, reason);
    }
}
