package io.gpunode.agent.net;

import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.ProxySelector;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Fetches a large file by HTTP or HTTPS into a file beside its target, which is renamed at the end. What is there of an earlier try is gone on with when the
 * server still has the same file. There is no limit on the time that it takes, only on the time without a byte: a slow link is no failure. The caller checks
 * the content.
 */
public final class Download {
    private static final Duration CONNECT_LIMIT = Duration.ofSeconds(30);
    private static final Duration LOOK = Duration.ofMillis(200);
    private static final int TRIES = 5;
    private static final int REDIRECTS = 5;
    private static final String PART = ".part";
    private static final String TAG = ".tag";
    private static final int TAG_LIMIT = 512;

    private final MonotonicClock clock;
    private final Map<String, String> environment;

    /** @param environment where {@code https_proxy}, {@code http_proxy} and {@code no_proxy} are looked up, in both cases */
    public Download(MonotonicClock clock, Map<String, String> environment) {
        this.clock = clock;
        this.environment = environment;
    }

    /**
     * A file to fetch.
     *
     * @param url http or https
     * @param target appears when all of it is there
     * @param limit bytes that it may have
     * @param stall how long no byte may come
     */
    public record Order(String url, Path target, long limit, Duration stall) {}

    /** Told of the bytes that are there. */
    @FunctionalInterface
    public interface Watcher {
        /** @param total 0 when the server does not tell */
        void at(long done, long total);
    }

    /** The server or the way to it did not give it. */
    public static final class FailedException extends Exception {
        private static final long serialVersionUID = 1L;
        private final boolean again;

        FailedException(String message, boolean again) {
            super(message);
            this.again = again;
        }

        FailedException(String message, Throwable cause) {
            super(message, cause);
            this.again = true;
        }
    }

    /**
     * Fetches; returns at once when the target is there.
     *
     * @throws FailedException when the server did not give it; what came is kept for the next try
     * @throws IOException when it cannot be written
     */
    public void fetch(Order order, Watcher watcher) throws FailedException, IOException, InterruptedException {
        if (Files.exists(order.target)) {
            return;
        }
        URI uri = uri(order.url);
        try (HttpClient client = client(uri)) {
            for (int i = 0; ; i++) {
                long before = present(order);
                try {
                    follow(client, uri, order, watcher);
                    return;
                } catch (FailedException e) {
                    // A try that brought something is none: a link that breaks each minute still gets there.
                    i = present(order) > before ? -1 : i;
                    if (!e.again || i == TRIES - 1) {
                        throw e;
                    }
                }
                pause(i);
            }
        }
    }

    private static void pause(int tried) throws InterruptedException {
        CompletableFuture<Void> nothing = new CompletableFuture<>();
        try {
            nothing.get(250L << Math.clamp(tried, 0, 5), TimeUnit.MILLISECONDS);
        } catch (ExecutionException | TimeoutException e) {
            // It never completes.
        }
    }

    private static URI uri(String url) throws FailedException {
        try {
            URI uri = URI.create(url);
            String scheme = String.valueOf(uri.getScheme()).toLowerCase(Locale.ROOT);
            if ((scheme.equals("https") || scheme.equals("http")) && uri.getHost() != null) {
                return uri;
            }
        } catch (IllegalArgumentException e) {
            throw new FailedException("it is no URL", e);
        }
        throw new FailedException("it is no URL of http or https", false);
    }

    private HttpClient client(URI uri) throws FailedException {
        HttpClient.Builder builder = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .followRedirects(HttpClient.Redirect.NEVER)
                .connectTimeout(CONNECT_LIMIT);
        Optional<InetSocketAddress> proxy = proxy(uri);
        return builder.proxy(proxy.map(ProxySelector::of).orElse(HttpClient.Builder.NO_PROXY))
                .build();
    }

    private Optional<InetSocketAddress> proxy(URI uri) throws FailedException {
        String name = uri.getScheme().toLowerCase(Locale.ROOT) + "_proxy";
        String value = variable(name);
        if (value.isEmpty() || excluded(uri.getHost())) {
            return Optional.empty();
        }
        URI proxy = uri(value.contains("://") ? value : "http://" + value);
        return Optional.of(
                InetSocketAddress.createUnresolved(proxy.getHost(), proxy.getPort() < 0 ? 3128 : proxy.getPort()));
    }

    private boolean excluded(String host) {
        for (String word : variable("no_proxy").split(",", -1)) {
            String name = word.strip();
            String plain = name.startsWith("*.") ? name.substring(1) : name;
            if (plain.equals("*")
                    || host.equals(plain)
                    || (!plain.isEmpty() && host.endsWith(plain.startsWith(".") ? plain : "." + plain))) {
                return true;
            }
        }
        return false;
    }

    private String variable(String name) {
        String small = environment.getOrDefault(name, "");
        return small.isEmpty() ? environment.getOrDefault(name.toUpperCase(Locale.ROOT), "") : small;
    }

    private void follow(HttpClient client, URI start, Order order, Watcher watcher)
            throws FailedException, IOException, InterruptedException {
        URI uri = start;
        for (int i = 0; i <= REDIRECTS; i++) {
            Optional<URI> next = one(client, uri, order, watcher);
            if (next.isEmpty()) {
                return;
            }
            if (uri.getScheme().equalsIgnoreCase("https")
                    && !next.get().getScheme().equalsIgnoreCase("https")) {
                throw new FailedException(uri + " leads to " + next.get() + ", which is not encrypted", false);
            }
            uri = next.get();
        }
        throw new FailedException("it leads on more than " + REDIRECTS + " times", false);
    }

    /** One answer; where it leads on to, or empty when the file is there. */
    private Optional<URI> one(HttpClient client, URI uri, Order order, Watcher watcher)
            throws FailedException, IOException, InterruptedException {
        Path part = part(order);
        long have = present(order);
        HttpRequest.Builder request = HttpRequest.newBuilder(uri).header("Accept-Encoding", "identity");
        String tag = have > 0 ? tag(order) : "";
        if (have > 0 && !tag.isEmpty()) {
            request.header("Range", "bytes=" + have + "-").header("If-Range", tag);
        }
        Answer answer = new Answer(order, part, tag.isEmpty() ? 0 : have);
        CompletableFuture<HttpResponse<Long>> pending = client.sendAsync(request.build(), answer);
        HttpResponse<Long> response;
        try {
            response = await(pending, answer, order, watcher);
        } catch (FailedException e) {
            IOException local = answer.local;
            if (local != null) {
                throw local;
            }
            throw e;
        } finally {
            pending.cancel(true);
        }
        int status = response.statusCode();
        if (status == 301 || status == 302 || status == 303 || status == 307 || status == 308) {
            String where = response.headers().firstValue("Location").orElse("");
            return Optional.of(uri(uri.resolve(where).toString()));
        }
        if (status == 416) {
            Files.deleteIfExists(part);
            throw new FailedException("the server has less of it than an earlier try has brought", true);
        }
        if (status != 200 && status != 206) {
            throw new FailedException("the server answers with status " + status, status >= 500 || status == 429);
        }
        if (answer.total > 0 && answer.done.get() != answer.total) {
            throw new FailedException(
                    "the server ended after " + answer.done.get() + " of " + answer.total + " bytes", true);
        }
        watcher.at(answer.done.get(), answer.done.get());
        Files.move(part, order.target, StandardCopyOption.ATOMIC_MOVE);
        Files.deleteIfExists(tagFile(order));
        return Optional.empty();
    }

    private HttpResponse<Long> await(
            CompletableFuture<HttpResponse<Long>> pending, Answer answer, Order order, Watcher watcher)
            throws FailedException, InterruptedException {
        Tick moved = clock.now();
        long seen = -1;
        while (true) {
            try {
                return pending.get(LOOK.toMillis(), TimeUnit.MILLISECONDS);
            } catch (TimeoutException e) {
                long now = answer.done.get();
                if (now != seen) {
                    seen = now;
                    moved = clock.now();
                    watcher.at(now, answer.total);
                } else if (clock.now().since(moved).compareTo(order.stall) >= 0) {
                    throw new FailedException(
                            "no byte came for " + order.stall.toSeconds() + " seconds, after " + now, true);
                }
            } catch (ExecutionException e) {
                Throwable cause = e.getCause() == null ? e : e.getCause();
                String message = cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage();
                throw new FailedException(message, cause);
            }
        }
    }

    private static Path part(Order order) {
        return order.target.resolveSibling(order.target.getFileName() + PART);
    }

    private static Path tagFile(Order order) {
        return order.target.resolveSibling(order.target.getFileName() + TAG);
    }

    private static long present(Order order) throws IOException {
        Path part = part(order);
        return Files.exists(part) ? Files.size(part) : 0;
    }

    private static String tag(Order order) throws IOException {
        Path file = tagFile(order);
        return Files.exists(file) && Files.size(file) <= TAG_LIMIT ? Files.readString(file) : "";
    }

    /** What the server sends, written as it comes. */
    private static final class Answer implements HttpResponse.BodyHandler<Long> {
        private final Order order;
        private final Path part;
        private final long have;
        private final AtomicLong done = new AtomicLong();
        private volatile long total;
        private volatile @Nullable IOException local;

        Answer(Order order, Path part, long have) {
            this.order = order;
            this.part = part;
            this.have = have;
        }

        @Override
        public HttpResponse.BodySubscriber<Long> apply(HttpResponse.ResponseInfo info) {
            int status = info.statusCode();
            if (status != 200 && status != 206) {
                return HttpResponse.BodySubscribers.replacing(0L);
            }
            long from = status == 206 ? have : 0;
            long length = info.headers().firstValueAsLong("Content-Length").orElse(0);
            total = length == 0 ? 0 : from + length;
            done.set(from);
            try {
                Files.writeString(tagFile(order), mark(info.headers()));
                FileChannel channel = FileChannel.open(
                        part,
                        from == 0
                                ? List.of(
                                                StandardOpenOption.CREATE,
                                                StandardOpenOption.WRITE,
                                                StandardOpenOption.TRUNCATE_EXISTING)
                                        .toArray(new StandardOpenOption[0])
                                : new StandardOpenOption[] {StandardOpenOption.WRITE, StandardOpenOption.APPEND});
                return new Writer(channel);
            } catch (IOException e) {
                local = e;
                throw new UncheckedIOException(e);
            }
        }

        /** A strong tag or a date: only these may be gone on with. */
        private static String mark(HttpHeaders headers) {
            String tag = headers.firstValue("ETag").orElse("");
            return tag.startsWith("\"") && tag.length() <= TAG_LIMIT
                    ? tag
                    : headers.firstValue("Last-Modified").orElse("");
        }

        /** Writes to the file. */
        private final class Writer implements HttpResponse.BodySubscriber<Long> {
            private final FileChannel channel;
            private final CompletableFuture<Long> result = new CompletableFuture<>();
            private Flow.@Nullable Subscription subscription;

            Writer(FileChannel channel) {
                this.channel = channel;
            }

            @Override
            public CompletionStage<Long> getBody() {
                return result;
            }

            @Override
            public void onSubscribe(Flow.Subscription given) {
                subscription = given;
                given.request(1);
            }

            @Override
            public void onNext(List<ByteBuffer> buffers) {
                try {
                    for (ByteBuffer buffer : buffers) {
                        if (done.get() + buffer.remaining() > order.limit) {
                            throw new IOException("it has more than " + order.limit + " bytes");
                        }
                        while (buffer.hasRemaining()) {
                            done.addAndGet(channel.write(buffer));
                        }
                    }
                    if (subscription != null) {
                        subscription.request(1);
                    }
                } catch (IOException e) {
                    local = e;
                    if (subscription != null) {
                        subscription.cancel();
                    }
                    onError(e);
                }
            }

            @Override
            public void onError(Throwable failure) {
                close();
                result.completeExceptionally(failure);
            }

            @Override
            public void onComplete() {
                close();
                result.complete(done.get());
            }

            private void close() {
                try {
                    channel.close();
                } catch (IOException e) {
                    local = e;
                }
            }
        }
    }
}
