package io.gpunode.agent.driver;

import java.util.Locale;

/** Values of module parameters, which the kernel shows otherwise than they were given. */
final class ParameterValues {
    private ParameterValues() {}

    /** Whether two texts mean one value: {@code Y} and {@code 1}, {@code 0x10} and {@code 16}, with and without quotation marks. */
    static boolean same(String one, String other) {
        return plain(one).equals(plain(other));
    }

    private static String plain(String text) {
        String bare = text.strip();
        if (bare.length() >= 2 && bare.startsWith("\"") && bare.endsWith("\"")) {
            bare = bare.substring(1, bare.length() - 1);
        }
        return switch (bare.toLowerCase(Locale.ROOT)) {
            case "y", "true", "on" -> "1";
            case "n", "false", "off" -> "0";
            default -> number(bare);
        };
    }

    private static String number(String bare) {
        try {
            // Unsigned numbers of 32 bits are shown as they are or as the negative ones of the same bits.
            return String.valueOf(Long.decode(bare) & 0xffff_ffffL);
        } catch (NumberFormatException e) {
            return bare;
        }
    }
}
