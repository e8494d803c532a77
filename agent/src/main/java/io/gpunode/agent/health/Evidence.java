package io.gpunode.agent.health;

import io.gpunode.agent.model.LaneState;
import io.gpunode.agent.model.PciAddress;
import io.gpunode.agent.time.Tick;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/**
 * What is known about one GPU's health; immutable.
 *
 * @param pci where it is
 * @param incidents one per XID number, in the order of their first report
 * @param lane whether NVML answers for it
 * @param recoveryAction NVML's recovery action ({@code nvmlDeviceGpuRecoveryAction_t}); 0 for none and where it is not offered
 * @param actionSince when the present recovery action was first seen; wall time
 * @param lastAnswer when it last gave a sample of readings; null-free: the time of creation before the first
 */
record Evidence(
        PciAddress pci,
        List<Incident> incidents,
        LaneState lane,
        long recoveryAction,
        Instant actionSince,
        Tick lastAnswer) {
    /** XID numbers of one GPU that are kept apart; more than that are a flood, and the newest tell enough. */
    private static final int INCIDENT_LIMIT = 32;

    Evidence {
        incidents = List.copyOf(incidents);
    }

    /**
     * Reports of one XID number.
     *
     * @param first wall time of the first
     * @param last when the last came
     * @param count how many
     */
    record Incident(long xid, Instant first, Tick last, long count) {}

    /** Nothing is known against it. */
    static Evidence none(PciAddress pci, Instant wallNow, Tick now) {
        return new Evidence(pci, List.of(), LaneState.Responsive.INSTANCE, 0, wallNow, now);
    }

    /** With another XID. */
    Evidence withXid(long xid, Instant wallNow, Tick now) {
        List<Incident> next = new ArrayList<>(incidents.size() + 1);
        boolean known = false;
        for (Incident incident : incidents) {
            if (incident.xid() == xid) {
                known = true;
                next.add(new Incident(xid, incident.first(), now, incident.count() + 1));
            } else {
                next.add(incident);
            }
        }
        if (!known) {
            if (next.size() == INCIDENT_LIMIT) {
                next.removeFirst();
            }
            next.add(new Incident(xid, wallNow, now, 1));
        }
        return withIncidents(next);
    }

    /** How often an XID number was reported; 0 when it was not. */
    long count(long xid) {
        for (Incident incident : incidents) {
            if (incident.xid() == xid) {
                return incident.count();
            }
        }
        return 0;
    }

    Evidence withIncidents(List<Incident> next) {
        return new Evidence(pci, next, lane, recoveryAction, actionSince, lastAnswer);
    }

    Evidence withLane(LaneState next) {
        return next.equals(lane) ? this : new Evidence(pci, incidents, next, recoveryAction, actionSince, lastAnswer);
    }

    Evidence withRecoveryAction(long next, Instant wallNow) {
        return next == recoveryAction ? this : new Evidence(pci, incidents, lane, next, wallNow, lastAnswer);
    }

    Evidence withAnswer(Tick at) {
        return new Evidence(pci, incidents, lane, recoveryAction, actionSince, at);
    }
}
