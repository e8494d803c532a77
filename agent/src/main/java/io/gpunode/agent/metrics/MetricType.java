package io.gpunode.agent.metrics;

/** What a family's TYPE line says. */
enum MetricType {
    GAUGE("gauge", "gauge"),
    COUNTER("counter", "counter"),
    SUMMARY("summary", "summary"),
    HISTOGRAM("histogram", "histogram"),
    UNTYPED("untyped", "unknown");

    private final String text;
    private final String openMetricsText;

    MetricType(String text, String openMetricsText) {
        this.text = text;
        this.openMetricsText = openMetricsText;
    }

    /** As the text format spells it. */
    String text() {
        return text;
    }

    /** As OpenMetrics spells it. */
    String openMetricsText() {
        return openMetricsText;
    }

    /** The type of a TYPE line in the text format; untyped for a word that the format does not know. */
    static MetricType ofText(String text) {
        return switch (text) {
            case "gauge" -> GAUGE;
            case "counter" -> COUNTER;
            case "summary" -> SUMMARY;
            case "histogram" -> HISTOGRAM;
            default -> UNTYPED;
        };
    }
}
