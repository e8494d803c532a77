package io.gpunode.agent.driver;

import io.gpunode.agent.lifecycle.Backoff;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.os.HostProcesses;
import io.gpunode.agent.os.ProcessIdentity;
import io.gpunode.agent.os.ProcessWatch;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Sees to one child of the agent: waits for its end without polling, hands on what it says, and starts it again after a growing pause, but not for ever: what
 * ends {@value #ENDS_LIMIT} times in {@link #WINDOW} is left alone, and said so. Owns one thread.
 */
final class KeptDaemon implements AutoCloseable {
    /** How often it may end by itself in one window. */
    static final int ENDS_LIMIT = 5;

    static final Duration WINDOW = Duration.ofMinutes(10);

    /** How often it is looked at what it says. */
    private static final Duration LISTEN = Duration.ofSeconds(10);

    private static final Duration LAST_WAIT = Duration.ofSeconds(40);
    private static final int STACK_BYTES = 128 << 10;

    private static final Log LOG = Log.of(KeptDaemon.class);

    /** How it is started again. */
    @FunctionalInterface
    interface Restart {
        DaemonOutcome start() throws InterruptedException;
    }

    private final DaemonKind kind;
    private final HostProcesses processes;
    private final MonotonicClock clock;
    private final Backoff backoff;
    private final BooleanSupplier wanted;
    private final Restart restart;
    private final List<DaemonOutput> outputs;
    private final Thread thread;
    private final Deque<Tick> ends = new ArrayDeque<>();
    private ProcessIdentity process;
    private @Nullable ProcessWatch watch;
    private boolean stopping;
    private boolean givenUp;
    private int restarts;
    private String lastWords = "";

    /** @param wanted whether it is to be started again; asked when it has ended */
    KeptDaemon(
            DaemonKind kind,
            ProcessIdentity process,
            HostProcesses processes,
            MonotonicClock clock,
            Backoff backoff,
            List<DaemonOutput> outputs,
            BooleanSupplier wanted,
            Restart restart) {
        this.kind = kind;
        this.process = process;
        this.processes = processes;
        this.clock = clock;
        this.backoff = backoff;
        this.outputs = List.copyOf(outputs);
        this.wanted = wanted;
        this.restart = restart;
        this.thread = new Thread(null, this::run, kind.program(), STACK_BYTES);
        thread.setDaemon(true);
    }

    void start() {
        thread.start();
    }

    /** Which process it is now. */
    synchronized ProcessIdentity process() {
        return process;
    }

    /** How often it was started again since it last stayed. */
    synchronized int restarts() {
        return restarts;
    }

    /** Whether it would be started again. */
    boolean isAtWork() {
        return thread.isAlive();
    }

    /** Whether it is left alone now. */
    synchronized boolean givenUp() {
        return givenUp;
    }

    /** What it said last. */
    synchronized String lastWords() {
        return lastWords;
    }

    private void run() {
        try {
            while (awaitEnd() && again()) {
                // Its next life.
            }
        } catch (InterruptedException e) {
            // It is to be left alone.
        }
        // An interrupt that came late would close the files under the last look.
        boolean told = Thread.interrupted();
        LOG.debug("a daemon is no longer seen to", "daemon", kind.program(), "told", told);
        listen();
    }

    /** Whether it has ended by itself. */
    private boolean awaitEnd() {
        ProcessWatch held;
        synchronized (this) {
            if (stopping) {
                return false;
            }
            try {
                Optional<ProcessWatch> found = processes.watch(process);
                if (found.isEmpty()) {
                    return true;
                }
                held = found.get();
                watch = held;
            } catch (IOException e) {
                LOG.error("a daemon cannot be watched and is not started again", "daemon", kind.program(), "error", e);
                givenUp = true;
                return false;
            }
        }
        try (held) {
            while (true) {
                boolean ended = held.awaitEnd(LISTEN);
                listen();
                if (isStopping() || ended) {
                    return !isStopping();
                }
            }
        } finally {
            synchronized (this) {
                watch = null;
            }
        }
    }

    /** Whether it runs again; false when it is given up or to be left alone. */
    private boolean again() throws InterruptedException {
        while (true) {
            Duration pause;
            synchronized (this) {
                if (stopping || !wanted.getAsBoolean()) {
                    return false;
                }
                Tick now = clock.now();
                ends.add(now);
                while (!ends.isEmpty() && now.since(ends.getFirst()).compareTo(WINDOW) > 0) {
                    ends.removeFirst();
                }
                if (ends.size() == 1) {
                    backoff.reset();
                    restarts = 0;
                }
                givenUp = ends.size() >= ENDS_LIMIT;
                if (givenUp) {
                    LOG.error(
                            "a daemon ended " + ENDS_LIMIT + " times in " + WINDOW.toMinutes()
                                    + " minutes and is not started again; see why, then: gpu-node-agent driver load",
                            "daemon",
                            kind.program(),
                            "said",
                            lastWords);
                    return false;
                }
                pause = backoff.next();
                LOG.error(
                        "a daemon has ended by itself and is started again",
                        "daemon",
                        kind.program(),
                        "pid",
                        process.pid(),
                        "afterMillis",
                        pause.toMillis(),
                        "said",
                        lastWords);
            }
            if (!await(pause)) {
                return false;
            }
            DaemonOutcome outcome = restart.start();
            listen();
            synchronized (this) {
                restarts++;
                if (outcome instanceof DaemonOutcome.Ready ready) {
                    process = ready.process();
                    return true;
                }
                if (!(outcome instanceof DaemonOutcome.Failed failed)) {
                    return false;
                }
                lastWords = failed.line();
            }
        }
    }

    /** Whether the pause is over without a call to leave it alone. */
    private synchronized boolean await(Duration pause) throws InterruptedException {
        Tick deadline = clock.now().plus(pause);
        while (!stopping) {
            Duration left = deadline.since(clock.now());
            if (left.isNegative() || left.isZero()) {
                return true;
            }
            wait(Math.max(1, left.toMillis()));
        }
        return false;
    }

    private void listen() {
        for (DaemonOutput output : outputs) {
            for (String line : output.lines()) {
                LOG.info(kind.program() + " says", "text", line);
                synchronized (this) {
                    lastWords = line;
                }
            }
        }
    }

    private synchronized boolean isStopping() {
        return stopping;
    }

    /** It is not started again from now on; its process is left as it is. Returns when its thread has ended, or after a bounded wait. */
    @Override
    public void close() {
        synchronized (this) {
            stopping = true;
            if (watch != null) {
                watch.wake();
            }
        }
        // A start that is under way is given up.
        thread.interrupt();
        try {
            if (!thread.join(LAST_WAIT)) {
                LOG.warn("a daemon's keeper does not end", "daemon", kind.program());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
