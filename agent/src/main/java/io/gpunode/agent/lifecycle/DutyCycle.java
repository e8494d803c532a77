package io.gpunode.agent.lifecycle;

import io.gpunode.agent.log.Log;
import java.time.Duration;
import java.util.SplittableRandom;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * A loop on a thread of its own: it turns when its time has come or when somebody wakes it, and beats at least twice within its bound even
 * while it has nothing to do, so that {@code /healthz} can tell a quiet loop from a stuck one. A turn that throws is logged and followed by
 * a back-off; the loop goes on. One that an error of the JVM has ended is not forgotten: it shows as late.
 *
 * <p>What one turn does is a {@link Duty}, owned by the loop's thread alone. A test calls {@link Duty#turn()} itself, or
 * {@link #turnByHand()}, and needs no thread.
 */
public final class DutyCycle implements Service {
    private static final Log LOG = Log.of(DutyCycle.class);
    private static final Duration FIRST_PAUSE = Duration.ofMillis(100);
    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(30);

    /** What one turn does. */
    @FunctionalInterface
    public interface Duty {
        /**
         * Does what is due. Must be right whenever and however often it is called: a wake-up says that something may have changed, not what.
         *
         * @return how long until the next turn, unless woken earlier; zero for at once
         */
        Duration turn() throws Exception;
    }

    private final String name;
    private final Duration bound;
    private final Heartbeats heartbeats;
    private final Duty duty;
    private final Backoff backoff = new Backoff(FIRST_PAUSE, LONGEST_PAUSE, new SplittableRandom());
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private boolean woken;
    private boolean stopping;
    private @Nullable Thread thread;
    private final AtomicLong turns = new AtomicLong();
    private final AtomicLong failures = new AtomicLong();

    /**
     * @param name of the loop and its thread
     * @param bound a loop that has not turned for this long is stuck; also bounds what one turn may take
     */
    public DutyCycle(String name, Duration bound, Heartbeats heartbeats, Duty duty) {
        this.name = name;
        this.bound = bound;
        this.heartbeats = heartbeats;
        this.duty = duty;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public void start() {
        lock.lock();
        try {
            if (thread != null || stopping) {
                throw new IllegalStateException("loop " + name + " was already started");
            }
            Heartbeats.Beat beat = heartbeats.register(name, bound);
            thread = Thread.ofPlatform().daemon().name(name).unstarted(() -> run(beat));
            thread.start();
        } finally {
            lock.unlock();
        }
    }

    /** Asks for a turn now; when one is running, for another after it. Never blocks, any thread. */
    public void wake() {
        lock.lock();
        try {
            woken = true;
            changed.signal();
        } finally {
            lock.unlock();
        }
    }

    /** Runs one turn on the caller's thread. Only while the loop is not started: two threads must not turn it. */
    public Duration turnByHand() throws Exception {
        lock.lock();
        try {
            if (thread != null) {
                throw new IllegalStateException("loop " + name + " has a thread; wake it instead");
            }
            woken = false;
        } finally {
            lock.unlock();
        }
        turns.incrementAndGet();
        return duty.turn();
    }

    /** Turns so far. */
    public long turns() {
        return turns.get();
    }

    /** Turns that threw. */
    public long failures() {
        return failures.get();
    }

    /** Ends the loop after the running turn; interrupts a turn that uses up half the limit. */
    @Override
    public void stop(Duration limit) throws TimeoutException, InterruptedException {
        Thread running;
        lock.lock();
        try {
            stopping = true;
            changed.signal();
            running = thread;
        } finally {
            lock.unlock();
        }
        if (running == null || running.equals(Thread.currentThread())) {
            return;
        }
        Duration half = Duration.ofNanos(limit.toNanos() / 2);
        if (running.join(half)) {
            return;
        }
        running.interrupt();
        if (!running.join(half)) {
            throw new TimeoutException("loop " + name + " did not end within " + limit.toMillis() + " ms, it is at "
                    + where(running.getStackTrace()));
        }
    }

    private static String where(StackTraceElement[] stack) {
        return stack.length == 0 ? "an unknown place" : stack[0].toString();
    }

    private void run(Heartbeats.Beat beat) {
        long pulseNanos = Math.max(1, bound.toNanos() / 2);
        Duration wait;
        do {
            beat.turned();
            wait = turnGuarded();
            beat.turned();
        } while (awaitNext(wait.toNanos(), pulseNanos, beat));
        // Not in a finally: a loop that an error has ended is to show as late.
        beat.close();
    }

    private Duration turnGuarded() {
        turns.incrementAndGet();
        try {
            Duration wait = duty.turn();
            backoff.reset();
            return wait;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Duration.ZERO;
        } catch (Exception | LinkageError | AssertionError e) {
            failures.incrementAndGet();
            Duration pause = backoff.next();
            // The same fault again is counted, not repeated: a line at the first, second, fourth, eighth … failure in a
            // row.
            if (Integer.bitCount(backoff.failures()) == 1) {
                LOG.error("a turn failed", e, "loop", name, "inARow", backoff.failures(), "pause", pause);
            }
            return pause;
        }
    }

    /** Waits until the next turn is due; false when the loop is to end. */
    private boolean awaitNext(long waitNanos, long pulseNanos, Heartbeats.Beat beat) {
        lock.lock();
        try {
            long left = waitNanos;
            while (!stopping && !woken && left > 0) {
                long slice = Math.min(left, pulseNanos);
                left -= slice - changed.awaitNanos(slice);
                beat.turned();
            }
            woken = false;
            return !stopping;
        } catch (InterruptedException e) {
            // Only stop() interrupts, and it has set the flag first; anyone else asks for the same.
            return false;
        } finally {
            lock.unlock();
        }
    }
}
