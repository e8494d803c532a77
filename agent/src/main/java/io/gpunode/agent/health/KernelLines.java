package io.gpunode.agent.health;

import io.gpunode.agent.model.PciAddress;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * Understands the lines of the NVIDIA drivers in the kernel's log. What user space writes there does not come here
 * ({@link io.gpunode.agent.os.KmsgKernelLog}), but names of processes are in the kernel's own lines: what is not exactly one is none, and nothing of them is taken for anything but what it is. Pure, without regular expressions.
 *
 * <p>The formats are those of the open kernel modules (kernel_rc.c: Xid, with {@code GPU-I} and {@code GPU-CI} for MIG; the NVSwitch driver:
 * SXid).
 */
final class KernelLines {
    private static final String XID = "NVRM: Xid (";
    private static final String SWITCH = "nvidia-nvswitch";
    private static final String SWITCH_XID = ": SXid (";
    private static final String PCI = "PCI:";
    private static final String GPU_INSTANCE = "GPU-I:";
    private static final String COMPUTE_INSTANCE = "GPU-CI:";
    private static final String NVRM = "NVRM: ";
    private static final String FALLEN = "fallen off the bus";
    private static final String INIT_FAILED = "rm_init_adapter failed";
    private static final String MINOR = "minor number ";
    private static final String FATAL = "Fatal";
    /** With the cross-containment unit that follows it. */
    private static final String FATAL_UNIT = "Fatal XC";

    private static final int DETAIL_LIMIT = 120;
    private static final int DIGITS_LIMIT = 7;
    private static final long XID_LIMIT = 100_000;
    private static final int INSTANCE_LIMIT = 1_000;
    private static final int ADDRESS_LIMIT = 20;
    private static final long WRONG = -1;
    private static final long ABSENT = -2;

    private KernelLines() {}

    /** What a line says; null when it says nothing about a GPU. */
    static @Nullable KernelMessage parse(String line) {
        if (line.startsWith(XID)) {
            return xid(line);
        }
        if (line.startsWith(SWITCH)) {
            return switchXid(line);
        }
        if (!line.startsWith(NVRM)) {
            return null;
        }
        if (line.contains(INIT_FAILED)) {
            return initFailed(line);
        }
        if (line.contains(FALLEN)) {
            PciAddress pci = firstAddress(line);
            return pci == null ? null : new KernelMessage.FallenOffBus(pci);
        }
        return null;
    }

    private static @Nullable KernelMessage xid(String line) {
        int close = line.indexOf("): ", XID.length());
        if (close < 0) {
            return null;
        }
        String[] words = line.substring(XID.length(), close).split(" ", 4);
        PciAddress pci = address(words[0].startsWith(PCI) ? words[0].substring(PCI.length()) : words[0]);
        long number = number(line, close + 3, XID_LIMIT);
        long gpuInstance = words.length > 1 ? instance(words[1], GPU_INSTANCE) : ABSENT;
        long computeInstance = words.length > 2 ? instance(words[2], COMPUTE_INSTANCE) : ABSENT;
        if (pci == null || number < 0 || words.length > 3 || gpuInstance == WRONG || computeInstance == WRONG) {
            return null;
        }
        return new KernelMessage.Xid(
                pci, number, optional(gpuInstance), optional(computeInstance), callsItFatal(line, close));
    }

    /**
     * Whether the line's last part is "UNIT Fatal …". A process, whose name may be anything, is named in the parts before it; what follows the
     * unit has no comma.
     */
    private static boolean callsItFatal(String line, int after) {
        int part = line.lastIndexOf(", ");
        if (part < after) {
            return false;
        }
        int word = line.indexOf(' ', part + 2) + 1;
        return word > 0 && line.startsWith(FATAL_UNIT, word);
    }

    private static long instance(String word, String prefix) {
        return word.startsWith(prefix) ? number(word, prefix.length(), INSTANCE_LIMIT) : WRONG;
    }

    private static OptionalInt optional(long instance) {
        return instance == ABSENT ? OptionalInt.empty() : OptionalInt.of((int) instance);
    }

    private static @Nullable KernelMessage switchXid(String line) {
        int open = line.indexOf(SWITCH_XID);
        int begin = open + SWITCH_XID.length();
        int close = open < 0 ? -1 : line.indexOf("): ", begin);
        if (close < 0 || !line.startsWith(PCI, begin)) {
            return null;
        }
        PciAddress pci = address(line.substring(begin + PCI.length(), close));
        long number = number(line, close + 3, XID_LIMIT);
        if (pci == null || number < 0) {
            return null;
        }
        int comma = line.indexOf(", ", close);
        String detail = comma < 0 ? "" : printable(line.substring(comma + 2));
        return new KernelMessage.SwitchXid(pci, number, detail.startsWith(FATAL), detail);
    }

    private static KernelMessage initFailed(String line) {
        int at = line.indexOf(MINOR);
        long minor = at < 0 ? -1 : number(line, at + MINOR.length(), XID_LIMIT);
        return new KernelMessage.InitFailed(
                Optional.ofNullable(firstAddress(line)), minor < 0 ? OptionalInt.empty() : OptionalInt.of((int) minor));
    }

    /** The first word of a line that is a PCI address, with or without {@code PCI:} before it. */
    private static @Nullable PciAddress firstAddress(String line) {
        int from = NVRM.length();
        while (from < line.length()) {
            int end = from;
            while (end < line.length() && line.charAt(end) > ' ') {
                end++;
            }
            String word = line.substring(from, end);
            if (word.startsWith(PCI)) {
                word = word.substring(PCI.length());
            }
            PciAddress found = address(word.endsWith(":") ? word.substring(0, word.length() - 1) : word);
            if (found != null) {
                return found;
            }
            from = end + 1;
        }
        return null;
    }

    /** {@code 0000:65:00}, {@code 0000:65:00.0} or longer domains; null for anything else. The function is taken for 0. */
    private static @Nullable PciAddress address(String text) {
        if (text.length() > ADDRESS_LIMIT) {
            return null;
        }
        String[] parts = text.split(":", -1);
        if (parts.length != 3) {
            return null;
        }
        int dot = parts[2].indexOf('.');
        String device = dot < 0 ? parts[2] : parts[2].substring(0, dot);
        if (dot >= 0 && hex(parts[2].substring(dot + 1), 1) < 0) {
            return null;
        }
        long domain = hex(parts[0], 8);
        long bus = hex(parts[1], 2);
        long slot = hex(device, 2);
        return domain < 0 || bus < 0 || slot < 0 || slot > 0x1f
                ? null
                : new PciAddress((int) domain, (int) bus, (int) slot, 0);
    }

    /** The number of some hexadecimal digits, at least one; -1 when they are none. */
    private static long hex(String digits, int most) {
        if (digits.isEmpty() || digits.length() > most) {
            return -1;
        }
        long value = 0;
        for (int i = 0; i < digits.length(); i++) {
            int digit = Character.digit(digits.charAt(i), 16);
            if (digit < 0 || digits.charAt(i) > 'f') {
                return -1;
            }
            value = value << 4 | digit;
        }
        return value;
    }

    /** The decimal number that begins at a place; -1 when there is none, or it is too large. */
    private static long number(String text, int from, long limit) {
        int end = from;
        long value = 0;
        while (end < text.length() && end - from < DIGITS_LIMIT && text.charAt(end) >= '0' && text.charAt(end) <= '9') {
            value = value * 10 + (text.charAt(end) - '0');
            end++;
        }
        boolean whole = end == text.length() || text.charAt(end) < '0' || text.charAt(end) > '9';
        return end == from || !whole || value > limit ? -1 : value;
    }

    /** Text from outside goes into logs, labels and terminals: what is not printable becomes {@code ?}, and it has a bound. */
    private static String printable(String text) {
        StringBuilder clean = new StringBuilder(Math.min(text.length(), DETAIL_LIMIT));
        for (int i = 0; i < text.length() && clean.length() < DETAIL_LIMIT; i++) {
            char c = text.charAt(i);
            clean.append(c >= ' ' && c < 0x7f ? c : '?');
        }
        return clean.toString().strip();
    }
}
