package io.gpunode.agent.kubernetes;

import java.io.IOException;
import java.net.ConnectException;
import java.net.InetSocketAddress;
import java.net.ProxySelector;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandler;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.HttpResponse.BodySubscribers;
import java.net.http.HttpTimeoutException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.UnresolvedAddressException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import javax.net.ssl.SSLException;

/**
 * Speaks to one API server with the Java runtime's HTTP client: each call has a time limit and each body a size limit, credentials are read again for
 * each call, and connections are made anew when a certificate was renewed. Calls are for one thread, that of {@link ApiConnection}; what a watch brings
 * comes on this client's own thread.
 */
final class ApiClient implements AutoCloseable {
    /** The metadata of a node has some kilobytes; all annotations together may have 256 KiB. */
    static final int LARGEST_BODY_BYTES = 1 << 20;

    /** One pod as a whole: etcd takes objects of 1.5 MiB, which are somewhat longer as JSON. */
    static final int LARGEST_POD_BYTES = 2 << 20;

    /** Asks for an object's metadata alone; servers that do not know this send all of it. */
    static final String METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

    static final Duration CALL_LIMIT = Duration.ofSeconds(10);

    private static final Duration CONNECT_LIMIT = Duration.ofSeconds(5);
    private static final Duration LONGEST_RETRY_AFTER = Duration.ofMinutes(5);

    private final ApiAccess access;
    private final String userAgent;
    private final RequestMeters meters;
    private final Duration callLimit;
    private final ExecutorService executor;
    private Tls tls;
    private HttpClient http;

    /**
     * Connects when it is first asked for something.
     *
     * @param callLimit of one call, connecting included
     * @throws IOException when a credential cannot be read
     */
    ApiClient(ApiAccess access, String userAgent, RequestMeters meters, Duration callLimit) throws IOException {
        this.access = access;
        this.userAgent = userAgent;
        this.meters = meters;
        this.callLimit = callLimit;
        this.tls = Tls.read(access);
        // The client's own default is a thread for each thing at once.
        this.executor = Executors.newSingleThreadExecutor(
                Thread.ofPlatform().daemon().name("kubernetes-http").factory());
        this.http = connect();
    }

    /** Where to, and as whom. */
    ApiAccess access() {
        return access;
    }

    /** The node whose kubelet the agent speaks as; empty with other credentials. */
    Optional<String> nodeName() throws IOException {
        return tls.nodeName();
    }

    /** Reads an object or a list. */
    ApiAnswer get(String path, String accept) throws IOException, InterruptedException {
        return get(path, accept, LARGEST_BODY_BYTES);
    }

    /** The same, with a limit of its own for the answer in bytes. */
    ApiAnswer get(String path, String accept, int limit) throws IOException, InterruptedException {
        return send("get", request(path, accept).GET(), limit);
    }

    /** Creates an object. */
    ApiAnswer create(String path, String json) throws IOException, InterruptedException {
        return send(
                "create",
                request(path, "application/json")
                        .header("Content-Type", "application/json")
                        .POST(body(json)));
    }

    /** Deletes an object; {@code json} says under which conditions. */
    ApiAnswer delete(String path, String json) throws IOException, InterruptedException {
        return send(
                "delete",
                request(path, "application/json")
                        .header("Content-Type", "application/json")
                        .method("DELETE", body(json)));
    }

    /** Changes an object; {@code contentType} says in which of the ways that Kubernetes has. */
    ApiAnswer patch(String path, String contentType, String json) throws IOException, InterruptedException {
        return patch(path, "application/json", contentType, json);
    }

    /** The same, with no more of the object sent back than its metadata: a node as a whole has tens of kilobytes. */
    ApiAnswer patchInBrief(String path, String contentType, String json) throws IOException, InterruptedException {
        return patch(path, METADATA, contentType, json);
    }

    private ApiAnswer patch(String path, String accept, String contentType, String json)
            throws IOException, InterruptedException {
        return send(
                "patch",
                request(path, accept).header("Content-Type", contentType).method("PATCH", body(json)));
    }

    /**
     * Says what an object is to hold of a field manager's (server-side apply): what this manager has said before and says no more is removed, what
     * others manage is left alone. An object that is not there is made.
     *
     * @param path with the parameters {@code fieldManager} and, where it is to take what others manage, {@code force}
     * @param accept the shape of the answer
     */
    ApiAnswer apply(String path, String accept, String json) throws IOException, InterruptedException {
        return send(
                "apply",
                request(path, accept)
                        // JSON is YAML; only the newest servers know a name for it.
                        .header("Content-Type", "application/apply-patch+yaml")
                        .method("PATCH", body(json)));
    }

    /**
     * Opens a watch.
     *
     * @param reader gets what comes, on this client's thread
     * @param limit of one event in bytes
     * @return the watch, or the server's refusal
     */
    WatchStart watch(String path, String accept, WatchStream.Reader reader, int limit)
            throws IOException, InterruptedException {
        BodyHandler<WatchStart> handler = info -> info.statusCode() == 200 && json(info.headers())
                ? new WatchStream(reader, limit)
                : BodySubscribers.mapping(
                        BodyHandlers.limiting(BodyHandlers.ofString(), LARGEST_BODY_BYTES)
                                .apply(info),
                        text -> new WatchStart.Refused(answer(info.statusCode(), info.headers(), text)));
        HttpResponse<WatchStart> response =
                exchange("watch", request(path, accept).GET().build(), handler);
        meters.answered("watch", response.statusCode());
        WatchStart start = response.body();
        if (start instanceof WatchStart.Refused(ApiAnswer answer)) {
            checkAccepted(answer);
            if (answer.ok()) {
                throw notAnApiServer(answer);
            }
        }
        return start;
    }

    /** Ends everything that is open, at once. */
    @Override
    public void close() {
        http.shutdownNow();
        executor.shutdownNow();
    }

    private ApiAnswer send(String verb, HttpRequest.Builder request) throws IOException, InterruptedException {
        return send(verb, request, LARGEST_BODY_BYTES);
    }

    private ApiAnswer send(String verb, HttpRequest.Builder request, int limit)
            throws IOException, InterruptedException {
        HttpResponse<String> response = exchange(
                verb, request.build(), BodyHandlers.limiting(BodyHandlers.ofString(StandardCharsets.UTF_8), limit));
        meters.answered(verb, response.statusCode());
        ApiAnswer answer = answer(response.statusCode(), response.headers(), response.body());
        checkAccepted(answer);
        if (answer.ok() && !answer.body().stripLeading().startsWith("{")) {
            throw notAnApiServer(answer);
        }
        return answer;
    }

    private void checkAccepted(ApiAnswer answer) throws IOException {
        if (answer.status() == ApiAnswer.UNAUTHORIZED) {
            throw new UnreachableException(
                    access.server() + " does not accept " + access.origin() + " (" + answer.reason() + ")");
        }
        if (answer.status() / 100 == 3) {
            throw notAnApiServer(answer);
        }
    }

    /** A page to log in at, say: what was asked for was not done, whatever the status says. */
    private IOException notAnApiServer(ApiAnswer answer) {
        return new IOException(access.server() + " answered with HTTP status " + answer.status()
                + " and no object; is this an API server? A proxy on the way may have answered");
    }

    private static boolean json(HttpHeaders headers) {
        return headers.firstValue("Content-Type").orElse("").startsWith("application/json");
    }

    private <T> HttpResponse<T> exchange(String verb, HttpRequest request, BodyHandler<T> handler)
            throws IOException, InterruptedException {
        renew();
        CompletableFuture<HttpResponse<T>> pending = http.sendAsync(request, handler);
        try {
            return pending.get(callLimit.toNanos(), TimeUnit.NANOSECONDS);
        } catch (TimeoutException e) {
            meters.unanswered(verb);
            HttpTimeoutException timeout = new HttpTimeoutException(
                    access.server() + " has not answered within " + callLimit.toMillis() + " ms");
            timeout.initCause(e);
            throw timeout;
        } catch (ExecutionException e) {
            meters.unanswered(verb);
            throw failure(e.getCause() == null ? e : e.getCause());
        } finally {
            // Nothing happens to one that has ended; one that goes on would hold its connection for ever.
            pending.cancel(true);
        }
    }

    private IOException failure(Throwable cause) {
        Throwable root = cause;
        boolean unreachable = noConnection(root);
        while (root.getCause() != null && (root.getMessage() == null || root instanceof ConnectException)) {
            root = root.getCause();
            unreachable |= noConnection(root);
        }
        String text = root.getMessage() == null ? root.getClass().getSimpleName() : root.getMessage();
        if (root instanceof ClosedChannelException) {
            text = "the connection was closed";
        } else if (root instanceof UnresolvedAddressException) {
            text = "the name "
                    + access.proxy()
                            .map(InetSocketAddress::getHostString)
                            .orElse(access.server().getHost())
                    + " is not known to DNS";
        }
        String told = access.server() + ": " + Texts.shortened(text, 300);
        return unreachable ? new UnreachableException(told, cause) : new IOException(told, cause);
    }

    private static boolean noConnection(Throwable cause) {
        return cause instanceof ConnectException
                || cause instanceof HttpConnectTimeoutException
                || cause instanceof SSLException;
    }

    private void renew() throws IOException {
        Tls now = Tls.read(access);
        if (!now.equals(tls)) {
            tls = now;
            HttpClient old = http;
            http = connect();
            // What is open on the old connections, the watch, goes on until it ends.
            old.shutdown();
        }
    }

    private HttpClient connect() throws IOException {
        HttpClient.Builder builder = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .followRedirects(HttpClient.Redirect.NEVER)
                .proxy(access.proxy().map(ProxySelector::of).orElse(HttpClient.Builder.NO_PROXY))
                .connectTimeout(CONNECT_LIMIT)
                .executor(executor);
        if ("https".equals(access.server().getScheme())) {
            builder.sslContext(tls.context(access));
        }
        return builder.build();
    }

    private HttpRequest.Builder request(String path, String accept) throws IOException {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(access.server() + path))
                .header("User-Agent", userAgent)
                .header("Accept", accept);
        if (access.identity() instanceof ApiAccess.Identity.Token(Source token)) {
            String text = token.read().strip();
            try {
                request.header("Authorization", "Bearer " + text);
            } catch (IllegalArgumentException e) {
                // The library's message holds the token.
                throw new IOException("what stands in " + token + " is not a token");
            }
        }
        return request;
    }

    private static BodyPublisher body(String json) {
        return BodyPublishers.ofString(json, StandardCharsets.UTF_8);
    }

    private static ApiAnswer answer(int status, HttpHeaders headers, String body) {
        return new ApiAnswer(status, body, headers.firstValue("Retry-After").flatMap(ApiClient::seconds));
    }

    private static Optional<Duration> seconds(String text) {
        try {
            long seconds = Long.parseLong(text.strip());
            return seconds < 0
                    ? Optional.empty()
                    : Optional.of(Duration.ofSeconds(Math.min(seconds, LONGEST_RETRY_AFTER.toSeconds())));
        } catch (NumberFormatException e) {
            return Optional.empty();
        }
    }
}
