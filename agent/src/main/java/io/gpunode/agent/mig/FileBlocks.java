package io.gpunode.agent.mig;

import io.gpunode.agent.config.Place;
import io.gpunode.agent.config.RawValue;
import io.gpunode.agent.config.RawValue.Kind;
import io.gpunode.agent.config.Report;
import io.gpunode.agent.config.Suggestion;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/** What the files of this package have in common: blocks with known keys, and a version. */
record FileBlocks(Report report) {
    /** The values of a block by their keys; keys that are not known are reported, and so is something that is no block, which is empty. */
    Optional<Map<String, RawValue>> keys(RawValue block, String path, List<String> known) {
        if (!block.is(Kind.BLOCK)) {
            report.problem(
                    block.place(),
                    path,
                    shown(block) + " stands where keys are expected",
                    "write its keys: " + String.join(", ", known));
            return Optional.empty();
        }
        Map<String, RawValue> values = new HashMap<>();
        for (int i = 0; i < block.keys().size(); i++) {
            RawValue.Key key = block.keys().get(i);
            if (known.contains(key.name())) {
                values.put(key.name(), block.items().get(i));
            } else {
                report.problem(
                        key.place(),
                        (path.isEmpty() ? "" : path + ".") + RawValue.printable(key.name()),
                        "unknown key",
                        Suggestion.nearest(key.name(), known)
                                .map(near -> "did you mean \"" + near + "\"?")
                                .orElse("the keys here are " + String.join(", ", known)));
            }
        }
        return Optional.of(values);
    }

    /** Reports a version that is missing or another one. */
    void version(@Nullable RawValue value, Place file, String key, String wanted) {
        if (value == null || !value.isText() || !value.text().equals(wanted)) {
            report.problem(
                    value == null ? file : value.place(),
                    key,
                    value == null ? "is missing" : shown(value) + " is not a version that is known",
                    "write " + key + ": " + wanted);
        }
    }

    /** A value for messages. */
    static String shown(RawValue value) {
        return switch (value.kind()) {
            case NULL -> "nothing";
            case LIST -> value.items().isEmpty() ? "an empty list" : value.shown();
            case BLOCK -> value.items().isEmpty() ? "an empty block" : value.shown();
            case UNTYPED, STRING, BOOLEAN, NUMBER -> value.shown();
        };
    }

    /** A whole number from 0, as it is usually written; empty for anything else. */
    static OptionalInt number(RawValue value, int most) {
        String text = value.text();
        boolean plain = value.is(Kind.NUMBER)
                && !text.isEmpty()
                && text.length() <= 4
                && text.chars().allMatch(c -> c >= '0' && c <= '9')
                && (text.length() == 1 || !text.startsWith("0"));
        if (!plain || Integer.parseInt(text) > most) {
            return OptionalInt.empty();
        }
        return OptionalInt.of(Integer.parseInt(text));
    }
}
