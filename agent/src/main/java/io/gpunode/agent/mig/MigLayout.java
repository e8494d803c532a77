package io.gpunode.agent.mig;

import io.gpunode.agent.model.MigGeometry;
import io.gpunode.agent.model.MigPlacement;
import java.util.Comparator;
import java.util.List;

/**
 * A geometry without the driver's ids of instances: what can be brought about again. Two geometries with the same layout are the same to
 * everybody but those who hold an instance.
 *
 * @param enabled whether MIG mode is in force
 * @param pending whether it will be after the next reset
 * @param instances in the order of their placements
 */
public record MigLayout(boolean enabled, boolean pending, List<Instance> instances) {
    public MigLayout {
        instances = instances.stream().sorted().toList();
    }

    /** MIG is off, and stays off. */
    public static final MigLayout DISABLED = new MigLayout(false, false, List.of());

    /**
     * A GPU instance.
     *
     * @param profileId the profile's id on this GPU
     * @param placement in memory slices
     * @param parts its compute instances, in the order of their placements
     */
    public record Instance(int profileId, MigPlacement placement, List<Part> parts) implements Comparable<Instance> {
        private static final Comparator<Instance> ORDER =
                Comparator.comparing(Instance::placement).thenComparingInt(Instance::profileId);

        public Instance {
            parts = parts.stream().sorted().toList();
        }

        /** Whether a GPU instance is of this profile and lies here, whatever its compute instances are. */
        boolean isAt(MigGeometry.GpuInstance instance) {
            return profileId == instance.profileId() && placement.equals(instance.placement());
        }

        @Override
        public int compareTo(Instance other) {
            return ORDER.compare(this, other);
        }
    }

    /**
     * A compute instance.
     *
     * @param slices compute slices
     * @param placement in compute slices of the GPU instance
     */
    public record Part(int slices, MigPlacement placement) implements Comparable<Part> {
        private static final Comparator<Part> ORDER =
                Comparator.comparing(Part::placement).thenComparingInt(Part::slices);

        @Override
        public int compareTo(Part other) {
            return ORDER.compare(this, other);
        }
    }

    /** The layout of a geometry. */
    public static MigLayout of(MigGeometry geometry) {
        return new MigLayout(
                geometry.enabled(),
                geometry.pending(),
                geometry.instances().stream().map(MigLayout::of).toList());
    }

    private static Instance of(MigGeometry.GpuInstance instance) {
        return new Instance(
                instance.profileId(),
                instance.placement(),
                instance.computeInstances().stream().map(MigLayout::of).toList());
    }

    static Part of(MigGeometry.ComputeInstance part) {
        return new Part(part.slices(), part.placement());
    }

    /** For messages: {@code MIG on: profile 9 at 0:4 (1c at 2:1), profile 19 at 6:1 (1c at 0:1)}. */
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder(enabled ? "MIG on" : "MIG off");
        if (pending != enabled) {
            text.append(pending ? ", on after a reset" : ", off after a reset");
        }
        String separator = ": ";
        for (Instance instance : instances) {
            text.append(separator)
                    .append("profile ")
                    .append(instance.profileId)
                    .append(" at ")
                    .append(instance.placement);
            String opening = " (";
            for (Part part : instance.parts) {
                text.append(opening).append(part.slices).append("c at ").append(part.placement);
                opening = ", ";
            }
            text.append(instance.parts.isEmpty() ? "" : ")");
            separator = ", ";
        }
        return text.toString();
    }
}
