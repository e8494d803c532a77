package io.gpunode.agent.metrics;

import java.nio.charset.StandardCharsets;
import java.util.regex.Pattern;

/**
 * A metric family with what is written of it in each format prepared: the lines that begin it and its name.
 *
 * <p>OpenMetrics wants the samples of a counter to end in {@code _total} and the family to be named without it. A counter with another name, such as most of
 * DCGM's, is of type {@code unknown} there, so that its samples keep the name that dashboards ask for; Go's expfmt does the same.
 */
final class MetricFamily {
    private static final Pattern NAME = Pattern.compile("[a-zA-Z_:][a-zA-Z0-9_:]*");
    private static final String TOTAL = "_total";

    private final String name;
    private final MetricType type;
    private final byte[] nameBytes;
    private final byte[] textHeader;
    private final byte[] openMetricsHeader;

    /**
     * @param name that of its samples
     * @param help not escaped
     * @throws IllegalArgumentException when the format does not allow the name
     */
    MetricFamily(String name, MetricType type, String help) {
        if (!NAME.matcher(name).matches()) {
            throw new IllegalArgumentException("not a metric's name: \"" + name
                    + "\"; it has letters, digits, underscores and colons, and begins with no digit");
        }
        this.name = name;
        this.type = type;
        nameBytes = name.getBytes(StandardCharsets.UTF_8);
        textHeader = header(name, type.text(), ExpositionWriter.escapeHelp(help));
        boolean counter = type == MetricType.COUNTER;
        boolean total = counter && name.endsWith(TOTAL) && name.length() > TOTAL.length();
        openMetricsHeader = header(
                total ? name.substring(0, name.length() - TOTAL.length()) : name,
                (counter && !total ? MetricType.UNTYPED : type).openMetricsText(),
                // OpenMetrics escapes quotation marks here, too.
                ExpositionWriter.escapeLabelValue(help));
    }

    private static byte[] header(String name, String type, String help) {
        return ("# HELP " + name + " " + help + "\n# TYPE " + name + " " + type + "\n")
                .getBytes(StandardCharsets.UTF_8);
    }

    String name() {
        return name;
    }

    /** Whether its numbers only grow, so that one below zero is wrong. */
    boolean counter() {
        return type == MetricType.COUNTER;
    }

    /** Its name; not to be changed. */
    byte[] nameBytes() {
        return nameBytes;
    }

    /** Its HELP and TYPE lines; not to be changed. */
    byte[] header(boolean openMetrics) {
        return openMetrics ? openMetricsHeader : textHeader;
    }
}
