package io.gpunode.agent.admin;

import io.gpunode.agent.log.Log;
import io.netty.buffer.ByteBuf;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaderValues;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpRequest;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Which page answers which path, compressed where the request prefers that and the page is not tiny. A page that fails is answered with 500. Owned by the
 * event loop.
 */
final class Routes {
    private static final Log LOG = Log.of(Routes.class);
    private static final int SMALLEST_HINT_BYTES = 512;

    /** Below it, compressing saves no packet. */
    private static final int WORTH_COMPRESSING_BYTES = 1_024;

    /** One request and the headers of its answer. */
    private record Exchange(
            HttpHeaders asked,
            HttpHeaders answer,
            ByteBuf body,
            @Nullable Gzip gzip) implements Page.Body {
        @Override
        public void write(byte[] bytes, int from, int count) {
            if (gzip == null) {
                body.writeBytes(bytes, from, count);
            } else {
                gzip.write(bytes, from, count, body);
            }
        }

        @Override
        public String asked(String header) {
            return list(asked, header);
        }

        @Override
        public void header(String name, String value) {
            answer.set(name, value);
        }
    }

    /** Of the newest answers of a path, in bytes. A page that was never asked for counts as large. */
    private static final class Sizes {
        private int plain = WORTH_COMPRESSING_BYTES;
        private int compressed;
    }

    private final Map<String, Page> pages;
    private final Map<String, Sizes> lastSizes = new HashMap<>();

    /** {@code null} until the first compressed answer. */
    private @Nullable Gzip gzip;

    Routes(Map<String, Page> pages) {
        this.pages = new TreeMap<>(pages);
    }

    /** Whether there is a page at a path. */
    boolean has(String uri) {
        return pages.containsKey(path(uri));
    }

    /** How large the body for a request will probably be, in bytes. */
    int sizeHint(HttpRequest request) {
        Sizes sizes = lastSizes.get(path(request.uri()));
        if (sizes == null) {
            return SMALLEST_HINT_BYTES;
        }
        int bytes = compresses(request, sizes) ? sizes.compressed : sizes.plain;
        // A little more than the last time, so that a page that grows by a line does not make the buffer double.
        return Math.max(SMALLEST_HINT_BYTES, bytes + bytes / 16);
    }

    /**
     * Writes the body for a path.
     *
     * @param headers of the answer
     * @return the status
     */
    int answer(HttpRequest request, HttpHeaders headers, ByteBuf body) {
        String path = path(request.uri());
        Page page = pages.get(path);
        headers.set(HttpHeaderNames.CONTENT_TYPE, AdminServer.PLAIN_TEXT);
        if (page == null) {
            body.writeCharSequence(
                    "not found; there is " + String.join(" ", pages.keySet()) + "\n", StandardCharsets.UTF_8);
            return 404;
        }
        Sizes sizes = lastSizes.computeIfAbsent(path, _ -> new Sizes());
        try {
            headers.set(HttpHeaderNames.CONTENT_TYPE, page.contentType());
            return compresses(request, sizes)
                    ? compressed(page, request, headers, body, sizes)
                    : plain(page, request, headers, body, sizes);
        } catch (RuntimeException e) {
            LOG.error("page failed", e, "path", path);
            body.clear();
            headers.clear().set(HttpHeaderNames.CONTENT_TYPE, AdminServer.PLAIN_TEXT);
            body.writeCharSequence("this page failed: " + e.getMessage() + "\n", StandardCharsets.UTF_8);
            return 500;
        }
    }

    private int plain(Page page, HttpRequest request, HttpHeaders headers, ByteBuf body, Sizes sizes) {
        int status = page.write(new Exchange(request.headers(), headers, body, null));
        sizes.plain = body.readableBytes();
        headers.add(HttpHeaderNames.VARY, HttpHeaderNames.ACCEPT_ENCODING);
        return status;
    }

    private int compressed(Page page, HttpRequest request, HttpHeaders headers, ByteBuf body, Sizes sizes) {
        Gzip stream = gzip;
        if (stream == null) {
            stream = new Gzip();
            gzip = stream;
        }
        stream.begin(body);
        int status = page.write(new Exchange(request.headers(), headers, body, stream));
        sizes.plain = stream.end(body);
        sizes.compressed = body.readableBytes();
        headers.set(HttpHeaderNames.CONTENT_ENCODING, HttpHeaderValues.GZIP)
                .add(HttpHeaderNames.VARY, HttpHeaderNames.ACCEPT_ENCODING);
        return status;
    }

    private static boolean compresses(HttpRequest request, Sizes sizes) {
        return sizes.plain >= WORTH_COMPRESSING_BYTES
                && Gzip.preferred(list(request.headers(), HttpHeaderNames.ACCEPT_ENCODING));
    }

    /** A header that is a list; its lines as one, empty when there is none. */
    private static String list(HttpHeaders headers, CharSequence name) {
        List<String> values = headers.getAll(name);
        return values.size() == 1 ? values.getFirst() : String.join(", ", values);
    }

    /** The path of a request's target, which may be in the form that is meant for proxies. */
    static String path(String uri) {
        int from = 0;
        if (uri.regionMatches(true, 0, "http://", 0, 7) || uri.regionMatches(true, 0, "https://", 0, 8)) {
            from = uri.indexOf('/', uri.indexOf("//") + 2);
            if (from < 0) {
                return "/";
            }
        }
        int query = uri.indexOf('?', from);
        return uri.substring(from, query < 0 ? uri.length() : query);
    }
}
