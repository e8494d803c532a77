package io.gpunode.agent.health;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.model.Finding.Severity;

/** Which XIDs withhold a GPU. Pure. */
record XidRules(AgentConfig.Health config) {
    /**
     * The severity of an XID. An application's own errors and what is configured to be ignored are remarks; everything else is fatal. What is
     * configured to count beats what is configured to be ignored.
     */
    Severity severity(long xid) {
        if (config.everyXid()) {
            return Severity.FATAL;
        }
        if (!config.xids()) {
            return Severity.REMARK;
        }
        if (config.countedXids().contains(xid)) {
            return Severity.FATAL;
        }
        boolean ignored =
                XidTable.row(xid).application() || config.ignoredXids().contains(xid);
        return ignored ? Severity.REMARK : Severity.FATAL;
    }
}
