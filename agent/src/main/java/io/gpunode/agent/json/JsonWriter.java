package io.gpunode.agent.json;

import java.util.Arrays;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Writes one JSON document (RFC 8259), value by value, into text that it owns. A library would bring a data-binding machine for what takes one
 * class: the agent only writes JSON that it knows the shape of.
 *
 * <pre>{@code
 * String text = JsonWriter.pretty()
 *         .beginObject()
 *         .member("name", "gpu-0")
 *         .name("links").beginArray().value(1).value(2).endArray()
 *         .endObject()
 *         .toString();
 * }</pre>
 *
 * <p>Calls in an order that would not be JSON (a value without a name in an object, an unclosed array, a second document) throw
 * {@link IllegalStateException}: they are mistakes of the program, not of its input. Any string is legal input: control characters are
 * escaped, halves of surrogate pairs are replaced by U+FFFD, so that the text is also valid UTF-8. Not thread-safe.
 */
public final class JsonWriter {
    /** What kind of place the next value is written to. */
    private enum Place {
        DOCUMENT,
        OBJECT,
        MEMBER,
        ARRAY
    }

    /** Deeper nesting is a loop in the data. */
    private static final int DEPTH_LIMIT = 64;

    private static final char DELETE = 0x7f;
    private static final char[] HEX = "0123456789abcdef".toCharArray();

    private final StringBuilder out = new StringBuilder(512);
    private final boolean pretty;
    private Place[] places = new Place[8];
    private boolean[] empty = new boolean[8];
    private int depth;
    private boolean done;

    private JsonWriter(boolean pretty) {
        this.pretty = pretty;
        places[0] = Place.DOCUMENT;
        empty[0] = true;
    }

    /** A writer that puts no blanks anywhere. */
    public static JsonWriter compact() {
        return new JsonWriter(false);
    }

    /** A writer for people: one member or element a line, two blanks of indentation. */
    public static JsonWriter pretty() {
        return new JsonWriter(true);
    }

    /** Begins an object. */
    public JsonWriter beginObject() {
        beforeValue();
        push(Place.OBJECT);
        out.append('{');
        return this;
    }

    /** Ends the innermost object. */
    public JsonWriter endObject() {
        end(Place.OBJECT, '}');
        return this;
    }

    /** Begins an array. */
    public JsonWriter beginArray() {
        beforeValue();
        push(Place.ARRAY);
        out.append('[');
        return this;
    }

    /** Ends the innermost array. */
    public JsonWriter endArray() {
        end(Place.ARRAY, ']');
        return this;
    }

    /** The name of the next member; its value must follow. */
    public JsonWriter name(String name) {
        if (places[depth] != Place.OBJECT) {
            throw new IllegalStateException(
                    "a name belongs into an object, this is " + places[depth] + ": \"" + name + "\"");
        }
        separate();
        appendString(out, name);
        out.append(pretty ? ": " : ":");
        push(Place.MEMBER);
        return this;
    }

    /** A string; {@code null} becomes JSON's null. */
    public JsonWriter value(@Nullable String value) {
        beforeValue();
        if (value == null) {
            out.append("null");
        } else {
            appendString(out, value);
        }
        afterValue();
        return this;
    }

    /** A whole number. Readers that hold numbers as doubles lose digits beyond 2^53; JSON itself does not. */
    public JsonWriter value(long value) {
        beforeValue();
        out.append(value);
        afterValue();
        return this;
    }

    /**
     * A number.
     *
     * @throws IllegalArgumentException for NaN and the infinities, which JSON cannot say
     */
    public JsonWriter value(double value) {
        if (!Double.isFinite(value)) {
            throw new IllegalArgumentException("JSON has no number " + value + "; write null or leave the member out");
        }
        beforeValue();
        if (value == Math.rint(value) && Math.abs(value) < 1e15) {
            out.append((long) value);
        } else {
            out.append(value);
        }
        afterValue();
        return this;
    }

    /** True or false. */
    public JsonWriter value(boolean value) {
        beforeValue();
        out.append(value);
        afterValue();
        return this;
    }

    /** JSON's null. */
    public JsonWriter nullValue() {
        return value((String) null);
    }

    /** Name and string. */
    public JsonWriter member(String name, @Nullable String value) {
        return name(name).value(value);
    }

    /** Name and whole number. */
    public JsonWriter member(String name, long value) {
        return name(name).value(value);
    }

    /** Name and number; see {@link #value(double)}. */
    public JsonWriter member(String name, double value) {
        return name(name).value(value);
    }

    /** Name and truth value. */
    public JsonWriter member(String name, boolean value) {
        return name(name).value(value);
    }

    /** Name and an array of strings. */
    public JsonWriter member(String name, Iterable<String> values) {
        name(name).beginArray();
        for (String value : values) {
            value(value);
        }
        return endArray();
    }

    /**
     * Name and a value that somebody else writes. When that fails or leaves the value unfinished, what it wrote is taken back and the value is
     * {@code {"error": …}}, so that the document stays whole.
     */
    public JsonWriter guardedMember(String name, Consumer<JsonWriter> value) {
        name(name);
        int length = out.length();
        int level = depth;
        String error = "";
        try {
            value.accept(this);
            if (depth != level - 1) {
                error = "the value was left unfinished";
            }
        } catch (RuntimeException e) {
            error = e.toString();
        }
        if (!error.isEmpty()) {
            out.setLength(length);
            depth = level;
            places[depth] = Place.MEMBER;
            beginObject().member("error", error).endObject();
        }
        return this;
    }

    /** Whether the document is complete. */
    public boolean complete() {
        return done;
    }

    /** The document; it must be complete. */
    @Override
    public String toString() {
        if (!done) {
            throw new IllegalStateException("the JSON document is not complete: " + depth + " levels are open");
        }
        return out.toString();
    }

    /** Appends a string with its quotation marks, escaped. */
    public static void appendString(StringBuilder out, String text) {
        out.append('"');
        int length = text.length();
        int written = 0;
        for (int i = 0; i < length; i++) {
            char c = text.charAt(i);
            if (isPlain(c)) {
                continue;
            }
            out.append(text, written, i);
            written = i + 1;
            switch (c) {
                case '"' -> out.append("\\\"");
                case '\\' -> out.append("\\\\");
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                default -> {
                    if (c < ' ' || c == DELETE) {
                        out.append("\\u00").append(HEX[c >> 4]).append(HEX[c & 0xf]);
                    } else if (Character.isHighSurrogate(c)
                            && written < length
                            && Character.isLowSurrogate(text.charAt(written))) {
                        out.append(c).append(text.charAt(written));
                        i = written++;
                    } else {
                        out.append('\uFFFD');
                    }
                }
            }
        }
        out.append(text, written, length).append('"');
    }

    /** Whether it stands for itself in a string: runs of such characters, which is nearly all, are copied at once. */
    private static boolean isPlain(char c) {
        return c >= ' ' && c != '"' && c != '\\' && c != DELETE && !Character.isSurrogate(c);
    }

    private void beforeValue() {
        switch (places[depth]) {
            case OBJECT -> throw new IllegalStateException("a value in an object needs a name before it");
            case DOCUMENT -> {
                if (done) {
                    throw new IllegalStateException("the JSON document is already complete");
                }
            }
            case ARRAY -> separate();
            case MEMBER -> {}
        }
    }

    private void afterValue() {
        if (places[depth] == Place.MEMBER) {
            depth--;
        }
        if (depth == 0) {
            done = true;
        }
    }

    private void separate() {
        if (!empty[depth]) {
            out.append(',');
        }
        empty[depth] = false;
        newLine(depth);
    }

    private void push(Place place) {
        depth++;
        if (depth > 2 * DEPTH_LIMIT) {
            throw new IllegalStateException("JSON nested deeper than " + DEPTH_LIMIT + " levels");
        }
        if (depth == places.length) {
            places = Arrays.copyOf(places, depth * 2);
            empty = Arrays.copyOf(empty, depth * 2);
        }
        places[depth] = place;
        empty[depth] = true;
    }

    private void end(Place place, char bracket) {
        if (places[depth] != place) {
            throw new IllegalStateException("cannot end " + place + " here, this is " + places[depth]);
        }
        boolean wasEmpty = empty[depth];
        depth--;
        if (!wasEmpty) {
            newLine(depth);
        }
        out.append(bracket);
        afterValue();
    }

    private void newLine(int level) {
        if (!pretty) {
            return;
        }
        out.append('\n');
        for (int i = 1; i <= level; i++) {
            // A member is a level of its own for the writer, not for the reader.
            if (places[i] != Place.MEMBER) {
                out.append("  ");
            }
        }
    }
}
