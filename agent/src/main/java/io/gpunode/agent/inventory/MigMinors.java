package io.gpunode.agent.inventory;

import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.util.OptionalInt;

/**
 * The minors of MIG capability nodes, from {@code /proc/driver/nvidia-caps/mig-minors}: lines such as {@code gpu0/gi7/access 66} and
 * {@code gpu0/gi7/ci0/access 67}. The GPU number is the device's minor. The kernel module lists all that there could ever be, thousands of
 * entries of which few are asked for: so it is searched as it is, and kept no longer than one round.
 */
final class MigMinors {
    private static final Path TABLE = Path.of("/proc/driver/nvidia-caps/mig-minors");
    /** The driver lists every possible entry: 32 GPUs × 135 lines of about 25 bytes. */
    private static final int LIMIT = 1 << 20;

    private static final int MOST_DIGITS = 7;

    private final String text;

    private MigMinors(String text) {
        this.text = text;
    }

    static MigMinors read(HostFiles files) throws IOException {
        return parse(files.readText(TABLE, LIMIT).orElse(""));
    }

    /** Lines that do not look like an entry are passed over: newer drivers add other kinds. */
    static MigMinors parse(String text) {
        return new MigMinors(text);
    }

    OptionalInt gpuInstance(int gpuMinor, int gpuInstance) {
        return minor("gpu" + gpuMinor + "/gi" + gpuInstance + "/access ");
    }

    OptionalInt computeInstance(int gpuMinor, int gpuInstance, int computeInstance) {
        return minor("gpu" + gpuMinor + "/gi" + gpuInstance + "/ci" + computeInstance + "/access ");
    }

    private OptionalInt minor(String entry) {
        int begin = text.startsWith(entry) ? entry.length() : after('\n' + entry);
        if (begin < 0) {
            return OptionalInt.empty();
        }
        int end = text.indexOf('\n', begin);
        String number = text.substring(begin, end < 0 ? text.length() : end).strip();
        boolean digits = !number.isEmpty()
                && number.length() <= MOST_DIGITS
                && number.chars().allMatch(c -> c >= '0' && c <= '9');
        return digits ? OptionalInt.of(Integer.parseInt(number)) : OptionalInt.empty();
    }

    private int after(String found) {
        int at = text.indexOf(found);
        return at < 0 ? -1 : at + found.length();
    }
}
