package io.gpunode.agent.config;

/**
 * A metric field that somebody wants shown, as a row of a field file says it.
 *
 * @param name the field's name in any of its spellings, or DCGM's number for it; the metric is shown under the name that is written here
 * @param type what the TYPE line is to say, or {@code label}; empty for what the field has
 * @param help for the HELP line; empty for what the field has
 */
public record FieldChoice(String name, String type, String help) {
    /** The field as it is. */
    public static FieldChoice named(String name) {
        return new FieldChoice(name, "", "");
    }

    /** For lists: the name, and the rest where there is one. */
    @Override
    public String toString() {
        return name;
    }
}
