package io.gpunode.agent.assembly;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.ClusterSources;
import io.gpunode.agent.config.ConfigException;
import io.gpunode.agent.config.ConfigLoader;
import io.gpunode.agent.config.LoadedConfig;
import io.gpunode.agent.config.NodeLabels;
import io.gpunode.agent.kubernetes.FakeApiServer;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.os.SystemdNotifier;
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
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The daemon on a simulated node whose label chooses its configuration. */
@Timeout(120)
class AgentDaemonTest {
    private static final Duration SOON = Duration.ofSeconds(30);
    private static final String GPU = EmbeddedKubelet.GPU_RESOURCE;
    private static final String LABEL = "nvidia.com/device-plugin.config";

    @TempDir
    private Path folder;

    private final MonotonicClock clock = SystemTime.monotonic();
    private final BlockingQueue<AgentAssembly> started = new LinkedBlockingQueue<>();
    private EventLoops kubeletLoops;
    private SimulatedNode node;
    private EmbeddedKubelet kubelet;
    private FakeApiServer server;
    private AgentDaemon daemon;
    private @Nullable FutureTask<Boolean> run;

    @BeforeEach
    void layOut() throws Exception {
        kubeletLoops = EventLoops.open("kubelet-io");
        node = SimulatedNode.create("8xh100", kubeletLoops, clock);
        kubelet = node.kubelet();
        kubelet.start();
        server = FakeApiServer.plain("node-a");
        daemon = new AgentDaemon(SystemdNotifier.of(Map.of(), 1, clock), "test");
        Files.createDirectory(folder.resolve("named"));
        named("whole", "");
        named("halves", "sharing: {timeSlicing: {resources: [{name: gpu, replicas: 2}]}}\n");
        kubeconfig(server.url());
    }

    @AfterEach
    void stop() throws Exception {
        try {
            daemon.stop();
            FutureTask<Boolean> begun = run;
            if (begun != null) {
                begun.get(10, TimeUnit.SECONDS);
            }
        } finally {
            server.close();
            node.close();
            kubeletLoops.close();
        }
    }

    @Test
    void settingsOfALabelledConfigurationThatNeedAStartAreInForceBeforeAnythingIsOffered() throws Exception {
        // Given
        named("renamed", "flags: {plugin: {resourceName: nvidia.com/renamed}}\nnvml: {callDeadline: 2s}\n");
        server.labels(Map.of(LABEL, "renamed"));

        // When
        AgentAssembly assembly = start("config: {default: whole}\n", this::load);

        // Then
        awaitHealthy("nvidia.com/renamed", 8);
        assertThat(assembly.config().nvml().callDeadline()).isEqualTo(Duration.ofSeconds(2));
        assertThat(state(assembly))
                .contains("named/renamed (named by the node's label")
                .contains("\"needRestart\":[]");
        assertThat(kubelet.registrations())
                .extracting(registration -> registration.resource())
                .containsExactly("nvidia.com/renamed");
    }

    @Test
    void aNodeForWhichNothingChoosesOffersNothingUntilSomethingDoes() throws Exception {
        // Given
        server.labels(Map.of(LABEL, "thirds"));
        AgentAssembly assembly = start("", this::load);
        awaitText(() -> assembly.unready(), text -> text.contains("names \"thirds\", which is not there"));
        assertThat(assembly.unready()).contains("no configuration is chosen");
        assertThat(kubelet.registerCalls()).isZero();

        // When
        server.labels(Map.of(LABEL, "halves"));

        // Then
        DeviceList first = awaitHealthy(GPU, 16);
        assertThat(first.messages()).isEqualTo(1);
        awaitText(assembly::unready, String::isEmpty);
    }

    @Test
    void aReloadAfterWhichNothingChoosesIsRefused() throws Exception {
        // Given
        kubeconfig("http://127.0.0.1:1");
        AgentAssembly assembly = start("config: {default: halves}\n", this::load);
        awaitHealthy(GPU, 16);

        // When
        write("");

        // Then
        awaitText(() -> state(assembly), text -> text.contains("nothing chooses one of halves, whole"));
        assertThat(state(assembly)).contains("named/halves (named by config.default)");
        assertThat(assembly.decided()).isTrue();
    }

    @Test
    void aConfigurationThatCannotBeAppliedIsShownAsRefused() throws Exception {
        // Given
        server.labels(Map.of(LABEL, "whole"));
        AgentAssembly assembly = start("", cluster -> {
            if (cluster.labels().label(LABEL).equals(new NodeLabels.Answer.Value("halves"))) {
                throw new IllegalStateException("nobody thought of this");
            }
            return load(cluster);
        });
        awaitHealthy(GPU, 8);

        // When
        server.labels(Map.of(LABEL, "halves"));

        // Then
        awaitText(() -> state(assembly), text -> text.contains("nobody thought of this"));
        assertThat(kubelet.devices(GPU).orElseThrow().allocatable()).isEqualTo(8);
    }

    private void kubeconfig(String url) throws IOException {
        Files.writeString(folder.resolve("kubeconfig"), """
                clusters: [{name: a, cluster: {server: '%s'}}]
                users: [{name: a, user: {token: secret}}]
                contexts: [{name: a, context: {cluster: a, user: a}}]
                current-context: a
                """.formatted(url));
    }

    private void named(String name, String text) throws IOException {
        Files.writeString(folder.resolve("named").resolve(name), text);
    }

    /** What something says. */
    @FunctionalInterface
    private interface Says {
        String say() throws IOException;
    }

    private void awaitText(Says says, Predicate<String> wanted) throws Exception {
        Tick limit = clock.now().plus(SOON);
        String text = says.say();
        while (!wanted.test(text)) {
            assertThat(clock.now().reached(limit)).as(text).isFalse();
            started.poll(20, TimeUnit.MILLISECONDS);
            text = says.say();
        }
    }

    private String state(AgentAssembly assembly) throws IOException {
        try (InputStream page = URI.create(
                        "http://127.0.0.1:" + assembly.httpAddress().getPort() + "/state")
                .toURL()
                .openStream()) {
            return new String(page.readAllBytes(), StandardCharsets.UTF_8).replace("\": ", "\":");
        }
    }

    private DeviceList awaitHealthy(String resource, int count) throws Exception {
        return kubelet.awaitDevices(resource, list -> list.connected() && list.allocatable() == count, SOON);
    }

    private void write(String yaml) throws IOException {
        Files.writeString(folder.resolve("config.yaml"), """
                version: v1
                %s
                host:
                  root: %s
                kubelet:
                  devicePluginDirectory: %s
                  podResourcesSocket: %s
                kubernetes:
                  kubeconfig: %s
                http:
                  listen: 127.0.0.1:0
                """.formatted(
                        yaml,
                        node.hostRoot(),
                        node.devicePluginDirectory(),
                        node.podResourcesSocket(),
                        folder.resolve("kubeconfig")));
    }

    private AgentAssembly start(String yaml, AgentDaemon.Reload reload) throws Exception {
        write(yaml);
        LoadedConfig config = load(ClusterSources.NOT_ASKED);
        FutureTask<Boolean> begun = new FutureTask<>(() -> daemon.run(config, reload, started::add));
        run = begun;
        Thread.ofPlatform().daemon().name("agent").start(begun);
        AgentAssembly assembly = started.poll(SOON.toSeconds(), TimeUnit.SECONDS);
        assertThat(assembly).isNotNull();
        return assembly;
    }

    private LoadedConfig load(ClusterSources cluster) throws ConfigException {
        return new ConfigLoader(
                        Map.of("CONFIG_FILE_SRCDIR", folder.resolve("named").toString()),
                        () -> "node-a",
                        folder.resolve("config.yaml"),
                        _ -> Optional.empty())
                .load(List.of(), Optional.empty(), cluster);
    }
}
