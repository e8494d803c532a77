package io.gpunode.agent.inventory;

import io.gpunode.agent.model.Finding;
import io.gpunode.agent.model.HealthVerdict;
import io.gpunode.agent.model.XidEvent;
import java.util.List;

/** How health checks reach the picture: the inventory publishes a new one at once, without waiting for the next sampling. Any thread. */
public interface HealthReports {
    /** The verdict for a GPU; replaces the last one. Unknown GPUs are ignored. */
    void health(HealthVerdict verdict);

    /** An XID was seen, with the verdict that follows from it; one publication. */
    void xid(XidEvent event, HealthVerdict verdict);

    /** What is found about the node as a whole; replaces the last list. */
    void node(List<Finding> findings);
}
