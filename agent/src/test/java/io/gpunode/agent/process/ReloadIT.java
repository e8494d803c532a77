package io.gpunode.agent.process;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.kubernetes.FakeApiServer;
import io.gpunode.agent.simulation.DeviceList;
import io.gpunode.agent.simulation.EmbeddedKubelet;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A running agent follows its configuration: what changes is offered anew, and what does not keeps its stream. */
@Timeout(120)
class ReloadIT {
    private static final Duration SOON = Duration.ofSeconds(30);
    private static final String LABEL = "nvidia.com/device-plugin.config";

    @TempDir(factory = ShortTempDir.class)
    Path folder;

    private NodeUnderTest node;
    private Path mount = Path.of("");
    private int version;

    @BeforeEach
    void layOut() throws Exception {
        node = new NodeUnderTest(folder, "8xh100");
        mount = Files.createDirectory(folder.resolve("mount"));
        node.kubelet.start();
    }

    @AfterEach
    void remove() throws Exception {
        node.close();
    }

    /** Changes a mounted ConfigMap as the kubelet does: a new directory, then its link, swapped in one step. */
    private void mount(String... namesAndTexts) throws IOException {
        version++;
        Path newest = Files.createDirectory(mount.resolve("..2026_" + version));
        for (int i = 0; i < namesAndTexts.length; i += 2) {
            Files.writeString(newest.resolve(namesAndTexts[i]), namesAndTexts[i + 1]);
        }
        Files.createSymbolicLink(mount.resolve("..data_tmp"), newest.getFileName());
        Files.move(mount.resolve("..data_tmp"), mount.resolve("..data"), StandardCopyOption.ATOMIC_MOVE);
        for (int i = 0; i < namesAndTexts.length; i += 2) {
            Path link = mount.resolve(namesAndTexts[i]);
            if (!Files.exists(link)) {
                Files.createSymbolicLink(link, Path.of("..data", namesAndTexts[i]));
            }
        }
    }

    private AgentProcess startOnMount() throws IOException {
        return AgentProcess.start(
                List.of("run", "--config", mount.resolve("config.yaml").toString()));
    }

    private String base() throws IOException {
        return Files.readString(node.config);
    }

    private DeviceList await(String resource, int devices) throws Exception {
        return node.kubelet.awaitDevices(resource, list -> list.allocatable() == devices && list.connected(), SOON);
    }

    @Test
    void theSwapOfAConfigMapIsFollowedOnTheSameStream() throws Exception {
        // Given
        mount("config.yaml", base());
        try (AgentProcess agent = startOnMount()) {
            agent.awaitAddress();
            await(EmbeddedKubelet.GPU_RESOURCE, 8);

            // When
            mount("config.yaml", base() + "sharing: {timeSlicing: {resources: [{name: gpu, replicas: 4}]}}\n");
            DeviceList shared = await(EmbeddedKubelet.GPU_RESOURCE, 32);

            // Then
            assertThat(shared.healthyIds()).contains(node.id(0) + "::3");
            assertThat(node.kubelet.registrations()).hasSize(1);
            assertThat(agent.alive()).isTrue();
        }
    }

    @Test
    void aResourceAppearsAndGoesWithoutTouchingTheStreamOfAnother() throws Exception {
        // Given
        String renamed = "resources: {gpus: [{pattern: \"*\", name: first}]}\n";
        String shares =
                "sharing: {timeSlicing: {resources: [{name: gpu, replicas: 2, devices: [0, 1], rename: part}]}}\n";
        mount("config.yaml", base());
        try (AgentProcess agent = startOnMount()) {
            agent.awaitAddress();
            await(EmbeddedKubelet.GPU_RESOURCE, 8);

            // When
            mount("config.yaml", base() + shares);
            await("nvidia.com/part", 4);
            DeviceList rest = await(EmbeddedKubelet.GPU_RESOURCE, 6);
            mount("config.yaml", base() + renamed);

            // Then
            await("nvidia.com/first", 8);
            node.kubelet.awaitDevices("nvidia.com/part", list -> list.allocatable() == 0, SOON);
            assertThat(rest.healthyIds()).doesNotContain(node.id(0), node.id(1));
            assertThat(node.kubelet.registrations())
                    .extracting(registration -> registration.resource())
                    .containsExactly(EmbeddedKubelet.GPU_RESOURCE, "nvidia.com/part", "nvidia.com/first");
        }
    }

    @Test
    void aBrokenContentIsRefusedAndSaidUntilItIsCorrected() throws Exception {
        // Given
        mount("config.yaml", base());
        try (AgentProcess agent = startOnMount()) {
            String address = agent.awaitAddress();
            await(EmbeddedKubelet.GPU_RESOURCE, 8);

            // When
            mount("config.yaml", base() + "sharing: {timeSlicing: {resources: [{name: gpu, replicas: 1}]}}\n");

            // Then
            agent.awaitLine("is not a number of replicas", 10);
            assertThat(AgentProcess.get(address, "/state").body()).contains("is not a number of replicas");
            assertThat(node.kubelet.devices(EmbeddedKubelet.GPU_RESOURCE))
                    .hasValueSatisfying(list -> assertThat(list.allocatable()).isEqualTo(8));
            mount("config.yaml", base() + "sharing: {timeSlicing: {resources: [{name: gpu, replicas: 2}]}}\n");
            await(EmbeddedKubelet.GPU_RESOURCE, 16);
            assertThat(AgentProcess.get(address, "/state").body()).doesNotContain("is not a number of replicas");
        }
    }

    @Test
    void theNamedConfigurationFollowsTheSelectionFile() throws Exception {
        // Given
        mount("whole", "", "halves", "sharing: {timeSlicing: {resources: [{name: gpu, replicas: 2}]}}\n");
        Path selection = Files.writeString(folder.resolve("selection"), "whole\n");
        try (AgentProcess agent = node.startAgent(
                "--config-directory", mount.toString(), "--config-selection-file", selection.toString())) {
            String address = agent.awaitAddress();
            await(EmbeddedKubelet.GPU_RESOURCE, 8);

            // When
            Files.writeString(selection, "halves\n");

            // Then
            await(EmbeddedKubelet.GPU_RESOURCE, 16);
            Files.writeString(selection, "thirds\n");
            agent.awaitLine("names \"thirds\", which is not there; name one of halves, whole", 10);
            assertThat(AgentProcess.get(address, "/state").body())
                    .contains("mount/halves (named by config.selectionFile)");
            mount("whole", "", "halves", "sharing: {timeSlicing: {resources: [{name: gpu, replicas: 3}]}}\n");
            Files.writeString(selection, "halves\n");
            await(EmbeddedKubelet.GPU_RESOURCE, 24);
            assertThat(node.kubelet.registrations()).hasSize(1);
        }
    }

    @Test
    void theNodesLabelChoosesBeforeAnythingIsOfferedAndIsFollowed() throws Exception {
        // Given
        mount("whole", "", "halves", "sharing: {timeSlicing: {resources: [{name: gpu, replicas: 2}]}}\n");
        try (FakeApiServer server = FakeApiServer.plain("node-under-test")) {
            server.labels(Map.of(LABEL, "halves"));
            Path kubeconfig = kubeconfig(server.url());
            try (AgentProcess agent = node.startAgent(
                    "--config-directory",
                    mount.toString(),
                    "--default-config",
                    "whole",
                    "--kubeconfig",
                    kubeconfig.toString())) {
                String address = agent.awaitAddress();
                DeviceList first = await(EmbeddedKubelet.GPU_RESOURCE, 16);

                // When
                server.labels(Map.of(LABEL, "whole"));

                // Then
                await(EmbeddedKubelet.GPU_RESOURCE, 8);
                assertThat(first.messages()).isEqualTo(1);
                server.labels(Map.of(LABEL, "thirds"));
                agent.awaitLine("names \"thirds\", which is not there", 10);
                assertThat(AgentProcess.get(address, "/state").body())
                        .contains("mount/whole (named by the node's label " + LABEL + ")");
                server.labels(Map.of());
                Eventually.within(
                        SOON,
                        () -> AgentProcess.get(address, "/state").body().contains("(named by config.default)")
                                ? ""
                                : "the label still chooses");
                assertThat(node.kubelet.registrations()).hasSize(1);
            }
        }
    }

    @Test
    void anApiServerThatDoesNotAnswerKeepsTheNodeFromNothing() throws Exception {
        // Given
        mount("whole", "", "halves", "sharing: {timeSlicing: {resources: [{name: gpu, replicas: 2}]}}\n");
        Path kubeconfig = kubeconfig("http://127.0.0.1:1");

        // When
        try (AgentProcess agent = node.startAgent(
                "--config-directory",
                mount.toString(),
                "--default-config",
                "halves",
                "--kubeconfig",
                kubeconfig.toString())) {
            String address = agent.awaitAddress();

            // Then
            await(EmbeddedKubelet.GPU_RESOURCE, 16);
            assertThat(AgentProcess.get(address, "/state").body()).contains("(named by config.default)");
        }
    }

    private Path kubeconfig(String server) throws IOException {
        return Files.writeString(folder.resolve("kubeconfig"), """
                        clusters: [{name: a, cluster: {server: '%s'}}]
                        users: [{name: a, user: {token: secret}}]
                        contexts: [{name: a, context: {cluster: a, user: a}}]
                        current-context: a
                        """.formatted(server));
    }
}
