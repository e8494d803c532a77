package io.gpunode.agent.mig;

import io.gpunode.agent.model.MigGeometry;
import io.gpunode.agent.model.MigGeometry.ComputeInstance;
import io.gpunode.agent.model.MigGeometry.GpuInstance;
import io.gpunode.agent.model.MigPlacement;
import io.gpunode.agent.model.MigProfile;
import java.util.ArrayList;
import java.util.List;

/**
 * What a board does when it is told a step, and a referee: a step that no board would take is an error. Written from the boards' rules, without
 * the planner's code.
 */
final class ModelGpu {
    private final MigChips chip;
    private boolean enabled;
    private boolean pending;
    private final List<GpuInstance> instances = new ArrayList<>();
    private int nextId = 100;

    ModelGpu(MigChips chip, MigGeometry geometry) {
        this.chip = chip;
        this.enabled = geometry.enabled();
        this.pending = geometry.pending();
        this.instances.addAll(geometry.instances());
    }

    MigGeometry geometry() {
        return new MigGeometry(enabled, pending, instances);
    }

    void apply(MigStep step) {
        switch (step) {
            case MigStep.SetMode mode -> setMode(mode);
            case MigStep.DestroyPart part -> destroyPart(part);
            case MigStep.DestroyInstance instance -> destroyInstance(instance);
            case MigStep.CreateInstance instance -> create(instance);
            case MigStep.CreatePart part -> createPart(part);
        }
    }

    private void setMode(MigStep.SetMode mode) {
        require(instances.isEmpty() || enabled == mode.enabled(), "the mode changes over instances");
        pending = mode.enabled();
        if (mode.inForce()) {
            enabled = mode.enabled();
        }
    }

    private void destroyPart(MigStep.DestroyPart step) {
        GpuInstance there = at(step.instance());
        require(there.id() == step.instanceId(), "another GPU instance lies there");
        List<ComputeInstance> left = new ArrayList<>(there.computeInstances());
        require(left.removeIf(part -> part.id() == step.partId()), "no such compute instance");
        replace(there, left);
    }

    private void destroyInstance(MigStep.DestroyInstance step) {
        GpuInstance there = at(step.instance());
        require(there.id() == step.instanceId(), "another GPU instance lies there");
        require(there.computeInstances().isEmpty(), "the GPU instance has compute instances");
        instances.remove(there);
    }

    private void create(MigStep.CreateInstance step) {
        require(enabled, "MIG is off");
        require(canAdd(chip, instances, step.profileId(), step.instance()), "no board could have " + step);
        instances.add(new GpuInstance(nextId++, step.profileId(), step.instance(), List.of()));
    }

    /** Whether a board with these instances could have one more. */
    static boolean canAdd(MigChips chip, List<GpuInstance> instances, int profileId, MigPlacement place) {
        MigProfile profile = profile(chip, profileId);
        if (!profile.placements().contains(place)) {
            return false;
        }
        int[] left = {chip.slices, chip.engines[0], chip.engines[1], chip.engines[2], chip.engines[3]};
        take(left, profile);
        int same = 1;
        for (GpuInstance other : instances) {
            boolean apart = other.placement().start() + other.placement().size() <= place.start()
                    || place.start() + place.size() <= other.placement().start();
            if (!apart) {
                return false;
            }
            take(left, profile(chip, other.profileId()));
            same += other.profileId() == profileId ? 1 : 0;
        }
        for (int each : left) {
            if (each < 0) {
                return false;
            }
        }
        return same <= profile.instances();
    }

    private static void take(int[] left, MigProfile profile) {
        left[0] -= profile.slices();
        left[1] -= profile.engines().decoders();
        left[2] -= profile.engines().encoders();
        left[3] -= profile.engines().jpegEngines();
        left[4] -= profile.engines().opticalFlowEngines();
    }

    private void createPart(MigStep.CreatePart step) {
        GpuInstance there = at(step.instance());
        MigProfile.Compute compute = profile(chip, there.profileId()).computeProfiles().stream()
                .filter(each -> each.slices() == step.slices())
                .findFirst()
                .orElseThrow(() -> new AssertionError("no compute instances of " + step.slices() + " slices"));
        require(compute.placements().contains(step.part()), "not a place of a compute instance");
        List<ComputeInstance> parts = new ArrayList<>(there.computeInstances());
        for (ComputeInstance other : parts) {
            require((other.placement().mask() & step.part().mask()) == 0, "compute instances overlap");
        }
        int id = 0;
        while (hasPart(parts, id)) {
            id++;
        }
        parts.add(new ComputeInstance(id, compute.id(), step.slices(), step.part()));
        replace(there, parts);
    }

    private static boolean hasPart(List<ComputeInstance> parts, int id) {
        return parts.stream().anyMatch(part -> part.id() == id);
    }

    private void replace(GpuInstance old, List<ComputeInstance> parts) {
        instances.set(instances.indexOf(old), new GpuInstance(old.id(), old.profileId(), old.placement(), parts));
    }

    private GpuInstance at(MigPlacement place) {
        return instances.stream()
                .filter(instance -> instance.placement().equals(place))
                .findFirst()
                .orElseThrow(() -> new AssertionError("no GPU instance at " + place));
    }

    private static MigProfile profile(MigChips chip, int id) {
        return chip.profiles.stream()
                .filter(profile -> profile.id() == id)
                .findFirst()
                .orElseThrow(() -> new AssertionError("no profile " + id));
    }

    private static void require(boolean holds, String otherwise) {
        if (!holds) {
            throw new AssertionError(otherwise);
        }
    }
}
