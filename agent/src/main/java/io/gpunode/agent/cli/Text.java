package io.gpunode.agent.cli;

import java.util.ArrayList;
import java.util.List;

/** Plain text for terminals. */
final class Text {
    private Text() {}

    /** Control characters replaced: what comes from elsewhere must not move the cursor. */
    static String printable(String text) {
        StringBuilder out = new StringBuilder(text.length());
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            out.append(Character.isISOControl(c) ? '?' : c);
        }
        return out.toString();
    }

    /** A table with a heading; columns as wide as their widest cell, two blanks between. */
    static final class Table {
        private final List<List<String>> rows = new ArrayList<>();

        Table(String... heading) {
            row(heading);
        }

        void row(String... cells) {
            List<String> row = new ArrayList<>();
            for (String cell : cells) {
                row.add(printable(cell));
            }
            rows.add(row);
        }

        @Override
        public String toString() {
            int[] widths = new int[rows.getFirst().size()];
            for (List<String> row : rows) {
                for (int i = 0; i < widths.length; i++) {
                    widths[i] = Math.max(widths[i], row.get(i).length());
                }
            }
            StringBuilder out = new StringBuilder();
            for (List<String> row : rows) {
                StringBuilder line = new StringBuilder();
                for (int i = 0; i < widths.length; i++) {
                    line.append(row.get(i))
                            .repeat(' ', widths[i] + 2 - row.get(i).length());
                }
                out.append(line.toString().stripTrailing()).append('\n');
            }
            return out.toString();
        }
    }
}
