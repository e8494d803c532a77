package io.gpunode.agent.config;

import io.gpunode.agent.config.RawValue.Kind;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/** The types that settings have. No regular expressions and no streams: they run before the agent listens. */
final class SettingTypes {
    private SettingTypes() {}

    private static boolean wrongKind(RawValue value, String setting, String wanted, Report report) {
        report.problem(
                value.place(),
                setting,
                value.shown()
                        + (value.items().isEmpty() && !value.text().isEmpty()
                                ? " is " + value.kind().words()
                                : ""),
                "write " + wanted);
        return true;
    }

    /** {@code true} or {@code false}. */
    static final class TrueOrFalse implements SettingType<Boolean> {
        @Override
        public String describe() {
            return "`true` or `false`";
        }

        @Override
        public Optional<Boolean> read(RawValue value, String setting, Report report) {
            if (value.is(Kind.BOOLEAN) || value.is(Kind.UNTYPED)) {
                String text = value.text();
                boolean untyped = value.is(Kind.UNTYPED);
                if (text.equalsIgnoreCase("true") || (untyped && (text.equals("1") || text.equalsIgnoreCase("t")))) {
                    return Optional.of(true);
                }
                if (text.equalsIgnoreCase("false") || (untyped && (text.equals("0") || text.equalsIgnoreCase("f")))) {
                    return Optional.of(false);
                }
            }
            wrongKind(value, setting, "true or false", report);
            return Optional.empty();
        }

        @Override
        public String text(Boolean value) {
            return value.toString();
        }
    }

    /**
     * One word of a list of words.
     *
     * @param notServed words that other components know → what to do about them here
     */
    record Choice<T>(Map<String, T> words, Map<String, String> notServed) implements SettingType<T> {
        @Override
        public String describe() {
            return words.size() == 1 ? quoted(words.keySet()) : "one of " + quoted(words.keySet());
        }

        @Override
        public Optional<T> read(RawValue value, String setting, Report report) {
            if (!value.isText()) {
                wrongKind(value, setting, "one of " + String.join(", ", words.keySet()), report);
                return Optional.empty();
            }
            String word = value.text().strip();
            T chosen = words.get(word);
            if (chosen != null) {
                return Optional.of(chosen);
            }
            String instead = notServed.get(word);
            if (instead != null) {
                report.problem(value.place(), setting, "\"" + word + "\" is not served by this version", instead);
                return Optional.empty();
            }
            Optional<String> near = Suggestion.nearest(word, words.keySet());
            report.problem(
                    value.place(),
                    setting,
                    value.shown() + " is not known"
                            + (near.isPresent() ? ", did you mean \"" + near.get() + "\"?" : ""),
                    "write " + (words.size() == 1 ? "" : "one of ") + String.join(", ", words.keySet()));
            return Optional.empty();
        }

        @Override
        public String text(T value) {
            for (Map.Entry<String, T> word : words.entrySet()) {
                if (word.getValue().equals(value)) {
                    return word.getKey();
                }
            }
            throw new IllegalArgumentException("not a value of this setting: " + value);
        }

        private static String quoted(Collection<String> words) {
            return "`" + String.join("`, `", words) + "`";
        }
    }

    /**
     * Some of a list of words: a list, or one text with commas.
     *
     * @param any whether none of them will do, and {@code all} stands for all of them; otherwise it is at least one
     */
    record Choices<T>(Choice<T> item, boolean any) implements SettingType<Set<T>> {
        private static final String ALL = "all";

        /** At least one of them. */
        Choices(Choice<T> item) {
            this(item, false);
        }

        @Override
        public String describe() {
            return "list of " + item.describe().replace("one of ", "") + (any ? ", or `" + ALL + "`" : "");
        }

        @Override
        public Optional<Set<T>> read(RawValue value, String setting, Report report) {
            Optional<List<RawValue>> items = items(value, setting, report);
            if (items.isEmpty()) {
                return Optional.empty();
            }
            Set<T> chosen = new LinkedHashSet<>();
            boolean good = true;
            for (RawValue each : items.get()) {
                if (any && each.isText() && each.text().strip().equals(ALL)) {
                    chosen.addAll(item.words().values());
                    continue;
                }
                Optional<T> one = item.read(each, setting, report);
                one.ifPresent(chosen::add);
                good &= one.isPresent();
            }
            if (good && chosen.isEmpty() && !any) {
                report.problem(
                        value.place(),
                        setting,
                        "the list is empty",
                        "write at least one of "
                                + String.join(", ", item.words().keySet()));
                return Optional.empty();
            }
            return good ? Optional.of(Collections.unmodifiableSet(chosen)) : Optional.empty();
        }

        @Override
        public String text(Set<T> value) {
            List<String> texts = new ArrayList<>();
            for (T each : value) {
                texts.add(item.text(each));
            }
            return String.join(",", texts);
        }
    }

    /** A duration within a range. {@code version1} also takes what the device plugin's file takes: bare nanoseconds and {@code infinite}. */
    record Interval(Duration least, Duration most, boolean version1) implements SettingType<Duration> {
        @Override
        public String describe() {
            return version1
                    ? "duration, a number of nanoseconds, or `infinite`"
                    : "duration from " + GoDuration.text(least) + " to " + GoDuration.text(most);
        }

        @Override
        public Optional<Duration> read(RawValue value, String setting, Report report) {
            String example = "write a duration from " + GoDuration.text(least) + " to " + GoDuration.text(most)
                    + ", such as 5s, 1m30s or 250ms";
            String text = value.text().strip();
            if (version1 && value.isText() && text.equals("infinite")) {
                return Optional.of(most);
            }
            if (value.is(Kind.NUMBER) && version1) {
                text = text + "ns";
            } else if (value.is(Kind.NUMBER)) {
                report.problem(value.place(), setting, "\"" + text + "\" has no unit", example);
                return Optional.empty();
            } else if (!value.isText()) {
                wrongKind(value, setting, example.substring("write ".length()), report);
                return Optional.empty();
            }
            Optional<Duration> read = GoDuration.parse(text);
            if (read.isEmpty()) {
                report.problem(value.place(), setting, value.shown() + " is not a duration", example);
                return Optional.empty();
            }
            Duration duration = read.get();
            if (duration.compareTo(least) < 0 || duration.compareTo(most) > 0) {
                String how = duration.isNegative()
                        ? "negative"
                        : duration.isZero() ? "zero" : duration.compareTo(least) < 0 ? "too short" : "too long";
                report.problem(value.place(), setting, value.shown() + " is " + how, example);
                return Optional.empty();
            }
            return read;
        }

        @Override
        public String text(Duration value) {
            return GoDuration.text(value);
        }
    }

    /** An absolute path; empty text is a value of its own where {@code orEmpty} says so. */
    record AbsolutePath(boolean orEmpty) implements SettingType<String> {
        private static final int LONGEST = 4095;

        @Override
        public String describe() {
            return orEmpty ? "absolute path, or empty" : "absolute path";
        }

        @Override
        public Optional<String> read(RawValue value, String setting, Report report) {
            if (!value.isText()) {
                wrongKind(value, setting, "an absolute path, in quotes where it looks like something else", report);
                return Optional.empty();
            }
            String text = value.text();
            if (text.isEmpty() && orEmpty) {
                return Optional.of("");
            }
            if (text.isEmpty() || text.charAt(0) != '/') {
                report.problem(
                        value.place(),
                        setting,
                        value.shown() + (text.isEmpty() ? " is empty" : " is not an absolute path"),
                        "write a path that begins with /");
                return Optional.empty();
            }
            if (text.chars().anyMatch(Character::isISOControl)) {
                // Units, logs, mount tables and journals have a path in one line.
                report.problem(
                        value.place(),
                        setting,
                        value.shown() + " has a line break or another control character in it",
                        "write the path in one line; a block with | or > ends with a line break, quotes do not");
                return Optional.empty();
            }
            if (text.length() > LONGEST) {
                report.problem(
                        value.place(),
                        setting,
                        "the path has " + text.length() + " characters",
                        "write one of at most " + LONGEST);
                return Optional.empty();
            }
            try {
                return Optional.of(Path.of(text).normalize().toString());
            } catch (InvalidPathException e) {
                report.problem(
                        value.place(),
                        setting,
                        value.shown() + " is not a path (" + e.getReason() + ")",
                        "write a path without that character");
                return Optional.empty();
            }
        }

        @Override
        public String text(String value) {
            return value;
        }
    }

    /** What a free text must look like. */
    enum Form {
        ANY("text"),
        NODE_NAME("name of a Kubernetes node"),
        RESOURCE("name of an extended resource, `domain/name`"),
        ANNOTATION_PREFIX("prefix of an annotation key, `domain/`"),
        LABEL("name of a label, `domain/name`"),
        NAMESPACE("name of a Kubernetes namespace"),
        TAINT("key of a taint, `domain/name`"),
        CONFIG_MAP("name of a ConfigMap, `namespace:name`"),
        DRIVER_VERSION("version of a driver, or empty"),
        PACKAGE("name of a package"),
        SHA256("SHA-256 of 64 hexadecimal digits, or empty"),
        URL("address that begins with `https://` or `http://`, or empty");

        private final String words;

        Form(String words) {
            this.words = words;
        }
    }

    private static final int LONGEST_URL = 2048;
    private static final int LONGEST_PACKAGE = 200;

    /** Up to four numbers of at most five digits with dots between them. */
    private static boolean isDriverVersion(String text) {
        int parts = 1;
        int digits = 0;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '.' && digits > 0 && parts < 4) {
                parts++;
                digits = 0;
            } else if (c >= '0' && c <= '9' && digits < 5) {
                digits++;
            } else {
                return false;
            }
        }
        return digits > 0;
    }

    /** As apt, dnf and zypper name packages, with a version after {@code =} where one is wanted; never one of their options. */
    private static boolean isPackage(String text) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            boolean alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
            if (!alphanumeric && (i == 0 || "+-._:=~^@/".indexOf(c) < 0)) {
                return false;
            }
        }
        return !text.isEmpty() && text.length() <= LONGEST_PACKAGE;
    }

    private static boolean isSha256(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (Character.digit(text.charAt(i), 16) < 0 || text.charAt(i) > 'f') {
                return false;
            }
        }
        return text.length() == 64;
    }

    private static boolean isOfPrintableAscii(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (text.charAt(i) <= ' ' || text.charAt(i) > '~') {
                return false;
            }
        }
        return true;
    }

    /** A text. */
    record Text(Form form) implements SettingType<String> {
        @Override
        public String describe() {
            return form.words;
        }

        @Override
        public Optional<String> read(RawValue value, String setting, Report report) {
            if (!value.isText()) {
                wrongKind(value, setting, "it in quotes if it is meant as text", report);
                return Optional.empty();
            }
            // The exporter's word for having none.
            String text = form == Form.CONFIG_MAP && value.text().equals("none") ? "" : value.text();
            boolean good = switch (form) {
                case ANY -> true;
                case NODE_NAME -> text.isEmpty() || isSubdomain(text);
                case RESOURCE -> isResource(text);
                case ANNOTATION_PREFIX -> text.endsWith("/") && isSubdomain(text.substring(0, text.length() - 1));
                case LABEL -> isLabel(text);
                case TAINT -> text.isEmpty() || isLabel(text);
                case NAMESPACE -> text.isEmpty() || (text.length() <= 63 && text.indexOf('.') < 0 && isSubdomain(text));
                case CONFIG_MAP -> text.isEmpty() || isConfigMap(text);
                case DRIVER_VERSION -> text.isEmpty() || isDriverVersion(text);
                case PACKAGE -> isPackage(text);
                case SHA256 -> text.isEmpty() || isSha256(text);
                case URL ->
                    text.isEmpty()
                            || ((text.startsWith("https://") || text.startsWith("http://"))
                                    && isOfPrintableAscii(text)
                                    && text.length() <= LONGEST_URL);
            };
            if (!good) {
                String example = switch (form) {
                    case RESOURCE -> ", such as nvidia.com/gpu: a domain, a slash and a name of at most 63 characters";
                    case ANNOTATION_PREFIX -> ", such as cdi.k8s.io/";
                    case LABEL -> ", such as nvidia.com/device-plugin.config";
                    case TAINT -> ", such as nvidia.com/gpu-not-ready, without value and effect";
                    case NAMESPACE -> " of at most 63 lower-case letters, digits and dashes";
                    case CONFIG_MAP -> ", such as monitoring:exporter-metrics";
                    case DRIVER_VERSION -> ", such as 580.95.05 or 580, in quotes";
                    case PACKAGE -> ", such as nvidia-driver-580-server";
                    case SHA256 -> ", as sha256sum prints it";
                    case URL -> ", without spaces";
                    default -> ": lower-case letters, digits, dots and dashes";
                };
                report.problem(
                        value.place(),
                        setting,
                        value.shown() + " is not the " + form.words.replace("`", ""),
                        "write one" + example);
                return Optional.empty();
            }
            return Optional.of(text);
        }

        @Override
        public String text(String value) {
            return value;
        }
    }

    /** An extended resource as Kubernetes allows it: a domain that is not its own, a slash and a name. */
    static boolean isResource(String text) {
        int slash = text.indexOf('/');
        if (slash < 0 || !isSubdomain(text.substring(0, slash))) {
            return false;
        }
        String name = text.substring(slash + 1);
        String domain = text.substring(0, slash);
        return name.length() <= 63
                && isSubdomain(name)
                && domain.indexOf('.') > 0
                && !domain.equals("kubernetes.io")
                && !domain.endsWith(".kubernetes.io");
    }

    /** A label's name as Kubernetes allows it: letters, digits, dots, dashes and underscores after an optional domain. */
    private static boolean isConfigMap(String text) {
        int colon = text.indexOf(':');
        return colon > 0
                && colon <= 63
                && text.lastIndexOf('.', colon) < 0
                && isSubdomain(text.substring(0, colon))
                && isSubdomain(text.substring(colon + 1));
    }

    private static boolean isLabel(String text) {
        int slash = text.indexOf('/');
        if (slash >= 0 && !isSubdomain(text.substring(0, slash))) {
            return false;
        }
        String name = text.substring(slash + 1);
        for (int i = 0; i < name.length(); i++) {
            char c = name.charAt(i);
            boolean alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
            boolean edge = i == 0 || i == name.length() - 1;
            if (!alphanumeric && (edge || (c != '-' && c != '_' && c != '.'))) {
                return false;
            }
        }
        return !name.isEmpty() && name.length() <= 63;
    }

    /** RFC 1123, as Kubernetes checks names. */
    private static boolean isSubdomain(String text) {
        if (text.isEmpty() || text.length() > 253) {
            return false;
        }
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            boolean alphanumeric = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
            boolean edge = i == 0 || i == text.length() - 1 || text.charAt(i - 1) == '.' || text.charAt(i + 1) == '.';
            if (!alphanumeric && (edge || (c != '-' && c != '.'))) {
                return false;
            }
        }
        return true;
    }

    /** One or more {@code host:port}; an empty host is every address. */
    static final class ListenAddresses implements SettingType<List<String>> {
        private static final int MOST = 16;

        @Override
        public String describe() {
            return "list of `host:port`; without a host every address, IPv6 in brackets";
        }

        @Override
        public Optional<List<String>> read(RawValue value, String setting, Report report) {
            Optional<List<RawValue>> items = items(value, setting, report);
            if (items.isEmpty()) {
                return Optional.empty();
            }
            Set<String> addresses = new LinkedHashSet<>();
            boolean good = true;
            for (RawValue item : items.get()) {
                Optional<String> address = address(item, setting, report);
                address.ifPresent(addresses::add);
                good &= address.isPresent();
            }
            if (good && (addresses.isEmpty() || addresses.size() > MOST)) {
                report.problem(
                        value.place(),
                        setting,
                        addresses.isEmpty() ? "the list is empty" : "there are more than " + MOST + " addresses",
                        "write host:port, such as :9400");
                return Optional.empty();
            }
            return good ? Optional.of(List.copyOf(addresses)) : Optional.empty();
        }

        @Override
        public String text(List<String> value) {
            return String.join(",", value);
        }

        private static Optional<String> address(RawValue value, String setting, Report report) {
            String text = value.text().strip();
            String next = "write host:port, such as :9400, 127.0.0.1:9400 or [::1]:9400";
            if (!value.isText()) {
                wrongKind(value, setting, next.substring("write ".length()), report);
                return Optional.empty();
            }
            int colon = text.lastIndexOf(':');
            String why = colon < 0 ? "has no colon" : hostProblem(text.substring(0, colon));
            if (why.isEmpty()) {
                why = portProblem(text.substring(colon + 1));
            }
            if (!why.isEmpty()) {
                report.problem(value.place(), setting, value.shown() + " " + why, next);
                return Optional.empty();
            }
            return Optional.of(text);
        }

        private static String hostProblem(String host) {
            boolean brackets = host.length() > 2 && host.startsWith("[") && host.endsWith("]");
            String inner = brackets ? host.substring(1, host.length() - 1) : host;
            int zone = brackets ? inner.indexOf('%') : -1;
            if (zone >= 0) {
                // The name of a network interface is what its owner wants it to be.
                return zone == 0 || zone == inner.length() - 1
                        ? "has a zone without an address or a name"
                        : hostProblem("[" + inner.substring(0, zone) + "]");
            }
            if (!brackets && inner.indexOf(':') >= 0) {
                return "has more than one colon and no brackets";
            }
            for (int i = 0; i < inner.length(); i++) {
                char c = inner.charAt(i);
                boolean good = (c >= 'a' && c <= 'z')
                        || (c >= 'A' && c <= 'Z')
                        || (c >= '0' && c <= '9')
                        || c == '.'
                        || c == '-'
                        || (brackets && c == ':');
                if (!good) {
                    return "has a host with the character '" + RawValue.printable(String.valueOf(c)) + "'";
                }
            }
            return "";
        }

        private static String portProblem(String port) {
            if (port.isEmpty() || port.length() > 5) {
                return port.isEmpty() ? "has no port" : "has a port that is not a number from 0 to 65535";
            }
            for (int i = 0; i < port.length(); i++) {
                if (port.charAt(i) < '0' || port.charAt(i) > '9') {
                    return "has a port that is not a number from 0 to 65535";
                }
            }
            return Integer.parseInt(port) > 65535 ? "has a port that is not a number from 0 to 65535" : "";
        }
    }

    /** A number within a range. */
    record WholeNumber(int least, int most) implements SettingType<Integer> {
        @Override
        public String describe() {
            return "number from " + least + " to " + most;
        }

        @Override
        public Optional<Integer> read(RawValue value, String setting, Report report) {
            Optional<Long> number = value.is(Kind.NUMBER) || value.is(Kind.UNTYPED)
                    ? new Numbers(least).number(value.text())
                    : Optional.empty();
            if (number.isEmpty() || number.get() > most) {
                report.problem(
                        value.place(),
                        setting,
                        value.shown() + " is not a number from " + least + " to " + most,
                        "write a number in that range, such as " + least);
                return Optional.empty();
            }
            return Optional.of(number.get().intValue());
        }

        @Override
        public String text(Integer value) {
            return value.toString();
        }
    }

    /**
     * A set of numbers of 32 bits: a list, or one text with commas.
     *
     * @param least the smallest that is accepted
     */
    record Numbers(long least) implements SettingType<Set<Long>> {
        private static final long MOST = 0xffff_ffffL;

        @Override
        public String describe() {
            return "list of numbers";
        }

        @Override
        public Optional<Set<Long>> read(RawValue value, String setting, Report report) {
            Optional<List<RawValue>> items = items(value, setting, report);
            if (items.isEmpty()) {
                return Optional.empty();
            }
            Set<Long> numbers = new TreeSet<>();
            boolean good = true;
            for (RawValue item : items.get()) {
                Optional<Long> number =
                        item.is(Kind.NUMBER) || item.is(Kind.UNTYPED) ? number(item.text()) : Optional.empty();
                if (number.isEmpty()) {
                    report.problem(
                            item.place(),
                            setting,
                            item.shown() + " is not a number from " + least + " to " + MOST,
                            "write numbers such as [13, 94]");
                    good = false;
                } else {
                    numbers.add(number.get());
                }
            }
            return good ? Optional.of(Collections.unmodifiableSet(numbers)) : Optional.empty();
        }

        /** A decimal number in the range. */
        Optional<Long> number(String text) {
            String digits = text.strip();
            if (digits.isEmpty() || digits.length() > 10) {
                return Optional.empty();
            }
            long number = 0;
            for (int i = 0; i < digits.length(); i++) {
                int digit = digits.charAt(i) - '0';
                if (digit < 0 || digit > 9) {
                    return Optional.empty();
                }
                number = number * 10 + digit;
            }
            return number >= least && number <= MOST ? Optional.of(number) : Optional.empty();
        }

        @Override
        public String text(Set<Long> value) {
            List<String> texts = new ArrayList<>();
            for (Long number : value) {
                texts.add(number.toString());
            }
            return String.join(",", texts);
        }
    }

    /** IMEX channels: none, or channel 0, which is all that the device plugin knows. */
    static final class Channels implements SettingType<List<Integer>> {
        @Override
        public String describe() {
            return "list, empty or `[0]`";
        }

        @Override
        public Optional<List<Integer>> read(RawValue value, String setting, Report report) {
            Optional<List<RawValue>> items = items(value, setting, report);
            if (items.isEmpty()) {
                return Optional.empty();
            }
            for (RawValue item : items.get()) {
                boolean zero = (item.is(Kind.NUMBER) || item.is(Kind.UNTYPED))
                        && item.text().strip().equals("0");
                if (!zero || items.get().size() > 1) {
                    report.problem(
                            item.place(),
                            setting,
                            zero
                                    ? "channel 0 is listed with others"
                                    : item.shown() + " is not a channel that can be given",
                            "write [] or [0]");
                    return Optional.empty();
                }
            }
            return Optional.of(items.get().isEmpty() ? List.of() : List.of(0));
        }

        @Override
        public String text(List<Integer> value) {
            return value.isEmpty() ? "" : "0";
        }
    }

    /** A set of words in their order, as switches are named: a list, or one text with commas. */
    static final class Words implements SettingType<Set<String>> {
        @Override
        public String describe() {
            return "list of words";
        }

        @Override
        public Optional<Set<String>> read(RawValue value, String setting, Report report) {
            Optional<List<RawValue>> items = items(value, setting, report);
            if (items.isEmpty()) {
                return Optional.empty();
            }
            Set<String> words = new LinkedHashSet<>();
            boolean good = true;
            for (RawValue item : items.get()) {
                String word = item.text().strip();
                if (item.isText() && isSubdomain(word)) {
                    words.add(word);
                } else {
                    report.problem(
                            item.place(),
                            setting,
                            item.shown() + " is not a word of lower-case letters, digits and dashes",
                            "write words such as update-ldcache");
                    good = false;
                }
            }
            return good ? Optional.of(Collections.unmodifiableSet(words)) : Optional.empty();
        }

        @Override
        public String text(Set<String> value) {
            return String.join(",", value);
        }
    }

    /** Texts of one form in order and without repetition: a list, or one text with commas. */
    record Texts(Text item) implements SettingType<List<String>> {
        @Override
        public String describe() {
            return "list, each a " + item.describe();
        }

        @Override
        public Optional<List<String>> read(RawValue value, String setting, Report report) {
            Optional<List<RawValue>> items = items(value, setting, report);
            if (items.isEmpty()) {
                return Optional.empty();
            }
            Set<String> texts = new LinkedHashSet<>();
            boolean good = true;
            for (RawValue each : items.get()) {
                Optional<String> text = item.read(each, setting, report);
                text.ifPresent(texts::add);
                good &= text.isPresent();
            }
            return good ? Optional.of(List.copyOf(texts)) : Optional.empty();
        }

        @Override
        public String text(List<String> value) {
            return String.join(",", value);
        }
    }

    /** Absolute paths in order and without repetition: a list, or one text with commas. */
    static final class AbsolutePaths implements SettingType<List<Path>> {
        private static final AbsolutePath ONE = new AbsolutePath(false);

        @Override
        public String describe() {
            return "list of absolute paths";
        }

        @Override
        public Optional<List<Path>> read(RawValue value, String setting, Report report) {
            Optional<List<RawValue>> items = items(value, setting, report);
            if (items.isEmpty()) {
                return Optional.empty();
            }
            Set<Path> paths = new LinkedHashSet<>();
            boolean good = true;
            for (RawValue item : items.get()) {
                Optional<String> path = ONE.read(item, setting, report);
                path.ifPresent(text -> paths.add(Path.of(text)));
                good &= path.isPresent();
            }
            return good ? Optional.of(List.copyOf(paths)) : Optional.empty();
        }

        @Override
        public String text(List<Path> value) {
            return value.stream().map(Path::toString).collect(Collectors.joining(","));
        }
    }

    /** Metric fields, in order and each name once: names, or blocks that say type and help text, too. */
    static final class FieldChoices implements SettingType<List<FieldChoice>> {
        private static final String EXAMPLE = "write names such as DCGM_FI_DEV_GPU_TEMP";
        private static final List<String> KEYS = List.of("name", "prometheusType", "help");

        /** A choice, and where it stands. */
        record Placed(FieldChoice choice, Place place) {}

        @Override
        public String describe() {
            return "list of field names; in the file also blocks of `name`, `prometheusType` and `help`";
        }

        @Override
        public Optional<List<FieldChoice>> read(RawValue value, String setting, Report report) {
            Optional<List<Placed>> placed = placed(value, setting, report);
            if (placed.isEmpty()) {
                return Optional.empty();
            }
            List<FieldChoice> choices = new ArrayList<>();
            for (Placed one : placed.get()) {
                choices.add(one.choice());
            }
            return Optional.of(List.copyOf(choices));
        }

        /** The same, with where each stands. */
        static Optional<List<Placed>> placed(RawValue value, String setting, Report report) {
            Optional<List<RawValue>> items = items(value, setting, report);
            if (items.isEmpty()) {
                return Optional.empty();
            }
            Set<String> names = new LinkedHashSet<>();
            List<Placed> placed = new ArrayList<>();
            boolean good = true;
            for (RawValue item : items.get()) {
                Optional<FieldChoice> choice = item.is(Kind.BLOCK) ? block(item, setting, report) : name(item);
                if (choice.isEmpty()) {
                    if (!item.is(Kind.BLOCK)) {
                        report.problem(item.place(), setting, item.shown() + " is not a field name", EXAMPLE);
                    }
                    good = false;
                } else if (names.add(choice.get().name())) {
                    placed.add(new Placed(choice.get(), item.place()));
                }
            }
            return good ? Optional.of(placed) : Optional.empty();
        }

        private static Optional<FieldChoice> name(RawValue item) {
            String name = item.text().strip();
            return (item.isText() || item.is(Kind.NUMBER)) && FieldFile.isName(name)
                    ? Optional.of(FieldChoice.named(name))
                    : Optional.empty();
        }

        private static Optional<FieldChoice> block(RawValue item, String setting, Report report) {
            String[] texts = {"", "", ""};
            boolean good = true;
            for (int i = 0; i < item.keys().size(); i++) {
                RawValue.Key key = item.keys().get(i);
                RawValue value = item.items().get(i);
                int at = KEYS.indexOf(key.name());
                if (at < 0) {
                    report.unknown(
                            key.place(),
                            setting,
                            "unknown key \"" + RawValue.printable(key.name()) + "\"",
                            Suggestion.nearest(key.name(), KEYS)
                                    .map(near -> "did you mean \"" + near + "\"?")
                                    .orElse("write name, prometheusType and help"));
                    good &= !report.strict();
                } else if (value.is(Kind.LIST) || value.is(Kind.BLOCK)) {
                    wrongKind(value, setting, "a text", report);
                    good = false;
                } else {
                    texts[at] = value.text().strip();
                }
            }
            if (!FieldFile.isName(texts[0])) {
                report.problem(
                        item.place(),
                        setting,
                        texts[0].isEmpty()
                                ? "the block has no name"
                                : "\"" + RawValue.printable(texts[0]) + "\" is not a field name",
                        EXAMPLE);
                good = false;
            }
            if (!texts[1].isEmpty() && !FieldFile.isType(texts[1])) {
                report.problem(
                        item.place(),
                        setting,
                        "\"" + RawValue.printable(texts[1]) + "\" is not a type",
                        FieldFile.typeStep(texts[1]));
                good = false;
            }
            return good ? Optional.of(new FieldChoice(texts[0], texts[1], texts[2])) : Optional.empty();
        }

        @Override
        public String text(List<FieldChoice> value) {
            return value.stream().map(FieldChoice::name).collect(Collectors.joining(","));
        }
    }

    /** A list of blocks that this version does not serve: only whether it is empty counts. */
    static final class Blocks implements SettingType<Integer> {
        @Override
        public String describe() {
            return "list of blocks";
        }

        @Override
        public Optional<Integer> read(RawValue value, String setting, Report report) {
            boolean emptyText = value.is(Kind.UNTYPED) && value.text().isEmpty();
            if (!value.is(Kind.LIST) && !emptyText) {
                wrongKind(value, setting, "a list", report);
                return Optional.empty();
            }
            return Optional.of(value.items().size());
        }

        @Override
        public String text(Integer value) {
            return value == 0 ? "" : value + (value == 1 ? " entry" : " entries");
        }
    }

    /** The items of a list; a single value is a list of one, and text is split at commas. */
    static Optional<List<RawValue>> items(RawValue value, String setting, Report report) {
        if (value.is(Kind.LIST)) {
            return Optional.of(value.items());
        }
        if (value.is(Kind.BLOCK) || value.is(Kind.BOOLEAN)) {
            wrongKind(value, setting, "a list", report);
            return Optional.empty();
        }
        List<RawValue> items = new ArrayList<>();
        int from = 0;
        String text = value.text();
        while (from <= text.length()) {
            int comma = text.indexOf(',', from);
            int to = comma < 0 ? text.length() : comma;
            String item = text.substring(from, to).strip();
            if (!item.isEmpty()) {
                items.add(RawValue.scalar(value.is(Kind.STRING) ? Kind.UNTYPED : value.kind(), item, value.place()));
            }
            from = to + 1;
        }
        return Optional.of(items);
    }
}
