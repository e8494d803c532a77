package io.gpunode.agent.metrics;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The fields of DCGM that the agent cannot give, with the reason: they are known, so that nobody looks for a spelling mistake. */
final class RefusedFields {
    /**
     * A line of {@link FieldTable#REFUSED}.
     *
     * @param names a last {@code *} stands for anything
     * @param why without a full stop
     */
    record Family(List<String> names, FieldIds ids, String why) {}

    private RefusedFields() {}

    /** The field of this name. */
    static Optional<Field> named(String upperCase) {
        for (Family family : families()) {
            for (String name : family.names()) {
                boolean matches = name.endsWith("*")
                        ? upperCase.startsWith(name.substring(0, name.length() - 1))
                                && upperCase.length() >= name.length()
                        : upperCase.equals(name);
                if (matches) {
                    return Optional.of(field(upperCase, 0, family.why()));
                }
            }
        }
        return Optional.empty();
    }

    /** The field of this id. */
    static Optional<Field> numbered(int id) {
        for (Family family : families()) {
            if (family.ids().placeOf(id) >= 0) {
                return Optional.of(field("field " + id, id, family.why()));
            }
        }
        return Optional.empty();
    }

    /** All of them, for the document. */
    static List<Family> families() {
        List<Family> families = new ArrayList<>();
        FieldTable.REFUSED.lines().forEach(line -> {
            String[] columns = line.split(" \\| ", -1);
            families.add(new Family(List.of(columns[0].split(" ", -1)), new FieldIds(columns[1]), columns[2]));
        });
        return families;
    }

    private static Field field(String name, int id, String why) {
        return new Field(
                name, List.of(), id, "Not available.", "", new Field.Refused(why), Field.Scope.BOARD, "", false);
    }
}
