package io.gpunode.agent.admin;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.SystemTime;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The server over real sockets. */
@Timeout(30)
class AdminServerTest {
    private static final Duration LIMIT = Duration.ofSeconds(5);
    private static final String METRICS = "up 1\n";

    private final List<Socket> sockets = new ArrayList<>();
    private final AdminState state = new AdminStates(Snapshots.t4().build()).build(SystemTime.monotonic());
    private AdminServer server = server(Page.of("text/plain; version=0.0.4", body -> body.write(METRICS)));

    @BeforeEach
    void start() throws IOException {
        server.start();
    }

    @AfterEach
    void stop() throws IOException {
        for (Socket socket : sockets) {
            socket.close();
        }
        server.stop(LIMIT);
    }

    @Test
    void answersMetrics() throws IOException {
        // Given
        Socket socket = connect();

        // When
        send(socket, "GET /metrics?name=x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");

        // Then
        assertThat(readAll(socket))
                .startsWith("HTTP/1.1 200 OK\r\n")
                .contains("content-type: text/plain; version=0.0.4\r\n")
                .contains("content-length: 5\r\n")
                .contains("x-content-type-options: nosniff\r\n")
                .endsWith("\r\n\r\nup 1\n");
    }

    @Test
    void answersEachOfItsPaths() throws IOException {
        // Given
        Socket socket = connect();

        // When
        for (String path : List.of("/", "/metrics", "/healthz", "/health", "/readyz", "/state")) {
            send(socket, "GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n");
        }
        send(socket, "GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");

        // Then
        assertThat(statuses(readAll(socket)))
                .containsExactly("200 OK", "200 OK", "200 OK", "200 OK", "200 OK", "200 OK", "404 Not Found");
    }

    @Test
    void answersRequestsThatAreSentAtOnceInTheirOrder() throws IOException {
        // Given
        Socket socket = connect();
        int requests = 2_000;

        // When
        send(
                socket,
                "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".repeat(requests)
                        + "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");

        // Then
        List<String> statuses = statuses(readAll(socket));
        assertThat(statuses).hasSize(requests + 1);
        assertThat(statuses.getLast()).isEqualTo("404 Not Found");
    }

    @Test
    void answersARequestThatComesInPieces() throws IOException {
        // Given
        Socket socket = connect();
        String request = "GET /metrics HTTP/1.0\r\nX-Long: " + "a".repeat(5_000) + "\r\n\r\n";

        // When
        for (String piece : request.split("(?<=\\G.{1500})", -1)) {
            send(socket, piece);
        }

        // Then
        assertThat(readAll(socket)).endsWith(METRICS);
    }

    @Test
    void leavesTheBodyOutForHead() throws IOException {
        // Given
        Socket socket = connect();

        // When
        send(socket, "HEAD /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");

        // Then
        assertThat(readAll(socket)).contains("content-length: 5\r\n").endsWith("\r\n\r\n");
    }

    @Test
    void closesAfterAnAnswerInTheOldProtocol() throws IOException {
        // Given
        Socket socket = connect();

        // When
        send(socket, "GET /metrics HTTP/1.0\r\n\r\n");

        // Then
        assertThat(readAll(socket)).endsWith(METRICS);
    }

    @Test
    void refusesOtherMethods() throws IOException {
        // Given
        Socket socket = connect();

        // When
        send(socket, "DELETE /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");

        // Then
        assertThat(readAll(socket)).startsWith("HTTP/1.1 405").contains("allow: GET, HEAD\r\n");
    }

    @Test
    void refusesBodies() throws IOException {
        // Given
        Socket socket = connect();

        // When
        send(socket, "GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\nabc");

        // Then
        assertThat(readAll(socket)).startsWith("HTTP/1.1 413");
    }

    @Test
    void refusesRequestLinesThatAreTooLong() throws IOException {
        // Given
        Socket socket = connect();

        // When
        send(socket, "GET /" + "a".repeat(100_000));

        // Then
        assertThat(readAll(socket)).startsWith("HTTP/1.1 414");
    }

    @Test
    void refusesHeadersThatAreTooLong() throws IOException {
        // Given
        Socket socket = connect();

        // When
        send(socket, "GET /metrics HTTP/1.1\r\n" + "X-A: b\r\n".repeat(2_000));

        // Then
        assertThat(readAll(socket)).startsWith("HTTP/1.1 431");
    }

    @Test
    void refusesWhatIsNotHttp() throws IOException {
        // Given
        Socket socket = connect();

        // When
        send(socket, "\u0016\u0003\u0001\u0002\u0000 hello\r\n\r\n");

        // Then
        assertThat(readAll(socket)).startsWith("HTTP/1.1 400");
    }

    @Test
    void closesAConnectionWhoseRequestDoesNotEnd() throws IOException {
        // Given
        restart(Page.of("text/plain", body -> body.write(METRICS)), Duration.ofMillis(300), LIMIT);
        Socket socket = connect();

        // When
        send(socket, "GET /metr");

        // Then
        assertThat(readAll(socket)).isEmpty();
    }

    @Test
    void closesAConnectionThatDoesNotReadItsAnswer() throws IOException {
        // Given
        byte[] large = new byte[4 << 20];
        restart(Page.of("text/plain", body -> body.write(large, large.length)), LIMIT, Duration.ofMillis(300));
        Socket slow = connect();

        // When
        send(slow, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
        awaitConnections(1);
        awaitConnections(0);

        // Then: others are still answered
        Socket other = connect();
        send(other, "GET /healthz HTTP/1.0\r\n\r\n");
        assertThat(readAll(other)).startsWith("HTTP/1.1 200");
    }

    @Test
    void keepsRoomForScrapesWhileAThousandConnectionsAreHeld() throws IOException {
        // Given
        for (int i = 0; i < 1_000; i++) {
            connect();
        }
        Socket scraper = connect();

        // When
        send(scraper, "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");

        // Then
        assertThat(readAll(scraper)).endsWith(METRICS);
        assertThat(server.connectionCount()).isLessThanOrEqualTo(Connections.MOST);
    }

    @Test
    void keepsAConnectionThatScrapesWhileOthersAreOnlyHeld() throws IOException {
        // Given
        Socket scraper = connect();
        send(scraper, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
        awaitAnswer(scraper);
        for (int i = 0; i < 300; i++) {
            connect();
        }

        // When
        send(scraper, "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");

        // Then
        assertThat(readAll(scraper)).endsWith(METRICS);
    }

    @Test
    void answersWith500WhenAPageFails() throws IOException {
        // Given
        restart(
                Page.of("text/plain", body -> {
                    body.write("half of it");
                    throw new IllegalStateException("a fault of the test");
                }),
                LIMIT,
                LIMIT);
        Socket socket = connect();

        // When
        send(socket, "GET /metrics HTTP/1.0\r\n\r\n");

        // Then
        assertThat(readAll(socket)).startsWith("HTTP/1.1 500").endsWith("this page failed: a fault of the test\n");
    }

    @Test
    void saysWhatToDoWhenThePortIsTaken() throws IOException {
        // Given
        try (ServerSocket holder = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            AdminServer second = server("127.0.0.1:" + holder.getLocalPort(), Page.of("text/plain", _ -> {}));

            // When / Then
            assertThatThrownBy(second::start)
                    .isInstanceOf(IOException.class)
                    .hasMessage("address in use: 127.0.0.1:" + holder.getLocalPort()
                            + " is held by java (process "
                            + ProcessHandle.current().pid()
                            + "); gpu-node-agent preflight says who holds it and how it lets go; or set http.listen");
        }
    }

    @Test
    void listensOnThePortAgainAfterAStop() throws IOException {
        // Given
        int port = server.address().getPort();
        server.stop(LIMIT);
        server = server("127.0.0.1:" + port, Page.of("text/plain", body -> body.write(METRICS)));

        // When
        server.start();

        // Then
        Socket socket = connect();
        send(socket, "GET /metrics HTTP/1.0\r\n\r\n");
        assertThat(readAll(socket)).endsWith(METRICS);
    }

    @Test
    void warmsUpThroughARealRequest() throws IOException {
        // Given
        List<String> asked = new ArrayList<>();
        restart(
                Page.of("text/plain", body -> {
                    asked.add("metrics");
                    body.write(METRICS);
                }),
                LIMIT,
                LIMIT);

        // When
        server.warmUp();

        // Then
        assertThat(asked).containsExactly("metrics");
    }

    private AdminServer server(Page metrics) {
        return server("127.0.0.1:0", metrics);
    }

    private AdminServer server(String listen, Page metrics) {
        return new AdminServer(
                new AgentConfig.Http(List.of(listen), false, "", "", LIMIT, LIMIT, 16),
                state,
                metrics,
                Meters.NONE,
                SystemTime.wall());
    }

    private void restart(Page metrics, Duration request, Duration answer) throws IOException {
        server.stop(LIMIT);
        server = server(metrics);
        server.start(new Connections.Limits(request, answer, LIMIT, 16));
    }

    private Socket connect() throws IOException {
        Socket socket =
                new Socket(server.address().getAddress(), server.address().getPort());
        socket.setSoTimeout(20_000);
        sockets.add(socket);
        return socket;
    }

    private static void send(Socket socket, String text) throws IOException {
        try {
            socket.getOutputStream().write(text.getBytes(StandardCharsets.ISO_8859_1));
        } catch (SocketException e) {
            // The server may have answered and closed before it has read everything.
        }
    }

    private static String readAll(Socket socket) throws IOException {
        StringBuilder text = new StringBuilder();
        byte[] buffer = new byte[8_192];
        try {
            int count = socket.getInputStream().read(buffer);
            while (count >= 0) {
                text.append(new String(buffer, 0, count, StandardCharsets.UTF_8));
                count = socket.getInputStream().read(buffer);
            }
        } catch (SocketException e) {
            // A reset is how the kernel closes a connection with unread input.
        }
        return text.toString();
    }

    private static void awaitAnswer(Socket socket) throws IOException {
        InputStream answer = socket.getInputStream();
        StringBuilder text = new StringBuilder();
        while (!text.toString().endsWith(METRICS)) {
            int next = answer.read();
            assertThat(next).as("the connection was closed after: %s", text).isNotNegative();
            text.append((char) next);
        }
    }

    private void awaitConnections(int count) {
        while (server.connectionCount() != count) {
            Thread.onSpinWait();
        }
    }

    private static List<String> statuses(String answers) {
        return answers.lines()
                .filter(line -> line.contains("HTTP/1.1 "))
                .map(line -> line.substring(line.indexOf("HTTP/1.1 ") + 9))
                .toList();
    }
}
