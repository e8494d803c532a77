package io.gpunode.agent.admin;

import io.gpunode.agent.log.Log;
import io.netty.buffer.ByteBuf;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpRequest;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Which page answers which path. A page that fails is answered with 500. Owned by the event loop. */
final class Routes {
    private static final Log LOG = Log.of(Routes.class);
    private static final int SMALLEST_HINT_BYTES = 512;

    /** One request and the headers of its answer. */
    private record Exchange(HttpHeaders asked, HttpHeaders answer, ByteBuf body) implements Page.Body {
        @Override
        public void write(byte[] bytes, int from, int count) {
            body.writeBytes(bytes, from, count);
        }

        @Override
        public String asked(String header) {
            List<String> values = asked.getAll(header);
            return values.size() == 1 ? values.getFirst() : String.join(", ", values);
        }

        @Override
        public void header(String name, String value) {
            answer.set(name, value);
        }
    }

    private final Map<String, Page> pages;
    private final Map<String, Integer> lastSizes = new HashMap<>();

    Routes(Map<String, Page> pages) {
        this.pages = new TreeMap<>(pages);
    }

    /** Whether there is a page at a path. */
    boolean has(String uri) {
        return pages.containsKey(path(uri));
    }

    /** How large the body for a path will probably be, in bytes. */
    int sizeHint(String uri) {
        return lastSizes.getOrDefault(path(uri), SMALLEST_HINT_BYTES);
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
        Page.Body writer = new Exchange(request.headers(), headers, body);
        headers.set(HttpHeaderNames.CONTENT_TYPE, AdminServer.PLAIN_TEXT);
        if (page == null) {
            writer.write("not found; there is " + String.join(" ", pages.keySet()) + "\n");
            return 404;
        }
        try {
            headers.set(HttpHeaderNames.CONTENT_TYPE, page.contentType());
            int status = page.write(writer);
            // A little more than the last time, so that a page that grows by a line does not make the buffer double.
            lastSizes.put(path, Math.max(SMALLEST_HINT_BYTES, body.readableBytes() + body.readableBytes() / 16));
            return status;
        } catch (RuntimeException e) {
            LOG.error("page failed", e, "path", path);
            body.clear();
            headers.clear().set(HttpHeaderNames.CONTENT_TYPE, AdminServer.PLAIN_TEXT);
            writer.write("this page failed: " + e.getMessage() + "\n");
            return 500;
        }
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
