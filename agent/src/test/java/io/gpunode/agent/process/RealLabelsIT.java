package io.gpunode.agent.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.gpunode.agent.json.JsonValue;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Feature labels of the packaged agent at a real API server without node-feature-discovery; see {@link KubeletBed}. */
@Timeout(300)
class RealLabelsIT {
    private static final Duration SOON = Duration.ofSeconds(90);
    private static final String OTHERS = "nvidia.com/somebody.elses";

    private static @Nullable KubeletBed cluster;
    private static Path asKubelet = Path.of("/nonexistent");

    @TempDir(factory = ShortTempDir.class)
    Path folder;

    @BeforeAll
    static void bringUp() throws Exception {
        Optional<String> missing = KubeletBed.missing();
        assumeTrue(missing.isEmpty(), missing.orElse(""));
        KubeletBed bed = KubeletBed.fullCluster();
        cluster = bed;
        asKubelet = bed.addUser("system:node:" + KubeletBed.NODE, "system:nodes");
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

    private static AgentProcess agent(NodeUnderTest node, Path kubeconfig, String... more) throws Exception {
        Files.writeString(
                node.config,
                Files.readString(node.config).replaceAll("nodeName: .*", "nodeName: " + KubeletBed.NODE)
                        + "kubernetes: {kubeconfig: " + kubeconfig + "}\n");
        return node.startAgent(more);
    }

    private static SortedMap<String, String> members(JsonValue object) {
        SortedMap<String, String> members = new TreeMap<>();
        for (Map.Entry<String, JsonValue> member : object.members().entrySet()) {
            if (member.getKey().startsWith("nvidia.com/")) {
                members.put(member.getKey(), member.getValue().textOr(""));
            }
        }
        return members;
    }

    private static SortedMap<String, String> ofNode() throws Exception {
        return members(
                JsonValue.parse(bed().kubectl("get", "node", KubeletBed.NODE, "-o", "jsonpath={.metadata.labels}")));
    }

    private static JsonValue labels(String address) throws Exception {
        return JsonValue.parse(AgentProcess.get(address, "/state").body()).member("labels");
    }

    private static void awaitCurrent(String address, String sink) throws Exception {
        Eventually.within(SOON, () -> {
            JsonValue labels = labels(address);
            return labels.member("sink").textOr("").equals(sink)
                            && labels.member("state").textOr("").equals("current")
                    ? ""
                    : labels.member("sink").textOr("?") + " is "
                            + labels.member("state").textOr("?") + ": "
                            + labels.member("reason").textOr("");
        });
    }

    @Test
    void withAKubeletsRightsTheNodeObjectHasTheLabelsUntilTheyAreSwitchedOff() throws Exception {
        // Given
        bed().kubectl("label", "--overwrite", "node", KubeletBed.NODE, OTHERS + "=kept");
        try (NodeUnderTest node = new NodeUnderTest(folder, "8xh100")) {
            try (AgentProcess first = agent(node, asKubelet, "--no-timestamp")) {
                String address = first.awaitAddress();
                awaitCurrent(address, "node");
                SortedMap<String, String> expected = members(labels(address).member("labels"));
                assertThat(expected).containsEntry("nvidia.com/gpu.count", "8");
                expected.put(OTHERS, "kept");
                assertThat(ofNode()).isEqualTo(expected);
                first.terminate();
                first.awaitExit(10);
                assertThat(ofNode()).isEqualTo(expected);
            }
            try (AgentProcess second = node.startAgent("--no-timestamp")) {
                String address = second.awaitAddress();
                awaitCurrent(address, "node");
                JsonValue writes = JsonValue.parse(
                                AgentProcess.get(address, "/state").body())
                        .member("kubernetes")
                        .member("nodeLabels")
                        .member("writes");
                assertThat(writes.textOr("")).isEqualTo("0");

                // When
                Files.writeString(node.config, Files.readString(node.config) + "labels: {sink: off}\n");
                second.signal("HUP");

                // Then
                Eventually.within(
                        SOON, () -> ofNode().equals(new TreeMap<>(Map.of(OTHERS, "kept"))) ? "" : "still: " + ofNode());
            }
        }
    }
}
