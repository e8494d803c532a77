package io.gpunode.agent.os;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Values of the kernel that can be changed by writing to their files in sysfs. Any thread. */
public final class KernelValues {
    private static final int LIMIT = 4_096;

    private final HostFiles files;

    public KernelValues(HostFiles files) {
        this.files = files;
    }

    /**
     * The value without blanks around it; empty when the kernel has no such file.
     *
     * @throws IOException when it cannot be read
     */
    public String read(Path file) throws IOException {
        return files.readText(file, LIMIT).orElse("").strip();
    }

    /**
     * Changes it in place: such a file cannot be replaced.
     *
     * @throws IOException when there is no such file, or the kernel does not take the value
     */
    public void write(Path file, String value) throws IOException {
        Files.write(
                files.resolve(file),
                (value + "\n").getBytes(StandardCharsets.US_ASCII),
                StandardOpenOption.WRITE,
                StandardOpenOption.TRUNCATE_EXISTING);
    }
}
