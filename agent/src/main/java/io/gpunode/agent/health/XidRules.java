package io.gpunode.agent.health;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.model.Finding.Severity;
import org.jspecify.annotations.Nullable;

/** Which XIDs withhold a GPU. Pure. */
record XidRules(AgentConfig.Health config) {
    /**
     * The severity of an XID that the driver does not call fatal; null for one that is passed over. What the table says holds unless the configuration says otherwise; there, what
     * is to count beats what is to be ignored, and everything beats a list.
     */
    @Nullable Severity severity(long xid) {
        return severity(xid, false);
    }

    /**
     * The same.
     *
     * @param saidFatal whether the driver's line calls it fatal
     */
    @Nullable Severity severity(long xid, boolean saidFatal) {
        XidTable.Kind kind = XidTable.row(xid).kind();
        if (config.everyXid() || config.countedXids().contains(xid)) {
            return kind == XidTable.Kind.NODE ? Severity.NODE : Severity.FATAL;
        }
        if (kind == XidTable.Kind.IGNORED) {
            return null;
        }
        if (!config.xids() || config.ignoredXids().contains(xid)) {
            return Severity.REMARK;
        }
        return switch (kind) {
            case IGNORED -> null;
            case APPLICATION -> Severity.REMARK;
            case AS_SAID -> saidFatal ? Severity.FATAL : Severity.REMARK;
            case GPU -> Severity.FATAL;
            case NODE -> Severity.NODE;
        };
    }
}
