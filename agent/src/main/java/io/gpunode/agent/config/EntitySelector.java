package io.gpunode.agent.config;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Which devices have series, in the exporter's grammar: {@code f} is each GPU's instances where it has some and else the GPU; {@code g} GPUs and
 * {@code i} instances, each with the numbers that are meant ({@code g:0,2-4}) or without for all of them; {@code g+i} both.
 *
 * @param flexible {@code f}
 * @param major {@code g}: the upper level (GPUs, switches, CPUs)
 * @param minor {@code i}: the lower level (GPU instances, links, cores)
 */
public record EntitySelector(boolean flexible, Chosen major, Chosen minor) {
    /** {@code f}, the default. */
    public static final EntitySelector FLEXIBLE = new EntitySelector(true, Chosen.NONE, Chosen.NONE);

    /**
     * Which of a level.
     *
     * @param all every one
     * @param ranges otherwise, those in one of these
     */
    public record Chosen(boolean all, List<Range> ranges) {
        static final Chosen NONE = new Chosen(false, List.of());
        static final Chosen ALL = new Chosen(true, List.of());

        public Chosen {
            ranges = List.copyOf(ranges);
        }

        /** Whether any may be meant. */
        public boolean any() {
            return all || !ranges.isEmpty();
        }

        /** Whether the one with this number is meant. */
        public boolean has(int number) {
            if (all) {
                return true;
            }
            for (Range range : ranges) {
                if (number >= range.first() && number <= range.last()) {
                    return true;
                }
            }
            return false;
        }

        private String text(String letter) {
            if (all) {
                return letter;
            }
            StringBuilder text = new StringBuilder(letter);
            String separator = ":";
            for (Range range : ranges) {
                text.append(separator).append(range.first());
                if (range.last() != range.first()) {
                    text.append('-').append(range.last());
                }
                separator = ",";
            }
            return text.toString();
        }
    }

    /** From the first number to the last, both included. */
    public record Range(int first, int last) {}

    /** In the grammar. */
    @Override
    public String toString() {
        if (flexible) {
            return "f";
        }
        String upper = major.any() ? major.text("g") : "";
        String lower = minor.any() ? minor.text("i") : "";
        return upper + (upper.isEmpty() || lower.isEmpty() ? "" : "+") + lower;
    }

    /** Reads a selector; says precisely what is wrong with one that cannot be read. */
    static final class Type implements SettingType<EntitySelector> {
        private static final String FORMS = "write f, g, i, or numbers such as g:0,2-4 or g:0+i:1";
        /** No node has more of anything; a range is not to be a loop of billions. */
        private static final int LARGEST = 4_095;

        @Override
        public String describe() {
            return "`f`, `g`, `i`, `g:0,2-4`, `i:1`, or a `g` and an `i` with `+` between them";
        }

        @Override
        public String text(EntitySelector value) {
            return value.toString();
        }

        @Override
        public Optional<EntitySelector> read(RawValue value, String setting, Report report) {
            if (!value.isText()) {
                report.problem(value.place(), setting, value.shown() + " is not a selector of devices", FORMS);
                return Optional.empty();
            }
            String whole = value.text().strip();
            Chosen major = Chosen.NONE;
            Chosen minor = Chosen.NONE;
            boolean flexible = false;
            String[] parts = whole.split("\\+", -1);
            for (String written : parts) {
                String part = written.strip();
                int colon = part.indexOf(':');
                String letter = colon < 0 ? part : part.substring(0, colon);
                String wrong;
                Optional<Chosen> chosen = Optional.of(Chosen.ALL);
                if (letter.equals("f")) {
                    wrong = colon >= 0
                            ? "f takes no numbers: it is every GPU, or its instances"
                            : parts.length > 1 ? "f stands alone: it is every GPU, or its instances" : "";
                    flexible = true;
                } else if (letter.equals("g") || letter.equals("i")) {
                    if (colon >= 0) {
                        chosen = numbers(part.substring(colon + 1), value, setting, report);
                        if (chosen.isEmpty()) {
                            return Optional.empty();
                        }
                    }
                    boolean twice = letter.equals("g") ? major.any() : minor.any();
                    wrong = twice ? letter + " is given twice: write its numbers behind one" : "";
                    if (letter.equals("g")) {
                        major = chosen.get();
                    } else {
                        minor = chosen.get();
                    }
                } else {
                    wrong = part.isEmpty()
                            ? "a selector is missing" + (parts.length > 1 ? " beside +" : "")
                            : "\"" + RawValue.printable(letter) + "\" is none of f, g and i";
                }
                if (!wrong.isEmpty()) {
                    report.problem(value.place(), setting, value.shown() + ": " + wrong, FORMS);
                    return Optional.empty();
                }
            }
            return Optional.of(new EntitySelector(flexible, major, minor));
        }

        private static Optional<Chosen> numbers(String text, RawValue value, String setting, Report report) {
            List<Range> ranges = new ArrayList<>();
            for (String written : text.split(",", -1)) {
                String item = written.strip();
                int dash = item.indexOf('-');
                int first = number(dash < 0 ? item : item.substring(0, dash).strip());
                int last = dash < 0 ? first : number(item.substring(dash + 1).strip());
                String wrong = "";
                if (first < 0 || last < 0) {
                    wrong = item.isEmpty()
                            ? "a number is missing"
                            : "\"" + RawValue.printable(item) + "\" is neither a number from 0 to " + LARGEST
                                    + " nor a range such as 2-4";
                } else if (last < first) {
                    wrong = "the range " + item + " ends before it begins";
                }
                if (!wrong.isEmpty()) {
                    report.problem(value.place(), setting, value.shown() + ": " + wrong, FORMS);
                    return Optional.empty();
                }
                ranges.add(new Range(first, last));
            }
            return Optional.of(new Chosen(false, ranges));
        }

        /** The number, or -1. */
        private static int number(String digits) {
            if (digits.isEmpty() || digits.length() > 4) {
                return -1;
            }
            int number = 0;
            for (int i = 0; i < digits.length(); i++) {
                int digit = digits.charAt(i) - '0';
                if (digit < 0 || digit > 9) {
                    return -1;
                }
                number = number * 10 + digit;
            }
            return number <= LARGEST ? number : -1;
        }
    }
}
