package io.gpunode.agent.mig;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.model.MigGeometry;
import io.gpunode.agent.model.MigGeometry.ComputeInstance;
import io.gpunode.agent.model.MigGeometry.GpuInstance;
import io.gpunode.agent.model.MigProfile;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * What holds of every plan, tried on the geometries and wishes of real boards. Where a board has more pairs of them than a test has time for, a
 * fixed selection is tried; {@code -Dmig.pairs=all} tries them all.
 */
@Timeout(600)
class MigPlannerPropertyTest {
    private static final int SOME_PAIRS = 1_500;
    private static final boolean ALL = "all".equals(System.getProperty("mig.pairs"));

    private interface Pair {
        void check(MigGeometry from, MigWish.Devices to);
    }

    private static int forPairs(List<MigGeometry> geometries, List<MigWish.Devices> wishes, int some, Pair pair) {
        long all = (long) geometries.size() * wishes.size();
        if (ALL || all <= some) {
            geometries.forEach(from -> wishes.forEach(to -> pair.check(from, to)));
            return (int) all;
        }
        Random random = new Random(4711);
        for (int i = 0; i < some; i++) {
            pair.check(geometries.get(random.nextInt(geometries.size())), wishes.get(random.nextInt(wishes.size())));
        }
        return some;
    }

    private static MigPlan.OfGpu plan(MigGpu gpu, MigWish wish, MigUse use) {
        MigDecision decision = MigPlanner.plan(List.of(new MigRequest(gpu, wish, use)));
        assertThat(decision).isInstanceOf(MigDecision.Planned.class);
        return ((MigDecision.Planned) decision).plan().gpus().getFirst();
    }

    @ParameterizedTest
    @EnumSource
    void everyStepIsLegalAndTheLastOneEndsInTheWish(MigChips chip) {
        // Given
        List<MigGeometry> geometries = AllGeometries.of(chip);
        List<MigWish.Devices> wishes = AllGeometries.wishes(geometries);

        // When
        int checked = forPairs(geometries, wishes, SOME_PAIRS, (from, to) -> {
            ModelGpu board = new ModelGpu(chip, from);
            MigPlan.OfGpu plan = plan(chip.gpu(0, from), to, MigUse.NOBODY);
            plan.steps().forEach(board::apply);

            // Then
            assertThat(AllGeometries.devices(board.geometry())).isEqualTo(to);
            assertThat(MigLayout.of(board.geometry())).isEqualTo(plan.after());
            assertThat(plan(chip.gpu(0, board.geometry()), to, MigUse.NOBODY).steps())
                    .as("planning again from the result")
                    .isEmpty();
        });
        assertThat(checked).isPositive();
    }

    @ParameterizedTest
    @EnumSource(names = {"A30", "A100_40"})
    void everyStepIsLegalWithGpuInstancesThatAreSplit(MigChips chip) {
        // Given
        List<MigGeometry> geometries = AllGeometries.withSplits(chip);
        List<MigWish.Devices> wishes = AllGeometries.wishes(geometries);

        // When
        int checked = forPairs(geometries, wishes, SOME_PAIRS, (from, to) -> {
            ModelGpu board = new ModelGpu(chip, from);
            MigPlan.OfGpu plan = plan(chip.gpu(0, from), to, MigUse.NOBODY);
            plan.steps().forEach(board::apply);

            // Then
            assertThat(AllGeometries.devices(board.geometry())).isEqualTo(to);
            assertThat(plan(chip.gpu(0, board.geometry()), to, MigUse.NOBODY).steps())
                    .isEmpty();
        });
        assertThat(checked).isPositive();
    }

    @ParameterizedTest
    @EnumSource
    void aPlanDestroysAsLittleAsTryingEverythingFinds(MigChips chip) {
        // Given
        List<MigGeometry> geometries = AllGeometries.of(chip);
        List<MigWish.Devices> wishes = AllGeometries.wishes(geometries);

        // When
        int checked = forPairs(geometries, wishes, 400, (from, to) -> {
            MigPlan.OfGpu plan = plan(chip.gpu(0, from), to, MigUse.NOBODY);

            // Then
            assertThat(cost(from, plan.after())).isEqualTo(leastCost(from, to, geometries));
        });
        assertThat(checked).isPositive();
    }

    @Test
    void aPlanDestroysAsLittleAsTryingEverythingFindsWithSplits() {
        // Given
        List<MigGeometry> geometries = AllGeometries.withSplits(MigChips.A30);
        List<MigWish.Devices> wishes = AllGeometries.wishes(geometries);

        // When
        int checked = forPairs(geometries, wishes, 400, (from, to) -> {
            MigPlan.OfGpu plan = plan(MigChips.A30.gpu(0, from), to, MigUse.NOBODY);

            // Then
            assertThat(cost(from, plan.after())).isEqualTo(leastCost(from, to, geometries));
        });
        assertThat(checked).isPositive();
    }

    /** Compute instances lost, GPU instances lost, GPU instances made. */
    private record Cost(int partsLost, int instancesLost, int instancesMade) {
        static final Comparator<Cost> ORDER = Comparator.comparingInt(Cost::partsLost)
                .thenComparingInt(Cost::instancesLost)
                .thenComparingInt(Cost::instancesMade);
    }

    private static Cost cost(MigGeometry from, MigLayout to) {
        int partsLost = 0;
        int instancesKept = 0;
        for (GpuInstance instance : from.instances()) {
            List<MigLayout.Part> there = to.instances().stream()
                    .filter(each -> each.profileId() == instance.profileId()
                            && each.placement().equals(instance.placement()))
                    .findFirst()
                    .map(MigLayout.Instance::parts)
                    .orElse(null);
            instancesKept += there == null ? 0 : 1;
            for (ComputeInstance part : instance.computeInstances()) {
                partsLost +=
                        there != null && there.contains(new MigLayout.Part(part.slices(), part.placement())) ? 0 : 1;
            }
        }
        return new Cost(
                partsLost,
                from.instances().size() - instancesKept,
                to.instances().size() - instancesKept);
    }

    private static Cost leastCost(MigGeometry from, MigWish.Devices to, List<MigGeometry> geometries) {
        return geometries.stream()
                .filter(geometry -> AllGeometries.devices(geometry).equals(to))
                .filter(geometry -> geometry.instances().stream()
                        .noneMatch(instance -> instance.computeInstances().isEmpty()))
                .map(geometry -> cost(from, MigLayout.of(geometry)))
                .min(Cost.ORDER)
                .orElseThrow();
    }

    @ParameterizedTest
    @EnumSource
    void whatIsInUseIsNeverTouched(MigChips chip) {
        // Given
        List<MigGeometry> geometries = AllGeometries.of(chip);
        List<MigWish.Devices> wishes = AllGeometries.wishes(geometries);
        Random random = new Random(42);

        // When
        int checked = forPairs(geometries, wishes, 400, (from, to) -> {
            List<MigUse.Holder> holders = new ArrayList<>();
            for (GpuInstance instance : from.instances()) {
                if (random.nextInt(3) == 0) {
                    holders.add(new MigUse.Holder("process " + instance.id(), instance.id(), 0));
                }
            }
            MigUse use = new MigUse(holders);
            MigDecision decision = MigPlanner.plan(List.of(new MigRequest(chip.gpu(0, from), to, use)));

            // Then
            boolean possible = geometries.stream()
                    .filter(geometry -> AllGeometries.devices(geometry).equals(to))
                    .anyMatch(geometry -> keeps(from, geometry, use));
            assertThat(decision).isInstanceOf(possible ? MigDecision.Planned.class : MigDecision.Refused.class);
            if (decision instanceof MigDecision.Planned(MigPlan plan)) {
                assertThat(plan.gpus().getFirst().steps()).noneMatch(step -> switch (step) {
                    case MigStep.DestroyPart part -> use.holds(part.instanceId(), part.partId());
                    case MigStep.DestroyInstance instance ->
                        !use.of(instance.instanceId()).isEmpty();
                    case MigStep.SetMode _, MigStep.CreateInstance _, MigStep.CreatePart _ -> false;
                });
            }
        });
        assertThat(checked).isPositive();
    }

    private static boolean keeps(MigGeometry from, MigGeometry to, MigUse use) {
        for (GpuInstance instance : from.instances()) {
            if (!use.of(instance.id()).isEmpty()
                    && to.instances().stream()
                            .noneMatch(other -> other.profileId() == instance.profileId()
                                    && other.placement().equals(instance.placement()))) {
                return false;
            }
        }
        return true;
    }

    @ParameterizedTest
    @EnumSource
    void theOrderInWhichTheDriverListsThingsDoesNotMatter(MigChips chip) {
        // Given
        List<MigGeometry> geometries = AllGeometries.of(chip);
        List<MigWish.Devices> wishes = AllGeometries.wishes(geometries);

        // When
        int checked = forPairs(geometries, wishes, 500, (from, to) -> {
            List<GpuInstance> reversed = new ArrayList<>(from.instances());
            Collections.reverse(reversed);
            MigGeometry same = new MigGeometry(true, true, reversed);

            // Then
            assertThat(plan(chip.gpu(0, same), to, MigUse.NOBODY))
                    .isEqualTo(plan(chip.gpu(0, from), to, MigUse.NOBODY));
        });
        assertThat(checked).isPositive();
    }

    @ParameterizedTest
    @EnumSource
    void whatDoesNotFitIsRefusedWithLayoutsThatDo(MigChips chip) {
        // Given
        Set<MigWish.Devices> possible = new LinkedHashSet<>(AllGeometries.wishes(AllGeometries.of(chip)));
        List<MigWish.Devices> impossible = new ArrayList<>();
        for (MigWish.Devices wish : possible) {
            for (MigProfile profile : chip.profiles) {
                Map<MigWish.Kind, Integer> more = new TreeMap<>(wish.devices());
                more.merge(MigWish.Kind.whole(profile), 1, Integer::sum);
                MigWish.Devices larger = new MigWish.Devices(more);
                if (!possible.contains(larger)) {
                    impossible.add(larger);
                }
            }
        }
        Collections.shuffle(impossible, new Random(1));

        // When
        for (MigWish.Devices wish : ALL ? impossible : impossible.subList(0, Math.min(150, impossible.size()))) {
            MigDecision decision =
                    MigPlanner.plan(List.of(new MigRequest(chip.gpu(0, MigGeometry.EMPTY), wish, MigUse.NOBODY)));

            // Then
            assertThat(decision).isInstanceOf(MigDecision.Refused.class);
            MigRefusal reason = ((MigDecision.Refused) decision).reasons().getFirst();
            assertThat(reason).isInstanceOf(MigRefusal.DoesNotFit.class);
            List<MigRefusal.Suggestion> nearest = ((MigRefusal.DoesNotFit) reason).nearest();
            assertThat(nearest).isNotEmpty().allMatch(suggestion -> possible.contains(suggestion.wish()));
            assertThat(nearest.getFirst().leftOut())
                    .as("it was possible with one instance less")
                    .isEqualTo(1);
        }
    }
}
