package io.gpunode.agent.admin;

import io.gpunode.agent.log.Log;
import io.netty.buffer.ByteBuf;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;

/** Which page answers which path. A page that fails is answered with 500. Owned by the event loop. */
final class Routes {
    private static final Log LOG = Log.of(Routes.class);
    private static final int SMALLEST_HINT_BYTES = 512;

    /** A finished answer whose body was written. */
    record Answer(int status, String contentType) {}

    private final Map<String, Page> pages;
    private final Map<String, Integer> lastSizes = new HashMap<>();

    Routes(Map<String, Page> pages) {
        this.pages = new TreeMap<>(pages);
    }

    /** How large the body for a path will probably be, in bytes. */
    int sizeHint(String uri) {
        return lastSizes.getOrDefault(path(uri), SMALLEST_HINT_BYTES);
    }

    /** Writes the body for a path. */
    Answer answer(String uri, ByteBuf body) {
        String path = path(uri);
        Page page = pages.get(path);
        Page.Body writer = (bytes, length) -> body.writeBytes(bytes, 0, length);
        if (page == null) {
            writer.write("not found; there is " + String.join(" ", pages.keySet()) + "\n");
            return new Answer(404, AdminServer.PLAIN_TEXT);
        }
        try {
            int status = page.write(writer);
            // A little more than the last time, so that a page that grows by a line does not make the buffer double.
            lastSizes.put(path, Math.max(SMALLEST_HINT_BYTES, body.readableBytes() + body.readableBytes() / 16));
            return new Answer(status, page.contentType());
        } catch (RuntimeException e) {
            LOG.error("page failed", e, "path", path);
            body.clear();
            writer.write("this page failed: " + e.getMessage() + "\n");
            return new Answer(500, AdminServer.PLAIN_TEXT);
        }
    }

    private static String path(String uri) {
        int query = uri.indexOf('?');
        return query < 0 ? uri : uri.substring(0, query);
    }
}
