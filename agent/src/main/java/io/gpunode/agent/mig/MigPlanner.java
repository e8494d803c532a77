package io.gpunode.agent.mig;

import io.gpunode.agent.model.MigGeometry;
import io.gpunode.agent.model.MigProfile;
import io.gpunode.agent.model.Reading;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * From what GPUs are and what they are wanted to be to the fewest steps. Pure: the same requests give the same plan, and planning from a plan's
 * result gives an empty one.
 */
public final class MigPlanner {
    private MigPlanner() {}

    /** Plans for several GPUs: for all of them, or for none. */
    public static MigDecision plan(List<MigRequest> requests) {
        List<MigPlan.OfGpu> plans = new ArrayList<>(requests.size());
        List<MigRefusal> refusals = new ArrayList<>();
        for (MigRequest request : requests) {
            switch (planOne(request)) {
                case Either.Yes(MigPlan.OfGpu plan) -> plans.add(plan);
                case Either.No(MigRefusal refusal) -> refusals.add(refusal);
            }
        }
        return refusals.isEmpty() ? new MigDecision.Planned(new MigPlan(plans)) : new MigDecision.Refused(refusals);
    }

    /**
     * The steps to exactly this layout, with every instance where it says: how a geometry that was there before is brought back. What is so
     * already stays. Does not ask whether it is possible or in use.
     */
    public static MigPlan.OfGpu exactly(MigGpu gpu, MigGeometry current, MigLayout wanted) {
        return new MigPlan.OfGpu(
                gpu.id(), gpu.index(), MigLayout.of(current), wanted, Steps.between(gpu, current, wanted));
    }

    private sealed interface Either {
        record Yes(MigPlan.OfGpu plan) implements Either {}

        record No(MigRefusal refusal) implements Either {}
    }

    private static Either planOne(MigRequest request) {
        MigGpu gpu = request.gpu();
        return switch (gpu.geometry()) {
            case Reading.Value<MigGeometry>(MigGeometry current) -> planFrom(request, current);
            case Reading.Unsupported<MigGeometry>(String why) ->
                request.wish() instanceof MigWish.Disabled
                        ? new Either.Yes(new MigPlan.OfGpu(
                                gpu.id(), gpu.index(), MigLayout.DISABLED, MigLayout.DISABLED, List.of()))
                        : new Either.No(new MigRefusal.NotCapable(gpu.id(), gpu.index(), gpu.name(), why));
            case Reading.Failed<MigGeometry>(String why) ->
                new Either.No(unknown(gpu, "how it is split could not be read (" + why + "): try again"));
            case Reading.NotRead<MigGeometry> _ ->
                new Either.No(unknown(gpu, "how it is split was not read yet: try again"));
        };
    }

    private static MigRefusal unknown(MigGpu gpu, String why) {
        return new MigRefusal.Unknown(gpu.id(), gpu.index(), why);
    }

    private static Either planFrom(MigRequest request, MigGeometry current) {
        return switch (request.wish()) {
            case MigWish.Disabled _ -> planTo(request, current, MigLayout.DISABLED);
            case MigWish.ModeOnly _ ->
                planTo(
                        request,
                        current,
                        new MigLayout(true, true, MigLayout.of(current).instances()));
            case MigWish.Devices devices -> planDevices(request, current, devices);
            case MigWish.Exactly exactly -> planLayout(request, current, exactly.layout());
        };
    }

    private static Either planLayout(MigRequest request, MigGeometry current, MigLayout layout) {
        MigGpu gpu = request.gpu();
        if (layout.instances().isEmpty()) {
            return planTo(request, current, layout);
        }
        if (!(gpu.profiles() instanceof Reading.Value<List<MigProfile>>(List<MigProfile> profiles))) {
            return new Either.No(unknown(gpu, noProfiles(gpu, current)));
        }
        String impossible = new Chip(profiles).impossible(layout);
        return impossible.isEmpty()
                ? planTo(request, current, layout)
                : new Either.No(unknown(gpu, "it cannot be split like this: " + impossible));
    }

    private static String noProfiles(MigGpu gpu, MigGeometry current) {
        return "its driver tells no profiles (" + gpu.profiles().describe() + ")"
                + (current.enabled() ? ": try again" : ": turn MIG mode on first, then it may");
    }

    private static Either planDevices(MigRequest request, MigGeometry current, MigWish.Devices wish) {
        MigGpu gpu = request.gpu();
        if (!(gpu.profiles() instanceof Reading.Value<List<MigProfile>>(List<MigProfile> profiles))) {
            return new Either.No(unknown(gpu, noProfiles(gpu, current)));
        }
        for (MigWish.Kind kind : wish.devices().keySet()) {
            if (!exists(profiles, kind)) {
                return new Either.No(new MigRefusal.NoSuchKind(gpu.id(), gpu.index(), kind, names(profiles)));
            }
        }
        Chip chip = new Chip(profiles);
        return switch (GeometrySearch.run(chip, current, wish, request.use())) {
            case GeometrySearch.Found.At(MigLayout best) -> planTo(request, current, best);
            case GeometrySearch.Found.Nowhere _ ->
                new Either.No(new MigRefusal.DoesNotFit(
                        gpu.id(), gpu.index(), NearestLayouts.text(chip, wish), NearestLayouts.of(chip, wish)));
        };
    }

    private static boolean exists(List<MigProfile> profiles, MigWish.Kind kind) {
        for (MigProfile profile : profiles) {
            if (profile.id() == kind.profileId()) {
                return profile.computeProfiles().stream().anyMatch(compute -> compute.slices() == kind.computeSlices());
            }
        }
        return false;
    }

    private static List<String> names(List<MigProfile> profiles) {
        List<String> names = new ArrayList<>();
        for (MigProfile profile : profiles) {
            for (MigProfile.Compute compute : profile.computeProfiles()) {
                names.add(profile.deviceName(compute.slices()));
            }
        }
        return names;
    }

    private static Either planTo(MigRequest request, MigGeometry current, MigLayout wanted) {
        MigGpu gpu = request.gpu();
        boolean modeChanges = current.enabled() != wanted.enabled();
        List<String> inTheWay = inTheWay(request, current, wanted, modeChanges);
        if (!inTheWay.isEmpty()) {
            return new Either.No(new MigRefusal.InUse(gpu.id(), gpu.index(), inTheWay));
        }
        boolean restart = modeChanges
                && gpu.modeNeedsReset()
                && (request.mayPend() || gpu.passThrough().asOptional().orElse(false));
        // A virtual machine's reset is often withheld from it: the mode comes with its next start, and the rest is
        // planned then.
        MigLayout end = restart ? new MigLayout(current.enabled(), wanted.enabled(), List.of()) : wanted;
        return new Either.Yes(exactly(gpu, current, end));
    }

    private static List<String> inTheWay(
            MigRequest request, MigGeometry current, MigLayout wanted, boolean modeChanges) {
        if (modeChanges && !request.use().holders().isEmpty()) {
            return List.of("MIG mode changes, and the GPU is used by "
                    + MigUse.names(request.use().holders()));
        }
        List<String> inTheWay = new ArrayList<>();
        Set<MigUse.Holder> named = new HashSet<>();
        for (MigStep step : Steps.between(request.gpu(), current, wanted)) {
            switch (step) {
                case MigStep.DestroyPart part ->
                    name(
                            request.use().of(part.instanceId(), part.partId()),
                            part.name() + " (GPU instance " + part.instanceId() + ", compute instance " + part.partId()
                                    + ")",
                            named,
                            inTheWay);
                case MigStep.DestroyInstance instance ->
                    name(
                            request.use().of(instance.instanceId()),
                            instance.name() + " (GPU instance " + instance.instanceId() + ")",
                            named,
                            inTheWay);
                case MigStep.SetMode _, MigStep.CreateInstance _, MigStep.CreatePart _ -> {}
            }
        }
        return inTheWay;
    }

    private static void name(
            List<MigUse.Holder> holders, String what, Set<MigUse.Holder> named, List<String> inTheWay) {
        List<MigUse.Holder> others =
                holders.stream().filter(holder -> !named.contains(holder)).toList();
        if (!others.isEmpty()) {
            named.addAll(others);
            inTheWay.add(what + " by " + MigUse.names(others));
        }
    }
}
