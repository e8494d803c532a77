package io.gpunode.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.kubernetes.FakeApiServer;
import io.gpunode.agent.kubernetes.FakePods;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.simulation.EmbeddedKubelet;
import io.gpunode.agent.simulation.KubeletOptions;
import io.gpunode.agent.testing.Golden;
import io.gpunode.agent.testing.MinimalPlugin;
import io.gpunode.agent.time.SystemTime;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code node drain}, {@code uncordon} and {@code status} against an API server. */
@Timeout(60)
class NodeCommandsTest {
    private static final String BUDGET = "The disruption budget web needs 1 healthy pods and has 1 currently";

    @TempDir
    private Path directory;

    private final Terminal terminal = new Terminal();
    private FakeApiServer server;
    private FakePods pods;

    @BeforeEach
    void serve() throws IOException {
        server = FakeApiServer.plain("node-a");
        server.labels(Map.of());
        pods = FakePods.of(server);
        Files.writeString(
                directory.resolve("config.yaml"),
                "version: v1\nhost: {nodeName: node-a}\nkubelet: {podResourcesSocket: " + directory.resolve("none.sock")
                        + "}\n");
        Files.writeString(directory.resolve("kubeconfig"), """
                apiVersion: v1
                kind: Config
                clusters: [{name: c, cluster: {server: "%s"}}]
                contexts: [{name: x, context: {cluster: c, user: ""}}]
                current-context: x
                """.formatted(server.url()));
    }

    @AfterEach
    void end() {
        server.close();
    }

    private ExitCode node(String... arguments) {
        List<String> words = new ArrayList<>(List.of("node"));
        words.addAll(List.of(arguments));
        words.addAll(List.of(
                "--config",
                directory.resolve("config.yaml").toString(),
                "--kubeconfig",
                directory.resolve("kubeconfig").toString()));
        return terminal.execute(words.toArray(new String[0]));
    }

    @Test
    void drainTellsWhatItDoesAndHowToUndoIt() {
        // Given
        pods.add("ml", "train");
        pods.add("kube-system", "exporter").ownedBy("DaemonSet");

        // When
        ExitCode code = node("drain", "--reason", "new firmware");

        // Then
        assertThat(code).isEqualTo(ExitCode.OK);
        Golden.check("node/drained.txt", terminal.out());
        assertThat(terminal.err()).isEmpty();
        assertThat(pods.unschedulable()).isTrue();
        assertThat(pods.evicted()).containsExactly("ml/train");
    }

    @Test
    void podsInTheWayHaveAnExitStatusOfTheirOwnAndCommandsToTypeNext() {
        // Given
        pods.add("ml", "web").keptBy(BUDGET);

        // When
        ExitCode code = node("drain", "--timeout", "1s");

        // Then
        assertThat(code).isEqualTo(ExitCode.IN_THE_WAY);
        Golden.check("node/in-the-way.txt", terminal.out());
        assertThat(pods.unschedulable()).isTrue();
    }

    @Test
    void aDryRunAsJsonIsForPrograms() {
        // Given
        pods.add("ml", "train");
        pods.add("ml", "web").keptBy(BUDGET);
        pods.add("me", "experiment").ownedBy("");
        pods.add("kube-system", "exporter").ownedBy("DaemonSet");

        // When
        ExitCode code = node("drain", "--dry-run", "--output", "json");

        // Then
        assertThat(code).isEqualTo(ExitCode.IN_THE_WAY);
        Golden.check("node/dry-run.json", terminal.out());
        assertThat(pods.unschedulable()).isFalse();
        assertThat(pods.evicted()).isEmpty();
    }

    @Test
    void uncordonLetsPodsComeBack() {
        // Given
        node("drain");

        // When
        ExitCode code = node("uncordon");

        // Then
        assertThat(code).isEqualTo(ExitCode.OK);
        assertThat(terminal.out()).endsWith("\nnode node-a takes pods again\n");
        assertThat(pods.unschedulable()).isFalse();
    }

    @Test
    void theCordonOfSomebodyElseIsAFailureOfUncordon() {
        // Given
        pods.cordonedByHand(true);

        // When
        ExitCode code = node("uncordon");

        // Then
        assertThat(code).isEqualTo(ExitCode.FAILURE);
        assertThat(terminal.out()).contains("cordoned by somebody else");
    }

    @Test
    void statusShowsWhoHoldsGpus() {
        // Given
        pods.add("ml", "train");

        // When
        ExitCode code = node("status");

        // Then
        assertThat(code).isEqualTo(ExitCode.OK);
        assertThat(terminal.out()).isEqualTo("""
                POD       HOLDS             STATE  WHY
                ml/train  1 nvidia.com/gpu  holds

                node node-a is open for pods; 1 pod holds GPUs
                """);
    }

    @Test
    void thePodThatOnlyTheKubeletKnowsToHoldAGpuIsShown() throws Exception {
        // Given
        pods.add("ml", "old").asks("");
        Path sockets = Files.createDirectories(directory.resolve("dp"));
        EventLoops loops = EventLoops.open("kubelet-io");
        try (loops;
                EmbeddedKubelet kubelet = new EmbeddedKubelet(
                        KubeletOptions.of(sockets, directory.resolve("none.sock")), loops, SystemTime.monotonic());
                MinimalPlugin plugin = new MinimalPlugin(sockets, "plugin.sock", EmbeddedKubelet.GPU_RESOURCE, loops)) {
            kubelet.start();
            plugin.send(MinimalPlugin.device("GPU-a", "Healthy"));
            plugin.serve();
            plugin.register();
            kubelet.awaitDevices(EmbeddedKubelet.GPU_RESOURCE, list -> list.capacity() == 1, Duration.ofSeconds(10));
            kubelet.runPod("ml", "old", "main", 1);

            // When
            ExitCode code = node("status");

            // Then
            assertThat(code).isEqualTo(ExitCode.OK);
            assertThat(terminal.out()).contains("ml/old  GPUs, as the kubelet says  holds");
            assertThat(terminal.err()).isEmpty();
        }
    }

    @Test
    void aKubeletThatDoesNotAnswerIsWaitedForAndSaid() throws Exception {
        // Given: the socket of one that was stopped
        pods.add("ml", "train");
        UnixDomainSocketAddress address = UnixDomainSocketAddress.of(directory.resolve("none.sock"));
        try (ServerSocketChannel stopped = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            stopped.bind(address);
        }

        // When
        ExitCode code = node("drain", "--timeout", "2s");

        // Then
        assertThat(code).isEqualTo(ExitCode.FAILURE);
        assertThat(terminal.out())
                .contains("trying again: the kubelet does not say which pods hold GPUs: nobody listens on ")
                .contains("it could not be done within the time limit: the kubelet does not say");
        assertThat(pods.evicted()).isEmpty();
        assertThat(pods.unschedulable()).isFalse();
    }

    @Test
    void whoStopsItIsToldHowToGoOnAndHowToUndo() throws Exception {
        // Given
        pods.add("ml", "web").keptBy(BUDGET);
        // A build in the background ignores SIGINT, its children inherit that, and a Java process then leaves the
        // signal alone.
        Process command = new ProcessBuilder(
                        "env",
                        "--default-signal=INT",
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Main.class.getName(),
                        "node",
                        "drain",
                        "--config",
                        directory.resolve("config.yaml").toString(),
                        "--kubeconfig",
                        directory.resolve("kubeconfig").toString())
                .redirectErrorStream(true)
                .start();
        try (BufferedReader output = command.inputReader()) {
            String line = output.readLine();
            while (line != null && !line.startsWith("ml/web waits: ")) {
                line = output.readLine();
            }
            assertThat(line).isNotNull();

            // When: Ctrl-C
            int sent = new ProcessBuilder("kill", "-INT", Long.toString(command.pid()))
                    .start()
                    .waitFor();

            // Then
            assertThat(sent).isZero();
            assertThat(command.waitFor(20, TimeUnit.SECONDS)).isTrue();
            assertThat(command.exitValue()).isEqualTo(ExitCode.FAILURE.code());
            assertThat(output.readLine())
                    .isEqualTo("stopped; the node stays cordoned. Go on with: gpu-node-agent node drain; undo it with:"
                            + " gpu-node-agent node uncordon");
            assertThat(pods.unschedulable()).isTrue();
        } finally {
            command.destroyForcibly();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"drain", "uncordon", "status"})
    void aServerThatIsNotThereHasAnExitStatusOfItsOwn(String command) {
        // Given
        server.close();

        // When
        ExitCode code = node(command);

        // Then
        assertThat(code).isEqualTo(ExitCode.UNREACHABLE);
        assertThat(terminal.err()).startsWith("gpu-node-agent: the API server cannot be asked: " + server.url());
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "-5m", "soon", "25h", ""})
    void aTimeLimitThatIsNoneIsAWrongCommandLine(String timeout) {
        // When
        ExitCode code = node("drain", "--timeout=" + timeout);

        // Then
        assertThat(code).isEqualTo(ExitCode.USAGE);
        assertThat(terminal.err())
                .contains("--timeout: \"" + timeout + "\" is not a duration of more than zero and at most 24h");
    }

    @ParameterizedTest
    @ValueSource(strings = {"drain", "uncordon", "status"})
    void withTheCredentialsOfAKubeletNoOtherNodeIsTouched(String command) throws IOException {
        // Given
        Path certificate = Path.of("src", "test", "resources", "kubernetes", "kubelet-sec1.pem")
                .toAbsolutePath();
        Files.writeString(directory.resolve("kubeconfig"), """
                apiVersion: v1
                kind: Config
                clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
                users: [{name: kubelet, user: {client-certificate: "%1$s", client-key: "%1$s"}}]
                contexts: [{name: x, context: {cluster: c, user: kubelet}}]
                current-context: x
                """.formatted(certificate));

        // When
        ExitCode code = node(command, "--node-name", "node-b");

        // Then
        assertThat(code).isEqualTo(ExitCode.USAGE);
        assertThat(terminal.err())
                .startsWith("gpu-node-agent: --node-name is \"node-b\", but the credentials are those of the kubelet of"
                        + " node \"node-a\"");
        assertThat(terminal.out()).isEmpty();
    }

    @Test
    void aKubeconfigThatIsNotThereIsToldWithItsName() {
        // When
        ExitCode code = terminal.execute("node", "status", "--kubeconfig", "/nonexistent/config");

        // Then
        assertThat(code).isEqualTo(ExitCode.UNREACHABLE);
        assertThat(terminal.err()).contains("/nonexistent/config does not exist");
    }
}
