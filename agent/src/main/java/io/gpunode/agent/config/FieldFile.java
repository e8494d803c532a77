package io.gpunode.agent.config;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Reads the field files of dcgm-exporter: a row a field with three cells (name, type, help text), comments that begin with {@code #}, blanks
 * around each cell that do not count, and cells in double quotes that may hold commas. What is wrong is told for all rows at once, with line and
 * column. Where the exporter would end its start over a row that can only mean one thing, such as a blank before a quote, the row is taken.
 */
final class FieldFile {
    private static final int MOST_ROWS = 2_000;
    private static final int LONGEST_CELL = 4_096;
    private static final List<String> TYPES = List.of("gauge", "counter", "label", "histogram", "summary", "untyped");
    private static final String FORM = "write it as NAME, TYPE, HELP TEXT";

    /** Names the exporter's own metrics, whose type column it does not look at. */
    private static final String EXPORTERS_OWN = "DCGM_EXP_";

    private final String name;
    private final String text;
    private final Report report;
    private final List<Row> rows = new ArrayList<>();
    private final Map<String, Row> byName = new LinkedHashMap<>();
    private int at;
    private int line = 1;
    private int lineStart;

    /**
     * A row that can be used.
     *
     * @param choice what it asks for
     * @param place of its name
     */
    record Row(FieldChoice choice, Place place) {}

    /** A cell with its place, so that what is wrong with it can be told later. */
    private record Cell(String text, Place place) {}

    private FieldFile(String name, String text, Report report) {
        this.name = name;
        this.text = text;
        this.report = report;
    }

    /**
     * The rows of a text, in its order, each name once.
     *
     * @param name of the file in messages
     */
    static List<Row> read(String name, String text, Report report) {
        FieldFile reader = new FieldFile(name, text, report);
        int before = report.problems().size();
        reader.file();
        if (reader.rows.isEmpty() && report.problems().size() == before) {
            report.problem(
                    Place.file(name),
                    "",
                    "holds no field",
                    "write a row for each, such as: DCGM_FI_DEV_GPU_TEMP, gauge, GPU temperature (in C).");
        }
        return reader.rows;
    }

    /** Whether a word is what the second cell may say. */
    static boolean isType(String word) {
        return TYPES.contains(word);
    }

    /** The nearest of {@link #isType}, as a next step. */
    static String typeStep(String word) {
        return Suggestion.nearest(word, TYPES)
                .map(near -> "did you mean \"" + near + "\"?")
                .orElse("write gauge, counter or label");
    }

    /** Whether a text can name a field: letters, digits and underscores. */
    static boolean isName(String text) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if ((c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_') {
                return false;
            }
        }
        return !text.isEmpty() && text.length() <= 128;
    }

    private void file() {
        while (at < text.length()) {
            skipBlanks();
            if (at >= text.length()) {
                return;
            }
            char c = text.charAt(at);
            if (c == '#') {
                toLineEnd();
            } else if (c != '\n') {
                Optional<List<Cell>> cells = cells();
                if (cells.isPresent()) {
                    row(cells.get());
                }
            }
            if (rows.size() > MOST_ROWS) {
                report.problem(here(), "", "there are more than " + MOST_ROWS + " fields", "name a field file");
                return;
            }
            lineEnd();
        }
    }

    private void row(List<Cell> cells) {
        Cell first = cells.getFirst();
        String field = first.text();
        if (cells.size() != 3) {
            report.problem(first.place(), "", counted(cells), wayOut(cells));
            return;
        }
        boolean good = true;
        if (!isName(field)) {
            report.problem(
                    first.place(),
                    "",
                    (field.isEmpty() ? "the name is missing" : quoted(field) + " is not a field name"),
                    "write a name such as DCGM_FI_DEV_GPU_TEMP");
            good = false;
        }
        Cell type = cells.get(1);
        boolean free = field.startsWith(EXPORTERS_OWN);
        if (!isType(type.text()) && !free) {
            report.problem(
                    type.place(),
                    "",
                    type.text().isEmpty() ? "the type is missing" : quoted(type.text()) + " is not a type",
                    typeStep(type.text()));
            good = false;
        }
        if (!good) {
            return;
        }
        String said = isType(type.text()) ? type.text() : "";
        Row row = new Row(new FieldChoice(field, said, cells.get(2).text()), first.place());
        Row before = byName.putIfAbsent(field, row);
        if (before == null) {
            rows.add(row);
        } else {
            report.notice(
                    first.place(),
                    "",
                    quoted(field) + " is listed twice, first at "
                            + before.place().problemText(),
                    "the first row counts; remove one of the two");
        }
    }

    private static String counted(List<Cell> cells) {
        return cells.size() == 1
                ? "the row of " + quoted(cells.getFirst().text()) + " has one cell instead of three"
                : "the row of " + quoted(cells.getFirst().text()) + " has " + cells.size() + " cells instead of three";
    }

    private static String wayOut(List<Cell> cells) {
        return cells.size() > 3 && isType(cells.get(1).text())
                ? "put a help text that holds commas in double quotes"
                : FORM;
    }

    /** The cells of the row that begins here, up to its line end; empty when they cannot be told apart, which is then reported. */
    private Optional<List<Cell>> cells() {
        List<Cell> cells = new ArrayList<>();
        while (true) {
            skipBlanks();
            Place place = here();
            if (at < text.length() && text.charAt(at) == '"') {
                Optional<String> quoted = quotedCell(place);
                if (quoted.isEmpty()) {
                    return Optional.empty();
                }
                cells.add(new Cell(quoted.get().strip(), place));
                skipBlanks();
                if (at < text.length() && text.charAt(at) != ',' && text.charAt(at) != '\n') {
                    report.problem(
                            here(),
                            "",
                            "there is text after the closing quote",
                            "put all of the cell between the quotes, and write a quote in it twice");
                    toLineEnd();
                    return Optional.empty();
                }
            } else {
                int start = at;
                while (at < text.length() && text.charAt(at) != ',' && text.charAt(at) != '\n') {
                    at++;
                }
                cells.add(new Cell(text.substring(start, at).strip(), place));
            }
            if (cells.getLast().text().length() > LONGEST_CELL) {
                report.problem(
                        place,
                        "",
                        "the cell has more than " + LONGEST_CELL + " characters",
                        "shorten it, or close the quote where it ends");
                toLineEnd();
                return Optional.empty();
            }
            if (at >= text.length() || text.charAt(at) == '\n') {
                return Optional.of(cells);
            }
            at++;
        }
    }

    /** The text between the quotes; where they are not closed, the rest of the line is passed over. */
    private Optional<String> quotedCell(Place place) {
        int from = at;
        int lineBefore = line;
        int startBefore = lineStart;
        StringBuilder cell = new StringBuilder();
        at++;
        while (at < text.length()) {
            char c = text.charAt(at++);
            if (c != '"') {
                cell.append(c);
                if (c == '\n') {
                    line++;
                    lineStart = at;
                }
            } else if (at < text.length() && text.charAt(at) == '"') {
                cell.append(c);
                at++;
            } else {
                return Optional.of(cell.toString());
            }
        }
        report.problem(place, "", "the quote that begins here is not closed", "close it, or write a quote in it twice");
        at = from;
        line = lineBefore;
        lineStart = startBefore;
        toLineEnd();
        return Optional.empty();
    }

    private void skipBlanks() {
        while (at < text.length() && text.charAt(at) != '\n' && Character.isWhitespace(text.charAt(at))) {
            at++;
        }
    }

    private void toLineEnd() {
        while (at < text.length() && text.charAt(at) != '\n') {
            at++;
        }
    }

    private void lineEnd() {
        if (at < text.length() && text.charAt(at) == '\n') {
            at++;
            line++;
            lineStart = at;
        }
    }

    private Place here() {
        return Place.file(name, line, at - lineStart + 1);
    }

    private static String quoted(String text) {
        return "\"" + RawValue.printable(text) + "\"";
    }
}
