package io.gpunode.agent.mig;

import io.gpunode.agent.model.MigGeometry;
import io.gpunode.agent.model.MigGeometry.ComputeInstance;
import io.gpunode.agent.model.MigGeometry.GpuInstance;
import io.gpunode.agent.model.MigPlacement;
import io.gpunode.agent.model.MigProfile;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The difference of a geometry and a layout as steps: first what goes, then the mode, then what comes. What is in both stays, so every state in
 * between is a part of one of the two and is legal when they are.
 */
final class Steps {
    private Steps() {}

    static List<MigStep> between(MigGpu gpu, MigGeometry current, MigLayout wanted) {
        List<MigStep> steps = new ArrayList<>();
        // A mode that waits for a restart already is not asked for again.
        boolean modeChanges = current.enabled() != wanted.enabled()
                || (current.enabled() != wanted.pending() && current.pending() != wanted.pending());
        List<MigLayout.Instance> target = wanted.enabled() && !modeChanges ? wanted.instances() : List.of();
        for (GpuInstance instance : current.instances()) {
            destroy(gpu, instance, at(target, instance), steps);
        }
        if (modeChanges || current.pending() != wanted.pending()) {
            steps.add(new MigStep.SetMode(
                    wanted.pending(), modeChanges && gpu.modeNeedsReset(), wanted.enabled() == wanted.pending()));
        }
        for (MigLayout.Instance instance : wanted.instances()) {
            Optional<GpuInstance> there = modeChanges
                    ? Optional.empty()
                    : current.instances().stream().filter(instance::isAt).findFirst();
            create(gpu, instance, there, steps);
        }
        return steps;
    }

    /** The layout after a step, if it does what it says. */
    static MigLayout after(MigLayout layout, MigStep step) {
        List<MigLayout.Instance> instances = new ArrayList<>(layout.instances());
        switch (step) {
            case MigStep.SetMode mode -> {
                boolean enabled = mode.inForce() ? mode.enabled() : layout.enabled();
                return new MigLayout(enabled, mode.enabled(), enabled == layout.enabled() ? instances : List.of());
            }
            case MigStep.CreateInstance made ->
                instances.add(new MigLayout.Instance(made.profileId(), made.instance(), List.of()));
            case MigStep.DestroyInstance gone ->
                instances.removeIf(instance -> instance.placement().equals(gone.instance()));
            case MigStep.CreatePart made ->
                instances.replaceAll(instance -> instance.placement().equals(made.instance())
                        ? withPart(instance, new MigLayout.Part(made.slices(), made.part()))
                        : instance);
            case MigStep.DestroyPart gone ->
                instances.replaceAll(instance ->
                        instance.placement().equals(gone.instance()) ? withoutPart(instance, gone.part()) : instance);
        }
        return new MigLayout(layout.enabled(), layout.pending(), instances);
    }

    private static MigLayout.Instance withPart(MigLayout.Instance instance, MigLayout.Part part) {
        List<MigLayout.Part> parts = new ArrayList<>(instance.parts());
        parts.add(part);
        return new MigLayout.Instance(instance.profileId(), instance.placement(), parts);
    }

    private static MigLayout.Instance withoutPart(MigLayout.Instance instance, MigPlacement place) {
        List<MigLayout.Part> parts = new ArrayList<>(instance.parts());
        parts.removeIf(part -> part.placement().equals(place));
        return new MigLayout.Instance(instance.profileId(), instance.placement(), parts);
    }

    private static Optional<MigLayout.Instance> at(List<MigLayout.Instance> target, GpuInstance instance) {
        return target.stream().filter(wanted -> wanted.isAt(instance)).findFirst();
    }

    private static void destroy(
            MigGpu gpu, GpuInstance instance, Optional<MigLayout.Instance> stays, List<MigStep> steps) {
        for (ComputeInstance part : instance.computeInstances()) {
            if (stays.isEmpty() || !stays.get().parts().contains(MigLayout.of(part))) {
                steps.add(new MigStep.DestroyPart(
                        instance.placement(),
                        instance.id(),
                        part.id(),
                        part.placement(),
                        deviceName(gpu, instance.profileId(), part.slices())));
            }
        }
        if (stays.isEmpty()) {
            steps.add(
                    new MigStep.DestroyInstance(instance.placement(), instance.id(), name(gpu, instance.profileId())));
        }
    }

    private static void create(
            MigGpu gpu, MigLayout.Instance instance, Optional<GpuInstance> there, List<MigStep> steps) {
        if (there.isEmpty()) {
            steps.add(new MigStep.CreateInstance(
                    instance.profileId(), instance.placement(), name(gpu, instance.profileId())));
        }
        for (MigLayout.Part part : instance.parts()) {
            boolean isThere = there.isPresent()
                    && there.get().computeInstances().stream()
                            .anyMatch(each -> MigLayout.of(each).equals(part));
            if (!isThere) {
                steps.add(new MigStep.CreatePart(
                        instance.placement(),
                        part.slices(),
                        part.placement(),
                        deviceName(gpu, instance.profileId(), part.slices())));
            }
        }
    }

    private static String name(MigGpu gpu, int profileId) {
        return gpu.profile(profileId).map(MigProfile::name).orElse("profile " + profileId);
    }

    private static String deviceName(MigGpu gpu, int profileId, int slices) {
        return gpu.profile(profileId)
                .map(profile -> profile.deviceName(slices))
                .orElse(slices + "c of profile " + profileId);
    }
}
