package io.gpunode.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gpunode.agent.time.SystemTime;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Commands ask an agent that has to know its clients through its local socket. */
@Timeout(20)
class LocalSocketTest {
    private static final String STATE = "HTTP/1.1 200 OK\r\n\r\n{\"version\": \"0.1.0\"}";

    @TempDir
    private Path folder = Path.of("");

    @Test
    void readsTheStateThatTheAgentTellsThere() throws Exception {
        // Given
        Path path = folder.resolve("http.sock");
        try (ServerSocketChannel agent = answering(path, STATE)) {
            StateClient client = new StateClient(path.toString(), Duration.ofSeconds(10), SystemTime.monotonic());

            // When
            String version = client.state().member("version").textOr("");

            // Then
            assertThat(version).isEqualTo("0.1.0");
            assertThat(client.url()).isEqualTo(path.toString());
            assertThat(agent.isOpen()).isTrue();
        }
    }

    @Test
    void givesUpAnAgentThatNeverAnswers() throws Exception {
        // Given
        Path path = folder.resolve("http.sock");
        try (ServerSocketChannel silent = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            silent.bind(UnixDomainSocketAddress.of(path));
            StateClient client = new StateClient(path.toString(), Duration.ofMillis(200), SystemTime.monotonic());

            // When / Then
            assertThatThrownBy(client::state)
                    .isInstanceOf(IOException.class)
                    .hasMessageStartingWith("no answer within");
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"GPU_NODE_AGENT_HTTP_WEB_CONFIG_FILE=/etc/web.yml", "GPU_NODE_AGENT_HTTP_SYSTEMD_SOCKET=true"})
    void asksThereWhenTheConfigurationWantsToKnowClients(String variable) {
        // Given
        int equals = variable.indexOf('=');
        Terminal terminal = new Terminal()
                .environment(
                        "GPU_NODE_AGENT_HTTP_LOCAL_SOCKET",
                        folder.resolve("nobody.sock").toString())
                .environment(variable.substring(0, equals), variable.substring(equals + 1));

        // When
        ExitCode code = terminal.execute("status");

        // Then
        assertThat(code).isEqualTo(ExitCode.UNREACHABLE);
        assertThat(terminal.err()).contains("no agent answers at " + folder.resolve("nobody.sock"));
    }

    private static ServerSocketChannel answering(Path path, String answer) throws IOException {
        ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        server.bind(UnixDomainSocketAddress.of(path));
        // Ends by itself: with the listener, or with the only client.
        Thread.ofPlatform().daemon().start(() -> {
            try (SocketChannel client = server.accept()) {
                client.read(ByteBuffer.allocate(1_024));
                client.write(ByteBuffer.wrap(answer.getBytes(StandardCharsets.US_ASCII)));
            } catch (IOException e) {
                // The test has closed it.
            }
        });
        return server;
    }
}
