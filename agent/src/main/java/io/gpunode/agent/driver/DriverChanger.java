package io.gpunode.agent.driver;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.AgentConfig.Driver.DriverWhileInUse;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.time.MonotonicClock;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * Does what a {@link DriverCommand} says: makes the driver ready while the one that runs still works, plans, and carries the plan out. For the agent, and
 * for commands where no agent does it. One thread.
 */
public final class DriverChanger {
    private static final Log LOG = Log.of(DriverChanger.class);
    private static final Path PCI = Path.of("/sys/bus/pci/devices");
    /** Mellanox, by whose cards GPUDirect RDMA reaches other nodes. */
    private static final String NETWORK_VENDOR = "0x15b3";

    private static final int VENDOR_LIMIT = 16;

    private final AgentConfig.Driver settings;
    private final DriverOperations operations;
    private final DriverObserver observer;
    private final DriverSource source;
    private final Pruner pruner;
    private final HostFiles files;
    private final MonotonicClock clock;

    /** Removes drivers that nobody needs any more. */
    @FunctionalInterface
    interface Pruner {
        /** @param keep how many stay beside the one that runs and the one before it */
        void prune(int keep) throws DriverSourceException;
    }

    /** It cannot be said what would be done; the message has the next step. */
    public static final class ImpossibleException extends Exception {
        private static final long serialVersionUID = 1L;

        /** Whether it may be gone at another try without a change of the configuration. */
        private final boolean passing;

        ImpossibleException(String message, boolean passing) {
            super(message);
            this.passing = passing;
        }

        boolean passing() {
            return passing;
        }
    }

    DriverChanger(
            AgentConfig.Driver settings,
            DriverOperations operations,
            DriverObserver observer,
            DriverSource source,
            Pruner pruner,
            HostFiles files,
            MonotonicClock clock) {
        this.settings = settings;
        this.operations = operations;
        this.observer = observer;
        this.source = source;
        this.pruner = pruner;
        this.files = files;
        this.clock = clock;
    }

    /** What is seen of the node. */
    DriverPicture picture() throws InterruptedException {
        return operations.observe();
    }

    /** What is remembered of earlier changes. */
    DriverMemory.Content remembered() {
        return transaction(DriverListener.NONE).remembered();
    }

    /** The wanted driver runs: see {@link DriverTransaction#forgive()}. */
    void forgive() throws InterruptedException {
        transaction(DriverListener.NONE).forgive();
    }

    /** Whether a change is under way or was interrupted. */
    boolean isInterrupted() {
        return transaction(DriverListener.NONE).isInterrupted();
    }

    /** {@link DriverTransaction#isToDisrupt}. */
    boolean isToDisrupt() throws InterruptedException {
        return transaction(DriverListener.NONE).isToDisrupt(picture());
    }

    /** {@link DriverTransaction#settle}. */
    boolean settle(boolean fits) throws InterruptedException {
        return transaction(DriverListener.NONE).settle(fits);
    }

    /** Ends a change that was interrupted; empty when there is none. */
    Optional<DriverOutcome> recover(DriverListener listener) throws InterruptedException {
        return transaction(listener).recover();
    }

    /**
     * Makes what a command leads to ready, and says what that is. Nothing of the running driver changes.
     *
     * @throws ImpossibleException when it cannot be had
     */
    DriverTarget target(DriverCommand command, DriverListener listener)
            throws ImpossibleException, InterruptedException {
        return switch (command) {
            case UNLOAD -> DriverTarget.NONE;
            case ROLLBACK -> previous();
            case LOAD, UPGRADE -> wanted(listener);
        };
    }

    private DriverTarget wanted(DriverListener listener) throws ImpossibleException, InterruptedException {
        ObservedDriver observed = observer.observe();
        DriverWish wish = wish(settings, observed);
        try {
            StagedDriver staged = source.stage(wish, KernelFacts.running(observed), listener);
            return DriverTarget.of(staged, wish, peermem());
        } catch (DriverSourceException e) {
            throw new ImpossibleException(
                    String.valueOf(e.getMessage()), e.kind().passing());
        } catch (IllegalArgumentException e) {
            throw new ImpossibleException(String.valueOf(e.getMessage()), false);
        }
    }

    /** What is wanted of a node with these GPUs. */
    static DriverWish wish(AgentConfig.Driver settings, ObservedDriver observed) {
        return new DriverWish(
                settings,
                observed.gpus().stream().map(ObservedDriver.BusGpu::device).toList());
    }

    private DriverTarget previous() throws ImpossibleException, InterruptedException {
        DriverTarget previous = remembered().previous();
        if (previous.isNone()) {
            throw new ImpossibleException(
                    "no driver is known that ran before; name a version in driver.version, and: gpu-node-agent driver"
                            + " upgrade",
                    false);
        }
        Optional<String> obstacle = obstacle(previous);
        if (obstacle.isPresent()) {
            throw new ImpossibleException(
                    obstacle.get() + "; set driver.version to \""
                            + previous.driver().orElseThrow().version() + "\", and: gpu-node-agent driver upgrade",
                    false);
        }
        return previous;
    }

    /** What is loaded where nothing is, in the place of a driver that was given up: what ran last. */
    Optional<DriverTarget> instead(DriverTarget wanted) throws InterruptedException {
        DriverMemory.Content known = remembered();
        return known.hasGivenUp(wanted)
                        && !known.hasGivenUp(known.current())
                        && !picture().loaded()
                ? last()
                : Optional.empty();
    }

    /** What was brought up last, where this kernel can have it again as it was; nothing is fetched or built. */
    Optional<DriverTarget> last() throws InterruptedException {
        DriverTarget last = remembered().current();
        try {
            return last.isNone() || obstacle(last).isPresent() ? Optional.empty() : Optional.of(last);
        } catch (ImpossibleException e) {
            LOG.debug("the driver that ran last cannot be looked at", "error", e);
            return Optional.empty();
        }
    }

    /** Why a driver that was here before cannot be brought up again; empty when it can. */
    private Optional<String> obstacle(DriverTarget before) throws ImpossibleException, InterruptedException {
        StagedDriver driver = before.driver().orElseThrow();
        String kernel = operations.observe().kernel();
        if (!driver.kernel().equals(kernel)) {
            return Optional.of(
                    "driver " + before.text() + " ran with kernel " + driver.kernel() + ", and this is " + kernel);
        }
        try {
            List<String> problems = source.problems(driver);
            if (problems.isEmpty()) {
                return Optional.empty();
            }
            return Optional.of(
                    driver.key().isEmpty()
                            ? "the host does not have driver " + before.text() + " any more (" + problems.getFirst()
                                    + ")"
                            : "the store does not have driver " + before.text() + " any more, or not as it was ("
                                    + problems.getFirst() + ")");
        } catch (DriverSourceException e) {
            throw new ImpossibleException(
                    String.valueOf(e.getMessage()), e.kind().passing());
        }
    }

    private boolean peermem() {
        return switch (settings.modules().peermem()) {
            case ON -> true;
            case OFF -> false;
            case AUTO -> {
                try {
                    for (String device : files.list(PCI)) {
                        Path vendor = PCI.resolve(device).resolve("vendor");
                        if (files.readText(vendor, VENDOR_LIMIT)
                                .orElse("")
                                .strip()
                                .equals(NETWORK_VENDOR)) {
                            yield true;
                        }
                    }
                } catch (IOException e) {
                    // Without a bus that can be read there is no card that could be used.
                }
                yield false;
            }
        };
    }

    /** What would be done. Changes nothing of the running driver; what is missing of the wanted one is made ready. */
    public DriverPlan plan(DriverCommand command, DriverListener listener)
            throws ImpossibleException, InterruptedException {
        Optional<DriverTarget> takenBackTo =
                command == DriverCommand.ROLLBACK ? transaction(listener).takenBackTo() : Optional.empty();
        DriverTarget target = takenBackTo.isPresent() ? takenBackTo.get() : target(command, listener);
        DriverPicture picture = operations.observe();
        return DriverPlanner.plan(picture, target.keeping(picture.daemons()));
    }

    /** Who would be in the way of a plan; nobody where it takes nothing away. */
    public Optional<HolderTable> inTheWay(DriverPlan plan) throws InterruptedException {
        if (!plan.disrupts()) {
            return Optional.empty();
        }
        HolderTable holders = operations.holders();
        return holders.isEmpty() ? Optional.empty() : Optional.of(holders);
    }

    /** Does it. */
    public DriverOutcome run(DriverCommand command, DriverListener listener) throws InterruptedException {
        return run(command, settings.change().whileInUse() == DriverWhileInUse.DRAIN, listener);
    }

    /**
     * Does it.
     *
     * @param drain whether GPU pods are evicted where they are in the way
     */
    DriverOutcome run(DriverCommand command, boolean drain, DriverListener listener) throws InterruptedException {
        DriverTransaction transaction = transaction(listener);
        if (command == DriverCommand.ROLLBACK && transaction.isInterrupted()) {
            // An exchange that was interrupted, or a way back that failed, comes first.
            Optional<DriverOutcome> ended = transaction.takeBack();
            if (ended.isPresent()
                    && (!(ended.get() instanceof DriverOutcome.Untouched) || transaction.isInterrupted())) {
                return settled(ended.get(), false);
            }
        }
        DriverTarget target;
        try {
            target = target(command, listener);
        } catch (ImpossibleException e) {
            return nothingDone(String.valueOf(e.getMessage()));
        }
        // Somebody is there who has perhaps put right what was in their way.
        operations.retryDaemons();
        if (command != DriverCommand.LOAD) {
            return settled(pruned(transaction.change(target, drain)), command == DriverCommand.UPGRADE);
        }
        String refusal = remembered().refusal();
        Optional<DriverTarget> instead = transaction.isInterrupted() ? Optional.empty() : instead(target);
        DriverOutcome outcome = settled(pruned(transaction.complete(instead.orElse(target), drain)), instead.isEmpty());
        return instead.isPresent() && outcome instanceof DriverOutcome.Done done ? done.noting(refusal) : outcome;
    }

    /** @param wanted whether it leads to the wanted driver, where it has succeeded */
    private DriverOutcome settled(DriverOutcome outcome, boolean wanted) throws InterruptedException {
        if (!transaction(DriverListener.NONE).settle(wanted && outcome.ok())) {
            LOG.debug("what is owed to the cluster is asked for again by an agent, or by the next command");
        }
        return outcome;
    }

    private DriverOutcome pruned(DriverOutcome outcome) {
        if (outcome instanceof DriverOutcome.Done done && done.steps() > 0) {
            try {
                pruner.prune(settings.keep());
            } catch (DriverSourceException e) {
                LOG.warn("drivers that nobody needs any more stay in the store", "error", e);
            }
        }
        return outcome;
    }

    /** Brings the node to a driver that is ready. */
    DriverOutcome bring(DriverTarget target, DriverListener listener) throws InterruptedException {
        DriverTransaction transaction = transaction(listener);
        boolean drain = settings.change().whileInUse() == DriverWhileInUse.DRAIN;
        // What was seen when this was decided may be different by now.
        return pruned(
                settings.change().automatic()
                        ? transaction.change(target, drain)
                        : transaction.complete(target, drain));
    }

    private static DriverOutcome nothingDone(String message) {
        return DriverOutcome.Untouched.of(DriverOutcome.Why.OTHER, message);
    }

    private DriverTransaction transaction(DriverListener listener) {
        return new DriverTransaction(files, DriverTransaction.STATE_DIRECTORY, operations, new Steps(listener), clock);
    }

    /** What the transaction tells, for a listener. */
    private record Steps(DriverListener listener) implements DriverTransaction.Listener {
        @Override
        public void beginning(DriverStep step, boolean back) {
            listener.beginning(step, back);
        }

        @Override
        public void ended(DriverStep step, java.time.Duration took) {
            listener.ended(step, took);
        }
    }
}
