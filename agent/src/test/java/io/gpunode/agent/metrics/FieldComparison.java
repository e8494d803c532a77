package io.gpunode.agent.metrics;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;

/** Makes {@code docs/fields.md}: every field of DCGM beside ours. */
final class FieldComparison {
    private static final String HEAD = """
            # Every field of DCGM, and what the agent makes of it

            The fields of DCGM 4.6 by number. *Same*: the value means what it means in dcgm-exporter. *Better*: the same value, and something about
            it is put right. *Not possible*: it is refused at start with the reason, unless `metrics.leaveOutUnavailable` leaves such fields out.
            What the agent reads for each field is in [metrics.md](metrics.md). This page is made by `FieldCatalogueTest`.

            | Id | Field | Agent | Why |
            |---|---|---|---|
            """;

    private static final String RATE =
            "a rate, and no counter; each link's counters are followed, and one that was reset gives no wrong value";
    private static final String SUM = "the sum of all links, and not of one";
    private static final String TENTHS = "with its fraction; DCGM cuts to whole watts";
    private static final String MIG =
            "once per board: DCGM repeats it for each MIG instance, so that sums are too high";

    private static final Map<Integer, String> BETTER = new LinkedHashMap<>();

    static {
        for (int id : new int[] {449, 843, 897}) {
            BETTER.put(id, RATE);
        }
        for (int id : new int[] {160, 161, 162, 163, 164}) {
            BETTER.put(id, TENTHS);
        }
        for (int id : new int[] {497, 498, 499}) {
            BETTER.put(id, SUM);
        }
        for (int id : new int[] {155, 156}) {
            BETTER.put(id, MIG);
        }
        BETTER.put(1, "a text changes with the driver, without a restart");
        BETTER.put(200, "DCGM 4.6 answers it no longer");
        BETTER.put(201, "DCGM 4.6 answers it no longer");
        BETTER.put(
                230, "shown for the MIG instance that it is about; XIDs that only the kernel's log has are seen, too");
        BETTER.put(392, "a flag, and no counter");
    }

    private FieldComparison() {}

    static String text() throws IOException {
        StringBuilder text = new StringBuilder(HEAD);
        for (String line : FieldCatalogueTest.lines("dcgm-fields.txt")) {
            String[] columns = line.split(" ", -1);
            Field field = FieldCatalogue.find(columns[1]).orElseThrow();
            int id = Integer.parseInt(columns[0]);
            StringBuilder names = new StringBuilder();
            for (int i = 1; i < columns.length; i++) {
                names.append(i > 1 ? ", " : "").append('`').append(columns[i]).append('`');
            }
            if (field.source() instanceof Field.Refused(String why)) {
                MetricsDocument.row(text, columns[0], names.toString(), "not possible", why);
            } else {
                MetricsDocument.row(
                        text,
                        columns[0],
                        names.toString(),
                        BETTER.containsKey(id) || isLinkRate(field) ? "better" : "same",
                        isLinkRate(field) ? RATE : BETTER.getOrDefault(id, ""));
            }
        }
        return text.toString();
    }

    private static boolean isLinkRate(Field field) {
        return field.unit().equals("MB/s") && field.source() instanceof Field.OfLink;
    }
}
