package io.gpunode.agent.monitoring;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.json.JsonValue;
import java.nio.file.Files;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What can be said of the shipped files without running anything. */
@Timeout(10)
class DashboardsTest {
    private static final Pattern VARIABLE = Pattern.compile("\\$\\{?([a-z_]+)}?");
    private static final Set<String> OF_GRAFANA = Set.of("__rate_interval", "__range", "__all");
    private static final Set<String> SEVERITIES = Set.of("critical", "warning", "info");

    @Test
    void panelsLieInTheGridAndOnNoOther() throws Exception {
        for (Map.Entry<String, JsonValue> dashboard : Shipped.dashboards().entrySet()) {
            Set<String> taken = new HashSet<>();
            Set<Long> ids = new HashSet<>();
            for (JsonValue panel : dashboard.getValue().member("panels").elements()) {
                JsonValue place = panel.member("gridPos");
                int x = number(place, "x");
                int y = number(place, "y");
                IntStream.range(x, x + number(place, "w")).forEach(column -> {
                    assertThat(column).as(panel.member("title").textOr("")).isLessThan(24);
                    IntStream.range(y, y + number(place, "h"))
                            .forEach(line -> assertThat(taken.add(column + "/" + line))
                                    .as(
                                            "%s: %s lies on another",
                                            dashboard.getKey(),
                                            panel.member("title").textOr(""))
                                    .isTrue());
                });
                assertThat(ids.add(panel.member("id").wholeNumber().orElseThrow()))
                        .isTrue();
            }
        }
    }

    @Test
    void everyVariableThatIsUsedIsThere() throws Exception {
        for (Map.Entry<String, JsonValue> dashboard : Shipped.dashboards().entrySet()) {
            Set<String> there = dashboard.getValue().member("templating").member("list").elements().stream()
                    .map(variable -> variable.member("name").textOr(""))
                    .collect(Collectors.toCollection(TreeSet::new));
            Set<String> used = new TreeSet<>();
            Matcher variables = VARIABLE.matcher(
                    Files.readString(Shipped.FOLDER.resolve("grafana").resolve(dashboard.getKey())));
            while (variables.find()) {
                used.add(variables.group(1));
            }
            used.removeAll(OF_GRAFANA);
            assertThat(used).as(dashboard.getKey()).isEqualTo(there);
            assertThat(there).contains("datasource", "instance", "gpu");
        }
    }

    @Test
    void dashboardsCanBeImportedMoreThanOnceAndFoundByTheirName() throws Exception {
        // When
        Map<String, JsonValue> dashboards = Shipped.dashboards();

        // Then
        assertThat(dashboards).hasSize(2);
        assertThat(dashboards.values().stream()
                        .map(dashboard -> dashboard.member("uid").textOr("")))
                .doesNotHaveDuplicates()
                .allMatch(uid -> uid.startsWith("gpu-node-agent-"));
        assertThat(dashboards.values()).allSatisfy(dashboard -> {
            assertThat(dashboard.member("id").absent()).isTrue();
            assertThat(dashboard.member("schemaVersion").wholeNumber()).hasValue(41);
        });
    }

    @Test
    void everyAlertSaysHowBadItIsAndWhatToTypeNext() throws Exception {
        // When
        List<Shipped.Rule> alerts =
                Shipped.rules().stream().filter(Shipped.Rule::alert).toList();

        // Then
        assertThat(alerts).hasSizeGreaterThan(30).allSatisfy(alert -> {
            Map<?, ?> labels = (Map<?, ?>) Objects.requireNonNull(alert.whole().get("labels"));
            Map<?, ?> annotations =
                    (Map<?, ?>) Objects.requireNonNull(alert.whole().get("annotations"));
            assertThat(SEVERITIES).as(alert.name()).contains(String.valueOf(labels.get("severity")));
            assertThat(String.valueOf(annotations.get("summary")))
                    .as(alert.name())
                    .contains("{{ $labels.instance }}");
            assertThat(String.valueOf(annotations.get("description")))
                    .as(alert.name())
                    .containsPattern(
                            "gpu-node-agent [a-z]|nvidia-smi|journalctl|curl|kubectl|ipmitool|ss -|lspci|openssl");
        });
    }

    @Test
    void everyRuleHasAUnitTestAndEveryAlertALineInTheDocument() throws Exception {
        // When
        String tests = Files.readString(Shipped.RULE_TESTS);
        String document = Files.readString(Shipped.FOLDER.resolve("../../docs/monitoring.md"));

        // Then
        assertThat(Shipped.rules()).allSatisfy(rule -> {
            assertThat(tests).contains(rule.name());
            if (rule.alert()) {
                assertThat(document).contains("| `" + rule.name() + "` |");
            }
        });
    }

    private static int number(JsonValue place, String name) {
        return (int) place.member(name).wholeNumber().orElseThrow();
    }
}
