package io.gpunode.agent.monitoring;

import io.gpunode.agent.testing.Golden;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Keeps what is made from the rules equal to them: the table of {@code docs/monitoring.md} and the object for the Prometheus operator. */
@Timeout(10)
class AlertsDocumentTest {
    private static final String DOCUMENT = "docs/monitoring.md";
    private static final String BEGIN =
            "<!-- made from the rules by AlertsDocumentTest; -Dgolden.update=true writes it again -->\n";
    private static final String END = "<!-- end of what is made from the rules -->\n";

    @Test
    void theDocumentHasEveryAlert() throws IOException {
        // Given
        String document = Files.readString(Path.of("..").resolve(DOCUMENT));

        // When
        String renewed = document.substring(0, document.indexOf(BEGIN) + BEGIN.length())
                + alerts()
                + document.substring(document.indexOf(END));

        // Then
        Golden.checkDocument(DOCUMENT, renewed);
    }

    @Test
    void theObjectForTheOperatorHasTheSameRules() throws IOException {
        // Given
        String rules = Files.readString(Shipped.RULES);

        // When
        StringBuilder object = new StringBuilder("""
                # Made from ../prometheus/gpu-node-agent.rules.yaml by AlertsDocumentTest; -Dgolden.update=true writes it again.
                apiVersion: monitoring.coreos.com/v1
                kind: PrometheusRule
                metadata:
                  name: gpu-node-agent
                  namespace: gpu-node-agent
                  labels:
                    app.kubernetes.io/name: gpu-node-agent
                spec:
                """);
        rules.substring(rules.indexOf("groups:\n"))
                .lines()
                .forEach(line ->
                        object.append(line.isEmpty() ? "" : "  ").append(line).append('\n'));

        // Then
        Golden.checkDocument("packaging/monitoring/kubernetes/prometheusrule.yaml", object.toString());
    }

    private static String alerts() throws IOException {
        StringBuilder out = new StringBuilder("""
                | Alert | Severity | After | Says |
                |---|---|---|---|
                """);
        for (Shipped.Rule rule : Shipped.rules()) {
            if (rule.alert()) {
                Map<?, ?> labels =
                        (Map<?, ?>) Objects.requireNonNull(rule.whole().get("labels"));
                Map<?, ?> annotations =
                        (Map<?, ?>) Objects.requireNonNull(rule.whole().get("annotations"));
                Object after = rule.whole().get("for");
                out.append("| `")
                        .append(rule.name())
                        .append("` | ")
                        .append(labels.get("severity"))
                        .append(" | ")
                        .append(after == null ? "at once" : after)
                        .append(" | ")
                        .append(Objects.requireNonNull(annotations.get("summary"))
                                .toString()
                                .replaceAll("\\{\\{ \\$(?:labels\\.)?([A-Za-z_]+)[^}]*}}", "*$1*"))
                        .append(" |\n");
            }
        }
        return out.toString();
    }
}
