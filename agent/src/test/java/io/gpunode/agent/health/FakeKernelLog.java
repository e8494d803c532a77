package io.gpunode.agent.health;

import io.gpunode.agent.os.KernelLog;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import org.jspecify.annotations.Nullable;

/** A kernel log that the test writes; can break, lose records, and wait as the device does. */
final class FakeKernelLog implements KernelLog {
    private final Deque<String> lines = new ArrayDeque<>();
    private @Nullable IOException broken;
    private long gaps;
    private boolean closed;
    private boolean waits;
    private boolean waiting;
    private boolean woken;

    /** From now on it waits for records as the device does. */
    synchronized void waits() {
        waits = true;
    }

    /** Returns when somebody waits for a record. */
    synchronized void awaitReader() throws InterruptedException {
        while (!waiting) {
            wait();
        }
    }

    synchronized void write(String line) {
        lines.addLast(line);
        notifyAll();
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
        if (waits && !woken && lines.isEmpty() && patience.isPositive()) {
            waiting = true;
            notifyAll();
            try {
                while (!woken && lines.isEmpty()) {
                    wait(patience.toMillis());
                }
            } catch (InterruptedException e) {
                // poll(2) knows no interrupts of Java's.
                throw new AssertionError("the wait was interrupted, not woken", e);
            }
        }
        return lines.pollFirst();
    }

    @Override
    public synchronized void wake() {
        woken = true;
        notifyAll();
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
