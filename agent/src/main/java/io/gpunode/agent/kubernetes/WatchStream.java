package io.gpunode.agent.kubernetes;

import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow;
import org.jspecify.annotations.Nullable;

/**
 * An open watch: cuts what comes into lines, one JSON document each, and hands them over one by one. What has not been taken yet stays with the
 * server, and a line that is too long ends the watch. Owned by the HTTP client's thread, but for {@link #close}.
 */
final class WatchStream implements HttpResponse.BodySubscriber<WatchStart>, WatchStart, AutoCloseable {
    /** Takes what comes. */
    interface Reader {
        /** One line, without its end; quick, never blocks. False gives the watch up. */
        boolean line(String line);

        /** A line is longer than the limit, and comes again from whoever goes on where this ended. Called before {@link #ended}. */
        void tooLong();

        /** It is over, also after {@link WatchStream#close}; called once. {@code why} is empty when the server ended it in order. */
        void ended(String why);
    }

    private static final int FIRST_BUFFER = 8 << 10;

    private final Reader reader;
    private final int limit;
    private volatile Flow.@Nullable Subscription subscription;
    private volatile boolean closed;
    private final int firstBuffer;
    private byte[] line;
    private int length;
    private boolean over;

    /** @param limit of one line in bytes */
    WatchStream(Reader reader, int limit) {
        this.reader = reader;
        this.limit = limit;
        this.firstBuffer = Math.min(FIRST_BUFFER, limit);
        this.line = new byte[firstBuffer];
    }

    @Override
    public CompletionStage<WatchStart> getBody() {
        return CompletableFuture.completedFuture(this);
    }

    @Override
    public void onSubscribe(Flow.Subscription opened) {
        subscription = opened;
        if (closed) {
            opened.cancel();
            end("closed");
        } else {
            opened.request(1);
        }
    }

    @Override
    public void onNext(List<ByteBuffer> parts) {
        if (over) {
            return;
        }
        for (ByteBuffer part : parts) {
            while (part.hasRemaining() && !over) {
                take(part.get());
            }
        }
        Flow.Subscription open = subscription;
        if (!over && open != null) {
            open.request(1);
        }
    }

    private void take(byte next) {
        if (next == '\n') {
            String text = new String(line, 0, length, StandardCharsets.UTF_8);
            length = 0;
            if (line.length > firstBuffer) {
                line = new byte[firstBuffer];
            }
            if (!text.isBlank() && !reader.line(text)) {
                close();
                end("given up");
            }
            return;
        }
        if (length == line.length) {
            if (length >= limit) {
                close();
                reader.tooLong();
                end("a line of more than " + limit + " bytes");
                return;
            }
            line = Arrays.copyOf(line, Math.min(limit, length * 2));
        }
        line[length++] = next;
    }

    @Override
    public void onError(Throwable failure) {
        end(closed ? "closed" : "the connection broke (" + failure.getMessage() + ")");
    }

    @Override
    public void onComplete() {
        end(length == 0 ? "" : "the connection ended in the middle of a line");
    }

    /** Gives it up. Any thread, idempotent. */
    @Override
    public void close() {
        closed = true;
        Flow.Subscription open = subscription;
        if (open != null) {
            open.cancel();
        }
    }

    private void end(String why) {
        if (!over) {
            over = true;
            reader.ended(why);
        }
    }
}
