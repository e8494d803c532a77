package io.gpunode.agent.model;

import java.util.HexFormat;

/**
 * A PCI address. Ordered as {@code lspci} lists them, which is the stable order of GPUs on a node.
 *
 * @param domain 0 to 0xffffffff, as a non-negative {@code long} would hold it; real machines use 16 bits, VMD controllers more
 * @param bus 0 to 255
 * @param device 0 to 31
 * @param function 0 to 7
 */
public record PciAddress(int domain, int bus, int device, int function) implements Comparable<PciAddress> {
    private static final HexFormat LOWER = HexFormat.of();
    private static final HexFormat UPPER = LOWER.withUpperCase();

    public PciAddress {
        if (bus < 0 || bus > 0xff || device < 0 || device > 0x1f || function < 0 || function > 7) {
            throw new IllegalArgumentException("not a PCI address: domain " + domain + " bus " + bus + " device "
                    + device + " function " + function + "; bus is 0 to 255, device 0 to 31, function 0 to 7");
        }
    }

    /** Reads {@code 0000:1b:00.0} or NVML's {@code 00000000:1B:00.0}, in either case. */
    public static PciAddress parse(String text) {
        String[] parts = text.split("[:.]", -1);
        if (parts.length != 4) {
            throw new IllegalArgumentException("not a PCI address: \"" + text + "\"; it looks like 0000:1b:00.0");
        }
        try {
            return new PciAddress(
                    HexFormat.fromHexDigits(parts[0]),
                    HexFormat.fromHexDigits(parts[1]),
                    HexFormat.fromHexDigits(parts[2]),
                    HexFormat.fromHexDigits(parts[3]));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("not a PCI address: \"" + text + "\"; it looks like 0000:1b:00.0", e);
        }
    }

    /** The kernel's form, the directory name under {@code /sys/bus/pci/devices}: {@code 0000:1b:00.0}. */
    public String sysfsName() {
        return text(LOWER, 4);
    }

    /** NVML's form, also the metrics' label: {@code 00000000:1B:00.0}. */
    public String nvmlName() {
        return text(UPPER, 8);
    }

    /** Without {@code String.format}, whose locale data costs a start some milliseconds. */
    private String text(HexFormat digits, int domainDigits) {
        String wide = digits.toHexDigits(domain);
        int zeros = 0;
        while (zeros < wide.length() - domainDigits && wide.charAt(zeros) == '0') {
            zeros++;
        }
        return new StringBuilder(wide.length() + 8)
                .append(wide, zeros, wide.length())
                .append(':')
                .append(digits.toHexDigits((byte) bus))
                .append(':')
                .append(digits.toHexDigits((byte) device))
                .append('.')
                .append(function)
                .toString();
    }

    @Override
    public int compareTo(PciAddress other) {
        int result = Integer.compareUnsigned(domain, other.domain);
        result = result != 0 ? result : Integer.compare(bus, other.bus);
        result = result != 0 ? result : Integer.compare(device, other.device);
        return result != 0 ? result : Integer.compare(function, other.function);
    }

    @Override
    public String toString() {
        return sysfsName();
    }
}
