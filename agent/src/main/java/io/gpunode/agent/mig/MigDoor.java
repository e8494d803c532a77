package io.gpunode.agent.mig;

import io.gpunode.agent.model.GpuId;
import java.util.List;

/** How a running agent comes to its GPUs to change them. */
interface MigDoor {
    /** Through the session that samples: the other GPUs do not notice. */
    MigOperations beside(List<GpuId> order);

    /** What is done with a session of one's own. */
    @FunctionalInterface
    interface Work {
        MigChanger.Result run(MigOperations operations) throws InterruptedException;
    }

    /**
     * With the rest of the agent away from all GPUs, and a session of one's own. The agent is back when this returns.
     *
     * @return what the work gave, or why it was not begun
     */
    MigChanger.Result alone(Work work) throws InterruptedException;

    /** The picture is to follow soon. */
    void changed();

    /** Why the GPUs that are known may not be all; empty when they are. */
    String uncounted();
}
