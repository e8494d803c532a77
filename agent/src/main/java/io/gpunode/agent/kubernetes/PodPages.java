package io.gpunode.agent.kubernetes;

import io.gpunode.agent.json.JsonValue;
import java.io.IOException;
import java.net.URLEncoder;
import java.net.http.HttpTimeoutException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/** The pods of a node, listed a page a request, so that an answer fits what one may have. Keeps of each pod what is wanted. For one thread. */
final class PodPages<T> {
    /** Some 50 KiB for each pod. */
    private static final int PODS_PER_PAGE = 20;

    /** More than any kubelet runs; what is beyond is a server that does not keep to its own list. */
    private static final int MOST_KEPT = 10_000;

    private final boolean metadataWillDo;
    private final String selector;
    private int page = PODS_PER_PAGE;
    private String next = "";
    private List<T> kept = new ArrayList<>();
    private int taken;
    private boolean expired;
    /** The next page has a pod that is too large as a whole. */
    private boolean brief;

    /** @param metadataWillDo whether of a pod that is too large its metadata alone are of use; else there is no list while there is such a pod */
    PodPages(boolean metadataWillDo) {
        this(metadataWillDo, "");
    }

    /** The same of some of the pods. */
    PodPages(boolean metadataWillDo, String fieldSelector) {
        this.metadataWillDo = metadataWillDo;
        this.selector = fieldSelector.isEmpty() ? "" : "," + fieldSelector;
    }

    /** How a page came. */
    sealed interface Page<T> {
        /** There are more. */
        record More<T>() implements Page<T> {}

        /**
         * It was the last.
         *
         * @param resourceVersion of the list, from which a watch goes on
         */
        record Last<T>(List<T> pods, String resourceVersion) implements Page<T> {}

        /** The server refused. */
        record Refused<T>(ApiAnswer answer) implements Page<T> {}
    }

    /** Begins a new list. */
    void restart() {
        next = "";
        kept = new ArrayList<>();
        taken = 0;
        brief = false;
    }

    /**
     * Asks for the next page.
     *
     * @param wanted what is kept of a pod
     */
    Page<T> next(ApiClient api, String node, Function<JsonValue, Optional<T>> wanted)
            throws IOException, InterruptedException {
        JsonValue list;
        try {
            ApiAnswer answer = api.get(
                    "/api/v1/pods?fieldSelector=" + encoded("spec.nodeName=" + node + selector) + "&limit=" + page
                            + (next.isEmpty() ? "" : "&continue=" + encoded(next)),
                    brief ? ApiClient.METADATA : "application/json",
                    page == 1 ? ApiClient.LARGEST_POD_BYTES : ApiClient.LARGEST_BODY_BYTES);
            if (answer.status() == ApiAnswer.GONE && !next.isEmpty() && !expired) {
                restart();
                expired = true;
                return new Page.More<>();
            }
            if (!answer.ok()) {
                restart();
                expired = false;
                return new Page.Refused<>(answer);
            }
            list = answer.object();
        } catch (UnreachableException | HttpTimeoutException e) {
            throw e;
        } catch (IOException e) {
            if (page == 1 && metadataWillDo && !brief) {
                brief = true;
                return new Page.More<>();
            }
            if (page == 1) {
                restart();
                throw e;
            }
            // The pods may be large ones; fewer at once may fit.
            page = Math.max(1, page / 4);
            restart();
            return new Page.More<>();
        }
        for (JsonValue pod : list.member("items").elements()) {
            if (kept.size() < MOST_KEPT) {
                wanted.apply(pod).ifPresent(kept::add);
            }
        }
        brief = false;
        next = list.member("metadata").member("continue").textOr("");
        if (!next.isEmpty()) {
            taken += page;
            if (taken >= MOST_KEPT) {
                restart();
                throw new IOException("a list of the node's pods that does not end: " + MOST_KEPT + " and more");
            }
            return new Page.More<>();
        }
        List<T> all = kept;
        restart();
        expired = false;
        return new Page.Last<>(
                all, list.member("metadata").member("resourceVersion").textOr(""));
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }
}
