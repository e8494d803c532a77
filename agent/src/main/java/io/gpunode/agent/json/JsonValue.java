package io.gpunode.agent.json;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * A value of a JSON document that was read, for looking into it without assuming its shape: what is not there is {@link #absent}, and looking
 * into that is absent again. Immutable.
 */
public final class JsonValue {
    private static final JsonValue ABSENT = new JsonValue(null, false);

    private final @Nullable Object value;
    private final boolean present;

    private JsonValue(@Nullable Object value, boolean present) {
        this.value = value;
        this.present = present;
    }

    static JsonValue of(@Nullable Object value) {
        return new JsonValue(value, true);
    }

    /**
     * Reads one document (RFC 8259). Nesting is bounded; the caller bounds the length.
     *
     * @throws JsonException when it is not JSON, is nested too deep or gives a member twice
     */
    public static JsonValue parse(String text) throws JsonException {
        return new JsonReader(text).document();
    }

    /**
     * Reads one document that somebody else wrote.
     *
     * @param mostValues how many values it may have, so that what is made of it fits into the heap
     * @throws JsonException also when it has more
     */
    public static JsonValue parse(String text, int mostValues) throws JsonException {
        int values = 0;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if ((c == ',' || c == '{' || c == '[') && ++values > mostValues) {
                throw new JsonException("JSON of more than " + mostValues + " values");
            }
        }
        return parse(text);
    }

    /** Whether it is missing or JSON's null. */
    public boolean absent() {
        return !present || value == null;
    }

    /** The member of an object. */
    public JsonValue member(String name) {
        return members().getOrDefault(name, ABSENT);
    }

    /** The elements of an array; none of anything else. */
    public List<JsonValue> elements() {
        return value instanceof Elements elements ? elements.list() : List.of();
    }

    /** The names and values of an object's members, in their order; none of anything else. */
    public Map<String, JsonValue> members() {
        return value instanceof Members members ? members.map() : Map.of();
    }

    /** A string, number or truth value as text. */
    public Optional<String> text() {
        return switch (value) {
            case String text -> Optional.of(text);
            case Number number -> Optional.of(number.toString());
            case Boolean truth -> Optional.of(truth.toString());
            case null, default -> Optional.empty();
        };
    }

    /** The text, or what to say when there is none. */
    public String textOr(String otherwise) {
        return text().orElse(otherwise);
    }

    /** A whole number. */
    public OptionalLong wholeNumber() {
        return value instanceof Long number ? OptionalLong.of(number) : OptionalLong.empty();
    }

    /** Whether it is {@code true}. */
    public boolean isTrue() {
        return Boolean.TRUE.equals(value);
    }

    /** Writes it. */
    public void writeTo(JsonWriter out) {
        switch (value) {
            case null -> out.nullValue();
            case String text -> out.value(text);
            case Boolean truth -> out.value(truth.booleanValue());
            case Long number -> out.value(number.longValue());
            case Double number -> out.value(number.doubleValue());
            case Elements elements -> {
                out.beginArray();
                for (JsonValue element : elements.list()) {
                    element.writeTo(out);
                }
                out.endArray();
            }
            case Members members -> {
                out.beginObject();
                for (Map.Entry<String, JsonValue> member : members.map().entrySet()) {
                    out.name(member.getKey());
                    member.getValue().writeTo(out);
                }
                out.endObject();
            }
            default -> throw new IllegalStateException("not a JSON value: " + value.getClass());
        }
    }

    /** An array. */
    record Elements(List<JsonValue> list) {}

    /** An object. */
    record Members(Map<String, JsonValue> map) {}
}
