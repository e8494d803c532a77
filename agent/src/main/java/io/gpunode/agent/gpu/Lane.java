package io.gpunode.agent.gpu;

import io.gpunode.agent.log.Log;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import io.gpunode.nvml.NvmlException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One thread that makes native calls, one at a time. Nothing ends a native call but its return, so a call past its deadline makes the lane
 * overdue: it takes no more work until the call returns, and then goes on by itself. The thread is a daemon: a call that never returns does
 * not keep the process alive.
 *
 * <p>Work is handed in by any thread and never waited for here; whoever handed it in is told by the {@code finished} signal.
 */
public final class Lane {
    private static final Log LOG = Log.of(Lane.class);
    private static final int QUEUE_LIMIT = 4;
    /** NVML's own frames hold structures of some tens of KiB; only touched pages cost memory. */
    private static final long STACK_BYTES = 512 * 1024;

    private final String name;
    private final long deadlineNanos;
    private final MonotonicClock clock;
    private final CallRecord record;
    private final Runnable finished;
    private final Thread thread;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final Deque<Runnable> queue = new ArrayDeque<>(QUEUE_LIMIT);
    private @Nullable Runnable last;
    private volatile long callStartedNanos;
    private volatile long callAllowedNanos;
    private volatile @Nullable String callInFlight;
    private volatile @Nullable Supplier<String> callWithinBatch;

    /** A call that has passed its deadline and has not returned, and when it began. */
    public record Overdue(String function, Tick since) {}

    /** A call into the binding. */
    @FunctionalInterface
    interface NativeCall<T> {
        T run() throws NvmlException;
    }

    /**
     * @param name of the thread
     * @param deadline after it a call is overdue
     * @param finished called on the lane's thread after each piece of work; quick, does not throw
     */
    Lane(String name, Duration deadline, MonotonicClock clock, CallRecord record, Runnable finished) {
        this.name = name;
        this.deadlineNanos = deadline.toNanos();
        this.clock = clock;
        this.record = record;
        this.finished = finished;
        this.thread =
                Thread.ofPlatform().daemon().name(name).stackSize(STACK_BYTES).unstarted(this::run);
        this.thread.start();
    }

    /** Hands in work; false when the lane is overdue, full or closed: then it is not done at all. */
    boolean submit(Runnable work) {
        if (overdue(clock.now()) != null) {
            return false;
        }
        lock.lock();
        try {
            if (last != null || queue.size() == QUEUE_LIMIT) {
                return false;
            }
            queue.addLast(work);
            changed.signal();
            return true;
        } finally {
            lock.unlock();
        }
    }

    /** The call that is past its deadline, if one is. */
    public @Nullable Overdue overdue(Tick now) {
        String function = callInFlight;
        long started = callStartedNanos;
        if (function == null || now.nanos() - started < callAllowedNanos) {
            return null;
        }
        Supplier<String> within = callWithinBatch;
        return new Overdue(within == null ? function : within.get(), new Tick(started));
    }

    /** The function that is being called; null for none. */
    @Nullable String callInFlight() {
        return callInFlight;
    }

    /** When the call in flight becomes overdue; null when none is in flight. */
    @Nullable Tick overdueAt() {
        String function = callInFlight;
        return function == null ? null : new Tick(callStartedNanos + callAllowedNanos);
    }

    /** Makes a call under this lane's deadline, and records it. Only on the lane's thread. */
    <T> T call(CallGroup group, String function, NativeCall<T> call) throws NvmlException {
        long began = enter(function);
        try {
            return call.run();
        } catch (NvmlException e) {
            record.failed(group, e);
            throw e;
        } finally {
            leave(group, began);
        }
    }

    /** The same for a call that may take longer than others: it is overdue after {@code deadline}. */
    <T> T call(CallGroup group, String function, Duration deadline, NativeCall<T> call) throws NvmlException {
        return call(group, function, () -> {
            callAllowedNanos = deadline.toNanos();
            return call.run();
        });
    }

    /** The time by the clock of its deadlines. */
    Tick now() {
        return clock.now();
    }

    /** The first half of {@link #call} for callers that must not allocate. */
    long enter(String function) {
        return enter(function, null);
    }

    /** The same for a batch of calls: {@code within} names the one that is in flight, to whoever asks on any thread. */
    long enter(String function, @Nullable Supplier<String> within) {
        long now = clock.now().nanos();
        callStartedNanos = now;
        callAllowedNanos = deadlineNanos;
        callWithinBatch = within;
        callInFlight = function;
        return now;
    }

    /** The second half. */
    void leave(CallGroup group, long began) {
        callInFlight = null;
        record.took(group, clock.now().nanos() - began);
    }

    /** Takes no more work. What is queued is done, then {@code finalWork}, then the thread ends; all that when a running call lets it. */
    void close(Runnable finalWork) {
        lock.lock();
        try {
            if (last == null) {
                last = finalWork;
                changed.signal();
            }
        } finally {
            lock.unlock();
        }
    }

    /** Whether it was closed. */
    boolean closed() {
        lock.lock();
        try {
            return last != null;
        } finally {
            lock.unlock();
        }
    }

    /** Waits for a closed lane's thread to end; false when it has not within the limit. */
    boolean join(Duration limit) throws InterruptedException {
        return thread.join(limit);
    }

    private void run() {
        Runnable work = next();
        while (work != null) {
            runGuarded(work);
            finished.run();
            work = next();
        }
        Runnable finalWork = last;
        if (finalWork != null) {
            runGuarded(finalWork);
        }
    }

    private void runGuarded(Runnable work) {
        try {
            work.run();
        } catch (RuntimeException | Error e) {
            callInFlight = null;
            LOG.error("work on a lane failed", e, "lane", name);
        }
    }

    private @Nullable Runnable next() {
        lock.lock();
        try {
            while (queue.isEmpty() && last == null) {
                changed.awaitUninterruptibly();
            }
            return queue.pollFirst();
        } finally {
            lock.unlock();
        }
    }
}
