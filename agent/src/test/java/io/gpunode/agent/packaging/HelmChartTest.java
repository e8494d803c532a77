package io.gpunode.agent.packaging;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.ConfigException;
import io.gpunode.agent.config.ConfigLoader;
import io.gpunode.agent.config.ConfigSchema;
import io.gpunode.agent.config.Setting;
import io.gpunode.agent.config.Spelling;
import io.gpunode.agent.metrics.FieldChoices;
import io.gpunode.agent.testing.Golden;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;

/** The chart, rendered by Helm's own engine with several values, and whether it fits the agent, its documents and what monitors it. */
@Timeout(20)
class HelmChartTest {
    private static final Path CHART = Path.of("..", "packaging", "helm", "gpu-node-agent");
    private static final Path MONITORING = Path.of("..", "packaging", "monitoring");
    private static final Path VALUES = Path.of("src", "test", "resources", "helm");

    @TempDir
    private static Path results;

    @BeforeAll
    @Timeout(60)
    static void render() throws IOException, InterruptedException {
        assumeTrue(
                "amd64".equals(System.getProperty("os.arch")),
                "Helm's engine comes as a native library for linux-amd64 alone");
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "--enable-native-access=ALL-UNNAMED",
                // The engine is unpacked there.
                "-Djava.io.tmpdir=" + results,
                "-cp",
                System.getProperty("java.class.path"),
                HelmRender.class.getName(),
                CHART.toRealPath().toString(),
                results.toString()));
        try (Stream<Path> files = Files.list(VALUES)) {
            files.map(Path::toString).sorted().forEach(command::add);
        }
        Path output = results.resolve("output");
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        boolean ended = process.waitFor(50, TimeUnit.SECONDS);
        if (!ended) {
            process.destroyForcibly();
        }
        assertThat(ended && process.exitValue() == 0)
                .as(() -> {
                    try {
                        return Files.readString(output);
                    } catch (IOException e) {
                        return e.toString();
                    }
                })
                .isTrue();
    }

    @ParameterizedTest
    @ValueSource(strings = {"defaults", "everything", "lean"})
    void rendersAsReviewed(String values) throws IOException {
        // When
        String rendered = rendered(values);

        // Then
        Golden.check("helm/" + values + ".yaml", rendered);
    }

    @ParameterizedTest
    @ValueSource(strings = {"defaults", "everything", "lean", "unquoted"})
    void everyMountHasItsVolumeAndEveryVolumeIsMounted(String values) throws IOException {
        // Given
        Map<?, ?> pod = pod(values);

        // When
        Set<Object> mounted = names(container(pod), "volumeMounts");

        // Then
        assertThat(mounted).isEqualTo(names(pod, "volumes"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"defaults", "everything", "lean", "unquoted"})
    void theAgentTakesTheConfigurationAndTheEnvironmentOfItsPod(String values, @TempDir Path folder)
            throws IOException, ConfigException {
        // Given
        Path file = folder.resolve("config.yaml");
        Files.writeString(file, text(object(values, "ConfigMap", "gpu-node-agent"), "data", "config.yaml"));
        Map<String, String> environment = new HashMap<>();
        for (Object variable : list(container(pod(values)), "env")) {
            Object value = ((Map<?, ?>) variable).get("value");
            environment.put(text(variable, "name"), value == null ? "node-a" : value.toString());
        }
        assertThat(known()).containsAll(environment.keySet());
        // They are the pod's own files.
        environment.remove("GPU_NODE_AGENT_CONFIG_DIRECTORY");
        environment.remove("GPU_NODE_AGENT_HTTP_WEB_CONFIG_FILE");

        // When
        AgentConfig config = new ConfigLoader(environment, () -> "pod-name", file, FieldChoices::judge)
                .load(List.of(), Optional.empty())
                .config();

        // Then
        assertThat(config.host().root()).isEqualTo(Path.of("/host"));
        assertThat(config.host().nodeName()).isEqualTo("node-a");
    }

    @ParameterizedTest
    @ValueSource(strings = {"defaults", "everything", "lean"})
    void noMoreIsAllowedThanTheDocumentLists(String values) throws IOException {
        // Given
        String document = Files.readString(Path.of("..", "docs", "kubernetes.md"));
        int begin = document.indexOf("```yaml\napiVersion: rbac") + "```yaml\n".length();
        Set<String> documented = rights(
                yaml(document.substring(begin, document.indexOf("```", begin))).getFirst());

        // When
        Set<String> rendered = new TreeSet<>();
        for (Object object : yaml(rendered(values))) {
            if (Set.of("Role", "ClusterRole").contains(text(object, "kind"))) {
                rendered.addAll(rights(object));
            }
        }

        // Then
        assertThat(documented).containsAll(rendered);
    }

    @Test
    void thePodMonitorScrapesAsTheOneOfTheMonitoringFolderDoes() throws IOException {
        // Given
        Object shipped = yaml(Files.readString(MONITORING.resolve("kubernetes/podmonitor.yaml")))
                .getFirst();

        // When
        Map<?, ?> rendered = object("lean", "PodMonitor", "gpu-node-agent");

        // Then
        assertThat(list(member(rendered, "spec"), "podMetricsEndpoints"))
                .isEqualTo(list(member(shipped, "spec"), "podMetricsEndpoints"));
        assertThat(text(rendered, "spec", "selector", "matchLabels", "app.kubernetes.io/name"))
                .isEqualTo(text(shipped, "spec", "selector", "matchLabels", "app.kubernetes.io/name"));
        assertThat(text(list(container(pod("lean")), "ports").getFirst(), "name"))
                .isEqualTo("metrics");
    }

    @Test
    void rulesAndDashboardsAreThoseOfTheMonitoringFolder() throws IOException {
        // Given
        Object rules = yaml(Files.readString(MONITORING.resolve("prometheus/gpu-node-agent.rules.yaml")))
                .getFirst();

        // When
        Map<?, ?> rendered = object("monitored", "PrometheusRule", "gpu-node-agent");

        // Then
        assertThat(list(member(rendered, "spec"), "groups")).isEqualTo(list(rules, "groups"));
        try (Stream<Path> dashboards = Files.list(MONITORING.resolve("grafana"))) {
            for (Path file : dashboards.toList()) {
                String name = file.getFileName().toString();
                assertThat(text(
                                object(
                                        "monitored",
                                        "ConfigMap",
                                        "gpu-node-agent-dashboard-" + name.replace(".json", "")),
                                "data",
                                "gpu-node-agent-" + name))
                        .isEqualTo(Files.readString(file));
            }
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            bad-unknown-value     | additional properties 'daemonSet' not allowed
            bad-port              | at '/web/port': maximum: got 94,000, want 65,535
            bad-sink              | config.labels.sink is "auto": write file, node-feature, node or off
            bad-driver            | config.driver.manage: the driver is managed by the agent of the package
            bad-host-root         | config.host.root: the chart sets it
            bad-web               | name the Secret that holds it in web.configSecret
            bad-directory         | kubeletDirectory is "var/lib/kubelet/": write the absolute path
            bad-strategy          | at '/updateStrategy
            bad-type              | at '/config/version': value must be 'v1'
            bad-type              | at '/config/attribution': got string, want object
            """)
    void valuesThatCannotWorkAreRefusedWithTheNextStep(String values, String message) throws IOException {
        // When
        String error = Files.readString(results.resolve(values + ".error"));

        // Then
        assertThat(error).contains(message);
    }

    @Test
    void asksForTheImageThatThisVersionBuilds() throws IOException {
        // Given
        Matcher version =
                Pattern.compile("(?m)^  <version>(.*)</version>$").matcher(Files.readString(Path.of("..", "pom.xml")));
        assertThat(version.find()).isTrue();

        // When
        String image = text(container(pod("defaults")), "image");

        // Then
        assertThat(image).isEqualTo("gpu-node-agent:" + version.group(1));
    }

    @Test
    void offWithoutQuotesIsTheWordThatTheAgentKnows() throws IOException {
        // When
        List<Object> objects = yaml(rendered("unquoted"));

        // Then
        assertThat(configuration("gpu-node-agent", "config.yaml"))
                .isEqualTo(Map.of(
                        "version", "v1",
                        "kubernetes", Map.of("api", "off", "events", false),
                        "labels", Map.of("sink", "off"),
                        "driver",
                                Map.of(
                                        "manage", false,
                                        "peermem", "on",
                                        "persistenced", "off",
                                        "fabricManager", "off",
                                        "imex", "on")));
        assertThat(configuration("gpu-node-agent-named", "quiet"))
                .isEqualTo(Map.of("version", "v1", "labels", Map.of("sink", "off")));
        assertThat(objects)
                .extracting(object -> text(object, "kind"))
                .containsExactlyInAnyOrder("ServiceAccount", "ConfigMap", "ConfigMap", "DaemonSet");
    }

    @Test
    void everySettingThatMayBeOffIsKeptAsAWord() throws IOException {
        // Given
        List<String> settings = ConfigSchema.ALL.stream()
                .filter(Setting::inFile)
                .filter(setting -> setting.typeText().contains("`off`"))
                .map(Setting::path)
                .toList();
        assertThat(settings).contains("kubernetes.api");

        // When
        String helpers = Files.readString(CHART.resolve("templates").resolve("_helpers.tpl"));

        // Then
        assertThat(helpers)
                .contains(settings.stream().map(setting -> '"' + setting + '"').toList());
    }

    private static Object configuration(String name, String key) throws IOException {
        return yaml(text(object("unquoted", "ConfigMap", name), "data", key)).getFirst();
    }

    private static Set<String> known() {
        return Stream.concat(
                        Stream.of("NODE_NAME"),
                        ConfigSchema.ALL.stream()
                                .flatMap(setting -> setting.environment().stream())
                                .map(Spelling::name))
                .collect(Collectors.toSet());
    }

    private static Set<String> rights(Object role) {
        Set<String> rights = new TreeSet<>();
        for (Object rule : list(role, "rules")) {
            for (Object group : list(rule, "apiGroups")) {
                for (Object resource : list(rule, "resources")) {
                    for (Object verb : list(rule, "verbs")) {
                        rights.add(group + "/" + resource + " " + verb);
                    }
                }
            }
        }
        return rights;
    }

    private static String rendered(String values) throws IOException {
        return Files.readString(results.resolve(values + ".yaml"));
    }

    private static Map<?, ?> pod(String values) throws IOException {
        return member(object(values, "DaemonSet", "gpu-node-agent"), "spec", "template", "spec");
    }

    private static Object container(Map<?, ?> pod) {
        return list(pod, "containers").getFirst();
    }

    private static Set<Object> names(Object of, String key) {
        return list(of, key).stream().map(each -> text(each, "name")).collect(Collectors.toSet());
    }

    private static Map<?, ?> object(String values, String kind, String name) throws IOException {
        for (Object object : yaml(rendered(values))) {
            if (text(object, "kind").equals(kind)
                    && text(object, "metadata", "name").equals(name)) {
                return (Map<?, ?>) object;
            }
        }
        throw new AssertionError("no " + kind + " " + name + " is rendered with " + values);
    }

    private static List<Object> yaml(String text) {
        List<Object> documents = new ArrayList<>();
        for (Object document : new Load(LoadSettings.builder().build()).loadAllFromString(text)) {
            documents.add(document);
        }
        return documents;
    }

    private static Map<?, ?> member(Object of, String... path) {
        Object at = of;
        for (String key : path) {
            at = Objects.requireNonNull(((Map<?, ?>) at).get(key), key);
        }
        return (Map<?, ?>) at;
    }

    private static List<?> list(Object of, String key) {
        return (List<?>) Objects.requireNonNull(((Map<?, ?>) of).get(key), key);
    }

    private static String text(Object of, String... path) {
        Object at = of;
        for (String key : path) {
            at = Objects.requireNonNull(((Map<?, ?>) at).get(key), key);
        }
        return at.toString();
    }
}
