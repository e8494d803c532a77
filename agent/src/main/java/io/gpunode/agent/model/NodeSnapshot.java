package io.gpunode.agent.model;

import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * The picture of the node: immutable, published by the inventory alone, read by every feature.
 *
 * @param version grows by one with each publication; 0 is the picture before the first
 * @param structureVersion grows when what consumers advertise may have changed: NVML state, the set of GPUs or MIG devices, their
 *     identity, topology or health, the findings about the node, or how many GPUs are unidentified. Equal numbers mean that only samples differ
 * @param takenAt wall time of publication
 * @param nvml what stands between the agent and the GPUs
 * @param gpus in PCI order; empty unless NVML is open
 * @param topology in the same order
 * @param findings what health checks found about the node, not about one of its GPUs: NVSwitches, GPUs that never came up, repairs that take
 *     the whole node; also while NVML is not open
 * @param unidentified how many GPUs NVML lists that have not said who they are, and so cannot be among {@code gpus}; 0 unless NVML is open
 */
public record NodeSnapshot(
        long version,
        long structureVersion,
        Instant takenAt,
        NvmlState nvml,
        List<Gpu> gpus,
        Topology topology,
        List<Finding> findings,
        int unidentified) {
    public NodeSnapshot {
        gpus = List.copyOf(gpus);
        findings = List.copyOf(findings);
    }

    /** Without findings about the node; every GPU has said who it is. */
    public NodeSnapshot(
            long version, long structureVersion, Instant takenAt, NvmlState nvml, List<Gpu> gpus, Topology topology) {
        this(version, structureVersion, takenAt, nvml, gpus, topology, List.of(), 0);
    }

    /** Whether NVML is open. */
    public boolean open() {
        return nvml instanceof NvmlState.Open;
    }

    /** The driver's version while NVML is open. */
    public Optional<String> driverVersion() {
        return nvml instanceof NvmlState.Open open ? Optional.of(open.driverVersion()) : Optional.empty();
    }

    /** The GPU with this id. */
    public Optional<Gpu> gpu(GpuId id) {
        for (Gpu gpu : gpus) {
            if (gpu.id().equals(id)) {
                return Optional.of(gpu);
            }
        }
        return Optional.empty();
    }
}
