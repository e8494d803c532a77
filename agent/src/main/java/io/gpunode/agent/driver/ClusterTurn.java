package io.gpunode.agent.driver;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.kubernetes.NodeSession;
import io.gpunode.agent.kubernetes.OtherNodeException;
import io.gpunode.agent.kubernetes.UpgradeTurn;
import io.gpunode.agent.log.Log;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * One node's turn among the nodes of a cluster that exchange their drivers, as {@code driver.upgrade.slots} limits them, and the label by which others see it. With neither
 * wanted it does nothing and asks nobody. One thread.
 */
final class ClusterTurn {
    private static final Log LOG = Log.of(ClusterTurn.class);
    /** What a change may take beside the drain; a slot whose node has died is free after that. */
    private static final Duration BEYOND_THE_DRAIN = Duration.ofHours(1);
    /** That of NVIDIA's operator, with its words. */
    private static final String LABEL = "nvidia.com/gpu-driver-upgrade-state";

    private static final String MANAGER = "gpu-node-agent-driver";

    private final PodDrain.Opener opener;
    private final AgentConfig.Driver.Change settings;

    /** It is not this node's turn, and yet it may have a slot. */
    static final class UnsureException extends DriverStepException {
        private static final long serialVersionUID = 1L;

        UnsureException(String reason, Throwable cause) {
            super(reason, cause);
        }

        UnsureException(String reason) {
            super(reason, false, List.of());
        }
    }

    /** What the label says. */
    enum State {
        /** The node waits for its turn, or somebody is in the way. */
        REQUIRED("upgrade-required"),
        /** Pods are being evicted. */
        DRAINING("drain-required"),
        /** The driver is being exchanged. */
        EXCHANGING("pod-restart-required"),
        /** It was exchanged. */
        DONE("upgrade-done"),
        /** It could not be exchanged; the one before is back, or is to come back. */
        FAILED("upgrade-failed");

        private final String word;

        State(String word) {
            this.word = word;
        }
    }

    /**
     * What the cluster is asked for by a change of the driver, so that it can be given back also after other settings have come.
     *
     * @param slotNamespaces where a slot is taken; none without slots
     * @param label whether the label tells of it
     */
    record Asked(List<String> slotNamespaces, boolean label) {
        static final Asked NOTHING = new Asked(List.of(), false);

        Asked {
            slotNamespaces = List.copyOf(slotNamespaces);
        }

        boolean isNothing() {
            return equals(NOTHING);
        }

        /** Both. */
        Asked and(Asked other) {
            Set<String> all = new LinkedHashSet<>(slotNamespaces);
            all.addAll(other.slotNamespaces);
            return new Asked(List.copyOf(all), label || other.label);
        }
    }

    ClusterTurn(PodDrain.Opener opener, AgentConfig.Driver.Change settings) {
        this.opener = opener;
        this.settings = settings;
    }

    /** What is asked for now. */
    Asked asks() {
        return new Asked(settings.slots() == 0 ? List.of() : List.of(settings.slotNamespace()), settings.stateLabel());
    }

    /**
     * @throws UnsureException when it is not known whether the node has a slot, which is to be given back
     * @throws DriverStepException when it is not this node's turn
     */
    void take() throws DriverStepException, InterruptedException {
        if (settings.slots() == 0) {
            tell(State.EXCHANGING);
            return;
        }
        UpgradeTurn turn;
        try (NodeSession session = opener.open()) {
            turn = session.takeUpgradeSlot(
                    settings.slots(),
                    settings.slotNamespace(),
                    settings.drainLimit().plus(BEYOND_THE_DRAIN));
        } catch (IOException | OtherNodeException e) {
            throw new UnsureException(
                    "whether other nodes exchange their drivers (driver.upgrade.slots) cannot be asked: "
                            + e.getMessage() + ". Nothing was changed; try again when the API server can be reached",
                    e);
        }
        if (!turn.mine()) {
            tell(State.REQUIRED);
            throw turn.unsure()
                    ? new UnsureException(turn.reason())
                    : new DriverStepException(turn.reason(), false, List.of());
        }
        tell(State.EXCHANGING);
    }

    /**
     * Ends it. Never fails. A slot whose change has failed stays taken until its time is over, so that a driver that fails does not go through the whole
     * cluster at once.
     *
     * @param asked what is given back
     * @return what is left of it, to be tried again
     */
    Asked end(Asked asked, State state) throws InterruptedException {
        boolean told = !asked.label() || write(state.word);
        List<String> left = new ArrayList<>();
        if (state != State.FAILED) {
            for (String namespace : asked.slotNamespaces()) {
                if (!release(namespace)) {
                    left.add(namespace);
                }
            }
        }
        return new Asked(left, !told);
    }

    private boolean release(String namespace) throws InterruptedException {
        try (NodeSession session = opener.open()) {
            List<String> refused = session.releaseUpgradeSlot(namespace);
            if (!refused.isEmpty()) {
                LOG.warn("a slot for driver upgrades is not given back yet", "reason", refused);
            }
            return refused.isEmpty();
        } catch (IOException | OtherNodeException e) {
            LOG.warn("a slot for driver upgrades is not given back yet", "error", e);
            return false;
        }
    }

    /** Says how it stands. Never fails. */
    void tell(State state) throws InterruptedException {
        if (settings.stateLabel()) {
            write(state.word);
        }
    }

    /**
     * Says, while nothing is exchanged, that the driver is the wanted one; where no label is wanted, takes it away. Never fails.
     *
     * @return whether the label is so now
     */
    boolean settle() throws InterruptedException {
        return write(settings.stateLabel() ? State.DONE.word : null);
    }

    private boolean write(@Nullable String word) throws InterruptedException {
        try (NodeSession session = opener.open()) {
            session.label(LABEL, word, MANAGER);
            return true;
        } catch (IOException | OtherNodeException e) {
            LOG.warn("the label that tells of the driver's upgrade is not written", "label", LABEL, "error", e);
            return false;
        }
    }
}
