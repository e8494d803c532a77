package io.gpunode.agent.net;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.gpunode.agent.time.SystemTime;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(30)
class DownloadTest {
    private static final byte[] CONTENT = "0123456789".repeat(30_000).getBytes(StandardCharsets.US_ASCII);

    @TempDir
    Path directory;

    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final ConcurrentLinkedQueue<String> ranges = new ConcurrentLinkedQueue<>();
    private final List<Long> told = new ArrayList<>();
    private HttpServer server;
    private volatile int cutAfter = Integer.MAX_VALUE;
    private volatile int status = 200;
    private volatile boolean stalls;
    private volatile String tag = "\"one\"";

    @BeforeEach
    void startServer() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(threads);
        server.createContext("/driver.run", this::answer);
        server.createContext("/elsewhere", exchange -> {
            exchange.getResponseHeaders().add("Location", "/driver.run");
            exchange.sendResponseHeaders(302, -1);
            exchange.close();
        });
        server.start();
    }

    @AfterEach
    void stopServer() {
        server.stop(0);
        threads.shutdownNow();
    }

    private void answer(HttpExchange exchange) throws IOException {
        String range = exchange.getRequestHeaders().getFirst("Range");
        String condition = exchange.getRequestHeaders().getFirst("If-Range");
        ranges.add(range == null ? "all" : range);
        int from = range != null && tag.equals(condition)
                ? Integer.parseInt(range.substring("bytes=".length(), range.length() - 1))
                : 0;
        exchange.getResponseHeaders().add("ETag", tag);
        if (status != 200) {
            exchange.sendResponseHeaders(status, -1);
            exchange.close();
            return;
        }
        exchange.sendResponseHeaders(from > 0 ? 206 : 200, CONTENT.length - from);
        int length = Math.min(cutAfter, CONTENT.length - from);
        exchange.getResponseBody().write(CONTENT, from, length);
        exchange.getResponseBody().flush();
        if (stalls) {
            return;
        }
        exchange.close();
    }

    @Test
    void aFileIsFetchedAndAppearsWhole() throws Exception {
        // When
        fetch("/driver.run", Long.MAX_VALUE);

        // Then
        assertThat(directory.resolve("driver")).hasBinaryContent(CONTENT);
        assertThat(directory.toFile().list()).containsExactly("driver");
        assertThat(told).last().isEqualTo((long) CONTENT.length);
    }

    @Test
    void aConnectionThatBreaksIsGoneOnWith() throws Exception {
        // Given
        cutAfter = 120_000;

        // When
        fetch("/driver.run", Long.MAX_VALUE);

        // Then
        assertThat(directory.resolve("driver")).hasBinaryContent(CONTENT);
        assertThat(ranges).hasSizeGreaterThan(1).first().isEqualTo("all");
        assertThat(ranges).element(1).asString().startsWith("bytes=");
    }

    @Test
    void aFileThatHasChangedMeanwhileIsFetchedAnew() throws Exception {
        // Given
        Files.writeString(directory.resolve("driver.part"), "of another file");
        Files.writeString(directory.resolve("driver.tag"), "\"other\"");

        // When
        fetch("/driver.run", Long.MAX_VALUE);

        // Then
        assertThat(directory.resolve("driver")).hasBinaryContent(CONTENT);
    }

    @Test
    void redirectionsAreFollowed() throws Exception {
        // When
        fetch("/elsewhere", Long.MAX_VALUE);

        // Then
        assertThat(directory.resolve("driver")).hasBinaryContent(CONTENT);
    }

    @Test
    void aMissingFileIsToldAtOnce() {
        // Given
        status = 404;

        // When
        assertThatThrownBy(() -> fetch("/driver.run", Long.MAX_VALUE))
                // Then
                .isInstanceOf(Download.FailedException.class)
                .hasMessageContaining("status 404");
        assertThat(ranges).hasSize(1);
    }

    @Test
    void aFileThatIsTooLargeIsRefused() {
        // When
        assertThatThrownBy(() -> fetch("/driver.run", 1_000))
                // Then
                .isInstanceOf(IOException.class)
                .hasMessageContaining("more than 1000 bytes");
        assertThat(directory.resolve("driver")).doesNotExist();
    }

    @Test
    void aServerThatFallsSilentIsGivenUpAfterAWhileWithoutBytes() {
        // Given
        cutAfter = 0;
        stalls = true;

        // When
        assertThatThrownBy(() -> fetch("/driver.run", Long.MAX_VALUE))
                // Then
                .isInstanceOf(Download.FailedException.class)
                .hasMessageContaining("no byte came");
    }

    @Test
    void whatIsNoUrlIsRefused() {
        // Given
        Download download = new Download(SystemTime.monotonic(), Map.of());

        // When
        assertThatThrownBy(() -> download.fetch(
                        new Download.Order("ftp://x/y", directory.resolve("driver"), 10, Duration.ofSeconds(1)),
                        (_, _) -> {}))
                // Then
                .isInstanceOf(Download.FailedException.class)
                .hasMessageContaining("no URL of http or https");
    }

    @Test
    void theProxyOfTheEnvironmentIsAsked() throws Exception {
        // Given
        String proxy = "http://127.0.0.1:" + server.getAddress().getPort();
        Download download = new Download(SystemTime.monotonic(), Map.of("http_proxy", proxy));

        // When
        download.fetch(
                new Download.Order(
                        "http://mirror.invalid/driver.run",
                        directory.resolve("driver"),
                        Long.MAX_VALUE,
                        Duration.ofSeconds(5)),
                (done, _) -> told.add(done));

        // Then
        assertThat(directory.resolve("driver")).hasBinaryContent(CONTENT);
    }

    private void fetch(String path, long limit) throws Exception {
        new Download(SystemTime.monotonic(), Map.of())
                .fetch(
                        new Download.Order(
                                "http://127.0.0.1:" + server.getAddress().getPort() + path,
                                directory.resolve("driver"),
                                limit,
                                Duration.ofMillis(400)),
                        (done, _) -> told.add(done));
    }
}
