package io.gpunode.agent.health;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.inventory.HealthReports;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.model.Finding;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuHealth;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.LaneState;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.PciAddress;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.model.XidEvent;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.time.Instant;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Keeps the evidence of every GPU and reports the verdict when it differs from the one in the picture. Has no thread: XIDs come on the watcher's
 * thread, pictures on the inventory's; both are quick, and each holds the lock until its verdict is reported, so verdicts arrive in order.
 */
public final class HealthKeeper {
    private static final Log LOG = Log.of(HealthKeeper.class);
    private static final PciAddress NOWHERE = new PciAddress(0, 0, 0, 0);

    private final HealthReports reports;
    private final MonotonicClock clock;
    private final InstantSource wall;
    private final Map<GpuId, Evidence> evidence = new HashMap<>();
    private final Map<GpuId, Long> lastSample = new HashMap<>();
    private final Map<GpuId, Boolean> toldHealthy = new HashMap<>();
    private HealthPolicy policy;

    public HealthKeeper(AgentConfig.Health config, HealthReports reports, MonotonicClock clock, InstantSource wall) {
        this.policy = new HealthPolicy(config);
        this.reports = reports;
        this.clock = clock;
        this.wall = wall;
    }

    /** Judges by other rules from the next picture or XID on; what is known already is judged by them too. */
    public synchronized void configure(AgentConfig.Health config) {
        policy = new HealthPolicy(config);
    }

    /** The driver reported an XID. */
    public synchronized void xid(XidEvent event) {
        Tick now = clock.now();
        Evidence before = evidence.get(event.gpu());
        // Before its first picture the GPU's place is not known; the first picture corrects it.
        Evidence known = before == null ? Evidence.none(NOWHERE, event.at(), now) : before;
        Evidence after = policy.withoutWhatIsOver(known, now).withXid(event.xid(), event.at(), now);
        evidence.put(event.gpu(), after);
        GpuHealth verdict = policy.fold(after);
        reports.xid(event, verdict);
        // The same again is counted, not repeated: a line at the first, second, fourth, eighth …
        long count = after.count(event.xid());
        if (Long.bitCount(count) == 1) {
            LOG.warn(
                    "XID",
                    "gpu",
                    event.gpu(),
                    "xid",
                    event.xid(),
                    "meaning",
                    XidTable.row(event.xid()).meaning(),
                    "count",
                    count);
        }
        tell(event.gpu(), after.pci(), verdict);
    }

    /** Takes in a picture; reports verdicts that differ from those in it. */
    public synchronized void picture(NodeSnapshot snapshot) {
        Tick now = clock.now();
        Instant wallNow = wall.instant();
        for (Gpu gpu : snapshot.gpus()) {
            Evidence before = evidence.get(gpu.id());
            Evidence seen =
                    before == null || !before.pci().equals(gpu.pci()) ? moved(before, gpu.pci(), wallNow, now) : before;
            Evidence after = policy.withoutWhatIsOver(see(seen, gpu, wallNow, now), now);
            evidence.put(gpu.id(), after);
            GpuHealth verdict = policy.fold(after);
            tell(gpu.id(), gpu.pci(), verdict);
            if (!verdict.equals(gpu.health())) {
                reports.health(gpu.id(), verdict);
            }
        }
    }

    /** Says when a GPU is withheld and when it is given back, once each. */
    private void tell(GpuId gpu, PciAddress pci, GpuHealth verdict) {
        boolean healthy = verdict instanceof GpuHealth.Healthy;
        Boolean before = toldHealthy.put(gpu, healthy);
        if (healthy == (before == null || before)) {
            return;
        }
        if (healthy) {
            LOG.info("a GPU is healthy again", "gpu", gpu, "pci", pci);
            return;
        }
        Finding first = verdict.all().getFirst();
        LOG.error(
                "a GPU is not offered any more",
                "gpu",
                gpu,
                "pci",
                pci,
                "reason",
                first.reason(),
                "repair",
                first.repair());
    }

    private static Evidence moved(@Nullable Evidence before, PciAddress pci, Instant wallNow, Tick now) {
        return before == null
                ? Evidence.none(pci, wallNow, now)
                : new Evidence(
                        pci,
                        before.incidents(),
                        before.lane(),
                        before.recoveryAction(),
                        before.actionSince(),
                        before.lastAnswer());
    }

    private Evidence see(Evidence before, Gpu gpu, Instant wallNow, Tick now) {
        Evidence after = before.withLane(gpu.lane());
        if (gpu.sample().has(Quantity.RECOVERY_ACTION)) {
            after = after.withRecoveryAction(gpu.sample().value(Quantity.RECOVERY_ACTION), wallNow);
        }
        Long sampled = gpu.sample().sampledAtEpochMillis();
        if (gpu.lane() instanceof LaneState.Responsive && !sampled.equals(lastSample.put(gpu.id(), sampled))) {
            after = after.withAnswer(now);
        }
        return after;
    }
}
