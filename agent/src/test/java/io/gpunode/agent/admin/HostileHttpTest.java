package io.gpunode.agent.admin;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.SystemTime;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Clients that mean no good, or know no better, over real sockets. */
@Timeout(60)
class HostileHttpTest {
    private static final Duration LONG = Duration.ofSeconds(20);
    private static final String METRICS = "up 1\n";
    private static final String[] PATHS = {"/", "/metrics", "/health", "/healthz", "/readyz", "/state"};

    private final List<AutoCloseable> held = new ArrayList<>();
    private final AtomicInteger scrapes = new AtomicInteger();
    private final Queue<String> threads = new ConcurrentLinkedQueue<>();
    private byte[] page = METRICS.getBytes(StandardCharsets.US_ASCII);
    private final AdminServer server = new AdminServer(
            new AgentConfig.Http(List.of("127.0.0.1:0"), false, "", "", LONG, LONG, 16),
            new AdminStates(Snapshots.t4().build()).build(SystemTime.monotonic()),
            Page.of("text/plain", body -> {
                scrapes.incrementAndGet();
                threads.add(Thread.currentThread().getName());
                body.write(page, page.length);
            }),
            Meters.NONE,
            SystemTime.wall());

    @BeforeEach
    void start() throws IOException {
        server.start();
    }

    @AfterEach
    void stop() throws Exception {
        for (AutoCloseable each : held) {
            each.close();
        }
        server.stop(LONG);
    }

    @Test
    void tenThousandOpenConnectionsDoNotShutAScraperOut() throws IOException {
        // Given
        InetSocketAddress address = server.address();
        for (int i = 0; i < 10_000; i++) {
            SocketChannel channel = SocketChannel.open();
            held.add(channel);
            channel.connect(address);
        }

        // When
        String answer = Web.get(connect(), "/metrics", "");

        // Then
        assertThat(answer).startsWith("HTTP/1.1 200").endsWith(METRICS);
        assertThat(server.connectionCount()).isLessThanOrEqualTo(Connections.MOST);
    }

    @Test
    void aThousandHalfSentRequestsDoNotShutAScraperOut() throws IOException {
        // Given
        for (int i = 0; i < 1_000; i++) {
            Web.send(connect(), "GET /metrics HTTP/1.1\r\nHost: a\r\nX-Half: ");
        }

        // When
        String answer = Web.get(connect(), "/metrics", "");

        // Then
        assertThat(answer).startsWith("HTTP/1.1 200").endsWith(METRICS);
    }

    @Test
    void pagesAreMadeOnAThreadOfTheirOwn() throws IOException {
        // When
        Web.get(connect(), "/metrics", "");

        // Then: whatever a client does to it, the kubelet's sockets are served by another
        assertThat(threads).isNotEmpty().allMatch(name -> name.startsWith("http"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"one header", "many headers", "the request line"})
    void aMegabyteInFrontOfARequestIsRefusedInWords(String where) throws IOException {
        // Given
        String megabyte = "a".repeat(1 << 20);
        String request = switch (where) {
            case "one header" -> "GET /metrics HTTP/1.1\r\nHost: a\r\nX-Long: " + megabyte + "\r\n\r\n";
            case "many headers" ->
                "GET /metrics HTTP/1.1\r\nHost: a\r\n" + "X-Header: 0123456789\r\n".repeat(48_000) + "\r\n";
            default -> "GET /" + megabyte + " HTTP/1.1\r\nHost: a\r\n\r\n";
        };

        // When
        String answer = Web.exchange(connect(), request);

        // Then
        assertThat(answer).startsWith(where.equals("the request line") ? "HTTP/1.1 414" : "HTTP/1.1 431");
    }

    @Test
    void answersNoMoreScrapesAtOnceThanAllowedAndGoesOnAfterwards() throws Exception {
        // Given: answers that no kernel takes in one piece
        page = new byte[4_000_000];
        server.configure(new AgentConfig.Http(List.of(), false, "", "", LONG, LONG, 2));
        List<Socket> slow = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            Socket socket = slowReader();
            Web.send(socket, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
            slow.add(socket);
        }
        await(2);

        // When
        String refused = Web.get(connect(), "/metrics", "");
        String other = Web.get(connect(), "/healthz", "");
        for (Socket socket : slow) {
            socket.close();
        }
        String afterwards = "";
        while (!afterwards.startsWith("HTTP/1.1 200")) {
            afterwards = Web.get(connect(), "/metrics", "");
        }

        // Then
        assertThat(refused)
                .startsWith("HTTP/1.1 503")
                .contains("retry-after: 1\r\n")
                .endsWith("too many scrapes at one time; http.maxConcurrentScrapes is 2\n");
        assertThat(other).startsWith("HTTP/1.1 200");
    }

    @Test
    void answersThatNobodyReadsGiveWayToThoseThatSomebodyReads() throws IOException {
        // Given: no room for a third
        page = new byte[3_500_000];
        for (int i = 0; i < 2; i++) {
            Web.send(slowReader(), "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
            await(i + 1);
        }

        // When
        String probe = Web.get(connect(), "/healthz", "");
        String scrape = Web.get(connect(), "/metrics", "");

        // Then
        assertThat(probe).startsWith("HTTP/1.1 200");
        assertThat(scrape).startsWith("HTTP/1.1 200");
        assertThat(scrape.length()).isGreaterThan(page.length);
        assertThat(server.connectionCount()).isLessThanOrEqualTo(3);
    }

    @Test
    void aSlowReaderThatReadsInTheEndHasTheWholeAnswer() throws IOException {
        // Given
        page = new byte[3_000_000];
        Socket slow = slowReader();
        Web.send(slow, "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        await(1);

        // When
        String answer = Web.readAll(slow);

        // Then
        assertThat(answer.length()).isGreaterThan(page.length);
    }

    /** Two readers of such a request could see two different ones: neither is answered. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "Content-Length: 5\\nTransfer-Encoding: chunked\\n\\n0\\n\\n",
                "Transfer-Encoding: chunked\\nContent-Length: 5\\n\\n0\\n\\n",
                "Transfer-Encoding: xchunked\\n\\n",
                "Transfer-Encoding: chunked, identity\\n\\n",
                "Transfer-Encoding: identity\\n\\n",
                "Transfer-Encoding : chunked\\n\\n0\\n\\n",
                "Content-Length: 5\\nContent-Length: 6\\n\\nabcde",
                "Content-Length: +5\\n\\nabcde",
                "Content-Length: 5, 6\\n\\nabcde",
                "Content-Length: -1\\n\\n",
                "Content-Length: 99999999999999999999\\n\\n",
                "Content-Length: 5\\n\\nabcde",
                "Host: b\\n\\n",
                "X-A: a\u0000b\\n\\n",
                "X A: b\\n\\n",
                ": b\\n\\n",
                "X-A\\n\\n",
            })
    void aRequestThatCanBeReadInTwoWaysEndsTheConnection(String rest) throws IOException {
        // Given
        String smuggled = "GET /state HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

        // When
        String answers = Web.exchange(
                connect(), "GET /metrics HTTP/1.1\r\nHost: a\r\n" + rest.replace("\\n", "\r\n") + smuggled);

        // Then
        assertThat(answers).startsWith("HTTP/1.1 4").contains("connection: close\r\n");
        assertThat(answers.split("HTTP/1.1 ", -1)).hasSize(2);
        assertThat(scrapes).hasValue(0);
    }

    @ParameterizedTest
    @CsvSource({
        "GET http://a:9400/metrics?x=y HTTP/1.1,  200",
        "GET HTTP://a HTTP/1.1,                   200",
        "GET https://a/healthz HTTP/1.1,          200",
        "GET http://a/nothing HTTP/1.1,           404",
        "GET * HTTP/1.1,                          404",
        "OPTIONS * HTTP/1.1,                      404",
        "CONNECT a:9400 HTTP/1.1,                 404",
        "GET /metrics/../state HTTP/1.1,          404",
        "GET //metrics HTTP/1.1,                  404",
        "GET /METRICS HTTP/1.1,                   404",
        "GET /\u00ff\u00fe\u0080 HTTP/1.1,        404",
        "GET /%00%ff HTTP/1.1,                    404",
        "GET /metrics HTTP/2.0,                   505",
        "PRI * HTTP/2.0,                          505",
        "GET /metrics HTTP/1.9,                   200",
        "GET /metrics,                            400",
        "GET,                                     400",
        "\u0000\u0001\u0002,                      400",
    })
    void answersEveryRequestLineAsItShouldBe(String line, int status) throws IOException {
        // When
        String answer = Web.exchange(connect(), line + "\r\nHost: a\r\nConnection: close\r\n\r\n");

        // Then
        assertThat(answer).startsWith("HTTP/1.1 " + status);
    }

    @Test
    void refusesARequestWithoutHost() throws IOException {
        // When
        String answer = Web.exchange(connect(), "GET /metrics HTTP/1.1\r\n\r\n");

        // Then
        assertThat(answer).startsWith("HTTP/1.1 400").endsWith("the header Host is missing\n");
    }

    @Test
    void noAnswerRepeatsWhatAClientSaid() throws IOException {
        // When
        String answer = Web.exchange(
                connect(),
                "GET /<script>alert(1)</script> HTTP/1.1\r\nHost: <script>\r\nX-A: <script>\r\nConnection: close\r\n\r\n");

        // Then
        assertThat(answer).startsWith("HTTP/1.1 404").doesNotContain("script");
    }

    /** All that an attacker can reach only reads. */
    @ParameterizedTest
    @ValueSource(
            strings = {"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "LINK", "PROPFIND", "PURGE", "get", "Head"
            })
    void noMethodButGetAndHeadDoesAnything(String method) throws IOException {
        for (String path : PATHS) {
            // When
            String answer =
                    Web.exchange(connect(), method + " " + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            String withBody = Web.exchange(
                    connect(), method + " " + path + " HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\na=b\n");

            // Then
            assertThat(answer).startsWith("HTTP/1.1 405").contains("allow: GET, HEAD\r\n");
            assertThat(withBody).startsWith("HTTP/1.1 405").contains("allow: GET, HEAD\r\n");
        }
        assertThat(scrapes).hasValue(0);
    }

    @Test
    void headHasTheHeadersOfGetAndNoBody() throws IOException {
        for (String path : PATHS) {
            // When
            String answer =
                    Web.exchange(connect(), "HEAD " + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");

            // Then
            assertThat(answer)
                    .startsWith("HTTP/1.1 200")
                    .contains("content-length: ")
                    .endsWith("\r\n\r\n");
        }
    }

    @Test
    void healthIsAnsweredAsDcgmExporterAnswersIt() throws IOException {
        // When
        String answer = Web.get(connect(), "/health", "");

        // Then
        assertThat(answer)
                .startsWith("HTTP/1.1 200 OK\r\n")
                .containsIgnoringCase("x-registry-available: true\r\n")
                .containsIgnoringCase("x-reload-in-progress: false\r\n")
                .endsWith("\r\n\r\nOK");
    }

    @Test
    void tellsWhichPathsThereAre() throws IOException {
        // When
        String answer = Web.get(connect(), "/debug/pprof/", "");

        // Then
        assertThat(answer)
                .startsWith("HTTP/1.1 404")
                .endsWith("not found; there is / /health /healthz /metrics /readyz /state\n");
    }

    private Socket connect() throws IOException {
        Socket socket =
                new Socket(server.address().getAddress(), server.address().getPort());
        socket.setSoTimeout(20_000);
        held.add(socket);
        return socket;
    }

    /** The kernel takes little for it, so that an answer stays on its way. */
    private Socket slowReader() throws IOException {
        Socket socket = new Socket();
        held.add(socket);
        socket.setReceiveBufferSize(4_096);
        socket.setSoTimeout(20_000);
        try {
            socket.connect(server.address());
        } catch (SocketException e) {
            throw new IOException("cannot connect to " + server.address(), e);
        }
        return socket;
    }

    private void await(int count) {
        while (scrapes.get() < count) {
            Thread.onSpinWait();
        }
    }
}
