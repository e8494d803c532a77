package io.gpunode.agent.admin;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.SystemTime;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(20)
class LocalCommandsTest {
    private static final Duration LIMIT = Duration.ofSeconds(5);

    @TempDir
    private Path directory = Path.of("");

    private final List<String> asked = new ArrayList<>();
    private AdminServer server = new AdminServer(
            new AgentConfig.Http(List.of("127.0.0.1:0"), false, "", "", LIMIT, LIMIT, 4),
            new AdminStates(Snapshots.t4().build()).build(SystemTime.monotonic()),
            Page.of("text/plain", body -> {}),
            Meters.NONE,
            SystemTime.wall());

    @BeforeEach
    void start() throws IOException {
        server = new AdminServer(
                new AgentConfig.Http(List.of("127.0.0.1:0"), false, socket().toString(), "", LIMIT, LIMIT, 4),
                new AdminStates(Snapshots.t4().build()).build(SystemTime.monotonic()),
                Page.of("text/plain", body -> {}),
                new LocalCommands() {
                    @Override
                    public boolean has(String path) {
                        return path.equals("/driver/load");
                    }

                    @Override
                    public void run(String path, Answer answer) {
                        asked.add(path);
                        answer.line("step one\nand its rest");
                        answer.end("done");
                    }
                },
                Meters.NONE,
                SystemTime.wall());
        server.start();
    }

    @AfterEach
    void stop() {
        server.stop(LIMIT);
    }

    private Path socket() {
        return directory.resolve("http.sock");
    }

    private String locally(String request) throws IOException {
        try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(socket()))) {
            channel.write(ByteBuffer.wrap(request.getBytes(StandardCharsets.US_ASCII)));
            ByteArrayOutputStream answer = new ByteArrayOutputStream();
            ByteBuffer buffer = ByteBuffer.allocate(4_096);
            while (channel.read(buffer.clear()) >= 0) {
                answer.write(buffer.array(), 0, buffer.position());
            }
            return answer.toString(StandardCharsets.UTF_8);
        }
    }

    @Test
    void aCommandIsAnsweredInLines() throws IOException {
        // When
        String answer = locally("POST /driver/load HTTP/1.1\r\nHost: a\r\n\r\n");

        // Then
        assertThat(answer).startsWith("HTTP/1.1 200 OK\r\n").endsWith("\r\n\r\nstep one and its rest\ndone\n");
        assertThat(asked).containsExactly("/driver/load");
    }

    @Test
    void readingACommandDoesNothing() throws IOException {
        // When
        String answer = locally("GET /driver/load HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");

        // Then
        assertThat(answer).startsWith("HTTP/1.1 405 Method Not Allowed\r\n").contains("allow: POST\r\n");
        assertThat(asked).isEmpty();
    }

    @Test
    void theOtherListenersKnowNoCommands() throws IOException {
        // Given
        try (Socket tcp =
                new Socket(server.address().getAddress(), server.address().getPort())) {

            // When
            tcp.getOutputStream()
                    .write("POST /driver/load HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
                            .getBytes(StandardCharsets.US_ASCII));
            String answer = new String(tcp.getInputStream().readAllBytes(), StandardCharsets.UTF_8);

            // Then
            assertThat(answer).startsWith("HTTP/1.1 404 Not Found\r\n");
            assertThat(asked).isEmpty();
        }
    }

    @Test
    void theSocketIsForItsOwnerAlone() throws IOException {
        // When
        String mode = PosixFilePermissions.toString(Files.getPosixFilePermissions(socket()));

        // Then
        assertThat(mode).isEqualTo("rw-------");
    }
}
