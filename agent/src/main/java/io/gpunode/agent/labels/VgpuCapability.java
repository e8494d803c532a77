package io.gpunode.agent.labels;

import io.gpunode.agent.labels.HostFacts.Vgpu;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/**
 * Finds a virtual GPU by its PCI configuration space: the hypervisor's driver puts a vendor-specific capability (id 0x09) there, whose bytes 3 and
 * 4 are {@code VF}, and after it a chain of records of one byte id and one byte length. Record 0 holds the version and the branch of that
 * driver, 10 bytes each, filled up with NUL. The layout is that which GPU feature discovery reads. Pure.
 */
final class VgpuCapability {
    /** Less is what the kernel shows to those who are not root. */
    static final int HEADER_AND_CAPABILITIES = 256;

    private static final int STATUS = 0x06;
    private static final int STATUS_HAS_CAPABILITIES = 0x10;
    private static final int FIRST_CAPABILITY = 0x34;
    private static final int VENDOR_SPECIFIC = 0x09;
    private static final int BROKEN_CHAIN = 0xff;
    private static final int RECORDS = 5;
    private static final int TEXT_LENGTH = 10;

    private VgpuCapability() {}

    /**
     * Looks for it.
     *
     * @param space the configuration space, {@value #HEADER_AND_CAPABILITIES} bytes at least
     * @return empty when the device is no virtual GPU
     */
    static Optional<Vgpu> find(byte[] space) {
        int at = vendorSpecific(space);
        if (at < 0) {
            return Optional.empty();
        }
        int end = Math.min(at + at(space, at + 2), HEADER_AND_CAPABILITIES);
        if (end - at < RECORDS || space[at + 3] != 'V' || space[at + 4] != 'F') {
            return Optional.empty();
        }
        int record = at + RECORDS;
        while (record + 1 < end && space[record] != 0) {
            int length = at(space, record + 1);
            // A record that does not lead on leads nowhere.
            record = length == 0 ? end : record + length;
        }
        int text = record + 2;
        return Optional.of(
                text + 2 * TEXT_LENGTH <= end
                        ? new Vgpu(text(space, text), text(space, text + TEXT_LENGTH))
                        : new Vgpu("", ""));
    }

    /** Where the first vendor-specific capability begins; -1 when there is none. */
    private static int vendorSpecific(byte[] space) {
        if ((space[STATUS] & STATUS_HAS_CAPABILITIES) == 0) {
            return -1;
        }
        int at = at(space, FIRST_CAPABILITY);
        // No chain without a loop has more links than there are bytes.
        for (int links = 0; links < HEADER_AND_CAPABILITIES; links++) {
            if (at == 0 || at + 2 >= HEADER_AND_CAPABILITIES || at(space, at) == BROKEN_CHAIN) {
                return -1;
            }
            if (at(space, at) == VENDOR_SPECIFIC) {
                return at;
            }
            at = at(space, at + 1);
        }
        return -1;
    }

    private static int at(byte[] space, int place) {
        return space[place] & 0xff;
    }

    private static String text(byte[] space, int from) {
        int begin = from;
        int end = from + TEXT_LENGTH;
        while (begin < end && space[begin] == 0) {
            begin++;
        }
        while (end > begin && space[end - 1] == 0) {
            end--;
        }
        return new String(space, begin, end - begin, StandardCharsets.ISO_8859_1);
    }
}
