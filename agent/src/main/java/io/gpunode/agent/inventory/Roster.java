package io.gpunode.agent.inventory;

import io.gpunode.agent.gpu.GpuCondition;
import io.gpunode.agent.gpu.GpuIdentity;
import io.gpunode.agent.gpu.GpuProbe;
import io.gpunode.agent.gpu.GpuSession;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.HealthVerdict;
import io.gpunode.agent.model.PciAddress;
import io.gpunode.agent.model.XidCounts;
import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The GPUs of the open session, by identity: who is at which index, and who was seen and does not answer any more. A GPU that was seen in a
 * session stays on the roster until the session ends, so a broken one is withheld and not forgotten. Verdicts and XIDs outlive sessions.
 * Owned by the inventory's thread.
 */
final class Roster {
    private static final Log LOG = Log.of(Inventory.class);
    private static final int ATTRIBUTE_LIMIT_BYTES = 32;
    /** How many GPUs' XIDs are kept, with those of GPUs that are gone or not found yet. */
    private static final int REMEMBERED_LIMIT = 256;

    private final HostFiles hostFiles;
    private final Map<GpuId, KnownGpu> known = new HashMap<>();
    private final Map<GpuId, HealthVerdict> verdicts = new HashMap<>();
    private final Map<GpuId, Xids> xids = new HashMap<>();
    private List<KnownGpu> order = List.of();
    private Map<Integer, String> refusedNow = Map.of();
    private Map<Integer, String> unidentified = Map.of();
    private @Nullable MigMinors minorsOfRound;
    private Set<GpuId> held = Set.of();

    /**
     * XIDs of one GPU.
     *
     * @param layout the MIG devices that the GPU had when it was identified last
     */
    private record Xids(XidCounts counts, List<GpuIdentity.Mig> layout) {
        static final Xids NONE = new Xids(XidCounts.NONE, List.of());

        Xids plus(XidCounts added) {
            return new Xids(counts.plus(added), layout);
        }

        /** Without those of instances that the GPU has not any more: another one may have the same number. */
        Xids in(List<GpuIdentity.Mig> now) {
            if (now.equals(layout)) {
                return this;
            }
            return new Xids(counts.without((instance, compute) -> isGone(instance, compute, now)), now);
        }

        /** A GPU instance stays while one of its compute instances does. */
        private boolean isGone(OptionalInt gpuInstance, OptionalInt computeInstance, List<GpuIdentity.Mig> now) {
            boolean had = false;
            boolean stays = false;
            for (GpuIdentity.Mig before : layout) {
                if (gpuInstance.isEmpty() || before.gpuInstanceId() != gpuInstance.getAsInt()) {
                    continue;
                }
                had = true;
                boolean still = now.stream().anyMatch(each -> isSame(each, before));
                if (!still && computeInstance.equals(OptionalInt.of(before.computeInstanceId()))) {
                    return true;
                }
                stays |= still;
            }
            return had && !stays;
        }

        private static boolean isSame(GpuIdentity.Mig one, GpuIdentity.Mig other) {
            return one.id().equals(other.id())
                    && one.gpuInstanceId() == other.gpuInstanceId()
                    && one.computeInstanceId() == other.computeInstanceId();
        }
    }

    Roster(HostFiles hostFiles) {
        this.hostFiles = hostFiles;
    }

    /** All GPUs in PCI order. */
    List<KnownGpu> gpus() {
        return order;
    }

    /** The session has ended. */
    void clear() {
        known.clear();
        order = List.of();
        unidentified = Map.of();
    }

    /** Which GPUs stay in the picture as they are, whatever they become; empty for none. */
    void hold(Set<GpuId> gpus) {
        held = gpus;
        known.values().forEach(gpu -> gpu.held(held.contains(gpu.id())));
    }

    /** Keeps a verdict; false when the GPU is not known. */
    boolean health(HealthVerdict verdict) {
        GpuId id = verdict.gpu();
        KnownGpu gpu = known.get(id);
        if (gpu == null && !verdicts.containsKey(id)) {
            return false;
        }
        verdicts.put(id, verdict);
        if (gpu != null) {
            gpu.verdict(verdict);
        }
        return true;
    }

    /** Adds XIDs; false when the GPU is not known, which has them when it is found: the kernel may tell them before NVML tells of the GPU. */
    boolean xids(GpuId id, XidCounts added) {
        Xids before = xids.get(id);
        if (before == null && xids.size() >= REMEMBERED_LIMIT) {
            LOG.warn("an XID is not counted: too many GPUs have had some", "gpu", id, "limit", REMEMBERED_LIMIT);
            return false;
        }
        Xids now = (before == null ? Xids.NONE : before).plus(added);
        xids.put(id, now);
        KnownGpu gpu = known.get(id);
        if (gpu == null) {
            return false;
        }
        gpu.xids(now.counts());
        return true;
    }

    /**
     * Takes over what the probes of a round found.
     *
     * @param count how many GPUs NVML lists
     */
    void take(GpuSession session, int count, long round) {
        Set<GpuId> claimed = new HashSet<>();
        Map<Integer, String> refused = new HashMap<>();
        // Those that answered in this round come first: a probe that did not may hold the identity of a GPU that has
        // moved.
        for (int index = 0; index < count; index++) {
            GpuProbe probe = session.probe(index);
            if (probe.identification() instanceof GpuProbe.Identification.Identified found
                    && found.round() == round
                    && !claim(probe, found, claimed)) {
                refused.put(
                        index,
                        "it has the UUID of another GPU: " + found.identity().id());
            }
        }
        for (int index = 0; index < count; index++) {
            takeUnanswered(session.probe(index), round, claimed, refused);
        }
        for (KnownGpu gpu : known.values()) {
            if (!claimed.contains(gpu.id())) {
                gpu.lost(null, new GpuCondition.Lost("NVML does not list it any more"), round);
            }
        }
        refusedNow = Map.copyOf(refused);
        minorsOfRound = null;
        sort();
    }

    private boolean claim(GpuProbe probe, GpuProbe.Identification.Identified found, Set<GpuId> claimed) {
        GpuIdentity identity = found.identity();
        if (!claimed.add(identity.id())) {
            return false;
        }
        KnownGpu gpu = known.computeIfAbsent(identity.id(), id -> add(identity));
        gpu.identified(probe, identity, found.round());
        Xids left = xids.getOrDefault(identity.id(), Xids.NONE).in(identity.migDevices());
        xids.put(identity.id(), left);
        gpu.xids(left.counts());
        if (gpu.lacksCapabilities()) {
            minorsOfRound = minorsOfRound == null ? migMinors() : minorsOfRound;
            gpu.capabilities(minorsOfRound);
        }
        return true;
    }

    private KnownGpu add(GpuIdentity identity) {
        KnownGpu gpu = new KnownGpu(identity, pciClass(identity.pci()), numaNode(identity.pci()));
        gpu.held(held.contains(identity.id()));
        gpu.verdict(verdicts.computeIfAbsent(identity.id(), HealthVerdict::clean));
        LOG.info("found a GPU", "gpu", identity.id(), "pci", identity.pci(), "name", identity.name());
        return gpu;
    }

    private void takeUnanswered(GpuProbe probe, long round, Set<GpuId> claimed, Map<Integer, String> refused) {
        switch (probe.identification()) {
            case GpuProbe.Identification.Identified found
            when found.round() < round -> {
                // The lane has not come to it: the GPU is still the one that it was, as far as anybody knows.
                KnownGpu gpu = known.get(found.identity().id());
                if (gpu != null && probe.equals(gpu.probe())) {
                    claimed.add(gpu.id());
                }
            }
            case GpuProbe.Identification.Refused(long _, GpuCondition condition, boolean lasting) -> {
                Optional<KnownGpu> last = known.values().stream()
                        .filter(gpu -> gpu.identity().index() == probe.index() && !claimed.contains(gpu.id()))
                        .findFirst();
                last.ifPresent(gpu -> {
                    claimed.add(gpu.id());
                    // What failed this once says nothing about a GPU that is known.
                    if (lasting) {
                        gpu.lost(probe, condition, round);
                    }
                });
                if (last.isEmpty()) {
                    refused.put(probe.index(), describe(condition));
                }
            }
            case null -> refused.put(probe.index(), "it has not answered yet");
            default -> {}
        }
    }

    private static String describe(GpuCondition condition) {
        return switch (condition) {
            case GpuCondition.Answering _ -> "it answers";
            case GpuCondition.Lost(String reason) -> reason;
            case GpuCondition.DriverGone(String returned) -> "NVML answers " + returned;
        };
    }

    /** The last round counts: NVML lists as many GPUs as before it. Says what could not be identified, when that is news. */
    void settle() {
        if (!refusedNow.equals(unidentified)) {
            refusedNow.forEach((index, why) -> LOG.error(
                    "a GPU that NVML lists cannot be identified and is not offered", "index", index, "error", why));
            unidentified = refusedNow;
        }
    }

    private void sort() {
        List<KnownGpu> sorted = new ArrayList<>(known.values());
        sorted.sort(Comparator.comparing((KnownGpu gpu) -> gpu.identity().pci()).thenComparing(KnownGpu::id));
        order = List.copyOf(sorted);
    }

    /** The round in which a GPU was identified last; -1 when it never was. */
    long lastIdentified(GpuId id) {
        KnownGpu gpu = known.get(id);
        return gpu == null ? -1 : gpu.identifiedRound();
    }

    /** NVML indices at which nobody could be identified, with the reason. */
    Map<Integer, String> unidentified() {
        return unidentified;
    }

    /** Whether every GPU says that the driver is gone; the words of one of them, or null. */
    @Nullable String driverGone() {
        String returned = null;
        for (KnownGpu gpu : order) {
            if (!(gpu.condition() instanceof GpuCondition.DriverGone(String answer))) {
                return null;
            }
            returned = answer;
        }
        return returned;
    }

    private MigMinors migMinors() {
        try {
            return MigMinors.read(hostFiles);
        } catch (IOException e) {
            LOG.warn("the capability nodes of MIG devices cannot be read", "error", e);
            return MigMinors.parse("");
        }
    }

    /** The class code of a device, as in {@code 0x030200}. */
    private OptionalInt pciClass(PciAddress pci) {
        Optional<String> text = sysfs(pci, "class");
        try {
            return text.isEmpty()
                    ? OptionalInt.empty()
                    : OptionalInt.of(Integer.decode(text.get().strip()));
        } catch (NumberFormatException e) {
            LOG.warn("the kernel tells a GPU's PCI class, and not as a number", "pci", pci, "error", e);
            return OptionalInt.empty();
        }
    }

    private OptionalInt numaNode(PciAddress pci) {
        Optional<String> text = sysfs(pci, "numa_node");
        try {
            int node = text.isEmpty() ? -1 : Integer.parseInt(text.get().strip());
            return node < 0 ? OptionalInt.empty() : OptionalInt.of(node);
        } catch (NumberFormatException e) {
            LOG.warn("the kernel tells a GPU's NUMA node, and not as a number", "pci", pci, "error", e);
            return OptionalInt.empty();
        }
    }

    /** What sysfs tells of a device; empty when it does not know it or cannot be read. */
    private Optional<String> sysfs(PciAddress pci, String attribute) {
        Path file = Path.of("/sys/bus/pci/devices", pci.sysfsName(), attribute);
        try {
            return hostFiles.readText(file, ATTRIBUTE_LIMIT_BYTES);
        } catch (IOException e) {
            LOG.warn("what the kernel knows of a GPU cannot be read", "file", file, "error", e);
            return Optional.empty();
        }
    }
}
