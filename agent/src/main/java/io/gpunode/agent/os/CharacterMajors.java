package io.gpunode.agent.os;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/**
 * Which major numbers drivers have, from {@code /proc/devices}: lines such as {@code 195 nvidia} below {@code Character devices:}. Those of
 * {@code nvidia-uvm} and {@code nvidia-caps} are given out when the module is loaded and can be others after the next load.
 *
 * @param majors by driver name
 */
public record CharacterMajors(Map<String, Integer> majors) {
    private static final int HIGHEST = 4_095;
    private static final List<String> NVIDIA = List.of("nvidia-frontend", "nvidia", "nvidiactl");

    public CharacterMajors {
        majors = Map.copyOf(majors);
    }

    /** Lines that do not look like an entry are passed over. */
    public static CharacterMajors parse(String text) {
        Map<String, Integer> majors = new HashMap<>();
        boolean character = false;
        for (String line : text.lines().toList()) {
            String entry = line.strip();
            if (entry.endsWith(":")) {
                character = entry.equals("Character devices:");
            }
            int space = entry.indexOf(' ');
            if (character && space > 0 && space <= 4) {
                int major = number(entry.substring(0, space));
                if (major > 0) {
                    majors.putIfAbsent(entry.substring(space + 1).strip(), major);
                }
            }
        }
        return new CharacterMajors(majors);
    }

    /** The major of a driver; empty when it is not loaded. */
    public OptionalInt of(String driver) {
        Integer major = majors.get(driver);
        return major == null ? OptionalInt.empty() : OptionalInt.of(major);
    }

    /**
     * The major of the nodes of one of the driver's modules. Which name that of {@code nvidia} has depends on the driver's branch, and before the modules had
     * names of their own {@code nvidia-modeset} had its major, too.
     */
    public OptionalInt ofNvidia(String driver) {
        OptionalInt own = driver.equals("nvidia") ? OptionalInt.empty() : of(driver);
        if (own.isPresent() || !(driver.equals("nvidia") || driver.equals("nvidia-modeset"))) {
            return own;
        }
        for (String name : NVIDIA) {
            OptionalInt major = of(name);
            if (major.isPresent()) {
                return major;
            }
        }
        return OptionalInt.empty();
    }

    private static int number(String digits) {
        int number = 0;
        for (int i = 0; i < digits.length(); i++) {
            char digit = digits.charAt(i);
            if (digit < '0' || digit > '9') {
                return -1;
            }
            number = number * 10 + (digit - '0');
        }
        return number <= HIGHEST ? number : -1;
    }
}
