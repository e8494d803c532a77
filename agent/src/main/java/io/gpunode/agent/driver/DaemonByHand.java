package io.gpunode.agent.driver;

import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.OwnerLock;
import io.gpunode.agent.os.WriteFailure;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * A daemon that an operator stops or starts. It is done under the node's driver lock, so never in the middle of a change of the driver; and what was stopped
 * stays stopped also when an agent runs, until it is started by hand or the machine starts anew. One thread.
 */
public final class DaemonByHand {
    private static final Path LOCK = DriverTransaction.STATE_DIRECTORY.resolve(DriverTransaction.LOCK);
    private static final Path HOST = Path.of("/");

    private final HostFiles files;
    private final HostDaemons daemons;

    public DaemonByHand(HostFiles files, HostDaemons daemons) {
        this.files = files;
        this.daemons = daemons;
    }

    /** Somebody is changing the driver. */
    public static final class BusyException extends IOException {
        BusyException(String message) {
            super(message);
        }
    }

    /** Whose programs belong to the driver that is loaded; empty when none is. */
    public Optional<StagedDriver> loaded(ObservedDriver observed) throws IOException {
        Optional<ObservedDriver.RunningDriver> running = observed.running();
        if (running.isEmpty()) {
            return Optional.empty();
        }
        Path root = RootNote.read(files).map(RootNote::root).orElse(HOST);
        return Optional.of(new StagedDriver(
                running.get().version(),
                running.get().type(),
                observed.kernel(),
                List.of(),
                root,
                Optional.empty(),
                ""));
    }

    /** Starts it, and lets it run from now on. */
    public DaemonOutcome start(DaemonKind kind, StagedDriver driver, Duration limit)
            throws IOException, InterruptedException {
        try (OwnerLock _ = lock()) {
            mark(kind, false);
            return daemons.start(kind, driver, limit);
        }
    }

    /** Stops it, and has it stay stopped; unless it does not end, which is as if nothing had been asked. */
    public DaemonOutcome stop(DaemonKind kind, Duration grace) throws IOException, InterruptedException {
        try (OwnerLock _ = lock()) {
            boolean before = daemons.isStoppedByHand(kind);
            mark(kind, true);
            boolean stopped = false;
            try {
                DaemonOutcome outcome = daemons.stop(kind, grace);
                stopped = outcome.ok();
                return outcome;
            } finally {
                if (!stopped && !before) {
                    mark(kind, false);
                }
            }
        }
    }

    private void mark(DaemonKind kind, boolean stopped) throws IOException {
        try {
            daemons.stopByHand(kind, stopped);
        } catch (IOException e) {
            throw new IOException(
                    "whether " + kind.program() + " is to stay stopped cannot be written down: " + WriteFailure.text(e),
                    e);
        }
    }

    private OwnerLock lock() throws IOException {
        Optional<OwnerLock> taken;
        try {
            taken = OwnerLock.take(files, LOCK);
        } catch (IOException e) {
            throw new IOException(
                    "nothing was changed: the lock " + LOCK + " cannot be taken: " + WriteFailure.text(e), e);
        }
        return taken.orElseThrow(() -> new BusyException("the driver is being changed by "
                + OwnerLock.owner(files, LOCK) + ": wait until it has ended, and try again"));
    }
}
