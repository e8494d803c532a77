package io.gpunode.agent.metrics;

import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** A form of the page that {@code /metrics} answers with, chosen by what the request accepts. */
public enum ExpositionFormat {
    /** The Prometheus text format. */
    TEXT("text/plain; version=0.0.4; charset=utf-8"),
    OPENMETRICS_1_0_0("application/openmetrics-text; version=1.0.0; charset=utf-8"),
    /** The draft that Prometheus before 2.36 asks for; the pages are equal. */
    OPENMETRICS_0_0_1("application/openmetrics-text; version=0.0.1; charset=utf-8");

    private static final String TEXT_TYPE = "text/plain";
    private static final String OPENMETRICS_TYPE = "application/openmetrics-text";

    private final String contentType;

    ExpositionFormat(String contentType) {
        this.contentType = contentType;
    }

    /** The value of header {@code Content-Type}. */
    public String contentType() {
        return contentType;
    }

    /** Whether it is one of OpenMetrics' versions. */
    boolean openMetrics() {
        return this != TEXT;
    }

    /**
     * The format that a request prefers, by the weights of RFC 9110 §12.5.1. Between equal weights the earlier range wins. The text format answers
     * wildcards, unknown types and versions, and whatever cannot be read: a page in another format is worth more to its reader than a refusal.
     *
     * @param accept the request's header {@code Accept}; empty when there is none
     */
    public static ExpositionFormat preferred(String accept) {
        ExpositionFormat best = TEXT;
        double bestWeight = 0;
        for (String range : accept.split(",", -1)) {
            String[] parts = range.split(";", -1);
            String version = "";
            double weight = 1;
            for (int i = 1; i < parts.length; i++) {
                String parameter = parts[i].strip().toLowerCase(Locale.ROOT);
                if (parameter.startsWith("version=")) {
                    version = parameter.substring("version=".length()).replace("\"", "");
                } else if (parameter.startsWith("q=")) {
                    weight = weight(parameter.substring("q=".length()));
                }
            }
            ExpositionFormat format = format(parts[0].strip().toLowerCase(Locale.ROOT), version);
            if (format != null && weight > bestWeight) {
                best = format;
                bestWeight = weight;
            }
        }
        return best;
    }

    private static @Nullable ExpositionFormat format(String type, String version) {
        return switch (type) {
            case OPENMETRICS_TYPE ->
                switch (version) {
                    case "", "1.0.0" -> OPENMETRICS_1_0_0;
                    case "0.0.1" -> OPENMETRICS_0_0_1;
                    default -> null;
                };
            case TEXT_TYPE, "text/*", "*/*" -> version.isEmpty() || version.equals("0.0.4") ? TEXT : null;
            default -> null;
        };
    }

    /** A weight; 0 for what is none, so that the range does not count. */
    private static double weight(String text) {
        try {
            double weight = Double.parseDouble(text);
            return weight >= 0 && weight <= 1 ? weight : 0;
        } catch (NumberFormatException _) {
            return 0;
        }
    }
}
