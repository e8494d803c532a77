package io.gpunode.agent.mig;

import io.gpunode.agent.config.Place;
import io.gpunode.agent.config.Report;
import io.gpunode.agent.mig.CheckpointFile.Instance;
import io.gpunode.agent.mig.CheckpointFile.OfGpu;
import io.gpunode.agent.mig.MigConfigWishes.Wanted;
import io.gpunode.agent.model.MigProfile;
import io.gpunode.agent.model.Reading;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/** What a checkpoint wants of each GPU: the layout that was written down, in the ids of this node's drivers. */
public final class CheckpointWishes {
    private static final String NEXT_STEP = "write a new one with: gpu-node-agent mig checkpoint";

    private CheckpointWishes() {}

    /**
     * Finds the layouts.
     *
     * @param name of the file, for messages
     * @param gpus every GPU of the node
     * @return every GPU, those that the file does not name without a wish; empty when a GPU is not there or cannot be like that, which is then
     *     reported
     */
    public static Optional<List<Wanted>> of(String name, CheckpointFile file, List<MigGpu> gpus, Report report) {
        int before = report.problems().size();
        List<Wanted> wanted = new ArrayList<>();
        for (MigGpu gpu : gpus) {
            Optional<OfGpu> state = file.gpus().stream()
                    .filter(each -> each.id().equals(gpu.id()))
                    .findFirst();
            wanted.add(new Wanted(gpu, state.flatMap(found -> wish(name, gpu, found, report))));
        }
        for (OfGpu state : file.gpus()) {
            if (gpus.stream().noneMatch(gpu -> gpu.id().equals(state.id()))) {
                problem(name, report, "this node has no GPU " + state.id());
            }
        }
        return report.problems().size() == before ? Optional.of(wanted) : Optional.empty();
    }

    private static Optional<MigWish> wish(String name, MigGpu gpu, OfGpu state, Report report) {
        if (!state.enabled()) {
            return Optional.of(new MigWish.Disabled());
        }
        if (state.instances().isEmpty()) {
            return Optional.of(new MigWish.Exactly(new MigLayout(true, true, List.of())));
        }
        if (!(gpu.profiles() instanceof Reading.Value<List<MigProfile>>(List<MigProfile> profiles))) {
            problem(
                    name,
                    report,
                    gpu.label() + " does not say what it can be split into: "
                            + gpu.profiles().describe());
            return Optional.empty();
        }
        List<MigLayout.Instance> instances = new ArrayList<>();
        for (Instance instance : state.instances()) {
            Optional<MigProfile> profile = profiles.stream()
                    .filter(each -> each.constant() == instance.constant())
                    .findFirst();
            Optional<List<MigLayout.Part>> parts = profile.flatMap(found -> parts(found, instance));
            if (profile.isEmpty() || parts.isEmpty()) {
                problem(
                        name,
                        report,
                        gpu.label() + " cannot have the GPU instance of profile constant " + instance.constant()
                                + " at " + instance.placement() + " with its compute instances");
                return Optional.empty();
            }
            instances.add(new MigLayout.Instance(profile.get().id(), instance.placement(), parts.get()));
        }
        return Optional.of(new MigWish.Exactly(new MigLayout(true, true, instances)));
    }

    /** Where the file does not say where compute instances lie, they are put where they fit. */
    private static Optional<List<MigLayout.Part>> parts(MigProfile profile, Instance instance) {
        List<MigLayout.Part> placed = new ArrayList<>();
        List<Integer> free = new ArrayList<>();
        int taken = 0;
        for (CheckpointFile.Part part : instance.parts()) {
            Optional<MigProfile.Compute> compute = profile.computeProfiles().stream()
                    .filter(each -> each.id() == part.constant())
                    .findFirst();
            if (compute.isEmpty()) {
                return Optional.empty();
            }
            if (part.placement().isPresent()) {
                placed.add(new MigLayout.Part(
                        compute.get().slices(), part.placement().get()));
                taken |= part.placement().get().mask();
            } else {
                free.add(compute.get().slices());
            }
        }
        if (free.isEmpty()) {
            return Optional.of(placed);
        }
        free.sort(Comparator.reverseOrder());
        List<List<MigLayout.Part>> shared =
                Parts.share(profile, free.stream().mapToInt(Integer::intValue).toArray(), List.of(taken));
        if (shared == null || shared.size() > 1) {
            return Optional.empty();
        }
        placed.addAll(shared.getFirst());
        return Optional.of(placed);
    }

    private static void problem(String name, Report report, String what) {
        report.problem(Place.file(name), "MigState", what, NEXT_STEP);
    }
}
