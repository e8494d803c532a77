package io.gpunode.agent.config;

import java.util.List;

/**
 * A value as it was written, before its setting's type has read it.
 *
 * @param kind what the notation says it is
 * @param text a scalar's text; empty for the others
 * @param items a list's items; a block's values in the order of its keys
 * @param keys a block's keys, each with its place
 * @param place where it stands
 */
public record RawValue(Kind kind, String text, List<RawValue> items, List<Key> keys, Place place) {
    /** What the notation says a value is. */
    public enum Kind {
        /** From the command line or the environment, where everything is text. */
        UNTYPED("text"),
        STRING("a string"),
        BOOLEAN("a true/false value"),
        NUMBER("a number"),
        NULL("empty"),
        LIST("a list"),
        BLOCK("a block of keys");

        private final String words;

        Kind(String words) {
            this.words = words;
        }

        /** For messages. */
        public String words() {
            return words;
        }
    }

    /** A key of a block. */
    public record Key(String name, Place place) {}

    static RawValue scalar(Kind kind, String text, Place place) {
        return new RawValue(kind, text, List.of(), List.of(), place);
    }

    /** A value from the command line or the environment. */
    static RawValue untyped(String text, Place place) {
        return scalar(Kind.UNTYPED, text, place);
    }

    /** Whether it is of that kind. */
    public boolean is(Kind wanted) {
        return kind == wanted;
    }

    /** Text that may be read as something else than a string. */
    public boolean isText() {
        return kind == Kind.STRING || kind == Kind.UNTYPED;
    }

    /** The value for messages: quoted, on one line, not longer than 60 characters. */
    public String shown() {
        return switch (kind) {
            case LIST, BLOCK, NULL -> kind.words();
            default -> "\"" + printable(text) + "\"";
        };
    }

    /** Text for messages and terminals: control characters replaced, cut at 60 characters. */
    public static String printable(String text) {
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < text.length(); i++) {
            if (i == 60) {
                return out.append("…").toString();
            }
            char c = text.charAt(i);
            out.append(Character.isISOControl(c) || Character.isSurrogate(c) ? '?' : c);
        }
        return out.toString();
    }
}
