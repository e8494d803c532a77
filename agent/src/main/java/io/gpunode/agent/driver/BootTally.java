package io.gpunode.agent.driver;

import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;

/**
 * The boots in which a driver was loaded although no journal could be written, and that may have ended by it. The file is made while there is room, and
 * written over in its place, which needs none on most file systems: so a driver that takes the machine down at each load is not tried for ever on a full disk
 * either. Written by whoever holds the node's driver lock.
 */
final class BootTally {
    /** Room for as many ids of boots as are ever counted, a line each. */
    private static final int SIZE = 256;

    private static final Path NAME = Path.of("driver.boots");

    private final HostFiles files;
    private final Path file;

    BootTally(HostFiles files, Path stateDirectory) {
        this.files = files;
        this.file = stateDirectory.resolve(NAME);
    }

    /** Makes the file, where it is missing. */
    void reserve() throws IOException {
        if (!files.exists(file)) {
            files.replace(file, padded(""), "rw-------");
        }
    }

    /** Ids of the boots, oldest first; none where there is no file. */
    List<String> boots() throws IOException {
        return files.readText(file, SIZE)
                .map(text -> text.lines().filter(line -> !line.isBlank()).toList())
                .orElse(List.of());
    }

    /**
     * Counts them from now on; afterwards it survives a loss of power.
     *
     * @throws IOException when there is no file, or writing over it needs room all the same
     */
    void write(List<String> boots) throws IOException {
        try (FileChannel channel = FileChannel.open(files.resolve(file), StandardOpenOption.WRITE)) {
            ByteBuffer content = ByteBuffer.wrap(padded(String.join("\n", boots)));
            while (content.hasRemaining()) {
                channel.write(content, content.position());
            }
            channel.force(true);
        }
    }

    private static byte[] padded(String text) {
        byte[] content = " ".repeat(SIZE).getBytes(StandardCharsets.US_ASCII);
        byte[] written = (text + "\n").getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(written, 0, content, 0, Math.min(written.length, SIZE));
        return content;
    }
}
