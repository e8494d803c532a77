package io.gpunode.agent.health;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.gpu.GpuEvents;
import io.gpunode.agent.inventory.HealthReports;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.model.Finding;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuHealth;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.HealthVerdict;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.PciAddress;
import io.gpunode.agent.model.XidEvent;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.time.Instant;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;

/**
 * Keeps the evidence of every GPU and reports the verdict when it differs from the one in the picture. Has no thread: events come on their
 * watchers' threads, pictures on the inventory's; all are quick, and each holds the lock until its verdict is reported, so verdicts arrive in
 * order.
 */
public final class HealthKeeper {
    private static final Log LOG = Log.of(HealthKeeper.class);
    private static final PciAddress NOWHERE = new PciAddress(0, 0, 0, 0);

    /** What is kept of one GPU. */
    private static final class Known {
        private Evidence evidence;
        private final CounterGrowth growth = new CounterGrowth();
        private List<MigDevice> layout = List.of();
        private long sampledAt;

        Known(Evidence evidence) {
            this.evidence = evidence;
        }
    }

    private final HealthReports reports;
    private final MonotonicClock clock;
    private final InstantSource wall;
    private final Map<GpuId, Known> gpus = new HashMap<>();
    /** GPUs and MIG devices that were told of as withheld. */
    private final Set<GpuId> toldWithheld = new HashSet<>();

    private HealthPolicy policy;

    public HealthKeeper(AgentConfig.Health config, HealthReports reports, MonotonicClock clock, InstantSource wall) {
        this.policy = new HealthPolicy(config);
        this.reports = reports;
        this.clock = clock;
        this.wall = wall;
    }

    /** Judges by other rules from the next picture or report on; what is known already is judged by them too. */
    public synchronized void configure(AgentConfig.Health config) {
        policy = new HealthPolicy(config);
    }

    /** NVML reported an XID. */
    public synchronized void xid(XidEvent event) {
        Tick now = clock.now();
        DriverReport report = DriverReport.xid(event.xid(), event.gpuInstanceId(), event.computeInstanceId());
        Known known = known(event.gpu(), now);
        take(known, event.gpu(), report, Incident.Witness.NVML, event.at(), now);
        HealthVerdict verdict = policy.fold(event.gpu(), known.evidence);
        reports.xid(event, verdict);
        tell(verdict, known.evidence.pci());
    }

    /** NVML reported something else against a GPU. */
    public synchronized void event(
            GpuId gpu, GpuEvents.Kind kind, OptionalInt gpuInstance, OptionalInt computeInstance) {
        Tick now = clock.now();
        Known known = known(gpu, now);
        DriverReport report = DriverReport.event(kind, gpuInstance, computeInstance);
        take(known, gpu, report, Incident.Witness.NVML, wall.instant(), now);
        HealthVerdict verdict = policy.fold(gpu, known.evidence);
        reports.health(verdict);
        tell(verdict, known.evidence.pci());
    }

    /** Before its first picture the GPU's place is not known; the first picture corrects it. */
    private Known known(GpuId gpu, Tick now) {
        return gpus.computeIfAbsent(gpu, _ -> new Known(Evidence.none(NOWHERE, now)));
    }

    private void take(
            Known known, GpuId gpu, DriverReport report, Incident.Witness witness, Instant wallNow, Tick now) {
        List<GpuId> devices = HealthPolicy.devices(report, known.layout);
        known.evidence =
                policy.withoutWhatIsOver(known.evidence, now).withReport(report, devices, witness, wallNow, now);
        // The same again is counted, not repeated: a line at the first, second, fourth, eighth …
        long count = known.evidence.count(report);
        if (Long.bitCount(count) != 1) {
            return;
        }
        if (report.kind() == GpuEvents.Kind.XID) {
            LOG.warn(
                    "XID",
                    "gpu",
                    gpu,
                    "xid",
                    report.xid(),
                    "meaning",
                    XidTable.row(report.xid()).meaning(),
                    "count",
                    count);
        } else {
            LOG.warn("driver event", "gpu", gpu, "event", report.kind(), "count", count);
        }
    }

    /** Takes in a picture; reports verdicts that differ from those in it. */
    public synchronized void picture(NodeSnapshot snapshot) {
        Tick now = clock.now();
        Instant wallNow = wall.instant();
        for (Gpu gpu : snapshot.gpus()) {
            Known known = known(gpu.id(), now);
            long sampledAt = gpu.sample().sampledAtEpochMillis();
            boolean newReading = sampledAt != 0 && sampledAt != known.sampledAt;
            if (newReading) {
                known.sampledAt = sampledAt;
                known.growth.take(gpu.sample(), now);
            }
            known.layout = gpu.migDevices();
            known.evidence =
                    policy.observe(known.evidence, new Observation(gpu, known.growth), newReading, wallNow, now);
            HealthVerdict verdict = policy.fold(gpu.id(), known.evidence);
            tell(verdict, gpu.pci());
            if (!shows(gpu, verdict)) {
                reports.health(verdict);
            }
        }
    }

    private static boolean shows(Gpu gpu, HealthVerdict verdict) {
        if (!verdict.health().equals(gpu.health())) {
            return false;
        }
        for (MigDevice mig : gpu.migDevices()) {
            if (!verdict.migDevice(mig.id()).equals(mig.health())) {
                return false;
            }
        }
        return true;
    }

    /** Says when a GPU or MIG device is withheld and when it is given back, once each. */
    private void tell(HealthVerdict verdict, PciAddress pci) {
        tell(verdict.gpu(), verdict.health(), pci, "a GPU");
        verdict.migDevices().forEach((id, health) -> tell(id, health, pci, "a MIG device"));
        Known known = gpus.get(verdict.gpu());
        if (known != null) {
            for (MigDevice mig : known.layout) {
                if (!verdict.migDevices().containsKey(mig.id())) {
                    tell(mig.id(), GpuHealth.Healthy.CLEAN, pci, "a MIG device");
                }
            }
        }
    }

    private void tell(GpuId id, GpuHealth health, PciAddress pci, String what) {
        boolean withheld = health instanceof GpuHealth.Unhealthy;
        if (withheld == toldWithheld.contains(id)) {
            return;
        }
        if (!withheld) {
            toldWithheld.remove(id);
            LOG.info(what + " is healthy again", "gpu", id, "pci", pci);
            return;
        }
        toldWithheld.add(id);
        Finding worst = worst(health.all());
        LOG.error(
                what + " is not offered any more",
                "gpu",
                id,
                "pci",
                pci,
                "reason",
                worst.reason(),
                "repair",
                worst.repair());
    }

    private static Finding worst(List<Finding> findings) {
        for (Finding finding : findings) {
            if (finding.severity().withholds()) {
                return finding;
            }
        }
        return findings.getFirst();
    }
}
