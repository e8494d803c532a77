package io.gpunode.agent.metrics;

import io.gpunode.agent.config.FieldChoice;
import io.gpunode.agent.config.FieldRules.Gravity;
import io.gpunode.agent.config.FieldRules.Remark;
import io.gpunode.agent.config.Suggestion;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * From what the configuration asks for to rows of the catalogue. The name and the help text stay as they were written, and so does the type, with
 * three exceptions: a value that can fall is no counter, a number is no label and a text is no number. A gauge may be called for anywhere.
 */
public final class FieldChoices {
    private static final String LABEL = "label";

    private FieldChoices() {}

    /** What there is to say about a choice; empty when it is shown as it was chosen. */
    public static Optional<Remark> judge(FieldChoice choice) {
        Optional<Field> field = FieldCatalogue.find(choice.name());
        if (field.isEmpty()) {
            return Optional.of(new Remark(
                    Gravity.UNKNOWN,
                    "\"" + choice.name() + "\" is not a field of this version",
                    Suggestion.nearest(choice.name(), FieldCatalogue.names())
                            .map(near -> "did you mean \"" + near + "\"?")
                            .orElse("remove it; docs/metrics.md lists all fields")));
        }
        if (field.get().source() instanceof Field.Refused(String why)) {
            return Optional.of(
                    new Remark(Gravity.UNAVAILABLE, "\"" + choice.name() + "\" cannot be shown: " + why, "remove it"));
        }
        MetricType own = field.get().type();
        MetricType shown = type(field.get(), choice.type());
        String asked = choice.type();
        if (asked.isEmpty() || asked.equals(shown == null ? LABEL : shown.text()) || asked.equals("untyped")) {
            return Optional.empty();
        }
        String because = switch (asked) {
            case LABEL -> "its value is a number that changes";
            case "counter" -> own == null ? "its value is a text" : "its value can fall";
            default -> own == null ? "its value is a text" : "it is one number";
        };
        return Optional.of(new Remark(
                Gravity.SHOWN,
                "\"" + choice.name() + "\" is no " + asked + ": " + because,
                "it is shown as " + (shown == null ? LABEL : shown.text())));
    }

    /**
     * The rows that are asked for, sorted by the names that they are shown under, each name once.
     *
     * @throws IllegalArgumentException when a field is unknown or cannot be shown
     */
    static List<ChosenField> rows(List<FieldChoice> choices) {
        List<ChosenField> rows = new ArrayList<>();
        Set<String> names = new HashSet<>();
        for (FieldChoice choice : choices) {
            Field field = FieldCatalogue.find(choice.name())
                    .filter(found -> !(found.source() instanceof Field.Refused))
                    .orElseThrow(() -> new IllegalArgumentException("unknown field \"" + choice.name() + "\""));
            // A number is no name for a metric.
            String name = Character.isDigit(choice.name().charAt(0)) ? field.name() : choice.name();
            if (names.add(name)) {
                rows.add(new ChosenField(
                        name,
                        field,
                        type(field, choice.type()),
                        choice.help().isEmpty() ? field.help() : choice.help()));
            }
        }
        rows.sort(Comparator.comparing(ChosenField::name));
        return List.copyOf(rows);
    }

    private static @Nullable MetricType type(Field field, String asked) {
        MetricType own = field.type();
        return own == MetricType.COUNTER && asked.equals(MetricType.GAUGE.text()) ? MetricType.GAUGE : own;
    }
}
