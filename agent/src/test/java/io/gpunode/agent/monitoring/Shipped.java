package io.gpunode.agent.monitoring;

import io.gpunode.agent.json.JsonException;
import io.gpunode.agent.json.JsonValue;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;

/** The files of {@code packaging/monitoring}, read. */
final class Shipped {
    static final Path FOLDER = Path.of("..", "packaging", "monitoring");
    static final Path RULES = FOLDER.resolve("prometheus/gpu-node-agent.rules.yaml");
    static final Path RULE_TESTS = FOLDER.resolve("prometheus/gpu-node-agent.rules.test.yaml");

    private static final Pattern LABEL_VALUES = Pattern.compile("label_values\\((.*), ([A-Za-z_]+)\\)");

    /** A query and where it stands. */
    record Query(String where, String expression) {
        @Override
        public String toString() {
            return where + ": " + expression;
        }
    }

    /** A rule. */
    record Rule(String name, boolean alert, String expression, Map<?, ?> whole) {}

    private Shipped() {}

    static Map<String, JsonValue> dashboards() throws IOException, JsonException {
        Map<String, JsonValue> all = new TreeMap<>();
        try (Stream<Path> files = Files.list(FOLDER.resolve("grafana"))) {
            for (Path file : files.toList()) {
                all.put(file.getFileName().toString(), JsonValue.parse(Files.readString(file)));
            }
        }
        return all;
    }

    static List<Rule> rules() throws IOException {
        Map<?, ?> file = (Map<?, ?>) yaml(Files.readString(RULES));
        List<Rule> rules = new ArrayList<>();
        for (Object group : (List<?>) Objects.requireNonNull(file.get("groups"))) {
            for (Object rule : (List<?>) Objects.requireNonNull(((Map<?, ?>) group).get("rules"))) {
                Map<?, ?> whole = (Map<?, ?>) rule;
                boolean alert = whole.containsKey("alert");
                rules.add(new Rule(
                        String.valueOf(whole.get(alert ? "alert" : "record")),
                        alert,
                        String.valueOf(whole.get("expr")),
                        whole));
            }
        }
        return rules;
    }

    /** The one document of a text; a key given twice is refused. */
    static Object yaml(String text) {
        return new Load(LoadSettings.builder().build()).loadFromString(text);
    }

    /** Every query of dashboards and rules, with the dashboards' variables filled in as Grafana does it. */
    static List<Query> queries() throws IOException, JsonException {
        List<Query> queries = new ArrayList<>();
        for (Map.Entry<String, JsonValue> dashboard : dashboards().entrySet()) {
            for (JsonValue variable :
                    dashboard.getValue().member("templating").member("list").elements()) {
                Matcher values = LABEL_VALUES.matcher(
                        variable.member("query").member("query").textOr(""));
                if (values.matches()) {
                    queries.add(new Query(
                            dashboard.getKey() + ", variable "
                                    + variable.member("name").textOr(""),
                            "count by (" + values.group(2) + ") (" + filled(values.group(1)) + ")"));
                }
            }
            for (JsonValue panel : dashboard.getValue().member("panels").elements()) {
                for (JsonValue target : panel.member("targets").elements()) {
                    queries.add(new Query(
                            dashboard.getKey() + ", panel "
                                    + panel.member("title").textOr(""),
                            filled(target.member("expr").textOr(""))));
                }
            }
        }
        for (Rule rule : rules()) {
            queries.add(new Query("rule " + rule.name(), rule.expression()));
        }
        return queries;
    }

    private static String filled(String expression) {
        return expression
                .replace("$__rate_interval", "10s")
                .replace("$__range", "1m")
                .replace("${pod_labels}", "")
                .replaceAll("\\$(instance|gpu)", ".*");
    }
}
