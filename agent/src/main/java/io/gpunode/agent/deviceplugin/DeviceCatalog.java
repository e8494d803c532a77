package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.model.Finding;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuHealth;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.NvmlState;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Makes the list for the kubelet from the picture and the CDI spec, and remembers the last devices: while NVML is not open they are listed
 * as unhealthy, because a device that vanishes from the list makes the kubelet shrink the node's capacity. Owned by the registration loop.
 */
final class DeviceCatalog {
    private final boolean cdiNeeded;
    private final String resource;
    private AdvertisedDevices devices;
    private long seenStructure = -1;
    private CdiCoverage seenCoverage = CdiCoverage.NONE;
    private Set<GpuId> inSpec = Set.of();

    /**
     * @param resource the extended resource of full GPUs
     * @param cdiNeeded whether devices are handed out by CDI name
     */
    DeviceCatalog(String resource, boolean cdiNeeded) {
        this.resource = resource;
        this.devices = AdvertisedDevices.none(resource);
        this.cdiNeeded = cdiNeeded;
    }

    /** The list of each resource for a picture; the same objects as long as nothing changed that matters here. */
    List<AdvertisedDevices> update(NodeSnapshot snapshot, CdiCoverage coverage) {
        if (snapshot.structureVersion() == seenStructure && coverage.equals(seenCoverage)) {
            return List.of(devices);
        }
        seenStructure = snapshot.structureVersion();
        seenCoverage = coverage;
        cover(snapshot, coverage);
        devices = switch (snapshot.nvml()) {
            case NvmlState.Open _ -> open(snapshot);
            case NvmlState.Waiting(String _, String reason, String nextStep, var _) ->
                withheld(reason + "; " + nextStep);
            case NvmlState.Withdrawn(String reason, var _) -> withheld("withdrawn: " + reason);
        };
        return List.of(devices);
    }

    /** Why the kubelet should not be told of this node's devices yet; empty when it should. */
    String notReady() {
        if (!devices.notReady().isEmpty()) {
            return devices.notReady();
        }
        return cdiNeeded && !devices.devices().isEmpty() && seenCoverage.structureVersion() < seenStructure
                ? specProblem()
                : "";
    }

    /** A spec of this structure has all its GPUs; one of an older structure has those that it had; no spec has none. */
    private void cover(NodeSnapshot snapshot, CdiCoverage coverage) {
        if (coverage.structureVersion() < 0) {
            inSpec = Set.of();
        } else if (coverage.structureVersion() >= snapshot.structureVersion()) {
            Set<GpuId> ids = new HashSet<>();
            for (Gpu gpu : snapshot.gpus()) {
                ids.add(gpu.id());
            }
            inSpec = ids;
        }
    }

    private String specProblem() {
        return seenCoverage.problem().isEmpty() ? "the CDI spec is not written yet" : seenCoverage.problem();
    }

    private AdvertisedDevices open(NodeSnapshot snapshot) {
        List<AdvertisedDevice> list = new ArrayList<>(snapshot.gpus().size());
        for (Gpu gpu : snapshot.gpus()) {
            list.add(AdvertisedDevice.gpu(gpu.id(), gpu.index(), gpu.minor(), gpu.pci(), gpu.numaNode(), problem(gpu)));
        }
        PairScores scores = PairScores.of(snapshot.gpus(), snapshot.topology());
        // Keeps what the old one has searched already.
        return new AdvertisedDevices(resource, "", list, scores.sameAs(devices.scores()) ? devices.scores() : scores);
    }

    private AdvertisedDevices withheld(String why) {
        List<AdvertisedDevice> list = new ArrayList<>(devices.devices().size());
        for (AdvertisedDevice device : devices.devices()) {
            list.add(device.withheld(why));
        }
        return new AdvertisedDevices(resource, why, list, devices.scores());
    }

    private String problem(Gpu gpu) {
        if (gpu.health() instanceof GpuHealth.Unhealthy(List<Finding> findings)) {
            Finding worst = findings.getFirst();
            return worst.repair().isEmpty() ? worst.reason() : worst.reason() + "; repair: " + worst.repair();
        }
        return cdiNeeded && !inSpec.contains(gpu.id()) ? specProblem() : "";
    }
}
