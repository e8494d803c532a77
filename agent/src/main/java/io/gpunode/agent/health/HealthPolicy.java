package io.gpunode.agent.health;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.model.Finding;
import io.gpunode.agent.model.Finding.Severity;
import io.gpunode.agent.model.GpuHealth;
import io.gpunode.agent.model.LaneState;
import io.gpunode.agent.time.Tick;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * Folds evidence into a verdict, and says when an incident is over. Pure. The rules are told to operators in {@code docs/health.md}.
 */
final class HealthPolicy {
    /** NVML's recovery actions, {@code nvmlDeviceGpuRecoveryAction_t}. */
    private static final int ACTION_RESET = 1;

    private static final int ACTION_REBOOT = 2;
    private static final int ACTION_DRAIN_P2P = 3;
    private static final int ACTION_DRAIN_AND_RESET = 4;
    private static final int ACTION_RECOVER_IMEX = 5;

    private final XidRules xids;
    private final Duration recoveryInterval;

    HealthPolicy(AgentConfig.Health config) {
        this.xids = new XidRules(config);
        this.recoveryInterval = config.recoveryInterval();
    }

    /**
     * The evidence without the incidents that are over: the recovery interval has passed since the last report of any fatal one, the GPU has
     * answered since, answers now, and NVML asks for no repair. A remark is over when the interval has passed since its own last report.
     */
    Evidence withoutWhatIsOver(Evidence evidence, Tick now) {
        if (evidence.incidents().isEmpty()) {
            return evidence;
        }
        boolean answers = evidence.lane() instanceof LaneState.Responsive && !needsRepair(evidence);
        boolean allQuiet = true;
        for (Evidence.Incident incident : evidence.incidents()) {
            if (fatal(incident)) {
                allQuiet &= quiet(incident, now) && answeredSince(incident, evidence);
            }
        }
        boolean recovered = answers && allQuiet;
        List<Evidence.Incident> left = new ArrayList<>();
        for (Evidence.Incident incident : evidence.incidents()) {
            if (fatal(incident) ? !recovered : !quiet(incident, now)) {
                left.add(incident);
            }
        }
        return left.size() == evidence.incidents().size() ? evidence : evidence.withIncidents(left);
    }

    private boolean quiet(Evidence.Incident incident, Tick now) {
        return now.since(incident.last()).compareTo(recoveryInterval) >= 0;
    }

    private static boolean answeredSince(Evidence.Incident incident, Evidence evidence) {
        return evidence.lastAnswer().since(incident.last()).compareTo(Duration.ZERO) > 0;
    }

    private boolean fatal(Evidence.Incident incident) {
        return xids.severity(incident.xid()) == Severity.FATAL;
    }

    private static boolean needsRepair(Evidence evidence) {
        return actionSeverity(evidence.recoveryAction()) == Severity.FATAL;
    }

    /** The verdict. */
    GpuHealth fold(Evidence evidence) {
        List<Finding> findings = new ArrayList<>();
        addLane(evidence, findings);
        addRecoveryAction(evidence, findings);
        for (Evidence.Incident incident : evidence.incidents()) {
            findings.add(finding(incident, evidence));
        }
        if (findings.isEmpty()) {
            return GpuHealth.Healthy.CLEAN;
        }
        for (Finding finding : findings) {
            if (finding.severity() == Severity.FATAL) {
                return new GpuHealth.Unhealthy(findings);
            }
        }
        return new GpuHealth.Healthy(findings);
    }

    private static void addLane(Evidence evidence, List<Finding> findings) {
        switch (evidence.lane()) {
            case LaneState.Responsive _ -> {}
            case LaneState.Unresponsive(String function, var since) ->
                findings.add(new Finding(
                        "lane",
                        Severity.FATAL,
                        "the driver has not answered a call (" + function + ")",
                        Repair.REBOOT.describe(evidence.pci()),
                        "by itself, as soon as the call returns",
                        since));
            case LaneState.Lost(String reason, var since) ->
                findings.add(new Finding(
                        "lost",
                        Severity.FATAL,
                        reason,
                        Repair.DRAIN_AND_RESET.describe(evidence.pci()),
                        "by itself, as soon as NVML answers for the GPU again",
                        since));
        }
    }

    private static void addRecoveryAction(Evidence evidence, List<Finding> findings) {
        long action = evidence.recoveryAction();
        if (action == 0) {
            return;
        }
        Repair repair = switch ((int) action) {
            case ACTION_RESET -> Repair.RESET;
            case ACTION_REBOOT -> Repair.REBOOT;
            default -> Repair.DRAIN_AND_RESET;
        };
        String wish = switch ((int) action) {
            case ACTION_RESET -> "a reset of the GPU";
            case ACTION_REBOOT -> "a reboot of the node";
            case ACTION_DRAIN_P2P -> "peer-to-peer work to be drained";
            case ACTION_DRAIN_AND_RESET -> "the work to be drained and the GPU to be reset";
            case ACTION_RECOVER_IMEX -> "the IMEX domain to be recovered";
            default -> "recovery action " + action;
        };
        findings.add(new Finding(
                "recovery-action",
                actionSeverity(action),
                "the driver asks for " + wish,
                repair.describe(evidence.pci()),
                "by itself, as soon as the driver asks for it no more",
                evidence.actionSince()));
    }

    /** Draining peers and recovering an IMEX domain concern work across GPUs; one alone still serves. */
    private static Severity actionSeverity(long action) {
        return action == 0 || action == ACTION_DRAIN_P2P || action == ACTION_RECOVER_IMEX
                ? Severity.REMARK
                : Severity.FATAL;
    }

    private Finding finding(Evidence.Incident incident, Evidence evidence) {
        XidTable.Row row = XidTable.row(incident.xid());
        Severity severity = xids.severity(incident.xid());
        String times = incident.count() == 1 ? "" : " (" + incident.count() + " times)";
        String interval = words(recoveryInterval);
        return new Finding(
                "xid",
                severity,
                "XID " + incident.xid() + ": " + row.meaning() + times,
                row.repair().describe(evidence.pci()),
                severity == Severity.FATAL
                        ? "by itself, when no such error has come for " + interval
                                + " and the GPU answers and the driver asks for no repair"
                        : "by itself, when it has not come again for " + interval,
                incident.first());
    }

    private static String words(Duration duration) {
        return duration.toSeconds() % 60 == 0 && duration.toMinutes() > 0
                ? duration.toMinutes() + " min"
                : duration.toMillis() % 1000 == 0 ? duration.toSeconds() + " s" : duration.toMillis() + " ms";
    }
}
