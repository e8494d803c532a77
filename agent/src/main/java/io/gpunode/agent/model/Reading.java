package io.gpunode.agent.model;

import java.util.Optional;

/** A value that was read, or why there is none. Absence is never a number. */
public sealed interface Reading<T> {
    /** It was read. */
    record Value<T>(T value) implements Reading<T> {}

    /** This GPU, driver or mode does not offer it. It will not come by asking again soon. */
    record Unsupported<T>(String why) implements Reading<T> {}

    /** It is offered and reading it failed this time. */
    record Failed<T>(String why) implements Reading<T> {}

    /** Nobody has asked yet. */
    record NotRead<T>() implements Reading<T> {}

    static <T> Reading<T> of(T value) {
        return new Value<>(value);
    }

    /** The value when there is one. */
    default Optional<T> asOptional() {
        return this instanceof Value<T>(T present) ? Optional.of(present) : Optional.empty();
    }

    /** The value's text, or the reason in words for people. */
    default String describe() {
        return switch (this) {
            case Value<T>(T present) -> String.valueOf(present);
            case Unsupported<T>(String why) -> "unsupported (" + why + ")";
            case Failed<T>(String why) -> "failed (" + why + ")";
            case NotRead<T> _ -> "not read yet";
        };
    }
}
