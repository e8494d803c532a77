package io.gpunode.agent.assembly;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.ConfigException;
import io.gpunode.agent.config.ConfigLoader;
import io.gpunode.agent.config.LoadedConfig;
import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.kubernetes.FakeApiServer;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.simulation.Admission;
import io.gpunode.agent.simulation.DeviceList;
import io.gpunode.agent.simulation.EmbeddedKubelet;
import io.gpunode.agent.simulation.SimulatedNode;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.SystemTime;
import io.gpunode.agent.time.Tick;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The whole agent on a simulated node whose label says how its GPUs are to be split: from the label to what the kubelet is offered. GPUs 0 to 3 of the
 * node are seven 1g.10gb each, 4 and 5 are 3g.40gb, 2g.20gb and two 1g.10gb, 6 is one 7g.80gb, 7 is whole.
 */
@Timeout(120)
class MigLayoutOfANodeTest {
    private static final Duration SOON = Duration.ofSeconds(30);
    private static final String GPU = "nvidia.com/gpu";
    private static final String SMALL = "nvidia.com/mig-1g.10gb";
    private static final String LARGE = "nvidia.com/mig-7g.80gb";
    private static final String LABEL = "nvidia.com/mig.config";
    private static final String STATE = "nvidia.com/mig.config.state";

    @TempDir
    private Path folder;

    private final MonotonicClock clock = SystemTime.monotonic();
    private EventLoops kubeletLoops;
    private SimulatedNode node;
    private EmbeddedKubelet kubelet;
    private FakeApiServer server;
    private Optional<AgentAssembly> agent = Optional.empty();

    @BeforeEach
    void layOut() throws Exception {
        kubeletLoops = EventLoops.open("kubelet-io");
        node = SimulatedNode.create("8xa100-80gb-mig", kubeletLoops, clock);
        kubelet = node.kubelet();
        kubelet.start();
        server = FakeApiServer.plain("node-a");
        Files.writeString(folder.resolve("kubeconfig"), """
                apiVersion: v1
                kind: Config
                clusters: [{name: c, cluster: {server: "%s"}}]
                users: [{name: u, user: {token: t}}]
                contexts: [{name: x, context: {cluster: c, user: u}}]
                current-context: x
                """.formatted(server.url()));
    }

    @AfterEach
    void end() throws Exception {
        try {
            stop();
        } finally {
            server.close();
            node.close();
            kubeletLoops.close();
        }
    }

    @Test
    void aLabelSplitsTheGpusAndTheKubeletIsOfferedTheNewDevices() throws Exception {
        // Given
        start("auto", "");
        awaitHealthy(SMALL, 32);
        awaitState("");

        // When
        server.labels(Map.of(LABEL, "all-7g.80gb"));

        // Then
        awaitHealthy(LARGE, 8);
        awaitState("success");
        awaitGone(SMALL);
        assertThat(mig().member("layout").textOr("")).isEqualTo("all-7g.80gb");
        assertThat(mig().member("origin").textOr("")).isEqualTo("label");
    }

    @Test
    void aPodThatHoldsAnInstanceIsNamedAndNothingIsTouchedUntilItIsGone() throws Exception {
        // Given
        start("auto", "");
        awaitHealthy(LARGE, 1);
        assertThat(kubelet.runPod(LARGE, "training", "bert-0", "main", 1)).isInstanceOf(Admission.Admitted.class);

        // When
        server.labels(Map.of(LABEL, "all-1g.10gb"));
        awaitState("failed");

        // Then
        assertThat(mig().member("reason").textOr("")).contains("GPU 6 ").contains("pod training/bert-0");
        assertThat(kubelet.devices(LARGE).orElseThrow().allocatable()).isEqualTo(1);
        assertThat(kubelet.devices(SMALL).orElseThrow().allocatable()).isEqualTo(32);
        kubelet.endPod("training", "bert-0");
        awaitState("success");
        awaitHealthy(SMALL, 56);
    }

    @Test
    void anUnknownLayoutIsRefusedWithTheNamesThatThereAreAndNothingIsTouched() throws Exception {
        // Given
        start("auto", "");
        awaitHealthy(SMALL, 32);

        // When
        server.labels(Map.of(LABEL, "all-1g.5gb"));
        awaitState("failed");

        // Then
        assertThat(mig().member("reason").textOr(""))
                .contains("there is no layout \"all-1g.5gb\"")
                .contains("all-disabled, all-enabled, all-balanced, all-1g.10gb");
        assertThat(mig().member("steps").wholeNumber().orElse(-1)).isZero();
        assertThat(kubelet.devices(SMALL).orElseThrow().allocatable()).isEqualTo(32);
    }

    @Test
    void aLabelThatFlapsEndsInTheNewestWishAndNoTransactionIsCutShort() throws Exception {
        // Given
        start("auto", "");
        awaitHealthy(SMALL, 32);
        CountDownLatch never = new CountDownLatch(1);

        // When
        for (int i = 0; i < 30; i++) {
            server.labels(Map.of(LABEL, i % 2 == 0 ? "all-7g.80gb" : "all-balanced"));
            if (never.await(100, TimeUnit.MILLISECONDS)) {
                throw new IllegalStateException("nobody counts this down");
            }
        }
        server.labels(Map.of(LABEL, "all-2g.20gb"));

        // Then
        awaitHealthy("nvidia.com/mig-2g.20gb", 24);
        awaitState("success");
        assertThat(mig().member("layout").textOr("")).isEqualTo("all-2g.20gb");
        assertThat(node.hostRoot().resolve("var/lib/gpu-node-agent/mig.journal"))
                .doesNotExist();
    }

    @Test
    void turningMigOffGivesBackWholeGpus() throws Exception {
        // Given
        start("auto", "");
        awaitHealthy(SMALL, 32);

        // When
        server.labels(Map.of(LABEL, "all-disabled"));

        // Then
        awaitHealthy(GPU, 8);
        awaitState("success");
    }

    @Test
    void aModeThatOurOwnWatchIsInTheWayOfIsSwitchedWhileTheAgentIsAwayFromTheGpus() throws Exception {
        // Given
        node.simulator().apply("set gpu=all mig-held=on");
        start("auto", "");
        awaitHealthy(SMALL, 32);
        long opened = node.simulator().calls("nvmlInit_v2");

        // When
        server.labels(Map.of(LABEL, "all-disabled"));

        // Then
        awaitHealthy(GPU, 8);
        awaitState("success");
        assertThat(node.simulator().calls("nvmlInit_v2") - opened)
                .as("a session for the change alone, and the agent's next one")
                .isEqualTo(2);
    }

    @Test
    void theLayoutThatALabelChoseIsThereAgainBeforeAnythingIsOfferedWithoutAnApiServer() throws Exception {
        // Given
        start("auto", "");
        awaitHealthy(SMALL, 32);
        server.labels(Map.of(LABEL, "all-7g.80gb"));
        awaitState("success");
        stop();
        for (int gpu = 0; gpu < 8; gpu++) {
            node.simulator().apply("mig gpu=" + gpu + " clear");
        }
        int before = kubelet.registrations().size();

        // When
        start("off", "");

        // Then
        awaitHealthy(LARGE, 8);
        assertThat(kubelet.registrations()
                        .subList(before, kubelet.registrations().size()))
                .allSatisfy(registration -> assertThat(registration.resource()).isEqualTo(LARGE));
        assertThat(mig().member("origin").textOr("")).isEqualTo("memory");
    }

    @Test
    void aConfiguredLayoutOfAFileIsAppliedWhereNoApiServerIsUsed() throws Exception {
        // Given
        Files.writeString(folder.resolve("mig.yaml"), """
                version: v1
                mig-configs:
                  mine:
                    - devices: [7]
                      mig-enabled: true
                      mig-devices: {"3g.40gb": 2}
                """);

        // When
        start("off", "layout: mine, configFile: " + folder.resolve("mig.yaml"));

        // Then
        awaitHealthy("nvidia.com/mig-3g.40gb", 4);
        awaitHealthy(SMALL, 32);
    }

    @Test
    void withoutASwitchTheLabelMeansNothing() throws Exception {
        // Given
        server.labels(Map.of(LABEL, "all-7g.80gb"));
        startWith("auto", "manage: false");

        // When
        awaitHealthy(SMALL, 32);
        await(
                "the node was read",
                () -> state().contains("\"watching\":true") || state().contains("\"watching\": true"));

        // Then
        assertThat(mig().member("state").textOr("")).isEqualTo("off");
        assertThat(server.labels()).doesNotContainKey(STATE);
    }

    private void awaitState(String wanted) throws Exception {
        await("state " + wanted, () -> wanted.equals(server.labels().getOrDefault(STATE, "")));
    }

    private void await(String what, BooleanSupplier wanted) throws Exception {
        CountDownLatch never = new CountDownLatch(1);
        Tick limit = clock.now().plus(SOON);
        while (!wanted.getAsBoolean()) {
            if (clock.now().reached(limit)) {
                throw new AssertionError("not within " + SOON + ": " + what + "; " + server.labels() + " " + state());
            }
            if (never.await(10, TimeUnit.MILLISECONDS)) {
                throw new IllegalStateException("nobody counts this down");
            }
        }
    }

    private JsonValue mig() throws Exception {
        return JsonValue.parse(state()).member("mig");
    }

    private String state() {
        try (InputStream page = URI.create(
                        "http://127.0.0.1:" + agent.orElseThrow().httpAddress().getPort() + "/state")
                .toURL()
                .openStream()) {
            return new String(page.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private DeviceList awaitHealthy(String resource, int count) throws Exception {
        return kubelet.awaitDevices(resource, list -> list.connected() && list.allocatable() == count, SOON);
    }

    private void awaitGone(String resource) throws Exception {
        kubelet.awaitDevices(
                resource, list -> !list.connected() && list.devices().isEmpty(), SOON);
    }

    private void start(String api, String settings) throws Exception {
        startWith(api, "manage: true" + (settings.isEmpty() ? "" : ", " + settings));
    }

    private void startWith(String api, String settings) throws Exception {
        AgentAssembly assembly =
                new AgentAssembly(load(api, settings), "test", EventLoops.open("agent-io"), clock, SystemTime.wall());
        agent = Optional.of(assembly);
        assembly.start(() -> {});
    }

    private void stop() throws Exception {
        if (agent.isPresent()) {
            agent.get().stop(Duration.ofSeconds(30));
            agent = Optional.empty();
        }
    }

    private LoadedConfig load(String api, String settings) throws IOException, ConfigException {
        Path file = folder.resolve("config.yaml");
        Files.writeString(file, """
                version: v1
                flags:
                  migStrategy: mixed
                mig: {%s}
                kubernetes: {api: "%s", kubeconfig: %s}
                host:
                  root: %s
                kubelet:
                  devicePluginDirectory: %s
                  podResourcesSocket: %s
                sampling:
                  interval: 1s
                http:
                  listen: 127.0.0.1:0
                """.formatted(
                        settings,
                        api,
                        folder.resolve("kubeconfig"),
                        node.hostRoot(),
                        node.devicePluginDirectory(),
                        node.podResourcesSocket()));
        return new ConfigLoader(Map.of(), () -> "node-a", file, _ -> Optional.empty())
                .load(List.of(), Optional.empty());
    }
}
