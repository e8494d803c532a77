package io.gpunode.agent.mig;

import io.gpunode.agent.model.MigGeometry;
import io.gpunode.agent.model.Reading;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * GPUs whose driver tells what they can be split into only while MIG is on: a change turns it on first, is planned anew, and turns it off again when
 * the rest fails.
 */
public final class ModeFirst {
    private ModeFirst() {}

    static boolean isNeeded(MigGpu gpu) {
        return !(gpu.profiles() instanceof Reading.Value)
                && gpu.geometry() instanceof Reading.Value<MigGeometry>(MigGeometry geometry)
                && !geometry.enabled();
    }

    /** Those of which only the mode could be wanted so far. */
    public static List<MigGpu> of(List<MigConfigWishes.Wanted> wanted) {
        return wanted.stream()
                .filter(each -> each.wish().isPresent() && each.wish().get() instanceof MigWish.ModeOnly)
                .map(MigConfigWishes.Wanted::gpu)
                .toList();
    }

    /** Turns MIG off again; what came of it, or empty when somebody uses one of them by now. */
    public static Optional<MigOutcome> takeBack(List<MigGpu> gpus, MigOperations operations, MigTransaction transaction)
            throws MigOperationException, InterruptedException {
        List<MigRequest> requests = new ArrayList<>();
        for (MigGpu gpu : gpus) {
            requests.add(new MigRequest(operations.read(gpu.id()), new MigWish.Disabled(), operations.use(gpu.id())));
        }
        return MigPlanner.plan(requests) instanceof MigDecision.Planned(MigPlan plan)
                ? Optional.of(transaction.apply(plan))
                : Optional.empty();
    }
}
