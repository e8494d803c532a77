package io.gpunode.agent.health;

import io.gpunode.agent.os.KernelLog;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import org.jspecify.annotations.Nullable;

/** A kernel log that the test writes; can break and lose records. */
final class FakeKernelLog implements KernelLog {
    private final Deque<String> lines = new ArrayDeque<>();
    private @Nullable IOException broken;
    private long gaps;
    private boolean closed;

    synchronized void write(String line) {
        lines.addLast(line);
    }

    synchronized void breaks(IOException how) {
        broken = how;
    }

    synchronized void loses() {
        gaps++;
    }

    synchronized boolean closed() {
        return closed;
    }

    synchronized int left() {
        return lines.size();
    }

    @Override
    public synchronized @Nullable String next(Duration patience) throws IOException {
        if (broken != null) {
            throw broken;
        }
        if (closed) {
            throw new IOException("closed");
        }
        return lines.pollFirst();
    }

    @Override
    public synchronized long gaps() {
        return gaps;
    }

    @Override
    public synchronized void close() {
        closed = true;
    }
}
