package io.gpunode.agent.os;

import java.util.HashMap;
import java.util.Map;

/**
 * {@code NAME: number} lines of the driver's files in procfs, such as {@code /proc/driver/nvidia/params} ({@code DeviceFileMode: 438}) and the
 * {@code access} files of MIG capabilities ({@code DeviceFileMode: 292}).
 *
 * @param values by name
 */
public record DriverParameters(Map<String, Long> values) {
    public DriverParameters {
        values = Map.copyOf(values);
    }

    /** Lines that do not look like that are passed over. */
    public static DriverParameters parse(String text) {
        Map<String, Long> values = new HashMap<>();
        for (String line : text.lines().toList()) {
            int colon = line.indexOf(':');
            if (colon > 0) {
                String digits = line.substring(colon + 1).strip();
                if (!digits.isEmpty() && digits.length() <= 10 && digits.chars().allMatch(c -> c >= '0' && c <= '9')) {
                    values.put(line.substring(0, colon).strip(), Long.parseLong(digits));
                }
            }
        }
        return new DriverParameters(values);
    }

    /** A number, or what holds when the driver does not say it or says one out of range. */
    public int number(String name, int least, int most, int otherwise) {
        Long value = values.get(name);
        return value == null || value < least || value > most ? otherwise : value.intValue();
    }
}
