package io.gpunode.agent.mig;

import io.gpunode.agent.model.GpuId;
import java.util.List;
import java.util.Set;

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

    /** These are about to change, and the picture keeps what they were until {@link #changed()}. */
    void changing(Set<GpuId> gpus);

    /** What was to change has changed, or has not: the picture is to follow soon. */
    void changed();

    /** Why the GPUs that are known may not be all; empty when they are. */
    String uncounted();
}
