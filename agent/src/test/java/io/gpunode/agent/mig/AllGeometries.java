package io.gpunode.agent.mig;

import io.gpunode.agent.model.MigGeometry;
import io.gpunode.agent.model.MigGeometry.ComputeInstance;
import io.gpunode.agent.model.MigGeometry.GpuInstance;
import io.gpunode.agent.model.MigPlacement;
import io.gpunode.agent.model.MigProfile;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Every geometry that a board can reach, by trying everything; without the planner's code. */
final class AllGeometries {
    private final MigChips chip;
    private final boolean split;
    private final List<MigGeometry> all = new ArrayList<>();

    private AllGeometries(MigChips chip, boolean split) {
        this.chip = chip;
        this.split = split;
        add(new ArrayList<>(), 0);
    }

    /** Those whose GPU instances have one compute instance each; the empty one is among them. */
    static List<MigGeometry> of(MigChips chip) {
        return new AllGeometries(chip, false).all;
    }

    /** Those in which GPU instances are split in every possible way, also not at all. */
    static List<MigGeometry> withSplits(MigChips chip) {
        return new AllGeometries(chip, true).all;
    }

    /** Adds instances whose places begin at {@code from} or behind. */
    private void add(List<GpuInstance> instances, int from) {
        all.add(new MigGeometry(true, true, instances));
        for (MigProfile profile : chip.profiles) {
            for (MigPlacement place : profile.placements()) {
                if (place.start() < from || !ModelGpu.canAdd(chip, instances, profile.id(), place)) {
                    continue;
                }
                for (List<ComputeInstance> parts : split ? splits(profile) : List.of(whole(profile))) {
                    instances.add(new GpuInstance(1 + instances.size(), profile.id(), place, parts));
                    add(instances, place.start() + place.size());
                    instances.removeLast();
                }
            }
        }
    }

    private static List<ComputeInstance> whole(MigProfile profile) {
        MigProfile.Compute whole = profile.computeProfiles().getLast();
        return List.of(new ComputeInstance(
                0, whole.id(), whole.slices(), whole.placements().getFirst()));
    }

    private static List<List<ComputeInstance>> splits(MigProfile profile) {
        List<List<ComputeInstance>> found = new ArrayList<>();
        split(profile, new ArrayList<>(), 0, found);
        return found;
    }

    private static void split(
            MigProfile profile, List<ComputeInstance> parts, int from, List<List<ComputeInstance>> found) {
        found.add(List.copyOf(parts));
        for (MigProfile.Compute compute : profile.computeProfiles()) {
            for (MigPlacement place : compute.placements()) {
                if (place.start() >= from) {
                    parts.add(new ComputeInstance(parts.size(), compute.id(), compute.slices(), place));
                    split(profile, parts, place.start() + place.size(), found);
                    parts.removeLast();
                }
            }
        }
    }

    /** The MIG devices of a geometry, as a wish for the same. */
    static MigWish.Devices devices(MigGeometry geometry) {
        Map<MigWish.Kind, Integer> devices = new HashMap<>();
        for (GpuInstance instance : geometry.instances()) {
            for (ComputeInstance part : instance.computeInstances()) {
                devices.merge(new MigWish.Kind(instance.profileId(), part.slices()), 1, Integer::sum);
            }
        }
        return new MigWish.Devices(devices);
    }

    /** Every wish that some geometry fulfils. */
    static List<MigWish.Devices> wishes(List<MigGeometry> geometries) {
        Set<MigWish.Devices> wishes = new LinkedHashSet<>();
        geometries.forEach(geometry -> wishes.add(devices(geometry)));
        return new ArrayList<>(wishes);
    }
}
