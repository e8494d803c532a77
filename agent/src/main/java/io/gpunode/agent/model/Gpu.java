package io.gpunode.agent.model;

import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * One GPU in the picture.
 *
 * @param id {@code GPU-…}
 * @param index NVML's index in the session that read it
 * @param minor the N of {@code /dev/nvidiaN}
 * @param pci its address
 * @param name product name with unprintable characters replaced
 * @param serial board serial
 * @param vbiosVersion VBIOS version
 * @param computeCapability for example {@code 9.0}
 * @param architecture NVML's architecture number; 9 is Hopper
 * @param memoryBytes total frame buffer
 * @param persistenceMode whether persistence mode is on
 * @param pciClass its PCI class code from {@code /sys/bus/pci/devices/…/class}, 24 bits: {@code 0x030200} is a 3D controller, {@code 0x030000}
 *     a display; absent when the kernel does not tell
 * @param numaNode from {@code /sys/bus/pci/devices/…/numa_node}; absent when the kernel says -1 or nothing
 * @param migMode whether MIG mode is in force; unsupported when it has no MIG
 * @param migDevices in NVML's order; empty when MIG is off
 * @param fabric fabric state for NVSwitch systems
 * @param health whether containers may be given it
 * @param lane whether NVML still answers for it
 * @param lastXid the last XID seen since the agent started
 * @param xidCounts how many of which XIDs were seen since the agent started
 * @param sample its last sampling
 * @param processes processes on it when that was last read
 * @param texts those of its board that were wanted and that it has
 */
public record Gpu(
        GpuId id,
        int index,
        int minor,
        PciAddress pci,
        String name,
        Reading<String> serial,
        Reading<String> vbiosVersion,
        Reading<String> computeCapability,
        OptionalInt architecture,
        OptionalLong memoryBytes,
        Reading<Boolean> persistenceMode,
        OptionalInt pciClass,
        OptionalInt numaNode,
        Reading<Boolean> migMode,
        List<MigDevice> migDevices,
        Reading<FabricState> fabric,
        GpuHealth health,
        LaneState lane,
        Reading<XidEvent> lastXid,
        XidCounts xidCounts,
        GpuSample sample,
        Reading<List<ProcessUse>> processes,
        Map<BoardText, String> texts) {
    /** Drive monitors of a DGX Station, and are no compute devices. */
    private static final Set<String> DISPLAY_ONLY = Set.of("DGX Display", "NVIDIA DGX Display");

    public Gpu {
        migDevices = List.copyOf(migDevices);
        texts = Map.copyOf(texts);
    }

    /** A GPU of whose board no text was wanted. */
    public Gpu(
            GpuId id,
            int index,
            int minor,
            PciAddress pci,
            String name,
            Reading<String> serial,
            Reading<String> vbiosVersion,
            Reading<String> computeCapability,
            OptionalInt architecture,
            OptionalLong memoryBytes,
            Reading<Boolean> persistenceMode,
            OptionalInt pciClass,
            OptionalInt numaNode,
            Reading<Boolean> migMode,
            List<MigDevice> migDevices,
            Reading<FabricState> fabric,
            GpuHealth health,
            LaneState lane,
            Reading<XidEvent> lastXid,
            XidCounts xidCounts,
            GpuSample sample,
            Reading<List<ProcessUse>> processes) {
        this(
                id,
                index,
                minor,
                pci,
                name,
                serial,
                vbiosVersion,
                computeCapability,
                architecture,
                memoryBytes,
                persistenceMode,
                pciClass,
                numaNode,
                migMode,
                migDevices,
                fabric,
                health,
                lane,
                lastXid,
                xidCounts,
                sample,
                processes,
                Map.of());
    }

    /** Whether containers may be given it. */
    public boolean healthy() {
        return health instanceof GpuHealth.Healthy;
    }

    /** Whether it drives monitors and is no compute device. */
    public boolean displayOnly() {
        return DISPLAY_ONLY.contains(name);
    }

    /** Whether MIG mode is in force, as far as it was told. */
    public boolean migEnabled() {
        return migMode instanceof Reading.Value<Boolean>(Boolean enabled) && enabled;
    }

    /**
     * A process on the GPU. The id is of the agent's own PID namespace: the driver leaves out processes that cannot be seen from there.
     *
     * @param usedBytes of the GPU's memory; absent where the driver cannot tell
     * @param gpuInstanceId of the GPU instance that it is on; -1 for the GPU as a whole
     * @param utilization how busy it keeps the GPU; null when that was not read, or the driver does not tell it, as under MIG
     */
    public record ProcessUse(
            int pid,
            OptionalLong usedBytes,
            int gpuInstanceId,
            @Nullable ProcessUtilization utilization) {
        /** On the GPU as a whole; how busy it keeps it was not read. */
        public ProcessUse(int pid, OptionalLong usedBytes) {
            this(pid, usedBytes, -1, null);
        }
    }

    /**
     * How busy a process has kept a GPU since that was read before; percent of the time, those of all processes of a GPU add up.
     *
     * @param sm multiprocessors
     * @param memory reading or writing the GPU's memory
     * @param encoder of video
     * @param decoder of video
     */
    public record ProcessUtilization(int sm, int memory, int encoder, int decoder) {
        /** It did nothing. */
        public static final ProcessUtilization IDLE = new ProcessUtilization(0, 0, 0, 0);
    }

    /**
     * NVSwitch fabric registration.
     *
     * @param state {@code not started}, {@code in progress}, {@code completed}, or {@code failed} with the reason
     * @param health one of the words healthy, unhealthy, limited capacity, or unknown with older drivers
     * @param problems what the health mask says against it, in words
     */
    public record FabricState(String state, String clusterUuid, int cliqueId, String health, List<String> problems) {
        public static final String COMPLETED = "completed";
        public static final String UNHEALTHY = "unhealthy";
        public static final String LIMITED = "limited capacity";

        public FabricState {
            problems = List.copyOf(problems);
        }
    }
}
