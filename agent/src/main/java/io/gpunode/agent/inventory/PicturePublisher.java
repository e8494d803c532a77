package io.gpunode.agent.inventory;

import io.gpunode.agent.model.Finding;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.model.Topology;
import java.time.Instant;
import java.util.List;

/**
 * Makes the next picture from the last: counts versions, and grows the structure version only when something that consumers advertise has
 * changed. Pure.
 */
final class PicturePublisher {
    private PicturePublisher() {}

    static NodeSnapshot next(
            NodeSnapshot last,
            Instant takenAt,
            NvmlState nvml,
            List<Gpu> gpus,
            Topology topology,
            List<Finding> findings,
            int unidentified) {
        // A topology is read once per structure and then handed on: the same picture of it is the same object.
        @SuppressWarnings("ReferenceEquality")
        boolean sameTopology = last.topology() == topology;
        boolean same = sameTopology
                && nvml.equals(last.nvml())
                && findings.equals(last.findings())
                && unidentified == last.unidentified()
                && sameStructure(last.gpus(), gpus);
        return new NodeSnapshot(
                last.version() + 1,
                same ? last.structureVersion() : last.structureVersion() + 1,
                takenAt,
                nvml,
                gpus,
                topology,
                findings,
                unidentified);
    }

    private static boolean sameStructure(List<Gpu> before, List<Gpu> after) {
        if (before.size() != after.size()) {
            return false;
        }
        for (int i = 0; i < before.size(); i++) {
            if (!sameStructure(before.get(i), after.get(i))) {
                return false;
            }
        }
        return true;
    }

    /** Everything but samples, processes and the last XID, which no consumer advertises. */
    private static boolean sameStructure(Gpu before, Gpu after) {
        return before.id().equals(after.id())
                && before.index() == after.index()
                && before.minor() == after.minor()
                && before.pci().equals(after.pci())
                && before.name().equals(after.name())
                && before.serial().equals(after.serial())
                && before.vbiosVersion().equals(after.vbiosVersion())
                && before.computeCapability().equals(after.computeCapability())
                && before.architecture().equals(after.architecture())
                && before.memoryBytes().equals(after.memoryBytes())
                && before.persistenceMode().equals(after.persistenceMode())
                && before.pciClass().equals(after.pciClass())
                && before.numaNode().equals(after.numaNode())
                && before.migMode().equals(after.migMode())
                && before.fabric().equals(after.fabric())
                && before.health().equals(after.health())
                && before.lane().equals(after.lane())
                && before.texts().equals(after.texts())
                && sameLayout(before.migDevices(), after.migDevices());
    }

    private static boolean sameLayout(List<MigDevice> before, List<MigDevice> after) {
        if (before.size() != after.size()) {
            return false;
        }
        for (int i = 0; i < before.size(); i++) {
            MigDevice one = before.get(i);
            MigDevice other = after.get(i);
            if (!one.id().equals(other.id())
                    || one.index() != other.index()
                    || one.gpuInstanceId() != other.gpuInstanceId()
                    || one.computeInstanceId() != other.computeInstanceId()
                    || !one.profile().equals(other.profile())
                    || !one.gpuInstanceCapability().equals(other.gpuInstanceCapability())
                    || !one.computeInstanceCapability().equals(other.computeInstanceCapability())
                    || !one.health().equals(other.health())) {
                return false;
            }
        }
        return true;
    }
}
