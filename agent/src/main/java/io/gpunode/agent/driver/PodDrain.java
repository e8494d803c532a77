package io.gpunode.agent.driver;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.kubernetes.Cordon;
import io.gpunode.agent.kubernetes.DrainOrder;
import io.gpunode.agent.kubernetes.DrainProgress;
import io.gpunode.agent.kubernetes.NodeSession;
import io.gpunode.agent.kubernetes.OtherNodeException;
import io.gpunode.agent.log.Log;
import java.io.IOException;
import java.util.List;

/** Frees the node of pods that hold GPUs through the API server, for one change of the driver. One thread. */
final class PodDrain {
    private static final Log LOG = Log.of(PodDrain.class);

    private static final String CORDONED = "the node stays cordoned; lift it with: gpu-node-agent node uncordon";

    private final Opener opener;
    private final AgentConfig.Driver.Change settings;

    /** A way to the API server, anew for each use. */
    @FunctionalInterface
    interface Opener {
        NodeSession open() throws IOException, OtherNodeException;
    }

    PodDrain(Opener opener, AgentConfig.Driver.Change settings) {
        this.opener = opener;
        this.settings = settings;
    }

    /** @throws DriverStepException when pods stay, or the server cannot be asked; {@link #undrain} lets pods come to the node again */
    void drain() throws DriverStepException, InterruptedException {
        DrainProgress end;
        try (NodeSession session = opener.open()) {
            end = session.drain(new DrainOrder(
                    Cordon.BY_THE_DRIVER,
                    "the driver is exchanged",
                    settings.drainLimit(),
                    false,
                    settings.deleteEmptyDirData()));
        } catch (IOException | OtherNodeException e) {
            throw new DriverStepException(
                    "the driver is in use, and pods cannot be evicted: " + e.getMessage()
                            + ". See who uses it: gpu-node-agent driver holders",
                    e);
        }
        if (end.outcome() != DrainProgress.Outcome.DRAINED) {
            throw new DriverStepException(
                    "pods stay on the node: " + end.text() + ". See them: gpu-node-agent node status", true, List.of());
        }
    }

    /**
     * Lifts a cordon of a change of the driver, and no other. Never fails: a node that stays cordoned is told, with what to do.
     *
     * @param sure whether a change has made one; otherwise, where there is no way to the API server, there was none
     * @return false when that is to be tried again
     */
    boolean undrain(boolean sure) throws InterruptedException {
        NodeSession opened;
        try {
            opened = opener.open();
        } catch (IOException | OtherNodeException e) {
            if (sure) {
                LOG.warn(CORDONED, "error", e);
            }
            return !sure;
        }
        try (NodeSession session = opened) {
            DrainProgress end = session.uncordonOfTheDriver();
            if (end.outcome() == DrainProgress.Outcome.FAILED || end.outcome() == DrainProgress.Outcome.KEPT) {
                LOG.warn(CORDONED, "reason", end.text());
            }
            return end.outcome() != DrainProgress.Outcome.FAILED;
        } catch (IOException e) {
            LOG.warn(CORDONED, "error", e);
            return false;
        }
    }
}
