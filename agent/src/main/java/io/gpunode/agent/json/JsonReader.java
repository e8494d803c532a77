package io.gpunode.agent.json;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Reads one JSON document from text. Used once. */
final class JsonReader {
    /** As deep as {@link JsonWriter} writes. */
    private static final int DEPTH_LIMIT = 64;

    private final String text;
    private int at;
    private int depth;

    JsonReader(String text) {
        this.text = text;
    }

    JsonValue document() throws JsonException {
        JsonValue value = value();
        blanks();
        if (at < text.length()) {
            throw problem("something follows the document");
        }
        return value;
    }

    private JsonValue value() throws JsonException {
        blanks();
        char c = peek();
        return switch (c) {
            case '{' -> JsonValue.of(object());
            case '[' -> JsonValue.of(array());
            case '"' -> JsonValue.of(string());
            case 't' -> word("true", true);
            case 'f' -> word("false", false);
            case 'n' -> word("null", null);
            default -> JsonValue.of(number());
        };
    }

    private JsonValue.Members object() throws JsonException {
        Map<String, JsonValue> members = new LinkedHashMap<>();
        if (opensEmpty('}')) {
            return new JsonValue.Members(members);
        }
        do {
            blanks();
            int start = at;
            if (peek() != '"') {
                throw problem("a member's name in quotes is missing");
            }
            String name = string();
            blanks();
            expect(':');
            if (members.put(name, value()) != null) {
                at = start;
                throw problem("a member is given twice");
            }
        } while (another('}'));
        return new JsonValue.Members(Collections.unmodifiableMap(members));
    }

    private JsonValue.Elements array() throws JsonException {
        List<JsonValue> elements = new ArrayList<>();
        if (opensEmpty(']')) {
            return new JsonValue.Elements(elements);
        }
        do {
            elements.add(value());
        } while (another(']'));
        return new JsonValue.Elements(Collections.unmodifiableList(elements));
    }

    /** Takes the opening bracket, and the closing one if it follows at once. */
    private boolean opensEmpty(char close) throws JsonException {
        at++;
        depth++;
        if (depth > DEPTH_LIMIT) {
            throw problem("nested more than " + DEPTH_LIMIT + " deep");
        }
        blanks();
        if (peek() == close) {
            at++;
            depth--;
            return true;
        }
        return false;
    }

    /** Takes a comma or the closing bracket. */
    private boolean another(char close) throws JsonException {
        blanks();
        char c = peek();
        if (c == ',') {
            at++;
            return true;
        }
        expect(close);
        depth--;
        return false;
    }

    private String string() throws JsonException {
        StringBuilder out = new StringBuilder();
        at++;
        while (true) {
            char c = peek();
            at++;
            if (c == '"') {
                replaceLoneSurrogates(out);
                return out.toString();
            }
            if (c < ' ') {
                at--;
                throw problem("a control character in a string");
            }
            out.append(c == '\\' ? escaped() : c);
        }
    }

    /** Half a character cannot be written again: as in Go it becomes U+FFFD, at once, so that names stay different from each other. */
    private static void replaceLoneSurrogates(StringBuilder text) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (Character.isHighSurrogate(c) && i + 1 < text.length() && Character.isLowSurrogate(text.charAt(i + 1))) {
                i++;
            } else if (Character.isSurrogate(c)) {
                text.setCharAt(i, '\uFFFD');
            }
        }
    }

    private char escaped() throws JsonException {
        char c = peek();
        at++;
        return switch (c) {
            case '"', '\\', '/' -> c;
            case 'b' -> '\b';
            case 'f' -> '\f';
            case 'n' -> '\n';
            case 'r' -> '\r';
            case 't' -> '\t';
            case 'u' -> {
                int code = 0;
                for (int i = 0; i < 4; i++) {
                    int digit = Character.digit(peek(), 16);
                    if (digit < 0) {
                        throw problem("not a hexadecimal digit");
                    }
                    code = code * 16 + digit;
                    at++;
                }
                yield (char) code;
            }
            default -> throw problem("an unknown escape");
        };
    }

    private Object number() throws JsonException {
        int start = at;
        boolean whole = true;
        while (at < text.length() && "+-0123456789.eE".indexOf(text.charAt(at)) >= 0) {
            whole &= ".eE".indexOf(text.charAt(at)) < 0;
            at++;
        }
        String digits = text.substring(start, at);
        try {
            if (whole && digits.length() < 20) {
                return Long.parseLong(digits);
            }
            double number = Double.parseDouble(digits);
            if (Double.isFinite(number)) {
                return number;
            }
        } catch (NumberFormatException e) {
            // Told below, with its place.
        }
        at = start;
        throw problem("not a value");
    }

    private JsonValue word(String word, @Nullable Object value) throws JsonException {
        if (!text.startsWith(word, at)) {
            throw problem("not a value");
        }
        at += word.length();
        return JsonValue.of(value);
    }

    private void blanks() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private char peek() throws JsonException {
        if (at >= text.length()) {
            throw problem("it ends too early");
        }
        return text.charAt(at);
    }

    private void expect(char wanted) throws JsonException {
        if (peek() != wanted) {
            throw problem("'" + wanted + "' is missing");
        }
        at++;
    }

    private JsonException problem(String what) {
        return new JsonException(what, at);
    }
}
