package io.gpunode.agent.metrics;

/** What a family's TYPE line says. */
enum MetricType {
    GAUGE("gauge"),
    COUNTER("counter");

    private final String text;

    MetricType(String text) {
        this.text = text;
    }

    /** As the text format spells it. */
    String text() {
        return text;
    }

    /** The HELP and TYPE lines of a family. */
    String header(String name, String help) {
        return "# HELP " + name + " " + ExpositionWriter.escapeHelp(help) + "\n# TYPE " + name + " " + text + "\n";
    }
}
