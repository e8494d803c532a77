package io.gpunode.agent.health;

import io.gpunode.agent.lifecycle.Backoff;
import io.gpunode.agent.lifecycle.DutyCycle;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.lifecycle.Service;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.os.KernelLog;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.time.Duration;
import java.util.SplittableRandom;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * Reads the kernel's log on a thread of its own, the loop {@code kernel-log}: the witness that goes on when NVML hangs, when its events are
 * lost, and for GPUs that NVML does not list. Lines about GPUs go to the {@link HealthKeeper}. A log that may not be read is said once, and the
 * check is off until the next start.
 */
public final class KernelLogWatcher implements Service {
    private static final Log LOG = Log.of(KernelLogWatcher.class);
    private static final Duration STUCK = Duration.ofSeconds(30);
    /** How long one wait takes at most: so long that a quiet log costs nothing, so short that the loop shows it is alive. Stopping ends it. */
    private static final Duration WAIT = Duration.ofSeconds(10);

    /** A source without anything to wait for, such as a file, is looked at again after this time. */
    private static final Duration LOOK = Duration.ofMillis(500);

    private static final Duration OFF = Duration.ofHours(1);
    /** Records read in one turn; a log that grows faster than these in each pause loses some, which the kernel tells. */
    private static final int BURST_LIMIT = 2_000;

    private static final Duration BURST_PAUSE = Duration.ofMillis(50);

    /** Opens the log. */
    @FunctionalInterface
    public interface Opener {
        KernelLog open() throws IOException;
    }

    private final Opener opener;
    private final HealthKeeper keeper;
    private final MonotonicClock clock;
    private final DutyCycle cycle;
    private final Backoff backoff = new Backoff(Duration.ofSeconds(1), Duration.ofMinutes(1), new SplittableRandom());

    private volatile boolean stopping;

    // Owned by the loop; whoever stops it wakes it.
    private volatile @Nullable KernelLog log;
    private boolean off;
    private long gapsTold;

    /** @param opener where the log is */
    public KernelLogWatcher(Opener opener, HealthKeeper keeper, MonotonicClock clock, Heartbeats heartbeats) {
        this.opener = opener;
        this.keeper = keeper;
        this.clock = clock;
        this.cycle = new DutyCycle("kernel-log", STUCK, heartbeats, this::turn);
    }

    @Override
    public String name() {
        return cycle.name();
    }

    @Override
    public void start() {
        cycle.start();
    }

    @Override
    public void stop(Duration limit) throws TimeoutException, InterruptedException {
        // In this order: a turn that opens the log meanwhile looks at the flag after that.
        stopping = true;
        KernelLog open = log;
        if (open != null) {
            open.wake();
        }
        cycle.stop(limit);
        // The loop has ended: what it owned is this thread's now.
        close();
    }

    /** One turn, on the caller's thread; for tests that have not started the loop. */
    Duration turnByHand() throws Exception {
        return cycle.turnByHand();
    }

    private Duration turn() {
        if (off) {
            return OFF;
        }
        try {
            KernelLog open = opened();
            if (stopping) {
                return OFF;
            }
            Tick began = clock.now();
            String line = open.next(WAIT);
            if (line == null) {
                // Back at once: there was nothing to wait for.
                return clock.now().since(began).compareTo(LOOK) < 0 ? LOOK : Duration.ZERO;
            }
            for (int i = 0; line != null && i < BURST_LIMIT; i++) {
                handle(line);
                line = open.next(Duration.ZERO);
            }
            tellGaps(open);
            backoff.reset();
            if (line == null) {
                return Duration.ZERO;
            }
            handle(line);
            return BURST_PAUSE;
        } catch (NoSuchFileException | AccessDeniedException e) {
            off = true;
            LOG.warn(
                    "the kernel's log cannot be read: XIDs are known through NVML alone; run as root or with CAP_SYSLOG, or set"
                            + " health.kernelLog: false",
                    "error",
                    e);
            return OFF;
        } catch (IOException e) {
            close();
            Duration pause = backoff.next();
            if (Integer.bitCount(backoff.failures()) == 1) {
                LOG.warn("reading the kernel's log failed", "error", e, "pause", pause);
            }
            return pause;
        }
    }

    private KernelLog opened() throws IOException {
        KernelLog open = log;
        if (open == null) {
            open = opener.open();
            log = open;
            gapsTold = 0;
            LOG.debug("reading the kernel's log");
        }
        return open;
    }

    private void handle(String line) {
        KernelMessage message = KernelLines.parse(line);
        if (message != null) {
            keeper.logged(message);
        }
    }

    private void tellGaps(KernelLog open) {
        long gaps = open.gaps();
        if (gaps > gapsTold && Long.bitCount(gaps) == 1) {
            LOG.warn("the kernel's log was overwritten faster than it was read", "times", gaps);
        }
        gapsTold = gaps;
    }

    private void close() {
        KernelLog open = log;
        log = null;
        if (open != null) {
            open.close();
        }
    }
}
