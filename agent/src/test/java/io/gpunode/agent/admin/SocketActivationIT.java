package io.gpunode.agent.admin;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Sockets that systemd passes, to a process of its own. */
@Timeout(60)
class SocketActivationIT {
    private static final Path ACTIVATE = Path.of("/usr/bin/systemd-socket-activate");

    @TempDir
    private Path folder = Path.of("");

    private final List<Process> started = new ArrayList<>();

    @BeforeEach
    void needsSystemd() {
        assumeThat(Files.isExecutable(ACTIVATE)).as("%s is here", ACTIVATE).isTrue();
    }

    @AfterEach
    void stop() throws InterruptedException {
        for (Process process : started) {
            process.destroyForcibly().waitFor(10, TimeUnit.SECONDS);
        }
    }

    @Test
    void servesAPortThatSystemdHolds() throws IOException {
        // Given
        int port = freePort();
        activate("127.0.0.1:" + port);

        // When: the first connection starts the process, and waits for it
        String answer = Web.get(connect(port), "/metrics", "");

        // Then
        assertThat(answer).startsWith("HTTP/1.1 200").contains("pid ");
        assertThat(Web.get(connect(port), "/state", "")).contains("127.0.0.1:" + port);
    }

    @Test
    void servesAUnixSocketBesideAPort() throws IOException {
        // Given
        int port = freePort();
        Path path = folder.resolve("http.sock");
        activate("127.0.0.1:" + port, path.toString());
        Web.get(connect(port), "/metrics", "");

        // When
        String answer;
        try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
            channel.write(ByteBuffer.wrap("GET /metrics HTTP/1.0\r\n\r\n".getBytes(StandardCharsets.US_ASCII)));
            answer = new String(Channels.newInputStream(channel).readAllBytes(), StandardCharsets.UTF_8);
        }

        // Then
        assertThat(answer).startsWith("HTTP/1.1 200");
        assertThat(path).exists();
    }

    @Test
    void saysThatThereIsNoSocketWhenNoneIsPassed() throws Exception {
        // Given
        Process process = new ProcessBuilder(java()).redirectErrorStream(true).start();
        started.add(process);

        // When
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);

        // Then
        assertThat(process.waitFor(10, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).isNotZero();
        assertThat(output)
                .contains("systemd passes no socket to this process (LISTEN_FDS is not set);"
                        + " start gpu-node-agent.socket, or unset http.systemdSocket");
    }

    @Test
    void saysThatSystemdHoldsThePortWhenItsSocketIsNotAskedFor() throws Exception {
        // Given
        int port = freePort();
        List<String> command = new ArrayList<>(List.of(ACTIVATE.toString(), "--listen=127.0.0.1:" + port));
        command.addAll(java());
        command.add("127.0.0.1:" + port);
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        started.add(process);

        // When
        try (Socket waking = connect(port)) {
            assertThat(waking.isConnected()).isTrue();
            String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);

            // Then
            assertThat(output)
                    .contains("address in use: 127.0.0.1:" + port + " is held by systemd,")
                    .contains("set http.systemdSocket: true");
        }
    }

    private void activate(String... sockets) throws IOException {
        List<String> command = new ArrayList<>(List.of(ACTIVATE.toString()));
        for (String socket : sockets) {
            command.add("--listen=" + socket);
        }
        command.addAll(java());
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve("output").toFile())
                .start();
        started.add(process);
    }

    private static List<String> java() {
        return List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "-cp",
                System.getProperty("java.class.path"),
                SocketActivatedServer.class.getName());
    }

    private static int freePort() throws IOException {
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return free.getLocalPort();
        }
    }

    /** The socket is there a moment after its process is. */
    private static Socket connect(int port) {
        while (true) {
            try {
                Socket socket = new Socket(InetAddress.getLoopbackAddress(), port);
                socket.setSoTimeout(30_000);
                return socket;
            } catch (IOException e) {
                Thread.onSpinWait();
            }
        }
    }
}
