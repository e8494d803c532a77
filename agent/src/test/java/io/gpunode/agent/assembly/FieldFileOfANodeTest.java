package io.gpunode.agent.assembly;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.ClusterSources;
import io.gpunode.agent.config.ConfigException;
import io.gpunode.agent.config.ConfigLoader;
import io.gpunode.agent.config.LoadedConfig;
import io.gpunode.agent.kubernetes.FakeApiServer;
import io.gpunode.agent.metrics.FieldChoices;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.os.SystemdNotifier;
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
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.HashMap;
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

/** The agent whose field file lies in a mounted ConfigMap: a link to a file below {@code ..data}, which is a link to a folder of its own. */
@Timeout(30)
class FieldFileOfANodeTest {
    private static final Duration SOON = Duration.ofSeconds(20);

    @TempDir
    private Path folder = Path.of("");

    private final MonotonicClock clock = SystemTime.monotonic();
    private final BlockingQueue<AgentAssembly> started = new LinkedBlockingQueue<>();
    private EventLoops loops;
    private SimulatedNode node;
    private AgentDaemon daemon;
    private @Nullable FutureTask<Boolean> run;
    private final Map<String, String> environment = new HashMap<>();
    private int versions;

    @BeforeEach
    void layOut() throws Exception {
        loops = EventLoops.open("kubelet-io");
        node = SimulatedNode.create("1xt4", loops, clock);
        node.kubelet().start();
        daemon = new AgentDaemon(SystemdNotifier.of(Map.of(), 1, clock), "test");
        mount("DCGM_FI_DEV_GPU_TEMP, gauge, Heat of the chip.\n");
        Path counters = Files.createSymbolicLink(folder.resolve("counters.csv"), Path.of("..data", "counters.csv"));
        environment.put("DCGM_EXPORTER_COLLECTORS", counters.toString());
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
            node.close();
            loops.close();
        }
    }

    @Test
    void aConfigMapThatIsUpdatedIsShownAndOneThatIsBrokenLeavesWhatWasShown() throws Exception {
        // Given
        AgentAssembly agent = start();
        await(
                agent,
                "/metrics",
                page -> page.contains("# HELP DCGM_FI_DEV_GPU_TEMP Heat of the chip.\n")
                        && page.contains("DCGM_FI_DEV_GPU_TEMP{"));
        mount("DCGM_FI_DEV_POWER_USAGE, gauge, Power of the board.\n");
        await(
                agent,
                "/metrics",
                page -> page.contains("# HELP DCGM_FI_DEV_POWER_USAGE Power of the board.\n")
                        && !page.contains("DCGM_FI_DEV_GPU_TEMP"));

        // When
        mount("DCGM_FI_DEV_GPU_TEMP, gauge, Heat, of the chip.\n");

        // Then
        await(agent, "/state", state -> state.contains("put a help text that holds commas in double quotes"));
        assertThat(get(agent, "/metrics")).contains("# HELP DCGM_FI_DEV_POWER_USAGE Power of the board.\n");
    }

    @Test
    void theTextOfAConfigMapIsShownWhenTheApiServerHasToldIt() throws Exception {
        // Given
        try (FakeApiServer server = FakeApiServer.plain("node-a")) {
            server.knows(fields("DCGM_FI_DEV_SM_CLOCK, gauge, Clock of the SMs.\n"));
            Files.writeString(folder.resolve("kubeconfig"), """
                    clusters: [{name: a, cluster: {server: '%s'}}]
                    users: [{name: a, user: {token: secret}}]
                    contexts: [{name: a, context: {cluster: a, user: a}}]
                    current-context: a
                    """.formatted(server.url()));
            environment.put("DCGM_EXPORTER_CONFIGMAP_DATA", "monitoring:fields");
            environment.put("GPU_NODE_AGENT_KUBERNETES_API", "auto");
            environment.put("KUBECONFIG", folder.resolve("kubeconfig").toString());

            // When
            AgentAssembly agent = start();

            // Then
            await(agent, "/metrics", page -> page.contains("# HELP DCGM_FI_DEV_SM_CLOCK Clock of the SMs.\n"));
            assertThat(get(agent, "/metrics")).doesNotContain("DCGM_FI_DEV_GPU_TEMP");
            daemon.stop();
        }
    }

    private static FakeApiServer.More fields(String text) {
        return new FakeApiServer.More() {
            @Override
            public String kind(String method, String path) {
                return path.equals("/api/v1/namespaces/monitoring/configmaps/fields") ? "fields" : "";
            }

            @Override
            public FakeApiServer.Fault answer(String kind, String path, String body) {
                return FakeApiServer.Fault.answer(
                        200, "{\"data\":{\"metrics\":\"" + text.replace("\n", "\\n") + "\"}}");
            }
        };
    }

    /** As the kubelet updates a mounted ConfigMap: a new folder, and the link {@code ..data} swapped in one step. */
    private void mount(String text) throws IOException {
        String version = "..version" + ++versions;
        Files.createDirectory(folder.resolve(version));
        Files.writeString(folder.resolve(version).resolve("counters.csv"), text);
        Path next = Files.createSymbolicLink(folder.resolve("..data_tmp"), Path.of(version));
        Files.move(next, folder.resolve("..data"), StandardCopyOption.ATOMIC_MOVE);
    }

    private AgentAssembly start() throws Exception {
        Files.writeString(folder.resolve("config.yaml"), """
                host: {root: '%s'}
                kubelet: {devicePluginDirectory: '%s', podResourcesSocket: '%s'}
                kubernetes: {api: 'off'}
                labels: {sink: 'off'}
                http: {listen: '127.0.0.1:0'}
                """.formatted(
                        node.hostRoot(), node.devicePluginDirectory(), node.podResourcesSocket()));
        LoadedConfig config = load(ClusterSources.NOT_ASKED);
        FutureTask<Boolean> begun = new FutureTask<>(() -> daemon.run(config, this::load, started::add));
        run = begun;
        Thread.ofPlatform().daemon().name("agent").start(begun);
        AgentAssembly assembly = started.poll(SOON.toSeconds(), TimeUnit.SECONDS);
        assertThat(assembly).isNotNull();
        return assembly;
    }

    private LoadedConfig load(ClusterSources cluster) throws ConfigException {
        return new ConfigLoader(environment, () -> "node-a", folder.resolve("config.yaml"), FieldChoices::judge)
                .load(List.of(), Optional.empty(), cluster);
    }

    private void await(AgentAssembly agent, String path, Predicate<String> wanted) throws Exception {
        Tick limit = clock.now().plus(SOON);
        String text = get(agent, path);
        while (!wanted.test(text)) {
            assertThat(clock.now().reached(limit)).as(text).isFalse();
            started.poll(50, TimeUnit.MILLISECONDS);
            text = get(agent, path);
        }
    }

    private static String get(AgentAssembly agent, String path) throws IOException {
        try (InputStream page = URI.create(
                        "http://127.0.0.1:" + agent.httpAddress().getPort() + path)
                .toURL()
                .openStream()) {
            return new String(page.readAllBytes(), StandardCharsets.UTF_8);
        }
    }
}
