package io.gpunode.agent.mig;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * The text of a kind of MIG device, as configuration files have it: {@code 1g.10gb}, {@code 1c.3g.40gb}, {@code 1g.10gb+me}, {@code 1g.24gb-me}.
 * Says nothing about whether a GPU can have it. Ordered as people list them: by slices, by memory, by what they have beside.
 *
 * @param computeSlices of the compute instance, 1 to {@code slices}; the same as {@code slices} for the whole
 * @param slices of the GPU instance
 * @param gigabytes of memory, as the name has them; 0 where a chip has no memory of its own
 * @param sign {@code +} when it has the attributes, {@code -} when it lacks them; empty without attributes
 * @param attributes sorted: {@code me}, {@code me.all}, {@code gfx}
 */
record MigConfigProfile(int computeSlices, int slices, int gigabytes, String sign, List<String> attributes)
        implements Comparable<MigConfigProfile> {
    private static final int MOST_DIGITS = 4;
    private static final int LONGEST = 63;
    private static final Comparator<MigConfigProfile> ORDER = Comparator.comparingInt(MigConfigProfile::slices)
            .thenComparingInt(MigConfigProfile::gigabytes)
            .thenComparing(MigConfigProfile::ending)
            .thenComparingInt(MigConfigProfile::computeSlices);

    /**
     * Reads a text.
     *
     * @throws IllegalArgumentException when it is none; the message is a phrase that says why, and does not repeat the text
     */
    static MigConfigProfile parse(String text) {
        if (text.isEmpty()) {
            throw new IllegalArgumentException("it is empty");
        }
        if (text.length() > LONGEST) {
            throw new IllegalArgumentException("it has more than " + LONGEST + " characters");
        }
        int plus = text.indexOf('+');
        int minus = text.indexOf('-');
        if (plus >= 0 && minus >= 0) {
            throw new IllegalArgumentException("it has both + and -");
        }
        int end = Math.max(plus, minus);
        String size = end < 0 ? text : text.substring(0, end);
        String[] fields = size.split("\\.", -1);
        if (fields.length != 2 && fields.length != 3) {
            throw new IllegalArgumentException("it has not the form 1g.10gb or 1c.3g.40gb");
        }
        int gigabytes = number(fields[fields.length - 1], "gb");
        int slices = number(fields[fields.length - 2], "g");
        int computeSlices = fields.length == 3 ? number(fields[0], "c") : slices;
        if (computeSlices > slices) {
            throw new IllegalArgumentException(
                    "a compute instance of " + computeSlices + " slices is more than its GPU instance of " + slices);
        }
        if (fields.length == 3 && computeSlices == 0) {
            throw new IllegalArgumentException("a compute instance has at least one slice");
        }
        return new MigConfigProfile(
                computeSlices,
                slices,
                gigabytes,
                end < 0 ? "" : text.substring(end, end + 1),
                end < 0 ? List.of() : attributes(text.substring(end + 1)));
    }

    private static int number(String field, String unit) {
        String digits = field.endsWith(unit) ? field.substring(0, field.length() - unit.length()) : "";
        if (digits.isEmpty() || digits.length() > MOST_DIGITS || !digits.chars().allMatch(c -> c >= '0' && c <= '9')) {
            throw new IllegalArgumentException("it lacks a number before \"" + unit + "\"");
        }
        return Integer.parseInt(digits);
    }

    private static List<String> attributes(String text) {
        List<String> attributes = new ArrayList<>();
        for (String attribute : text.split(",", -1)) {
            if (!isAttribute(attribute)) {
                throw new IllegalArgumentException(
                        "an attribute is made of letters and digits, such as me, me.all, gfx");
            }
            if (attributes.contains(attribute)) {
                throw new IllegalArgumentException("the attribute " + attribute + " is given twice");
            }
            attributes.add(attribute);
        }
        attributes.sort(null);
        return List.copyOf(attributes);
    }

    private static boolean isAttribute(String text) {
        if (text.isEmpty() || text.startsWith(".") || text.endsWith(".") || Character.isDigit(text.charAt(0))) {
            return false;
        }
        return text.chars()
                .allMatch(c -> (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.');
    }

    /** Whether a name says the same GPU instance; how it is split into compute instances does not count. */
    boolean isInstance(String name) {
        try {
            MigConfigProfile other = parse(name);
            return isAlike(other) && gigabytes == other.gigabytes;
        } catch (IllegalArgumentException e) {
            return false;
        }
    }

    /** Whether the other one differs in the memory alone, as chips of one family do. */
    boolean isAlike(MigConfigProfile other) {
        return slices == other.slices && ending().equals(other.ending());
    }

    /** What stands after the memory: {@code +me}, or nothing. */
    private String ending() {
        return sign + String.join(",", attributes);
    }

    @Override
    public int compareTo(MigConfigProfile other) {
        return ORDER.compare(this, other);
    }

    /** The text; the compute instance is named only when it is less than the whole. */
    @Override
    public String toString() {
        return (computeSlices == slices ? "" : computeSlices + "c.") + slices + "g." + gigabytes + "gb" + ending();
    }
}
