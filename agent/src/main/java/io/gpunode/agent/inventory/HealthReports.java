package io.gpunode.agent.inventory;

import io.gpunode.agent.model.GpuHealth;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.XidEvent;

/** How health checks reach the picture: the inventory publishes a new one at once, without waiting for the next sampling. Any thread. */
public interface HealthReports {
    /** The verdict for a GPU; replaces the last one. Unknown GPUs are ignored. */
    void health(GpuId gpu, GpuHealth health);

    /** An XID was seen, with the verdict that follows from it; one publication. */
    void xid(XidEvent event, GpuHealth health);
}
