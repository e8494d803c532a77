package io.gpunode.agent.admin;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufInputStream;
import io.netty.buffer.Unpooled;
import io.netty.handler.codec.http.DefaultFullHttpRequest;
import io.netty.handler.codec.http.DefaultHttpHeaders;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpVersion;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Random;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(10)
class GzipTest {
    private static final String LARGE = "DCGM_FI_DEV_GPU_TEMP{gpu=\"0\"} 41\n".repeat(500);

    private final Routes routes = new Routes(Map.of(
            "/large", Page.of("text/plain", body -> body.write(LARGE)),
            "/small", Page.of("text/plain", body -> body.write("ok\n")),
            "/failing",
                    Page.of("text/plain", body -> {
                        body.write(LARGE);
                        throw new IllegalStateException("a fault of the test");
                    })));
    private final HttpHeaders headers = new DefaultHttpHeaders();
    private final ByteBuf body = Unpooled.buffer();

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "'' | false",
                "gzip | true",
                "GZIP | true",
                "x-gzip | true",
                "deflate, gzip;q=0.5, br | true",
                "* | true",
                "*;q=0 | false",
                "gzip;q=0 | false",
                "gzip; q=0.000 | false",
                "gzip;q=0, * | false",
                "identity | false",
                "identity;q=0.5, gzip | true",
                "identity, gzip;q=0.5 | false",
                "deflate, br | false",
                "gzip;q=much | false",
                "gzip;q=NaN | false",
                "gzipped | false",
                ";,;q=,, | false"
            })
    void isUsedWhereTheRequestPrefersIt(String acceptEncoding, boolean expected) {
        // When
        boolean preferred = Gzip.preferred(acceptEncoding);

        // Then
        assertThat(preferred).isEqualTo(expected);
    }

    @Test
    void makesStreamsThatReadBackWhateverThePieces() throws IOException {
        // Given
        Gzip gzip = new Gzip();
        Random random = new Random(1);
        for (int size : new int[] {0, 1, 8_192, 100_000, 1_000_000}) {
            byte[] text = new byte[size];
            random.nextBytes(text);
            ByteBuf compressed = Unpooled.buffer();

            // When
            gzip.begin(compressed);
            for (int from = 0, count; from < size; from += count) {
                count = Math.min(size - from, 1 + random.nextInt(30_000));
                gzip.write(text, from, count, compressed);
            }
            int length = gzip.end(compressed);

            // Then
            assertThat(length).isEqualTo(size);
            assertThat(new GZIPInputStream(new ByteBufInputStream(compressed)).readAllBytes())
                    .isEqualTo(text);
        }
    }

    @Test
    void compressesALargePage() throws IOException {
        // When
        int status = routes.answer(request("/large", "gzip"), headers, body);

        // Then
        assertThat(status).isEqualTo(200);
        assertThat(headers.get("content-encoding")).isEqualTo("gzip");
        assertThat(headers.get("vary")).isEqualTo("accept-encoding");
        assertThat(body.readableBytes()).isLessThan(LARGE.length() / 10);
        assertThat(new GZIPInputStream(new ByteBufInputStream(body)).readAllBytes())
                .asString(StandardCharsets.UTF_8)
                .isEqualTo(LARGE);
    }

    @Test
    void leavesAPageAsItIsForWhoDoesNotAskForGzip() {
        // When
        routes.answer(request("/large", "br"), headers, body);

        // Then
        assertThat(headers.get("content-encoding")).isNull();
        assertThat(body.toString(StandardCharsets.UTF_8)).isEqualTo(LARGE);
    }

    @Test
    void leavesASmallPageAsItIsOnceItIsKnown() {
        // Given
        routes.answer(request("/small", "gzip"), new DefaultHttpHeaders(), Unpooled.buffer());

        // When
        routes.answer(request("/small", "gzip"), headers, body);

        // Then
        assertThat(headers.get("content-encoding")).isNull();
        assertThat(body.toString(StandardCharsets.UTF_8)).isEqualTo("ok\n");
    }

    @Test
    void saysInPlainTextThatAPageFailed() {
        // When
        int status = routes.answer(request("/failing", "gzip"), headers, body);

        // Then
        assertThat(status).isEqualTo(500);
        assertThat(headers.get("content-encoding")).isNull();
        assertThat(body.toString(StandardCharsets.UTF_8)).isEqualTo("this page failed: a fault of the test\n");
    }

    @Test
    void compressesTheNextPageAfterOneThatFailed() throws IOException {
        // Given
        routes.answer(request("/failing", "gzip"), new DefaultHttpHeaders(), Unpooled.buffer());

        // When
        routes.answer(request("/large", "gzip"), headers, body);

        // Then
        assertThat(new GZIPInputStream(new ByteBufInputStream(body)).readAllBytes())
                .hasSize(LARGE.length());
    }

    @Test
    void expectsAsMuchAsTheLastAnswerOfItsKind() {
        // Given
        routes.answer(request("/large", "gzip"), headers, body);
        routes.answer(request("/large", ""), headers, Unpooled.buffer());

        // When
        int compressed = routes.sizeHint(request("/large", "gzip"));
        int plain = routes.sizeHint(request("/large", ""));

        // Then
        assertThat(compressed).isBetween(body.readableBytes(), 1_024);
        assertThat(plain).isBetween(LARGE.length(), LARGE.length() * 11 / 10);
    }

    private static FullHttpRequest request(String path, String acceptEncoding) {
        FullHttpRequest request = new DefaultFullHttpRequest(HttpVersion.HTTP_1_1, HttpMethod.GET, path);
        if (!acceptEncoding.isEmpty()) {
            request.headers().set("accept-encoding", acceptEncoding);
        }
        return request;
    }
}
