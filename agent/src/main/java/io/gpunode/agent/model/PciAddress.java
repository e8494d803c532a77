package io.gpunode.agent.model;

import java.util.HexFormat;
import java.util.Locale;

/**
 * A PCI address. Ordered as {@code lspci} lists them, which is the stable order of GPUs on a node.
 *
 * @param domain 0 to 0xffffffff, as a non-negative {@code long} would hold it; real machines use 16 bits, VMD controllers more
 * @param bus 0 to 255
 * @param device 0 to 31
 * @param function 0 to 7
 */
public record PciAddress(int domain, int bus, int device, int function) implements Comparable<PciAddress> {
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
        return String.format(Locale.ROOT, "%04x:%02x:%02x.%x", domain, bus, device, function);
    }

    /** NVML's form, also the metrics' label: {@code 00000000:1B:00.0}. */
    public String nvmlName() {
        return String.format(Locale.ROOT, "%08X:%02X:%02X.%X", domain, bus, device, function);
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
