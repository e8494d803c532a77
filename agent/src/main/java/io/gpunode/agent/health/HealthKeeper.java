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
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.model.XidEvent;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Keeps the evidence of every GPU and reports the verdict when it differs from the one in the picture. Has no thread: events come on their
 * watchers' threads, pictures on the inventory's; all are quick, and each holds the lock until its verdict is reported, so verdicts arrive in
 * order.
 */
public final class HealthKeeper {
    private static final Log LOG = Log.of(HealthKeeper.class);
    private static final PciAddress NOWHERE = new PciAddress(0, 0, 0, 0);
    private static final long OFF_THE_BUS = 79;
    private static final long REPAIR_CHANGED = 154;
    /** Between two looks at GPUs that wait to join their fabric. */
    private static final Duration LOOK_SPACING = Duration.ofSeconds(5);

    /** What is kept of one GPU. */
    private static final class Known {
        private Evidence evidence;
        private final CounterGrowth growth = new CounterGrowth();
        private List<MigDevice> layout = List.of();
        /** By MIG device: uncorrectable errors in the chip's memories since the driver was loaded. */
        private final Map<GpuId, Long> chipErrors = new HashMap<>();

        private long sampledAt;

        Known(Evidence evidence) {
            this.evidence = evidence;
        }
    }

    private final HealthReports reports;
    private final Runnable lookAgain;
    private final MonotonicClock clock;
    private final InstantSource wall;
    private final Map<GpuId, Known> gpus = new HashMap<>();
    /** GPUs and MIG devices that were told of as withheld. */
    private final Set<GpuId> toldWithheld = new HashSet<>();

    private final NodeEvidence node = new NodeEvidence();
    private final Map<GpuId, GpuHealth> healths = new HashMap<>();
    private List<Gpu> pictured = List.of();
    private List<Finding> nodeReported = List.of();
    private Tick nextLook;
    private HealthPolicy policy;
    private Duration recoveryInterval;

    /** @param lookAgain asks the inventory to read the GPUs' identities again; any thread */
    public HealthKeeper(
            AgentConfig.Health config,
            HealthReports reports,
            Runnable lookAgain,
            MonotonicClock clock,
            InstantSource wall) {
        this.policy = new HealthPolicy(config);
        this.recoveryInterval = config.recoveryInterval();
        this.reports = reports;
        this.lookAgain = lookAgain;
        this.clock = clock;
        this.wall = wall;
        this.nextLook = clock.now();
    }

    /** Judges by other rules from the next picture or report on; what is known already is judged by them too. */
    public synchronized void configure(AgentConfig.Health config) {
        policy = new HealthPolicy(config);
        recoveryInterval = config.recoveryInterval();
    }

    /** NVML reported an XID. */
    public synchronized void xid(XidEvent event) {
        Tick now = clock.now();
        DriverReport report = DriverReport.xid(event.xid(), event.gpuInstanceId(), event.computeInstanceId());
        Known known = known(event.gpu(), now);
        take(known, event.gpu(), report, Incident.Witness.NVML, event.at(), now);
        HealthVerdict verdict = policy.fold(event.gpu(), known.evidence);
        reports.xid(event, verdict);
        reported(verdict, known.evidence.pci());
    }

    /** The kernel's log says something about a GPU or an NVSwitch. */
    synchronized void logged(KernelMessage message) {
        Tick now = clock.now();
        switch (message) {
            case KernelMessage.Xid xid -> loggedXid(xid.pci(), DriverReport.logged(xid), now);
            case KernelMessage.FallenOffBus(PciAddress pci) -> {
                DriverReport report = DriverReport.xid(OFF_THE_BUS, OptionalInt.empty(), OptionalInt.empty());
                GpuId gpu = at(pci);
                // The XID says the same, a moment before or later.
                if (gpu == null || known(gpu, now).evidence.count(report) == 0) {
                    loggedXid(pci, report, now);
                }
            }
            case KernelMessage.SwitchXid sxid -> {
                long count = node.switchXid(sxid, wall.instant(), now);
                if (Long.bitCount(count) == 1) {
                    LOG.warn(
                            "SXID of an NVSwitch",
                            "pci",
                            sxid.pci(),
                            "sxid",
                            sxid.number(),
                            "detail",
                            sxid.detail(),
                            "count",
                            count);
                }
                reportNode();
            }
            case KernelMessage.InitFailed(Optional<PciAddress> pci, OptionalInt minor) -> {
                if (node.initFailed(pci, minor, wall.instant(), now) == 1) {
                    LOG.error(
                            "the driver could not start a GPU",
                            "pci",
                            pci.map(PciAddress::sysfsName).orElse("unknown"),
                            "repair",
                            Repair.READ_KERNEL_LOG.describe(NOWHERE));
                    lookAgain.run();
                }
                reportNode();
            }
        }
    }

    private void loggedXid(PciAddress pci, DriverReport report, Tick now) {
        GpuId gpu = at(pci);
        Instant wallNow = wall.instant();
        if (gpu == null) {
            long count = node.strangersXid(pci, report, policy.severity(report), wallNow, now);
            if (Long.bitCount(count) == 1) {
                LOG.warn("XID of a GPU that NVML does not list", "pci", pci, "xid", report.xid(), "count", count);
            }
            reportNode();
            return;
        }
        Known known = known(gpu, now);
        long before = known.evidence.countInAnyWords(report);
        take(known, gpu, report, Incident.Witness.KERNEL_LOG, wallNow, now);
        HealthVerdict verdict = policy.fold(gpu, known.evidence);
        if (known.evidence.countInAnyWords(report) > before) {
            reports.xid(
                    new XidEvent(gpu, report.xid(), wallNow, report.gpuInstance(), report.computeInstance()), verdict);
            reported(verdict, known.evidence.pci());
        } else if (report.fatal()) {
            // Known from NVML, and graver than that could tell.
            reports.health(verdict);
            reported(verdict, known.evidence.pci());
        }
        if (report.xid() == REPAIR_CHANGED) {
            lookAgain.run();
        }
    }

    /** The GPU at a place; null when the picture has none there. */
    private @Nullable GpuId at(PciAddress pci) {
        for (Gpu gpu : pictured) {
            if (NodeEvidence.samePlace(gpu.pci(), pci)) {
                return gpu.id();
            }
        }
        return null;
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
        reported(verdict, known.evidence.pci());
    }

    private void reported(HealthVerdict verdict, PciAddress pci) {
        tell(verdict, pci);
        healths.put(verdict.gpu(), verdict.health());
        reportNode();
    }

    private void reportNode() {
        List<Finding> found = node.findings(pictured, healths);
        if (!found.equals(nodeReported)) {
            nodeReported = found;
            reports.node(found);
        }
    }

    /** Before its first picture the GPU's place is not known; the first picture corrects it. */
    private Known known(GpuId gpu, Tick now) {
        return gpus.computeIfAbsent(gpu, _ -> new Known(Evidence.none(NOWHERE, now)));
    }

    private void take(
            Known known, GpuId gpu, DriverReport report, Incident.Witness witness, Instant wallNow, Tick now) {
        List<GpuId> devices = HealthPolicy.devices(report, known.layout);
        known.evidence = policy.withoutWhatIsOver(known.evidence, now)
                .withReport(report, devices, witness, policy::weight, wallNow, now);
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
        boolean waitsForALook = false;
        if (snapshot.open()) {
            // GPUs that are let go for a while keep their places: the log may tell of them meanwhile.
            pictured = snapshot.gpus();
        }
        for (Gpu gpu : snapshot.gpus()) {
            Known known = known(gpu.id(), now);
            long sampledAt = gpu.sample().sampledAtEpochMillis();
            boolean newReading = sampledAt != 0 && sampledAt != known.sampledAt;
            if (newReading) {
                known.sampledAt = sampledAt;
                known.growth.take(gpu.sample(), now);
            }
            known.layout = gpu.migDevices();
            if (newReading) {
                takeChipErrors(known, gpu, wallNow, now);
            }
            for (Incident incident : node.takeXids(gpu.pci())) {
                // The log told of it before the GPU was listed.
                known.evidence = known.evidence.with(incident, policy::weight);
            }
            known.evidence =
                    policy.observe(known.evidence, new Observation(gpu, known.growth), newReading, wallNow, now);
            HealthVerdict verdict = policy.fold(gpu.id(), known.evidence);
            tell(verdict, gpu.pci());
            healths.put(gpu.id(), verdict.health());
            if (!shows(gpu, verdict)) {
                reports.health(verdict);
            }
            waitsForALook |= waitsForALook(verdict.health());
        }
        node.picture(snapshot, id -> known(id, now).evidence.lastAnswer(), recoveryInterval, now);
        reportNode();
        if (waitsForALook && now.reached(nextLook)) {
            nextLook = now.plus(LOOK_SPACING);
            lookAgain.run();
        }
    }

    /** What NVML counts for each GPU instance is reported against its MIG devices alone. */
    private void takeChipErrors(Known known, Gpu gpu, Instant wallNow, Tick now) {
        long ofInstances = 0;
        int lastInstance = -1;
        for (MigDevice mig : gpu.migDevices()) {
            if (!mig.sample().has(Quantity.ECC_UNCORRECTED_SRAM_VOLATILE)) {
                continue;
            }
            long errors = mig.sample().value(Quantity.ECC_UNCORRECTED_SRAM_VOLATILE);
            Long before = known.chipErrors.put(mig.id(), errors);
            if (before == null || errors <= before) {
                continue;
            }
            // Those in one GPU instance share its memories.
            ofInstances += mig.gpuInstanceId() == lastInstance ? 0 : errors - before;
            lastInstance = mig.gpuInstanceId();
            DriverReport report = DriverReport.event(
                    GpuEvents.Kind.CHIP_MEMORY_ERROR,
                    OptionalInt.of(mig.gpuInstanceId()),
                    OptionalInt.of(mig.computeInstanceId()));
            take(known, gpu.id(), report, Incident.Witness.NVML, wallNow, now);
        }
        known.growth.ofInstances(ofInstances);
        if (known.chipErrors.size() > gpu.migDevices().size()) {
            known.chipErrors
                    .keySet()
                    .retainAll(gpu.migDevices().stream().map(MigDevice::id).toList());
        }
    }

    /** Whether a finding goes only when the GPU's identity is read again, which is not with every sampling. */
    private static boolean waitsForALook(GpuHealth health) {
        for (Finding finding : health.all()) {
            if (finding.check().equals(FabricCheck.NAME) && finding.severity().withholds()) {
                return true;
            }
        }
        return false;
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
