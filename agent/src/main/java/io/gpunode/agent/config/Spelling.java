package io.gpunode.agent.config;

import io.gpunode.agent.config.RawValue.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * A flag or environment variable that sets a setting, and what its text means: other components' names come with their own notations.
 *
 * @param name without its two dashes; a short flag keeps its one
 */
public record Spelling(String name, Meaning meaning) {
    /** How the text is to be understood. */
    public enum Meaning {
        /** As the setting's type reads it. */
        AS_IS(""),
        /** A bare number is a number of milliseconds. */
        MILLISECONDS("a number of milliseconds"),
        /** True means {@code debug}; false says nothing. */
        TRUE_IS_DEBUG("`true` means `debug`"),
        /** True means {@code none}; false says nothing. */
        TRUE_IS_NONE("`true` means `none`"),
        /** The path of {@code kubelet.sock}; the setting is its directory. */
        SOCKET_IN_DIRECTORY("path of `kubelet.sock` in that directory"),
        /** {@code all} or {@code xids} in a list means false. */
        ALL_IS_FALSE("`all` or `xids` means `false`"),
        /** {@code all} or {@code xids} in a list means true. */
        ALL_IS_TRUE("`all` or `xids` means `true`"),
        /** {@code all} in a list means every word that the setting knows. */
        ALL_IS_EVERY_WORD("`all` means all of them"),
        /** Only the numbers of a list count. */
        NUMBERS("its numbers");

        private final String words;

        Meaning(String words) {
            this.words = words;
        }

        /** What is special about the text, for the reference; empty when nothing is. */
        public String words() {
            return words;
        }
    }

    /** A flag as it stands on a command line. */
    public String flag() {
        return name.startsWith("-") ? name : "--" + name;
    }

    static Spelling asIs(String name) {
        return new Spelling(name, Meaning.AS_IS);
    }

    /** The text in the setting's own notation; empty when it says nothing about the setting or is wrong, which is then reported. */
    Optional<RawValue> translate(String text, Place place, String setting, Report report) {
        return switch (meaning) {
            case AS_IS -> Optional.of(RawValue.untyped(text, place));
            case MILLISECONDS -> Optional.of(RawValue.untyped(endsWithDigit(text) ? text.strip() + "ms" : text, place));
            case TRUE_IS_DEBUG -> ifTrue(text, "debug", place, setting, report);
            case TRUE_IS_NONE -> ifTrue(text, "none", place, setting, report);
            case SOCKET_IN_DIRECTORY -> directory(text, place, setting, report);
            case ALL_IS_FALSE -> saysAll(text) ? Optional.of(RawValue.untyped("false", place)) : Optional.empty();
            case ALL_IS_TRUE -> saysAll(text) ? Optional.of(RawValue.untyped("true", place)) : Optional.empty();
            case ALL_IS_EVERY_WORD ->
                says(text, "all") ? Optional.of(RawValue.untyped("all", place)) : Optional.empty();
            case NUMBERS -> numbers(text, place, setting, report);
        };
    }

    private static Optional<RawValue> ifTrue(String text, String meant, Place place, String setting, Report report) {
        return new SettingTypes.TrueOrFalse()
                .read(RawValue.untyped(text, place), setting, report)
                .filter(truth -> truth)
                .map(_ -> RawValue.untyped(meant, place));
    }

    private static boolean endsWithDigit(String text) {
        String stripped = text.strip();
        return !stripped.isEmpty() && Character.isDigit(stripped.charAt(stripped.length() - 1));
    }

    private static Optional<RawValue> directory(String text, Place place, String setting, Report report) {
        String name = "/kubelet.sock";
        if (text.endsWith(name) && text.length() > name.length()) {
            return Optional.of(RawValue.untyped(text.substring(0, text.length() - name.length()), place));
        }
        report.problem(
                place,
                setting,
                "\"" + RawValue.printable(text) + "\" is not the path of a file kubelet.sock in a directory",
                "write for example /var/lib/kubelet/device-plugins/kubelet.sock");
        return Optional.empty();
    }

    private static boolean saysAll(String text) {
        return says(text, "all") || says(text, "xids");
    }

    private static boolean says(String text, String word) {
        for (String token : text.toLowerCase(Locale.ROOT).split(",", -1)) {
            if (token.strip().equals(word)) {
                return true;
            }
        }
        return false;
    }

    /** As the device plugin reads these lists: what is not a number is passed over; here with a notice. */
    private static Optional<RawValue> numbers(String text, Place place, String setting, Report report) {
        List<RawValue> xids = new ArrayList<>();
        for (String part : text.toLowerCase(Locale.ROOT).split(",", -1)) {
            String token = part.strip();
            if (new SettingTypes.Numbers(1).number(token).isPresent()) {
                xids.add(RawValue.untyped(token, place));
            } else if (!token.isEmpty() && !token.equals("all") && !token.equals("xids")) {
                report.notice(
                        place,
                        setting,
                        "\"" + RawValue.printable(token) + "\" is not a number and is passed over",
                        "write numbers, all or xids, separated by commas");
            }
        }
        return xids.isEmpty() ? Optional.empty() : Optional.of(new RawValue(Kind.LIST, "", xids, List.of(), place));
    }
}
