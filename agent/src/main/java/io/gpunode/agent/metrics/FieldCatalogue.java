package io.gpunode.agent.metrics;

import io.gpunode.agent.model.BoardText;
import io.gpunode.agent.model.LinkQuantity;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.model.WantedReadings;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Every device metric that the agent knows. The rows are {@linkplain FieldTable data}; {@code docs/metrics.md} is made from them. Only the rows that
 * somebody asks for are taken apart, since the catalogue is on the way to the agent's start.
 */
public final class FieldCatalogue {
    private static final char NUMBER = '*';

    private static final List<FieldRow> ROWS = new ArrayList<>(256);
    /** By each of their names in upper case, with {@value #NUMBER} for the number of a family's field. */
    private static final Map<String, FieldRow> BY_NAME = new HashMap<>(1024);

    static {
        for (String block : FieldTable.BLOCKS) {
            // Not by a stream: this is on the way to the agent's start.
            int start = 0;
            while (start < block.length()) {
                int end = block.indexOf('\n', start);
                add(block.substring(start, end));
                start = end + 1;
            }
        }
    }

    private FieldCatalogue() {}

    private static void add(String line) {
        FieldRow row = new FieldRow(line);
        ROWS.add(row);
        for (String name : row.names()) {
            BY_NAME.put(upperCase(name), row);
        }
    }

    /** All names that {@code metrics.fields} may hold, other spellings included, in the catalogue's order. */
    public static Collection<String> names() {
        Set<String> names = new LinkedHashSet<>();
        for (Field field : fields()) {
            names.add(field.name());
            names.addAll(field.aliases());
        }
        return names;
    }

    /** The names shown by default, in the catalogue's order. */
    public static List<String> defaultNames() {
        List<String> names = new ArrayList<>();
        for (FieldRow row : ROWS) {
            if (row.byDefault()) {
                names.add(row.field(0).name());
            }
        }
        return names;
    }

    /**
     * The row that a name or number means: DCGM's old and new spellings in any case, the lower-case names of exporter 1.x, and field ids.
     *
     * @return empty when there is none; a row may be {@linkplain Field.Refused refused}
     */
    static Optional<Field> find(String nameOrId) {
        if (nameOrId.isEmpty()) {
            return Optional.empty();
        }
        if (isDigit(nameOrId.charAt(0))) {
            return byId(nameOrId);
        }
        String name = upperCase(nameOrId);
        FieldRow row = BY_NAME.get(name);
        if (row != null) {
            return name.indexOf(NUMBER) < 0 ? Optional.of(row.field(0)) : Optional.empty();
        }
        return Optional.ofNullable(ofFamily(name)).or(() -> RefusedFields.named(name));
    }

    private static Optional<Field> byId(String text) {
        int id = number(text, 0, text.length());
        if (id <= 0) {
            return Optional.empty();
        }
        for (FieldRow row : ROWS) {
            int place = row.ids().placeOf(id);
            if (place >= 0) {
                return Optional.of(row.field(place));
            }
        }
        return RefusedFields.numbered(id);
    }

    /** The field of a family: one of the numbers in its name is the family's. */
    private static @Nullable Field ofFamily(String name) {
        int end = name.length();
        while (end > 0) {
            if (!isDigit(name.charAt(end - 1))) {
                end--;
                continue;
            }
            int start = end;
            while (start > 0 && isDigit(name.charAt(start - 1))) {
                start--;
            }
            FieldRow row = BY_NAME.get(name.substring(0, start) + NUMBER + name.substring(end));
            int number = number(name, start, end);
            if (row != null && number >= 0 && number < row.ids().count()) {
                return row.field(number);
            }
            end = start;
        }
        return null;
    }

    /** A number without leading zeros; -1 when it is none. */
    private static int number(String text, int start, int end) {
        if (end - start > 5 || (end - start > 1 && text.charAt(start) == '0')) {
            return -1;
        }
        int number = 0;
        for (int i = start; i < end; i++) {
            if (!isDigit(text.charAt(i))) {
                return -1;
            }
            number = 10 * number + text.charAt(i) - '0';
        }
        return number;
    }

    private static boolean isDigit(char c) {
        return c >= '0' && c <= '9';
    }

    private static String upperCase(String name) {
        return name.toUpperCase(Locale.ROOT);
    }

    /** What has to be read for these rows. */
    static WantedReadings wanted(List<ChosenField> fields) {
        Set<Quantity> quantities = EnumSet.noneOf(Quantity.class);
        Set<LinkQuantity> linkQuantities = EnumSet.noneOf(LinkQuantity.class);
        Set<BoardText> texts = EnumSet.noneOf(BoardText.class);
        for (ChosenField chosen : fields) {
            switch (chosen.field().source()) {
                case Field.Sampled sampled -> quantities.add(sampled.quantity());
                case Field.PerLink perLink -> linkQuantities.add(perLink.quantity());
                case Field.OfLink ofLink -> linkQuantities.add(ofLink.quantity());
                case Field.Label(Field.LabelText text) -> {
                    if (text.boardText() != null) {
                        texts.add(text.boardText());
                    }
                }
                case Field.Derived derived -> quantities.addAll(derived.reads());
                case Field.LastXid _, Field.Refused _ -> {}
            }
        }
        return WantedReadings.of(quantities, linkQuantities, texts);
    }

    /** All fields that can be shown, in the catalogue's order. */
    static List<Field> fields() {
        List<Field> fields = new ArrayList<>();
        for (FieldRow row : ROWS) {
            for (int place = 0; place < row.ids().count(); place++) {
                fields.add(row.field(place));
            }
        }
        return fields;
    }
}
