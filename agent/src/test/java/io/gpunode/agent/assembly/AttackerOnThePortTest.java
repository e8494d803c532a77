package io.gpunode.agent.assembly;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.ConfigLoader;
import io.gpunode.agent.config.LoadedConfig;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.os.SystemdNotifier;
import io.gpunode.agent.process.Eventually;
import io.gpunode.agent.simulation.EmbeddedKubelet;
import io.gpunode.agent.simulation.SimulatedNode;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.SystemTime;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What somebody gains who reaches the port of a whole agent: {@code docs/security.md} says nothing but six pages to read. */
@Timeout(60)
class AttackerOnThePortTest {
    private static final Duration SOON = Duration.ofSeconds(30);
    private static final List<String> METHODS =
            List.of("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "MKCOL");
    private static final List<String> PAGES = List.of("/", "/metrics", "/health", "/healthz", "/readyz", "/state");
    private static final List<String> TARGETS = List.of(
            "/driver/load",
            "/driver/unload",
            "/driver/upgrade",
            "/driver/rollback",
            "/-/reload",
            "/-/quit",
            "/config",
            "/debug/pprof/heap",
            "/../etc/passwd",
            "/..%2f..%2fetc/passwd",
            "/metrics/%2e%2e/%2e%2e/etc/gpu-node-agent/config.yaml",
            "/%00",
            "/state?reload=true&file=/etc/passwd",
            "http://127.0.0.1/driver/load",
            "//driver/load");
    private static final String SECRET = "a-token-that-nobody-shall-see";

    @TempDir
    private Path folder;

    private final MonotonicClock clock = SystemTime.monotonic();
    private final EventLoops kubeletLoops = EventLoops.open("kubelet-io");
    private final BlockingQueue<AgentAssembly> started = new LinkedBlockingQueue<>();
    private final AgentDaemon daemon = new AgentDaemon(SystemdNotifier.of(Map.of(), 1, clock), "test");
    private SimulatedNode node;
    private EmbeddedKubelet kubelet;
    private AgentAssembly assembly;
    private @Nullable FutureTask<Boolean> run;

    @BeforeEach
    void anAgentAtWork() throws Exception {
        node = SimulatedNode.create("1xt4", kubeletLoops, clock);
        kubelet = node.kubelet();
        kubelet.start();
        Files.writeString(folder.resolve("kubeconfig"), """
                clusters: [{name: a, cluster: {server: 'http://127.0.0.1:1'}}]
                users: [{name: a, user: {token: %s}}]
                contexts: [{name: a, context: {cluster: a, user: a}}]
                current-context: a
                """.formatted(SECRET));
        Path file = Files.writeString(folder.resolve("config.yaml"), """
                host: {root: %s}
                kubelet: {devicePluginDirectory: %s, podResourcesSocket: %s}
                kubernetes: {kubeconfig: %s}
                http: {listen: '127.0.0.1:0'}
                """.formatted(
                        node.hostRoot(),
                        node.devicePluginDirectory(),
                        node.podResourcesSocket(),
                        folder.resolve("kubeconfig")));
        LoadedConfig config = new ConfigLoader(Map.of(), () -> "node-a", file, _ -> Optional.empty())
                .load(List.of(), Optional.empty());
        FutureTask<Boolean> begun = new FutureTask<>(() -> daemon.run(config, _ -> config, started::add));
        run = begun;
        Thread.ofPlatform().daemon().name("agent").start(begun);
        AgentAssembly made = started.poll(SOON.toSeconds(), TimeUnit.SECONDS);
        assertThat(made).isNotNull();
        assembly = made;
        kubelet.awaitDevices(EmbeddedKubelet.GPU_RESOURCE, list -> list.allocatable() == 1, SOON);
        // What it writes by itself is written.
        Path specifications = node.hostRoot().resolve("var/run/cdi");
        Eventually.within(
                SOON,
                () -> Files.exists(specifications.resolve("gpu-node-agent.nvidia.com-gpu.json"))
                                && Files.exists(specifications.resolve("k8s.device-plugin.nvidia.com-gpu.json"))
                                && ask("GET /readyz HTTP/1.1", "").startsWith("HTTP/1.1 200")
                        ? ""
                        : "the agent is not ready");
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
            kubeletLoops.close();
        }
    }

    @Test
    void readsSixPagesAndChangesNothing() throws Exception {
        // Given
        Map<String, String> filesBefore = files();
        String settingsBefore = section(ask("GET /state HTTP/1.1", ""), "\"configuration\"");
        long registrations = kubelet.registerCalls();

        // When
        List<String> answered = new ArrayList<>();
        StringBuilder seen = new StringBuilder();
        for (String method : METHODS) {
            for (String target : Stream.concat(PAGES.stream(), TARGETS.stream()).toList()) {
                String line = method + " " + target + " HTTP/1.1";
                for (String rest : List.of(
                        "",
                        "Content-Length: 14\r\n\r\nnvidia=rebuild",
                        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
                        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
                        "X-HTTP-Method-Override: POST\r\nX-Original-URL: /driver/load\r\nX-Forwarded-For: 127.0.0.1")) {
                    String answer = ask(line, rest);
                    seen.append(answer);
                    if (answer.startsWith("HTTP/1.1 2") || answer.startsWith("HTTP/1.1 1")) {
                        answered.add(line);
                    }
                }
            }
        }

        // Then: nothing but GET and HEAD of the pages, with or without a question mark, is answered
        assertThat(answered).isNotEmpty().allSatisfy(line -> {
            assertThat(line).matches("(GET|HEAD) \\S+ HTTP/1.1");
            assertThat(PAGES).contains(line.split(" ", -1)[1].replaceFirst("\\?.*", ""));
        });
        assertThat(seen).doesNotContain(SECRET).doesNotContain("root:x:0:0").doesNotContain("101 Switching");
        assertThat(files()).isEqualTo(filesBefore);
        assertThat(section(ask("GET /state HTTP/1.1", ""), "\"configuration\"")).isEqualTo(settingsBefore);
        assertThat(kubelet.registerCalls()).isEqualTo(registrations);
        assertThat(kubelet.devices(EmbeddedKubelet.GPU_RESOURCE).orElseThrow().allocatable())
                .isEqualTo(1);
    }

    /** @param rest headers, and a body behind an empty line */
    private String ask(String line, String rest) throws IOException {
        String headers = line + "\r\nHost: node\r\n" + (rest.startsWith("Connection") ? "" : "Connection: close\r\n");
        String request = headers + rest + (rest.isEmpty() || rest.contains("\r\n\r\n") ? "" : "\r\n");
        try (Socket socket = new Socket()) {
            socket.setSoTimeout((int) SOON.toMillis());
            socket.connect(new InetSocketAddress(
                    InetAddress.getLoopbackAddress(), assembly.httpAddress().getPort()));
            socket.getOutputStream()
                    .write((request + (rest.contains("\r\n\r\n") ? "" : "\r\n")).getBytes(StandardCharsets.ISO_8859_1));
            socket.shutdownOutput();
            return new String(socket.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1);
        }
    }

    private static String section(String state, String name) {
        int at = state.indexOf(name);
        assertThat(at).as(name).isPositive();
        return state.substring(at, state.indexOf('}', at));
    }

    /** Every file of the node and of the configuration, with its content's size and time of change; sockets and what samplings move left out. */
    private Map<String, String> files() throws IOException {
        Map<String, String> found = new TreeMap<>();
        for (Path top : List.of(node.hostRoot(), folder)) {
            try (Stream<Path> paths = Files.walk(top)) {
                for (Path path : paths.filter(Files::isRegularFile).toList()) {
                    found.put(path.toString(), Files.size(path) + " " + Files.getLastModifiedTime(path));
                }
            }
        }
        return found;
    }
}
