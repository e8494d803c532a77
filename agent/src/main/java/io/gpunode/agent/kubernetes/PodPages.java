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

    private int page = PODS_PER_PAGE;
    private String next = "";
    private List<T> kept = new ArrayList<>();

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
                    "/api/v1/pods?fieldSelector=" + encoded("spec.nodeName=" + node) + "&limit=" + page
                            + (next.isEmpty() ? "" : "&continue=" + encoded(next)),
                    "application/json");
            if (answer.status() == ApiAnswer.GONE && !next.isEmpty()) {
                restart();
                return new Page.More<>();
            }
            if (!answer.ok()) {
                return new Page.Refused<>(answer);
            }
            list = answer.object();
        } catch (UnreachableException | HttpTimeoutException e) {
            throw e;
        } catch (IOException e) {
            if (page == 1) {
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
        next = list.member("metadata").member("continue").textOr("");
        if (!next.isEmpty()) {
            return new Page.More<>();
        }
        List<T> all = kept;
        restart();
        return new Page.Last<>(
                all, list.member("metadata").member("resourceVersion").textOr(""));
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }
}
