package io.gpunode.agent.metrics;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Micrometer's page in the text format, taken apart into families, so that they can be shown in either format and in their places among the others. A series without a
 * number (NaN) is left out: a gauge that has nothing to say is absent.
 *
 * @param families in Micrometer's order
 * @param text their series, one line each; not to be changed
 */
@SuppressWarnings("ArrayRecordComponent") // Rendered once, never changed or compared.
record RenderedMeters(List<Family> families, byte[] text) {
    private static final String HELP = "# HELP ";
    private static final String TYPE = "# TYPE ";
    private static final byte[] NO_NUMBER = " NaN".getBytes(StandardCharsets.US_ASCII);

    /**
     * @param from where its series begin in the text
     * @param to where they end
     */
    record Family(MetricFamily family, int from, int to) {}

    /** @param known families of earlier renderings by name; those that are new are added */
    static RenderedMeters parse(byte[] page, Map<String, MetricFamily> known) {
        byte[] kept = new byte[page.length];
        int length = 0;
        List<Family> families = new ArrayList<>();
        MetricFamily family = null;
        int from = 0;
        String help = "";
        for (int start = 0, end; start < page.length; start = end) {
            end = lineEnd(page, start);
            if (page[start] != '#') {
                if (!endsWithNoNumber(page, end - 1)) {
                    System.arraycopy(page, start, kept, length, end - start);
                    length += end - start;
                }
                continue;
            }
            String line = new String(page, start, end - start, StandardCharsets.UTF_8).stripTrailing();
            if (line.startsWith(HELP)) {
                int name = line.indexOf(' ', HELP.length());
                help = name < 0 ? "" : unescape(line.substring(name + 1));
            } else if (line.startsWith(TYPE)) {
                if (family != null && length > from) {
                    families.add(new Family(family, from, length));
                }
                int space = line.lastIndexOf(' ');
                String name = line.substring(TYPE.length(), space);
                family = known.get(name);
                if (family == null) {
                    family = new MetricFamily(name, MetricType.ofText(line.substring(space + 1)), help);
                    known.put(name, family);
                }
                from = length;
                help = "";
            }
        }
        if (family != null && length > from) {
            families.add(new Family(family, from, length));
        }
        return new RenderedMeters(List.copyOf(families), Arrays.copyOf(kept, length));
    }

    /** Behind the line feed, or the end of the page. */
    private static int lineEnd(byte[] page, int start) {
        for (int i = start; i < page.length; i++) {
            if (page[i] == '\n') {
                return i + 1;
            }
        }
        return page.length;
    }

    private static boolean endsWithNoNumber(byte[] page, int lineFeed) {
        int start = lineFeed - NO_NUMBER.length;
        if (start < 0) {
            return false;
        }
        for (int i = 0; i < NO_NUMBER.length; i++) {
            if (page[start + i] != NO_NUMBER[i]) {
                return false;
            }
        }
        return true;
    }

    private static String unescape(String help) {
        if (help.indexOf('\\') < 0) {
            return help;
        }
        StringBuilder text = new StringBuilder(help.length());
        for (int i = 0; i < help.length(); i++) {
            char c = help.charAt(i);
            if (c == '\\' && i + 1 < help.length()) {
                char next = help.charAt(++i);
                text.append(next == 'n' ? '\n' : next);
            } else {
                text.append(c);
            }
        }
        return text.toString();
    }
}
