package io.gpunode.agent.health;

import io.gpunode.agent.model.Finding;
import io.gpunode.agent.model.Finding.Severity;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuHealth;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.LaneState;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.model.PciAddress;
import io.gpunode.agent.time.Tick;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * What is known against the node as a whole: errors of NVSwitches, GPUs that the driver could not start or that nobody lists, and repairs of
 * single GPUs that take the whole node. Owned by the {@link HealthKeeper}.
 */
final class NodeEvidence {
    /** Different things that are kept; of more than that the gravest and newest tell enough. */
    private static final int LIMIT = 32;

    /** What makes an entry go. */
    private enum Until {
        /** Nothing of the kind came for the recovery interval. */
        QUIET,
        /** NVML is opened anew: the driver was reloaded, or the GPUs were reset. */
        REOPENED,
        /** A GPU answers at that place, or NVML is opened anew. */
        ANSWERED
    }

    private record Entry(
            String check,
            Severity severity,
            String reason,
            Repair repair,
            PciAddress pci,
            OptionalInt minor,
            @Nullable DriverReport report,
            Until until,
            long generation,
            Instant first,
            Tick last,
            long count) {
        Entry again(Tick now) {
            return new Entry(
                    check, severity, reason, repair, pci, minor, report, until, generation, first, now, count + 1);
        }
    }

    private static final PciAddress NOWHERE = new PciAddress(0, 0, 0, 0);

    private final Map<String, Entry> entries = new LinkedHashMap<>();
    private long generation;

    /** An error of an NVSwitch. */
    long switchXid(KernelMessage.SwitchXid message, Instant wallNow, Tick now) {
        String switchName = "NVSwitch " + message.pci().sysfsName();
        return add(
                "switch " + message.pci() + " " + message.number(),
                new Entry(
                        Checks.NVSWITCH,
                        message.fatal() ? Severity.NODE : Severity.REMARK,
                        switchName + ": SXid " + message.number()
                                + (message.detail().isEmpty() ? "" : ": " + message.detail()),
                        message.fatal() ? Repair.REBOOT : Repair.FABRIC_MANAGER,
                        message.pci(),
                        OptionalInt.empty(),
                        null,
                        message.fatal() ? Until.REOPENED : Until.QUIET,
                        generation,
                        wallNow,
                        now,
                        1));
    }

    /**
     * An XID of a GPU that is not in the picture.
     *
     * @param severity that it has for a GPU; null for one that is passed over, which is not kept
     */
    long strangersXid(PciAddress pci, DriverReport report, @Nullable Severity severity, Instant wallNow, Tick now) {
        if (severity == null) {
            return 0;
        }
        XidTable.Row row = XidTable.row(report.xid());
        boolean node = severity == Severity.NODE;
        return add(
                "xid " + pci + " " + report,
                new Entry(
                        Checks.XID,
                        node ? Severity.NODE : Severity.REMARK,
                        "GPU " + pci.sysfsName() + ", which NVML does not list: XID " + row.number() + ": "
                                + row.meaning(),
                        row.repair(),
                        pci,
                        OptionalInt.empty(),
                        report,
                        node ? Until.ANSWERED : Until.QUIET,
                        generation,
                        wallNow,
                        now,
                        1));
    }

    /** A GPU that the driver could not start. */
    long initFailed(Optional<PciAddress> pci, OptionalInt minor, Instant wallNow, Tick now) {
        String which = pci.isPresent()
                ? "GPU " + pci.get().sysfsName()
                : "the GPU of minor number " + (minor.isPresent() ? minor.getAsInt() : "unknown");
        return add(
                "init " + which,
                new Entry(
                        Checks.INIT,
                        Severity.REMARK,
                        "the driver could not start " + which,
                        Repair.READ_KERNEL_LOG,
                        pci.orElse(NOWHERE),
                        minor,
                        null,
                        Until.ANSWERED,
                        generation,
                        wallNow,
                        now,
                        1));
    }

    /** How often it came by now. */
    private long add(String key, Entry entry) {
        Entry known = entries.get(key);
        Entry next = known == null ? entry : known.again(entry.last());
        entries.put(key, next);
        if (entries.size() > LIMIT) {
            entries.remove(leastKey());
        }
        return next.count();
    }

    /** The oldest remark, or the oldest entry when there is none. */
    private String leastKey() {
        for (Map.Entry<String, Entry> each : entries.entrySet()) {
            if (each.getValue().severity() == Severity.REMARK) {
                return each.getKey();
            }
        }
        return entries.keySet().iterator().next();
    }

    /** Takes away the XIDs of a place at which a GPU is listed now: they are that GPU's. */
    List<Incident> takeXids(PciAddress place) {
        List<Incident> taken = new ArrayList<>(0);
        Iterator<Entry> each = entries.values().iterator();
        while (each.hasNext()) {
            Entry entry = each.next();
            DriverReport report = entry.report();
            if (report != null && samePlace(entry.pci(), place)) {
                each.remove();
                taken.add(new Incident(
                        report,
                        List.of(),
                        entry.first(),
                        entry.last(),
                        entry.count(),
                        entry.count(),
                        Incident.Witness.KERNEL_LOG));
            }
        }
        return taken;
    }

    /**
     * Takes in a picture: what it shows to be over goes.
     *
     * @param lastAnswer when a GPU of the picture was last read
     */
    void picture(NodeSnapshot snapshot, Function<GpuId, Tick> lastAnswer, Duration recoveryInterval, Tick now) {
        generation = snapshot.nvml() instanceof NvmlState.Open state ? state.generation() : generation;
        Iterator<Entry> each = entries.values().iterator();
        while (each.hasNext()) {
            if (isOver(each.next(), snapshot, lastAnswer, recoveryInterval, now)) {
                each.remove();
            }
        }
    }

    private boolean isOver(
            Entry entry, NodeSnapshot snapshot, Function<GpuId, Tick> lastAnswer, Duration recoveryInterval, Tick now) {
        boolean reopened = generation > entry.generation();
        return switch (entry.until()) {
            case QUIET -> now.since(entry.last()).compareTo(recoveryInterval) >= 0;
            case REOPENED -> reopened;
            case ANSWERED -> reopened || answers(entry, snapshot, lastAnswer);
        };
    }

    /** Whether a GPU at that place was sampled after the entry's last report. */
    private static boolean answers(Entry entry, NodeSnapshot snapshot, Function<GpuId, Tick> lastAnswer) {
        for (Gpu gpu : snapshot.gpus()) {
            boolean there = entry.pci().equals(NOWHERE)
                    ? entry.minor().isPresent() && entry.minor().getAsInt() == gpu.minor()
                    : samePlace(entry.pci(), gpu.pci());
            if (there
                    && gpu.lane() instanceof LaneState.Responsive
                    && lastAnswer.apply(gpu.id()).since(entry.last()).isPositive()) {
                return true;
            }
        }
        return false;
    }

    /** Whether two addresses are of one GPU: the kernel's log leaves out the function. */
    static boolean samePlace(PciAddress one, PciAddress other) {
        return one.domain() == other.domain() && one.bus() == other.bus() && one.device() == other.device();
    }

    /** What there is to say, the GPUs' own findings that take the whole node included. */
    List<Finding> findings(List<Gpu> gpus, Map<GpuId, GpuHealth> healths) {
        List<Finding> findings = new ArrayList<>(0);
        for (Gpu gpu : gpus) {
            GpuHealth health = healths.get(gpu.id());
            if (health != null) {
                addOfGpu(gpu, health, findings);
            }
        }
        for (Entry entry : entries.values()) {
            findings.add(new Finding(
                    entry.check(),
                    entry.severity(),
                    entry.reason() + HealthPolicy.times(entry.count()),
                    entry.repair().describe(entry.pci()),
                    switch (entry.until()) {
                        case QUIET -> "by itself, when it has not come again for the recovery interval";
                        case REOPENED -> "when the driver was loaded anew";
                        case ANSWERED -> "when the GPU answers, or the driver was loaded anew";
                    },
                    entry.first()));
        }
        return findings;
    }

    private static void addOfGpu(Gpu gpu, GpuHealth health, List<Finding> findings) {
        for (Finding finding : health.all()) {
            if (finding.severity() == Severity.NODE) {
                findings.add(new Finding(
                        finding.check(),
                        Severity.NODE,
                        "GPU " + gpu.pci().sysfsName() + ": " + finding.reason(),
                        finding.repair(),
                        finding.recovery(),
                        finding.since()));
            }
        }
    }
}
