package io.gpunode.agent.inventory;

import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalInt;

/**
 * The minors of MIG capability nodes, from {@code /proc/driver/nvidia-caps/mig-minors}: lines such as {@code gpu0/gi7/access 66} and
 * {@code gpu0/gi7/ci0/access 67}. The GPU number is the device's minor.
 */
record MigMinors(Map<String, Integer> minors) {
    /** No table was read. */
    static final MigMinors NONE = new MigMinors(Map.of());

    private static final Path TABLE = Path.of("/proc/driver/nvidia-caps/mig-minors");
    /** The driver lists every possible entry: 32 GPUs × 135 lines of about 25 bytes. */
    private static final int LIMIT = 1 << 20;

    static MigMinors read(HostFiles files) throws IOException {
        return parse(files.readText(TABLE, LIMIT).orElse(""));
    }

    /** Lines that do not look like an entry are passed over: newer drivers add other kinds. */
    static MigMinors parse(String text) {
        Map<String, Integer> minors = new HashMap<>();
        text.lines().forEach(line -> {
            int space = line.indexOf(' ');
            if (space > 0 && line.substring(space + 1).strip().matches("\\d{1,7}")) {
                minors.put(
                        line.substring(0, space),
                        Integer.valueOf(line.substring(space + 1).strip()));
            }
        });
        return new MigMinors(Map.copyOf(minors));
    }

    OptionalInt gpuInstance(int gpuMinor, int gpuInstance) {
        return minor("gpu" + gpuMinor + "/gi" + gpuInstance + "/access");
    }

    OptionalInt computeInstance(int gpuMinor, int gpuInstance, int computeInstance) {
        return minor("gpu" + gpuMinor + "/gi" + gpuInstance + "/ci" + computeInstance + "/access");
    }

    private OptionalInt minor(String entry) {
        Integer minor = minors.get(entry);
        return minor == null ? OptionalInt.empty() : OptionalInt.of(minor);
    }
}
