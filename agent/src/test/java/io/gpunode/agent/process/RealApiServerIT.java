package io.gpunode.agent.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.gpunode.agent.json.JsonValue;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The packaged agent and a real API server, with the rights of a kubelet and with those of a service account; see {@link KubeletBed}. */
@Timeout(600)
class RealApiServerIT {
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final String LABEL = "nvidia.com/device-plugin.config";

    private static @Nullable KubeletBed cluster;
    private static Path asKubelet = Path.of("/nonexistent");
    private static Path asPod = Path.of("/nonexistent");

    @TempDir(factory = ShortTempDir.class)
    Path folder;

    @BeforeAll
    static void bringUp() throws Exception {
        Optional<String> missing = KubeletBed.missing();
        assumeTrue(missing.isEmpty(), missing.orElse(""));
        KubeletBed bed = KubeletBed.fullCluster();
        cluster = bed;
        asKubelet = bed.addUser("system:node:" + KubeletBed.NODE, "system:nodes");
        asPod = bed.addUser("gpu-node-agent", "agents");
        bed.restartApiServer(() -> {});
    }

    @AfterAll
    static void bringDown() throws Exception {
        KubeletBed bed = cluster;
        if (bed != null) {
            bed.down();
        }
    }

    private static KubeletBed bed() {
        KubeletBed bed = cluster;
        if (bed == null) {
            throw new IllegalStateException("no cluster");
        }
        return bed;
    }

    private AgentProcess agent(NodeUnderTest node, Path kubeconfig, String... more) throws Exception {
        Path named = Files.createDirectories(folder.resolve("named"));
        Files.writeString(named.resolve("quiet"), "version: v1\nlog: {level: info}\n");
        Files.writeString(named.resolve("loud"), "version: v1\nlog: {level: debug}\n");
        Files.writeString(
                node.config,
                Files.readString(node.config)
                                .replaceAll("nodeName: .*", "nodeName: " + KubeletBed.NODE)
                                // A condition is written every 10 s at most: a shorter illness may not show.
                                .replace("recoveryInterval: 5s", "recoveryInterval: 25s")
                        + "config:\n  directory: " + named + "\n  default: quiet\nkubernetes:\n  kubeconfig: "
                        + kubeconfig + "\n  nodeCondition: true\n");
        return node.startAgent(more);
    }

    private static JsonValue state(String address) throws Exception {
        return JsonValue.parse(AgentProcess.get(address, "/state").body());
    }

    private static void awaitLevel(String address, String level) throws Exception {
        Eventually.within(SOON, () -> {
            String now = AgentProcess.get(address, "/state").body();
            return now.replaceAll("\\s", "").contains("\"log.level\":{\"value\":\"" + level + "\"")
                    ? ""
                    : "the level is not " + level;
        });
    }

    private static void awaitWatch(String address) throws Exception {
        Eventually.within(SOON, () -> {
            JsonValue kubernetes = state(address).member("kubernetes");
            return kubernetes.member("watching").isTrue()
                    ? ""
                    : kubernetes.member("reason").textOr("not watching");
        });
    }

    @Test
    void withAKubeletsRightsTheClusterSeesHealthAndItsLabelChoosesTheConfiguration() throws Exception {
        // Given
        bed().kubectl("label", "node", KubeletBed.NODE, LABEL + "-");
        try (NodeUnderTest node = new NodeUnderTest(folder, "8xh100");
                AgentProcess agent = agent(node, asKubelet)) {
            node.kubelet.start();
            String address = agent.awaitAddress();
            AgentProcess.awaitReady(address, SOON);
            awaitWatch(address);
            awaitLevel(address, "info");

            // When
            bed().kubectl("label", "node", KubeletBed.NODE, LABEL + "=loud");
            node.driver.apply("event gpu=3 xid=48");

            // Then
            awaitLevel(address, "debug");
            Eventually.within(SOON, () -> {
                String events = bed().kubectl(
                                "get",
                                "events",
                                "-n",
                                "default",
                                "--field-selector",
                                "involvedObject.kind=Node,reason=GpuUnhealthy",
                                "-o",
                                "jsonpath={range .items[*]}{.message}{end}");
                return events.contains(node.id(3)) && events.contains("XID 48") ? "" : "events: " + events;
            });
            assertThat(bed().kubectl("describe", "node", KubeletBed.NODE)).contains("GpuUnhealthy");
            awaitCondition("False");
            awaitCondition("True");
            Eventually.within(
                    SOON,
                    () -> bed().kubectl("get", "events", "-n", "default").contains("GpuRecovered") ? "" : "not told");
        }
    }

    private static void awaitCondition(String status) throws Exception {
        Eventually.within(SOON, () -> {
            String now = bed().kubectl(
                            "get",
                            "node",
                            KubeletBed.NODE,
                            "-o",
                            "jsonpath={.status.conditions[?(@.type==\"GpuHealthy\")].status}");
            return now.equals(status) ? "" : "the condition is \"" + now + "\"";
        });
    }

    /** Waits until the cluster has an event about a GPU, and sees that it has it once, as often as it happened. */
    private static void awaitToldOnce(String gpu, String what) throws Exception {
        Eventually.within(SOON, () -> {
            List<String> told = bed().kubectl(
                            "get",
                            "events",
                            "-n",
                            "default",
                            "--field-selector",
                            "involvedObject.kind=Node,source=gpu-node-agent",
                            "-o",
                            "jsonpath={range .items[*]}{.count} {.reason}: {.message}{\"\\n\"}{end}")
                    .lines()
                    .filter(line -> line.contains(gpu) && line.contains(what))
                    .toList();
            if (told.isEmpty()) {
                return "nothing is told of " + what;
            }
            assertThat(told).singleElement().asString().startsWith("1 GpuUnhealthy: ");
            return "";
        });
    }

    @Test
    void theWatchAndWhatIsToBeToldOutliveARestartOfTheApiServer() throws Exception {
        // Given
        bed().kubectl("label", "--overwrite", "node", KubeletBed.NODE, LABEL + "=quiet");
        try (NodeUnderTest node = new NodeUnderTest(folder, "1xt4");
                AgentProcess agent = agent(node, asKubelet)) {
            node.kubelet.start();
            String address = agent.awaitAddress();
            awaitWatch(address);

            // When
            bed().restartApiServer(() -> {
                Eventually.within(SOON, () -> {
                    JsonValue kubernetes = state(address).member("kubernetes");
                    return kubernetes.member("state").textOr("").equals("failing") ? "" : "the loss is not noticed";
                });
                node.driver.apply("event gpu=0 xid=48");
            });
            bed().kubectl("label", "--overwrite", "node", KubeletBed.NODE, LABEL + "=loud");

            // Then
            awaitLevel(address, "debug");
            awaitToldOnce(node.id(0), "XID 48");
        }
    }

    @Test
    void theDocumentedRoleIsEnoughAndWithoutItTheAgentSaysWhatIsMissing() throws Exception {
        // Given
        try (NodeUnderTest node = new NodeUnderTest(folder, "1xt4")) {
            node.kubelet.start();
            try (AgentProcess agent = agent(node, asPod)) {
                String address = agent.awaitAddress();
                Eventually.within(SOON, () -> {
                    String reason =
                            state(address).member("kubernetes").member("reason").textOr("");
                    return reason.contains("allow the verbs get, list and watch on the resource nodes") ? "" : reason;
                });
                AgentProcess.awaitReady(address, SOON);
                agent.terminate();
                assertThat(agent.awaitExit(10)).isZero();
            }
            Path role = folder.resolve("role.yaml");
            String document = Files.readString(Path.of("..", "docs", "kubernetes.md"));
            Files.writeString(
                    role,
                    document.substring(
                            document.indexOf("```yaml\n") + 8,
                            document.indexOf("```\n", document.indexOf("```yaml\n") + 8)));
            bed().kubectl("apply", "-f", role.toString());
            bed().kubectl(
                            "create",
                            "clusterrolebinding",
                            "gpu-node-agent",
                            "--clusterrole=gpu-node-agent",
                            "--user=gpu-node-agent");

            // When
            try (AgentProcess agent = node.startAgent()) {
                String address = agent.awaitAddress();
                awaitWatch(address);
                node.driver.apply("event gpu=0 xid=79");

                // Then
                awaitToldOnce(node.id(0), "XID 79");
                Eventually.within(SOON, () -> {
                    String metrics = AgentProcess.get(address, "/metrics").body();
                    return metrics.contains("gpu_node_agent_kubernetes_requests_total{code=\"200\",verb=\"patch\"}")
                            ? ""
                            : metrics.lines()
                                    .filter(line -> line.startsWith("gpu_node_agent_kubernetes"))
                                    .toList()
                                    .toString();
                });
            }
        }
    }

    @Test
    void featureLabelsOnTheNodeArePutRightAndLeftAloneByTheNextAgent() throws Exception {
        // Given
        List<String> labels = List.of("--labels-sink=node", "--no-timestamp");
        try (NodeUnderTest node = new NodeUnderTest(folder, "1xt4")) {
            node.kubelet.start();
            try (AgentProcess agent = agent(node, asKubelet, labels.toArray(String[]::new))) {
                awaitWatch(agent.awaitAddress());
                awaitLabel("nvidia.com/gpu.count", "1");
                assertThat(bed().kubectl(
                                        "get",
                                        "node",
                                        KubeletBed.NODE,
                                        "-o",
                                        "jsonpath={.metadata.managedFields[*].manager}"))
                        .contains("gpu-node-agent-labels");

                // When
                bed().kubectl("label", "--overwrite", "node", KubeletBed.NODE, "nvidia.com/gpu.count=7");

                // Then
                awaitLabel("nvidia.com/gpu.count", "1");
                agent.terminate();
                assertThat(agent.awaitExit(10)).isZero();
            }
            try (AgentProcess next = node.startAgent(labels.toArray(String[]::new))) {
                String address = next.awaitAddress();
                Eventually.within(SOON, () -> {
                    JsonValue told = state(address).member("kubernetes").member("nodeLabels");
                    long wanted = told.member("wanted").wholeNumber().orElse(0);
                    return wanted > 0 && told.member("applied").wholeNumber().orElse(-1) == wanted
                            ? ""
                            : wanted + " labels are wanted";
                });
                assertThat(state(address)
                                .member("kubernetes")
                                .member("nodeLabels")
                                .member("writes")
                                .wholeNumber())
                        .hasValue(0);
            }
        }
    }

    @Test
    void featureLabelsThatAreSwitchedOffLeaveTheNodeAndThoseOfOthersStay() throws Exception {
        // Given: no node-feature-discovery, so that the Node itself is the place that is found
        bed().kubectl("label", "--overwrite", "node", KubeletBed.NODE, "nvidia.com/somebody.elses=kept");
        try (NodeUnderTest node = new NodeUnderTest(folder, "8xh100");
                AgentProcess agent = agent(node, asKubelet)) {
            agent.awaitAddress();
            awaitLabel("nvidia.com/gpu.count", "8");

            // When
            Files.writeString(node.config, Files.readString(node.config) + "labels: {sink: off}\n");
            agent.signal("HUP");

            // Then
            awaitLabel("nvidia.com/gpu.count", "");
            Eventually.within(SOON, () -> {
                String left = bed().kubectl("get", "node", KubeletBed.NODE, "-o", "jsonpath={.metadata.labels}");
                return left.contains("nvidia.com/gpu") || left.contains("nvidia.com/cuda")
                        ? "still there: " + left
                        : "";
            });
            awaitLabel("nvidia.com/somebody.elses", "kept");
        }
    }

    private static void awaitLabel(String name, String value) throws Exception {
        Eventually.within(SOON, () -> {
            String now = bed().kubectl(
                            "get",
                            "node",
                            KubeletBed.NODE,
                            "-o",
                            "jsonpath={.metadata.labels." + name.replace(".", "\\.") + "}");
            return now.equals(value) ? "" : name + " is \"" + now + "\"";
        });
    }
}
