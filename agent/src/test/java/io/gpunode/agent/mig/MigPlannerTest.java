package io.gpunode.agent.mig;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.MigGeometry;
import io.gpunode.agent.model.MigGeometry.ComputeInstance;
import io.gpunode.agent.model.MigGeometry.GpuInstance;
import io.gpunode.agent.model.MigPlacement;
import io.gpunode.agent.model.MigProfile;
import io.gpunode.agent.model.Reading;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What the planner says in single cases; what holds of every plan is in {@link MigPlannerPropertyTest}. */
@Timeout(30)
class MigPlannerTest {
    private static final MigChips CHIP = MigChips.H100;

    private static MigWish wish(MigChips chip, Object... namesAndCounts) {
        Map<MigWish.Kind, Integer> devices = new HashMap<>();
        for (int i = 0; i < namesAndCounts.length; i += 2) {
            String name = (String) namesAndCounts[i];
            boolean part = name.charAt(1) == 'c';
            MigProfile profile = chip.named(part ? name.substring(3) : name);
            devices.put(new MigWish.Kind(profile.id(), part ? name.charAt(0) - '0' : profile.slices()), (Integer)
                    namesAndCounts[i + 1]);
        }
        return new MigWish.Devices(devices);
    }

    /** Instances as {@code name@start}, with ids 1, 2 and so on. */
    private static MigGeometry split(MigChips chip, String... instances) {
        List<GpuInstance> all = new ArrayList<>();
        for (String text : instances) {
            String[] words = text.split("@", -1);
            MigProfile profile = chip.named(words[0]);
            MigProfile.Compute whole = profile.computeProfiles().getLast();
            all.add(new GpuInstance(
                    all.size() + 1,
                    profile.id(),
                    new MigPlacement(Integer.parseInt(words[1]), profile.memorySlices()),
                    List.of(new ComputeInstance(
                            0, whole.id(), whole.slices(), whole.placements().getFirst()))));
        }
        return new MigGeometry(true, true, all);
    }

    private static List<String> steps(MigGpu gpu, MigWish wish, MigUse use) {
        MigDecision decision = MigPlanner.plan(List.of(new MigRequest(gpu, wish, use)));
        assertThat(decision).isInstanceOf(MigDecision.Planned.class);
        return ((MigDecision.Planned) decision)
                .plan().gpus().getFirst().steps().stream().map(MigStep::text).toList();
    }

    private static String refusal(MigGpu gpu, MigWish wish, MigUse use) {
        MigDecision decision = MigPlanner.plan(List.of(new MigRequest(gpu, wish, use)));
        assertThat(decision).isInstanceOf(MigDecision.Refused.class);
        return ((MigDecision.Refused) decision).message();
    }

    @Test
    void smallInstancesLieWhereTheyLeaveTheLargestPlaces() {
        // When
        List<String> steps = steps(CHIP.gpu(0, MigGeometry.EMPTY), wish(CHIP, "1g.10gb", 1), MigUse.NOBODY);

        // Then
        assertThat(steps)
                .containsExactly(
                        "create GPU instance 1g.10gb at 6:1",
                        "create compute instance 1g.10gb at 0:1 in the GPU instance at 6:1");
    }

    @Test
    void ofEqualInstancesThoseGoThatAreNotUsed() {
        // Given
        MigGeometry now = split(CHIP, "1g.10gb@0", "1g.10gb@1", "1g.10gb@2");
        MigUse use = new MigUse(List.of(new MigUse.Holder("process 5", 2, 0)));

        // When
        List<String> steps = steps(CHIP.gpu(0, now), wish(CHIP, "1g.10gb", 1), use);

        // Then
        assertThat(steps).hasSize(4).noneMatch(step -> step.contains("GPU instance 2"));
    }

    @Test
    void whoIsInTheWayIsNamedWithWhatTheyUse() {
        // Given
        MigGeometry now = split(CHIP, "3g.40gb@0", "1g.10gb@4");
        MigUse use = new MigUse(
                List.of(new MigUse.Holder("process 5 (train)", 1, 0), new MigUse.Holder("pod ml/bert", 1, 0)));

        // When
        String refusal = refusal(CHIP.gpu(3, now), wish(CHIP, "4g.40gb", 1), use);

        // Then
        assertThat(refusal)
                .isEqualTo("GPU 3 (GPU-3) is in use: 3g.40gb (GPU instance 1, compute instance 0) by process 5 (train),"
                        + " pod ml/bert. End them, or wait until they have ended, and try again");
    }

    @Test
    void whatDoesNotFitIsRefusedWithTheNearest() {
        // When
        String refusal = refusal(CHIP.gpu(0, MigGeometry.EMPTY), wish(CHIP, "3g.40gb", 2, "1g.10gb", 1), MigUse.NOBODY);

        // Then
        assertThat(refusal)
                .isEqualTo("GPU 0 (GPU-0) cannot be split into 2 x 3g.40gb, 1 x 1g.10gb at the same time; what fits:"
                        + " 2 x 3g.40gb"
                        + " | 1 x 3g.40gb, 1 x 1g.10gb"
                        + " | 1 x 3g.40gb, 1 x 2g.20gb, 1 x 1g.10gb"
                        + " | 1 x 3g.40gb, 1 x 1g.20gb, 1 x 1g.10gb"
                        + " | 1 x 3g.40gb, 2 x 1g.10gb");
    }

    @Test
    void moreThanAnyGpuHasIsRefusedAtOnce() {
        // When
        String refusal =
                refusal(CHIP.gpu(0, MigGeometry.EMPTY), wish(CHIP, "1c.7g.80gb", 999, "1g.10gb", 999), MigUse.NOBODY);

        // Then
        assertThat(refusal).contains("cannot be split into 999 x 1c.7g.80gb, 999 x 1g.10gb");
    }

    @Test
    void theOneSetOfMediaEnginesIsGivenOnce() {
        // When
        String refusal = refusal(
                MigChips.RTX_PRO_6000.gpu(0, MigGeometry.EMPTY),
                wish(MigChips.RTX_PRO_6000, "2g.48gb+me.all", 1, "2g.48gb", 1),
                MigUse.NOBODY);

        // Then
        assertThat(refusal).contains("what fits: 1 x 2g.48gb");
        assertThat(steps(
                        MigChips.RTX_PRO_6000.gpu(0, MigGeometry.EMPTY),
                        wish(MigChips.RTX_PRO_6000, "2g.48gb+me.all", 1, "2g.48gb-me", 1),
                        MigUse.NOBODY))
                .hasSize(4);
    }

    @Test
    void aComputeInstanceIsAddedBesideOneThatIsUsed() {
        // Given
        MigProfile profile = CHIP.named("3g.40gb");
        MigGeometry now = new MigGeometry(
                true,
                true,
                List.of(new GpuInstance(
                        1,
                        profile.id(),
                        new MigPlacement(4, 4),
                        List.of(new ComputeInstance(0, 0, 1, new MigPlacement(1, 1))))));
        MigUse use = new MigUse(List.of(new MigUse.Holder("process 1", 1, 0)));

        // When
        List<String> steps = steps(CHIP.gpu(0, now), wish(CHIP, "1c.3g.40gb", 3), use);

        // Then
        assertThat(steps)
                .containsExactly(
                        "create compute instance 1c.3g.40gb at 0:1 in the GPU instance at 4:4",
                        "create compute instance 1c.3g.40gb at 2:1 in the GPU instance at 4:4");
    }

    @Test
    void aGpuInstanceWithoutComputeInstancesIsUsedWhereItIsWantedAndGoesWhereItIsNot() {
        // Given
        GpuInstance bare = new GpuInstance(1, CHIP.named("3g.40gb").id(), new MigPlacement(0, 4), List.of());
        MigGpu gpu = CHIP.gpu(0, new MigGeometry(true, true, List.of(bare)));

        // When
        List<String> filled = steps(gpu, wish(CHIP, "3g.40gb", 1), MigUse.NOBODY);
        List<String> removed = steps(gpu, wish(CHIP, "1g.10gb", 1), MigUse.NOBODY);

        // Then
        assertThat(filled).containsExactly("create compute instance 3g.40gb at 0:3 in the GPU instance at 0:4");
        assertThat(removed)
                .startsWith("destroy GPU instance 1 (3g.40gb at 0:4)")
                .hasSize(3);
    }

    @Test
    void theModeIsTurnedOnBeforeInstancesAndOffAfterThem() {
        // When
        List<String> on =
                steps(MigChips.A30.gpu(0, MigGeometry.DISABLED), wish(MigChips.A30, "4g.24gb", 1), MigUse.NOBODY);
        List<String> off = steps(CHIP.gpu(0, split(CHIP, "7g.80gb@0")), new MigWish.Disabled(), MigUse.NOBODY);

        // Then
        assertThat(on).startsWith("turn MIG mode on, which resets the GPU").hasSize(3);
        assertThat(off).endsWith("turn MIG mode off").hasSize(3);
    }

    @Test
    void aModeThatIsPendingAgainstTheWishIsTakenBack() {
        // When
        List<String> off =
                steps(CHIP.gpu(0, new MigGeometry(false, true, List.of())), new MigWish.Disabled(), MigUse.NOBODY);
        List<String> on = steps(
                CHIP.gpu(
                        0, new MigGeometry(true, false, split(CHIP, "7g.80gb@0").instances())),
                wish(CHIP, "7g.80gb", 1),
                MigUse.NOBODY);

        // Then
        assertThat(off).containsExactly("turn MIG mode off");
        assertThat(on).containsExactly("turn MIG mode on");
    }

    @Test
    void theModeOfAGpuInUseStays() {
        // Given
        MigUse use = new MigUse(List.of(new MigUse.Holder("process 7 (infer)", -1, -1)));

        // When
        String refusal = refusal(CHIP.gpu(0, MigGeometry.DISABLED), new MigWish.ModeOnly(), use);

        // Then
        assertThat(refusal).contains("MIG mode changes, and the GPU is used by process 7 (infer)");
    }

    @Test
    void aGpuWithoutMigMayBeWantedWithoutItOnly() {
        // Given
        MigGpu gpu = unreadable(new Reading.Unsupported<>("NOT_SUPPORTED"), new Reading.Unsupported<>("NOT_SUPPORTED"));

        // When
        String refusal = refusal(gpu, new MigWish.ModeOnly(), MigUse.NOBODY);

        // Then
        assertThat(refusal).contains("NVIDIA L4, has no MIG (NOT_SUPPORTED)").contains("leave it out");
        assertThat(steps(gpu, new MigWish.Disabled(), MigUse.NOBODY)).isEmpty();
    }

    @Test
    void aDriverThatTellsNoProfilesCanOnlyBeTurnedOnFirst() {
        // Given
        MigGpu gpu = unreadable(Reading.of(MigGeometry.DISABLED), new Reading.Failed<>("none while MIG is off"));

        // When
        String refusal = refusal(gpu, wish(CHIP, "1g.10gb", 1), MigUse.NOBODY);

        // Then
        assertThat(refusal).contains("none while MIG is off").contains("turn MIG mode on first");
        assertThat(steps(gpu, new MigWish.ModeOnly(), MigUse.NOBODY)).hasSize(1);
    }

    @Test
    void aWrittenLayoutThatNoGpuCanHaveIsRefused() {
        // Given
        MigLayout.Instance half = new MigLayout.Instance(
                CHIP.named("3g.40gb").id(),
                new MigPlacement(0, 4),
                List.of(new MigLayout.Part(3, new MigPlacement(0, 3))));
        MigLayout.Instance inside =
                new MigLayout.Instance(CHIP.named("1g.10gb").id(), new MigPlacement(2, 1), List.of());
        MigLayout.Instance aside =
                new MigLayout.Instance(CHIP.named("3g.40gb").id(), new MigPlacement(2, 4), List.of());

        // When
        String overlap = refusal(
                CHIP.gpu(0, MigGeometry.EMPTY),
                new MigWish.Exactly(new MigLayout(true, true, List.of(half, inside))),
                MigUse.NOBODY);
        String place = refusal(
                CHIP.gpu(0, MigGeometry.EMPTY),
                new MigWish.Exactly(new MigLayout(true, true, List.of(aside))),
                MigUse.NOBODY);

        // Then
        assertThat(overlap).contains("1g.10gb at 2:1 overlaps another instance");
        assertThat(place).contains("no 3g.40gb lies at 2:4");
    }

    @Test
    void oneGpuThatCannotKeepsAllFromBeingPlanned() {
        // When
        MigDecision decision = MigPlanner.plan(List.of(
                new MigRequest(CHIP.gpu(0, MigGeometry.EMPTY), wish(CHIP, "1g.10gb", 7), MigUse.NOBODY),
                new MigRequest(CHIP.gpu(1, MigGeometry.EMPTY), wish(CHIP, "1g.10gb", 8), MigUse.NOBODY),
                new MigRequest(CHIP.gpu(2, MigGeometry.EMPTY), wish(CHIP, "7g.80gb", 2), MigUse.NOBODY)));

        // Then
        assertThat(decision)
                .isInstanceOfSatisfying(
                        MigDecision.Refused.class,
                        refused -> assertThat(refused.reasons())
                                .extracting(reason -> reason.gpu().uuid())
                                .containsExactly("GPU-1", "GPU-2"));
    }

    private static MigGpu unreadable(Reading<MigGeometry> geometry, Reading<List<MigProfile>> profiles) {
        MigGpu like = CHIP.gpu(0, MigGeometry.DISABLED);
        return new MigGpu(
                new GpuId("GPU-0"),
                0,
                like.pci(),
                "NVIDIA L4",
                like.pciDeviceId(),
                like.pciSubsystemId(),
                OptionalInt.of(9),
                new Reading.NotRead<>(),
                geometry,
                profiles);
    }
}
