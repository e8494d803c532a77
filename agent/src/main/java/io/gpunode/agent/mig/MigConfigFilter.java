package io.gpunode.agent.mig;

import java.util.HexFormat;
import java.util.Locale;
import java.util.OptionalInt;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A model of GPU, as {@code device-filter} names it: {@code 0x20B210DE} is device 20B2 of vendor 10DE, and {@code 0x20B210DE:0x146310DE} the same
 * on one board only.
 *
 * @param device device and vendor, as {@code nvmlPciInfo_t.pciDeviceId}
 * @param subsystem the same of the board; absent for every board
 */
record MigConfigFilter(int device, OptionalInt subsystem) implements Comparable<MigConfigFilter> {
    private static final Pattern TEXT = Pattern.compile("0[xX]([0-9a-fA-F]{1,8})(?::0[xX]([0-9a-fA-F]{1,8}))?");
    private static final HexFormat DIGITS = HexFormat.of().withUpperCase();

    /**
     * Reads a text.
     *
     * @throws IllegalArgumentException when it is none
     */
    static MigConfigFilter parse(String text) {
        Matcher matcher = TEXT.matcher(text.toLowerCase(Locale.ROOT));
        if (!matcher.matches()) {
            throw new IllegalArgumentException("not a device id");
        }
        return new MigConfigFilter(
                HexFormat.fromHexDigits(matcher.group(1)),
                matcher.group(2) == null
                        ? OptionalInt.empty()
                        : OptionalInt.of(HexFormat.fromHexDigits(matcher.group(2))));
    }

    /** Every board of a model. */
    static MigConfigFilter model(int device) {
        return new MigConfigFilter(device, OptionalInt.empty());
    }

    /** Whether a GPU is of this model, and on this board if one is named. */
    boolean matches(int pciDeviceId, int pciSubsystemId) {
        return device == pciDeviceId && (subsystem.isEmpty() || subsystem.getAsInt() == pciSubsystemId);
    }

    @Override
    public int compareTo(MigConfigFilter other) {
        return toString().compareTo(other.toString());
    }

    @Override
    public String toString() {
        String model = "0x" + DIGITS.toHexDigits(device);
        return subsystem.isEmpty() ? model : model + ":0x" + DIGITS.toHexDigits(subsystem.getAsInt());
    }
}
