package io.gpunode.agent.model;

import java.util.Arrays;
import java.util.Optional;

/**
 * The version of an NVIDIA driver, such as {@code 535.261.03}: two to four groups of digits. The text is kept as it was written, because file
 * names and the kernel's {@code /sys/module/nvidia/version} have it with its leading zeros; versions are compared by number, group by group.
 *
 * @param text as it was written
 */
public record DriverVersion(String text) implements Comparable<DriverVersion> {
    private static final int GROUP_LIMIT = 4;
    private static final int DIGIT_LIMIT = 6;

    /** @throws IllegalArgumentException when the text is no version */
    public DriverVersion {
        if (numbers(text).length == 0) {
            throw new IllegalArgumentException(
                    "\"" + text + "\" is no driver version: it is two to four groups of digits, such as 535.261.03");
        }
    }

    /** Reads a version; empty when the text is none. */
    public static Optional<DriverVersion> parse(String text) {
        return numbers(text).length == 0 ? Optional.empty() : Optional.of(new DriverVersion(text));
    }

    /** The number that NVIDIA names a branch by: 535 of {@code 535.261.03}. */
    public int branch() {
        return numbers(text)[0];
    }

    /** Missing groups count as zero: {@code 580.65} is {@code 580.65.00}. */
    @Override
    public int compareTo(DriverVersion other) {
        int[] mine = Arrays.copyOf(numbers(text), GROUP_LIMIT);
        int[] theirs = Arrays.copyOf(numbers(other.text), GROUP_LIMIT);
        int byNumber = Arrays.compare(mine, theirs);
        return byNumber != 0 ? byNumber : text.compareTo(other.text);
    }

    @Override
    public String toString() {
        return text;
    }

    /** The groups' numbers; none when the text is no version. */
    private static int[] numbers(String text) {
        String[] groups = text.split("\\.", -1);
        if (groups.length < 2 || groups.length > GROUP_LIMIT) {
            return new int[0];
        }
        int[] numbers = new int[groups.length];
        for (int i = 0; i < groups.length; i++) {
            int number = number(groups[i]);
            if (number < 0) {
                return new int[0];
            }
            numbers[i] = number;
        }
        return numbers;
    }

    private static int number(String digits) {
        if (digits.isEmpty() || digits.length() > DIGIT_LIMIT) {
            return -1;
        }
        int number = 0;
        for (int i = 0; i < digits.length(); i++) {
            char digit = digits.charAt(i);
            if (digit < '0' || digit > '9') {
                return -1;
            }
            number = 10 * number + digit - '0';
        }
        return number;
    }
}
