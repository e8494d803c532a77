package io.gpunode.agent.metrics;

import io.gpunode.agent.model.LinkQuantity;
import io.gpunode.agent.model.Quantity;
import java.util.ArrayList;
import java.util.List;

/**
 * One line of the {@link FieldTable}, which describes one field or a family of fields that differ in a number. It is taken apart anew each time that
 * it is asked: that is once for each field that is shown.
 */
final class FieldRow {
    private static final int COLUMNS = 8;
    private static final String SHOWN_BY_DEFAULT = "+";
    private static final String DERIVED = "from ";

    private final String line;

    FieldRow(String line) {
        this.line = line;
    }

    /** Whether it is shown when the configuration says nothing. */
    boolean byDefault() {
        return line.startsWith(SHOWN_BY_DEFAULT);
    }

    /** Its names as the line has them, the exporter's own first. */
    List<String> names() {
        int end = line.indexOf('|');
        List<String> names = new ArrayList<>(4);
        int at = byDefault() ? 1 : 0;
        while (at < end) {
            if (line.charAt(at) == ' ') {
                at++;
                continue;
            }
            int next = line.indexOf(' ', at);
            names.add(line.substring(at, next));
            at = next;
        }
        return names;
    }

    /** The ids of its fields. */
    FieldIds ids() {
        int start = line.indexOf('|') + 1;
        return new FieldIds(line.substring(start, line.indexOf('|', start)).strip());
    }

    /**
     * A field.
     *
     * @param number its number in its family, from 0 on; 0 for a row that is no family
     */
    Field field(int number) {
        String[] columns = columns();
        List<String> names = new ArrayList<>();
        for (String name : names()) {
            names.add(numbered(name, number));
        }
        return new Field(
                names.getFirst(),
                List.copyOf(names.subList(1, names.size())),
                ids().at(number),
                numbered(columns[7], number),
                columns[5],
                source(columns[2], columns[3], columns[4], number),
                columns[3].equals("instance") ? Field.Scope.GPU_INSTANCE : Field.Scope.BOARD,
                columns[6],
                byDefault());
    }

    private String[] columns() {
        String[] columns = new String[COLUMNS];
        int at = 0;
        for (int column = 0; column < COLUMNS - 1; column++) {
            int end = line.indexOf('|', at);
            columns[column] = line.substring(at, end).strip();
            at = end + 1;
        }
        columns[COLUMNS - 1] = line.substring(at).strip();
        return columns;
    }

    private static Field.Source source(String type, String scope, String text, int number) {
        if (type.equals("label")) {
            return new Field.Label(Field.LabelText.valueOf(text));
        }
        if (text.equals("xid")) {
            return new Field.LastXid();
        }
        MetricType metricType = type.equals("counter") ? MetricType.COUNTER : MetricType.GAUGE;
        if (text.startsWith(DERIVED)) {
            String from = text.substring(DERIVED.length());
            return new Field.Derived(metricType, from, DerivedFields.reads(from));
        }
        if (scope.equals("link")) {
            return new Field.PerLink(metricType, LinkQuantity.valueOf(text));
        }
        if (text.startsWith("link ")) {
            return new Field.OfLink(
                    metricType, LinkQuantity.valueOf(text.substring(text.lastIndexOf(' ') + 1)), number);
        }
        boolean orZero = text.endsWith(" or 0");
        String quantity = orZero ? text.substring(0, text.indexOf(' ')) : text;
        int division = quantity.indexOf('/');
        return new Field.Sampled(
                metricType,
                Quantity.valueOf(numbered(division < 0 ? quantity : quantity.substring(0, division), number)),
                conversion(division < 0 ? "" : quantity.substring(division + 1)),
                orZero);
    }

    private static Field.Conversion conversion(String divisor) {
        return switch (divisor) {
            case "" -> Field.Conversion.AS_IS;
            case "1000" -> Field.Conversion.THOUSANDTHS;
            case "MiB" -> Field.Conversion.MEBIBYTES;
            case "ratio" -> Field.Conversion.ERROR_RATIO;
            default -> throw new IllegalArgumentException("the field table divides by " + divisor);
        };
    }

    private static String numbered(String text, int number) {
        return text.indexOf('*') < 0 ? text : text.replace("*", Integer.toString(number));
    }
}
