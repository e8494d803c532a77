package io.gpunode.agent.testing;

import io.gpunode.agent.model.Finding;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuHealth;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.GpuSample;
import io.gpunode.agent.model.LaneState;
import io.gpunode.agent.model.MigAttributes;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.model.PciAddress;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.model.Reading;
import io.gpunode.agent.model.Topology;
import io.gpunode.agent.model.XidCounts;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.function.UnaryOperator;

/**
 * Pictures of nodes, written by hand. Start from a node ({@link #h100x8()}, {@link #t4()}, {@link #pcie(int)}), change what the test is about,
 * {@link #build()}; the same builder builds the next version. GPU <i>i</i>'s id is {@link #id(int)}.
 */
public final class Snapshots {
    /** When all of them were taken. */
    public static final Instant AT = Instant.parse("2026-01-02T03:04:05Z");

    /** The driver of all of them. */
    public static final String DRIVER = "550.163.01";

    private static final int[] H100_BUSES = {0x1b, 0x43, 0x52, 0x61, 0x9d, 0xc3, 0xd1, 0xdf};

    private final List<Gpu> gpus = new ArrayList<>();
    private NvmlState nvml = open(1);
    private Topology topology = Topology.EMPTY;
    private long version;
    private long structureVersion;
    private int unidentified;
    private boolean structureChanged = true;

    private Snapshots() {}

    /** The id of GPU {@code index} in every node. */
    public static GpuId id(int index) {
        return new GpuId(uuid(index));
    }

    /** The text of {@link #id}. */
    public static String uuid(int index) {
        return String.format(Locale.ROOT, "GPU-6f1e2a30-8b00-4c1d-9a7e-%012x", index);
    }

    /** The texts of the ids of GPUs {@code 0} to {@code count - 1}. */
    public static List<String> uuids(int count) {
        List<String> all = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            all.add(uuid(i));
        }
        return all;
    }

    /** Eight H100 SXM behind NVSwitch, four on each socket, as in a DGX H100. */
    public static Snapshots h100x8() {
        Snapshots node = new Snapshots();
        int[][] ancestor = new int[8][8];
        boolean[] nvSwitch = new boolean[8];
        for (int i = 0; i < 8; i++) {
            node.gpus.add(
                    gpu(i, "NVIDIA H100 80GB HBM3", new PciAddress(0, H100_BUSES[i], 0, 0), 85_520_809_984L, i / 4));
            nvSwitch[i] = true;
            for (int j = 0; j < 8; j++) {
                ancestor[i][j] = i == j ? -1 : i / 4 == j / 4 ? 40 : 50;
            }
        }
        node.topology = new Topology(node.ids(), ancestor, new int[8][8], nvSwitch);
        return node;
    }

    /** One T4. */
    public static Snapshots t4() {
        Snapshots node = new Snapshots();
        node.gpus.add(gpu(0, "Tesla T4", new PciAddress(0, 0x3b, 0, 0), 16_106_127_360L, 0));
        node.topology = new Topology(node.ids(), new int[][] {{-1}}, new int[1][1], new boolean[1]);
        return node;
    }

    /** PCIe cards without NVLink: two behind each PCIe switch, half of them on each socket. */
    public static Snapshots pcie(int count) {
        Snapshots node = new Snapshots();
        int[][] ancestor = new int[count][count];
        for (int i = 0; i < count; i++) {
            node.gpus.add(gpu(
                    i, "NVIDIA L40S", new PciAddress(0, 0x10 + 8 * i, 0, 0), 48_305_799_168L, 2 * i < count ? 0 : 1));
            for (int j = 0; j < count; j++) {
                boolean sameSocket = 2 * i < count == 2 * j < count;
                ancestor[i][j] = i == j ? -1 : !sameSocket ? 50 : i / 2 == j / 2 ? 10 : 30;
            }
        }
        node.topology = new Topology(node.ids(), ancestor, new int[count][count], new boolean[count]);
        return node;
    }

    /** NVML is open and there is no GPU. */
    public static Snapshots noGpus() {
        return new Snapshots();
    }

    /** Direct NVLinks by pair; both directions are read from it. */
    public Snapshots nvLinks(int[][] links) {
        topology = new Topology(topology.gpus(), topology.ancestor(), links, new boolean[gpus.size()]);
        structureChanged = true;
        return this;
    }

    /** Replaces the topology. */
    public Snapshots topology(Topology changed) {
        topology = changed;
        structureChanged = true;
        return this;
    }

    /** Replaces GPU {@code index}; a change of structure. */
    public Snapshots gpu(int index, UnaryOperator<Gpu> change) {
        gpus.set(index, change.apply(gpus.get(index)));
        structureChanged = true;
        return this;
    }

    /** Makes GPU {@code index} another product. */
    public Snapshots product(int index, String name) {
        return gpu(index, gpu -> identified(gpu, gpu.index(), name));
    }

    /** Gives GPU {@code place} another NVML index; its place stays. */
    public Snapshots index(int place, int index) {
        return gpu(place, gpu -> identified(gpu, index, gpu.name()));
    }

    private static Gpu identified(Gpu gpu, int index, String name) {
        return new Gpu(
                gpu.id(),
                index,
                gpu.minor(),
                gpu.pci(),
                name,
                gpu.serial(),
                gpu.vbiosVersion(),
                gpu.computeCapability(),
                gpu.architecture(),
                gpu.memoryBytes(),
                gpu.persistenceMode(),
                gpu.pciClass(),
                gpu.numaNode(),
                gpu.migMode(),
                gpu.migDevices(),
                gpu.fabric(),
                gpu.health(),
                gpu.lane(),
                gpu.lastXid(),
                gpu.xidCounts(),
                gpu.sample(),
                gpu.processes());
    }

    /** Puts GPU {@code index} into MIG mode with devices of these profiles, in this order. */
    public Snapshots partition(int index, String... profiles) {
        MigDevice[] devices = new MigDevice[profiles.length];
        for (int i = 0; i < profiles.length; i++) {
            devices[i] = migDevice(index, i, profiles[i]);
        }
        return mig(index, devices);
    }

    /** Gives GPU {@code index} a verdict. */
    public Snapshots health(int index, GpuHealth health) {
        return gpu(index, gpu -> with(gpu, health, gpu.lane(), gpu.lastXid(), gpu.xidCounts(), gpu.sample()));
    }

    /** Gives GPU {@code index} a state of its lane. */
    public Snapshots lane(int index, LaneState lane) {
        return gpu(index, gpu -> with(gpu, gpu.health(), lane, gpu.lastXid(), gpu.xidCounts(), gpu.sample()));
    }

    /** Gives GPU {@code index} a sample as it is; not a change of structure. */
    public Snapshots sample(int index, GpuSample sample) {
        Gpu gpu = gpus.get(index);
        gpus.set(index, with(gpu, gpu.health(), gpu.lane(), gpu.lastXid(), gpu.xidCounts(), sample));
        return this;
    }

    /** Marks GPU {@code index} unhealthy because of an XID. */
    public Snapshots unhealthy(int index) {
        return health(
                index,
                new GpuHealth.Unhealthy(List.of(new Finding(
                        "xid",
                        Finding.Severity.FATAL,
                        "XID 79: GPU has fallen off the bus",
                        "reboot the node",
                        "none without a reboot",
                        AT))));
    }

    /** Marks GPU {@code index} healthy. */
    public Snapshots healthy(int index) {
        return health(index, GpuHealth.Healthy.CLEAN);
    }

    /** Gives GPU {@code index} a sample; not a change of structure. */
    public Snapshots sample(int index, Map<Quantity, ? extends Number> numbers) {
        Gpu gpu = gpus.get(index);
        gpus.set(index, with(gpu, gpu.health(), gpu.lane(), gpu.lastXid(), gpu.xidCounts(), sampleOf(numbers)));
        return this;
    }

    /** Gives GPU {@code index} processes; not a change of structure. */
    public Snapshots processes(int index, Gpu.ProcessUse... uses) {
        return processes(index, Reading.of(List.of(uses)));
    }

    /** What was answered when GPU {@code index} was asked for its processes; not a change of structure. */
    public Snapshots processes(int index, Reading<List<Gpu.ProcessUse>> uses) {
        Gpu gpu = gpus.get(index);
        gpus.set(
                index,
                new Gpu(
                        gpu.id(),
                        gpu.index(),
                        gpu.minor(),
                        gpu.pci(),
                        gpu.name(),
                        gpu.serial(),
                        gpu.vbiosVersion(),
                        gpu.computeCapability(),
                        gpu.architecture(),
                        gpu.memoryBytes(),
                        gpu.persistenceMode(),
                        gpu.pciClass(),
                        gpu.numaNode(),
                        gpu.migMode(),
                        gpu.migDevices(),
                        gpu.fabric(),
                        gpu.health(),
                        gpu.lane(),
                        gpu.lastXid(),
                        gpu.xidCounts(),
                        gpu.sample(),
                        uses));
        return this;
    }

    /** Puts GPU {@code index} into MIG mode with these devices. */
    public Snapshots mig(int index, MigDevice... devices) {
        return mig(index, Reading.of(true), devices);
    }

    /** What GPU {@code index} answered when it was asked for its MIG mode; it has no MIG devices unless it is on. */
    public Snapshots migMode(int index, Reading<Boolean> mode) {
        return mig(index, mode);
    }

    /** Which XIDs of GPU {@code index} were seen. */
    public Snapshots xidCounts(int index, XidCounts counts) {
        return gpu(index, gpu -> with(gpu, gpu.health(), gpu.lane(), gpu.lastXid(), counts, gpu.sample()));
    }

    /** How many GPUs more NVML lists, which have not said who they are. */
    public Snapshots unidentified(int count) {
        unidentified = count;
        structureChanged = true;
        return this;
    }

    private Snapshots mig(int index, Reading<Boolean> mode, MigDevice... devices) {
        return gpu(
                index,
                gpu -> new Gpu(
                        gpu.id(),
                        gpu.index(),
                        gpu.minor(),
                        gpu.pci(),
                        gpu.name(),
                        gpu.serial(),
                        gpu.vbiosVersion(),
                        gpu.computeCapability(),
                        gpu.architecture(),
                        gpu.memoryBytes(),
                        gpu.persistenceMode(),
                        gpu.pciClass(),
                        gpu.numaNode(),
                        mode,
                        List.of(devices),
                        gpu.fabric(),
                        gpu.health(),
                        gpu.lane(),
                        gpu.lastXid(),
                        gpu.xidCounts(),
                        gpu.sample(),
                        gpu.processes()));
    }

    /** A MIG device; {@code index} also makes its id. */
    public static MigDevice migDevice(int index, int gpuInstance, int computeInstance, String profile) {
        return new MigDevice(
                new GpuId(String.format(Locale.ROOT, "MIG-6f1e2a30-8b00-4c1d-9a7e-%012x", index)),
                index,
                gpuInstance,
                computeInstance,
                profile,
                1,
                1,
                9_728,
                new MigAttributes(14, 1, 0, 0, 0, 0),
                OptionalInt.of(100 + 2 * index),
                OptionalInt.of(101 + 2 * index),
                GpuHealth.Healthy.CLEAN,
                GpuSample.EMPTY);
    }

    /** MIG device {@code index} of GPU {@code gpu}, with an id and capability nodes of its own; slices as the profile says. */
    public static MigDevice migDevice(int gpu, int index, String profile) {
        String[] parts = profile.split("[.+-]", -1);
        boolean part = parts[0].endsWith("c");
        int gpuSlices = slices(part ? parts[1] : parts[0]);
        return new MigDevice(
                new GpuId(String.format(Locale.ROOT, "MIG-6f1e2a30-8b00-4c1d-9a7e-%06x%06x", gpu + 1, index)),
                index,
                index + 1,
                0,
                profile,
                gpuSlices,
                part ? slices(parts[0]) : gpuSlices,
                9_728L * gpuSlices,
                new MigAttributes(14 * gpuSlices, gpuSlices, 0, 0, 0, 0),
                OptionalInt.of(3 + 135 * gpu + 9 * (index + 1)),
                OptionalInt.of(4 + 135 * gpu + 9 * (index + 1)),
                GpuHealth.Healthy.CLEAN,
                GpuSample.EMPTY);
    }

    private static int slices(String part) {
        return Integer.parseInt(part.substring(0, part.length() - 1));
    }

    /** The same MIG device, of whose capability nodes the kernel's table says nothing. */
    public static MigDevice withoutCapabilities(MigDevice mig) {
        return new MigDevice(
                mig.id(),
                mig.index(),
                mig.gpuInstanceId(),
                mig.computeInstanceId(),
                mig.profile(),
                mig.gpuSlices(),
                mig.computeSlices(),
                mig.memoryMebibytes(),
                mig.attributes(),
                OptionalInt.empty(),
                OptionalInt.empty(),
                mig.health(),
                mig.sample());
    }

    /** The same MIG device with a verdict. */
    public static MigDevice withHealth(MigDevice mig, GpuHealth health) {
        return new MigDevice(
                mig.id(),
                mig.index(),
                mig.gpuInstanceId(),
                mig.computeInstanceId(),
                mig.profile(),
                mig.gpuSlices(),
                mig.computeSlices(),
                mig.memoryMebibytes(),
                mig.attributes(),
                mig.gpuInstanceCapability(),
                mig.computeInstanceCapability(),
                health,
                mig.sample());
    }

    /** The same MIG device with another sample. */
    public static MigDevice withSample(MigDevice mig, GpuSample sample) {
        return new MigDevice(
                mig.id(),
                mig.index(),
                mig.gpuInstanceId(),
                mig.computeInstanceId(),
                mig.profile(),
                mig.gpuSlices(),
                mig.computeSlices(),
                mig.memoryMebibytes(),
                mig.attributes(),
                mig.gpuInstanceCapability(),
                mig.computeInstanceCapability(),
                mig.health(),
                sample);
    }

    /** What stands between the agent and the GPUs. Unless it is open, GPUs are left out of what is built. */
    public Snapshots nvml(NvmlState state) {
        nvml = state;
        structureChanged = true;
        return this;
    }

    /** NVML is not there yet. */
    public Snapshots waiting() {
        return nvml(new NvmlState.Waiting(
                "driver-not-loaded", "the NVIDIA driver is not loaded", "load it: modprobe nvidia", AT));
    }

    /** The agent let go of NVML. */
    public Snapshots withdrawn() {
        return nvml(new NvmlState.Withdrawn("driver reload", AT));
    }

    /** NVML is open again, in this generation. */
    public Snapshots reopened(long generation) {
        return nvml(open(generation));
    }

    /** The next version. */
    public NodeSnapshot build() {
        version++;
        if (structureChanged) {
            structureVersion++;
            structureChanged = false;
        }
        return nvml instanceof NvmlState.Open
                ? new NodeSnapshot(version, structureVersion, AT, nvml, gpus, topology, List.of(), unidentified)
                : new NodeSnapshot(version, structureVersion, AT, nvml, List.of(), Topology.EMPTY);
    }

    /** A sample of these numbers; the others were not read. */
    public static GpuSample sampleOf(Map<Quantity, ? extends Number> numbers) {
        long[] values = new long[Quantity.count()];
        byte[] statuses = new byte[Quantity.count()];
        numbers.forEach((quantity, number) -> {
            values[quantity.ordinal()] =
                    quantity.isFraction() ? Double.doubleToRawLongBits(number.doubleValue()) : number.longValue();
            statuses[quantity.ordinal()] = GpuSample.PRESENT;
        });
        return GpuSample.copyOf(values, statuses, AT.toEpochMilli());
    }

    private List<GpuId> ids() {
        return gpus.stream().map(Gpu::id).toList();
    }

    private static NvmlState open(long generation) {
        return new NvmlState.Open(
                "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1",
                "12." + DRIVER,
                DRIVER,
                12_040,
                generation,
                Map.of("nvmlDeviceGetPciInfo", "nvmlDeviceGetPciInfo_v3"),
                List.of(),
                AT);
    }

    private static Gpu gpu(int index, String name, PciAddress pci, long memoryBytes, int numaNode) {
        return new Gpu(
                id(index),
                index,
                index,
                pci,
                name,
                Reading.of("165" + index),
                Reading.of("96.00.74.00.01"),
                Reading.of("9.0"),
                OptionalInt.of(9),
                OptionalLong.of(memoryBytes),
                Reading.of(true),
                OptionalInt.of(0x030200),
                OptionalInt.of(numaNode),
                Reading.of(false),
                List.of(),
                new Reading.Unsupported<>("not a fabric system"),
                GpuHealth.Healthy.CLEAN,
                LaneState.Responsive.INSTANCE,
                new Reading.NotRead<>(),
                XidCounts.NONE,
                sampleOf(Map.of(
                        Quantity.GPU_TEMPERATURE_CELSIUS,
                        40 + index,
                        Quantity.POWER_MILLIWATTS,
                        110_000 + 1_000 * index,
                        Quantity.GPU_UTILIZATION_PERCENT,
                        10 * index,
                        Quantity.MEMORY_TOTAL_BYTES,
                        memoryBytes)),
                Reading.of(List.of()));
    }

    private static Gpu with(
            Gpu gpu,
            GpuHealth health,
            LaneState lane,
            Reading<io.gpunode.agent.model.XidEvent> lastXid,
            XidCounts xidCounts,
            GpuSample sample) {
        return new Gpu(
                gpu.id(),
                gpu.index(),
                gpu.minor(),
                gpu.pci(),
                gpu.name(),
                gpu.serial(),
                gpu.vbiosVersion(),
                gpu.computeCapability(),
                gpu.architecture(),
                gpu.memoryBytes(),
                gpu.persistenceMode(),
                gpu.pciClass(),
                gpu.numaNode(),
                gpu.migMode(),
                gpu.migDevices(),
                gpu.fabric(),
                health,
                lane,
                lastXid,
                xidCounts,
                sample,
                gpu.processes());
    }
}
