package io.gpunode.agent.admin;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.api.BugDetectors;
import com.code_intelligence.jazzer.junit.FuzzTest;
import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.SystemTime;
import java.io.IOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;

/** Whatever a client sends, what it gets is HTTP or nothing, and the next client is answered. */
class HttpRequestFuzzTest {
    private static final Duration LIMIT = Duration.ofSeconds(5);

    private static final AdminServer SERVER = new AdminServer(
            new AgentConfig.Http(List.of("127.0.0.1:0"), false, "", "", LIMIT, LIMIT, 16),
            new AdminStates(Snapshots.t4().build()).build(SystemTime.monotonic()),
            Page.of("text/plain", body -> body.write("up 1\n")),
            Meters.NONE,
            SystemTime.wall());

    @BeforeAll
    static void start() throws IOException {
        SERVER.start();
    }

    @AfterAll
    static void stop() {
        SERVER.stop(LIMIT);
    }

    @FuzzTest
    void anyBytesAreAnsweredInHttpOrNotAtAll(byte[] bytes) throws IOException {
        // When
        String answer;
        String next;
        try (var _ = BugDetectors.allowNetworkConnections(
                        (_, port) -> port == SERVER.address().getPort());
                Socket socket = connect()) {
            Web.send(socket, new String(bytes, StandardCharsets.ISO_8859_1));
            Web.send(socket, "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            answer = Web.readAll(socket);
            next = Web.get(connect(), "/metrics", "");
        }

        // Then
        assertThat(answer.isEmpty() || answer.startsWith("HTTP/1.1 "))
                .as(answer)
                .isTrue();
        assertThat(next).startsWith("HTTP/1.1 200").endsWith("up 1\n");
    }

    private static Socket connect() throws IOException {
        Socket socket =
                new Socket(SERVER.address().getAddress(), SERVER.address().getPort());
        socket.setSoTimeout(20_000);
        return socket;
    }
}
