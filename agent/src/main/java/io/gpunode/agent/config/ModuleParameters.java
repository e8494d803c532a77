package io.gpunode.agent.config;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Parameters of a kernel module, in their order: a list of {@code name=value}, or one text with blanks between them as in a line of
 * {@code modprobe.d}, where double quotes keep blanks in a value.
 */
final class ModuleParameters implements SettingType<Map<String, String>> {
    private static final int MOST = 64;
    /** The kernel's limit of one parameter's value. */
    private static final int LONGEST = 1024;

    private static final String EXAMPLE = "write parameters such as NVreg_EnableGpuFirmware=1";

    @Override
    public String describe() {
        return "list of `name=value`, or one text with blanks between them";
    }

    @Override
    public Optional<Map<String, String>> read(RawValue value, String setting, Report report) {
        if (!value.isText() && !value.is(RawValue.Kind.LIST)) {
            report.problem(value.place(), setting, value.shown() + " is no list of parameters", EXAMPLE);
            return Optional.empty();
        }
        Map<String, String> parameters = new LinkedHashMap<>();
        boolean good = true;
        List<RawValue> items = value.is(RawValue.Kind.LIST) ? value.items() : List.of(value);
        for (RawValue item : items) {
            String wrong = item.isText() ? add(item.text(), parameters) : "is no text";
            if (!wrong.isEmpty()) {
                report.problem(item.place(), setting, item.shown() + " " + wrong, EXAMPLE);
                good = false;
            }
        }
        if (parameters.size() > MOST) {
            report.problem(value.place(), setting, "there are more than " + MOST + " parameters", "leave some out");
            return Optional.empty();
        }
        return good ? Optional.of(Collections.unmodifiableMap(parameters)) : Optional.empty();
    }

    /** What is wrong with the text; empty when nothing is. */
    private static String add(String text, Map<String, String> parameters) {
        int at = 0;
        while (true) {
            while (at < text.length() && Character.isWhitespace(text.charAt(at))) {
                at++;
            }
            if (at == text.length()) {
                return "";
            }
            int start = at;
            boolean quoted = false;
            while (at < text.length() && (quoted || !Character.isWhitespace(text.charAt(at)))) {
                quoted ^= text.charAt(at) == '"';
                at++;
            }
            String wrong =
                    quoted ? "has a quotation mark that is not closed" : put(text.substring(start, at), parameters);
            if (!wrong.isEmpty()) {
                return wrong;
            }
        }
    }

    private static String put(String text, Map<String, String> parameters) {
        int equals = text.indexOf('=');
        String name = equals < 0 ? "" : text.substring(0, equals);
        String value = text.substring(equals + 1).replace("\"", "");
        if (!isName(name)) {
            return "is no name=value";
        }
        if (value.length() > LONGEST || hasControls(value)) {
            return "has a value that is longer than " + LONGEST + " characters, or control characters in it";
        }
        return parameters.putIfAbsent(name, value) == null ? "" : "says " + name + " twice";
    }

    private static boolean isName(String text) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_')) {
                return false;
            }
        }
        return !text.isEmpty();
    }

    private static boolean hasControls(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (Character.isISOControl(text.charAt(i))) {
                return true;
            }
        }
        return false;
    }

    @Override
    public String text(Map<String, String> value) {
        StringBuilder out = new StringBuilder();
        for (Map.Entry<String, String> parameter : value.entrySet()) {
            boolean blank = parameter.getValue().indexOf(' ') >= 0;
            out.append(out.isEmpty() ? "" : " ")
                    .append(parameter.getKey())
                    .append(blank ? "=\"" : "=")
                    .append(parameter.getValue())
                    .append(blank ? "\"" : "");
        }
        return out.toString();
    }
}
