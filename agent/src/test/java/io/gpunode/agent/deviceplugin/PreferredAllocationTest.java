package io.gpunode.agent.deviceplugin;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.model.Topology;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.podresources.PodUse;
import io.gpunode.agent.testing.Snapshots;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class PreferredAllocationTest {
    private static final PodUse POD = new PodUse("default", "notebook", "main");

    /** The NVLinks of a DGX-1 with V100: two quads, each pair of neighbours by one or two links, each GPU to its twin. */
    private static final int[][] DGX1 = {
        {0, 1, 1, 2, 2, 0, 0, 0},
        {1, 0, 2, 1, 0, 2, 0, 0},
        {1, 2, 0, 2, 0, 0, 1, 0},
        {2, 1, 2, 0, 0, 0, 0, 1},
        {2, 0, 0, 0, 0, 1, 1, 2},
        {0, 2, 0, 0, 1, 0, 2, 1},
        {0, 0, 1, 0, 1, 2, 0, 2},
        {0, 0, 0, 1, 2, 1, 2, 0}
    };

    @Test
    void nvSwitchPairsAreEqualAndTheSocketDecides() {
        assertThat(choose(Snapshots.h100x8(), range(0, 8), 4)).containsExactly(0, 1, 2, 3);
        assertThat(choose(Snapshots.h100x8(), List.of(0, 4, 5, 6), 2)).containsExactly(4, 5);
    }

    @Test
    void oneGpuIsTakenWhereTheOthersMissItLeast() {
        assertThat(choose(Snapshots.h100x8(), List.of(2, 4, 5, 6, 7), 1)).containsExactly(2);
        assertThat(choose(Snapshots.pcie(8), List.of(0, 1, 2, 4, 5), 1)).containsExactly(2);
    }

    @Test
    void anNvLinkPairIsGivenWhole() {
        // Given
        Snapshots node = Snapshots.pcie(4).nvLinks(new int[][] {
            {0, 0, 0, 4},
            {0, 0, 4, 0},
            {0, 4, 0, 0},
            {4, 0, 0, 0}
        });

        // When / Then
        assertThat(choose(node, range(0, 4), 2)).containsExactly(0, 3);
    }

    @Test
    void aSmallRequestDoesNotBreakABridgedPair() {
        // Given
        Snapshots node = Snapshots.pcie(5).nvLinks(links(5, 3, 4, 4));

        // When / Then
        assertThat(choose(node, range(0, 5), 3)).containsExactly(0, 1, 2);
        assertThat(choose(node, List.of(2, 3, 4), 1)).containsExactly(2);
    }

    @Test
    void onADgx1AQuadIsKeptTogether() {
        Snapshots node = Snapshots.pcie(8).nvLinks(DGX1);

        assertThat(choose(node, range(0, 8), 4)).isIn(List.of(0, 1, 2, 3), List.of(4, 5, 6, 7));
        assertThat(choose(node, range(0, 8), 2)).hasSize(2);
    }

    @Test
    void whatMustBeIncludedIsIncluded() {
        // Given
        AdvertisedDevices devices = devices(Snapshots.h100x8());

        // When
        List<String> chosen = PreferredAllocation.choose(
                devices, Snapshots.uuids(8), List.of(Snapshots.uuid(6)), 3, HeldDevices.UNKNOWN);

        // Then
        assertThat(chosen).containsExactly(Snapshots.uuid(4), Snapshots.uuid(5), Snapshots.uuid(6));
    }

    @Test
    void theOrderOfTheRequestDoesNotMatter() {
        // Given
        AdvertisedDevices devices = devices(Snapshots.pcie(8).nvLinks(DGX1));
        List<String> available = new ArrayList<>(Snapshots.uuids(8));
        List<String> expected = PreferredAllocation.choose(devices, available, List.of(), 3, HeldDevices.UNKNOWN);
        Random random = new Random(11);

        for (int i = 0; i < 50; i++) {
            // When
            Collections.shuffle(available, random);

            // Then
            assertThat(PreferredAllocation.choose(devices, available, List.of(), 3, HeldDevices.UNKNOWN))
                    .isEqualTo(expected);
        }
    }

    @Test
    void oddInputGetsTheBestAnswerThereIs() {
        AdvertisedDevices devices = devices(Snapshots.h100x8());
        List<String> two = List.of(Snapshots.uuid(1), Snapshots.uuid(0));

        assertThat(PreferredAllocation.choose(devices, two, List.of(), 0, HeldDevices.UNKNOWN))
                .isEmpty();
        assertThat(PreferredAllocation.choose(devices, two, List.of(), -3, HeldDevices.UNKNOWN))
                .isEmpty();
        assertThat(PreferredAllocation.choose(devices, two, List.of(), Integer.MAX_VALUE, HeldDevices.UNKNOWN))
                .containsExactly(Snapshots.uuid(0), Snapshots.uuid(1));
        assertThat(PreferredAllocation.choose(devices, List.of(), List.of(), 2, HeldDevices.UNKNOWN))
                .isEmpty();
        assertThat(PreferredAllocation.choose(
                        devices, List.of("unknown", Snapshots.uuid(3)), List.of(), 1, HeldDevices.UNKNOWN))
                .containsExactly(Snapshots.uuid(3));
        assertThat(PreferredAllocation.choose(devices, two, List.of(Snapshots.uuid(7)), 2, HeldDevices.UNKNOWN))
                .hasSize(2)
                .contains(Snapshots.uuid(7));
        assertThat(PreferredAllocation.choose(devices, two, two, 1, HeldDevices.UNKNOWN))
                .hasSize(1);
        assertThat(PreferredAllocation.choose(devices, List.of("a", "b"), List.of("c"), 2, HeldDevices.UNKNOWN))
                .hasSize(2)
                .contains("c");
        assertThat(PreferredAllocation.choose(
                        AdvertisedDevices.none("nvidia.com/gpu"), two, List.of(), 1, HeldDevices.UNKNOWN))
                .containsExactly(Snapshots.uuid(0));
    }

    @Test
    void aTopologyWithHolesStillGivesAnAnswer() {
        // Given
        Snapshots node = Snapshots.pcie(4).topology(Topology.EMPTY);

        // When / Then
        assertThat(choose(node, range(0, 4), 2)).containsExactly(0, 1);
    }

    @Test
    void linksReportedInOneDirectionOnlyDoNotCount() {
        // Given
        int[][] oneWay = new int[4][4];
        oneWay[0][3] = 12;
        Snapshots node = Snapshots.pcie(4).nvLinks(oneWay);

        // When / Then
        assertThat(choose(node, range(0, 4), 2)).containsExactly(0, 1);
    }

    @Test
    void idsThatAreNotKnownComeLastAndInOrder() {
        // Given
        AdvertisedDevices devices = devices(Snapshots.h100x8());
        List<String> available = List.of("b", Snapshots.uuid(3), "a", Snapshots.uuid(1));

        // When / Then
        assertThat(PreferredAllocation.choose(devices, available, List.of("c"), 4, HeldDevices.UNKNOWN))
                .containsExactly("c", Snapshots.uuid(1), Snapshots.uuid(3), "a");
    }

    @Test
    void aGpuOfWhichAShareIsHeldThroughAnotherResourceComesLast() {
        // Given
        Snapshots node = Snapshots.h100x8();
        HeldDevices held = HeldDevices.of(node.build().gpus(), Map.of(Snapshots.uuid(1) + "::3", List.of(POD)));

        // When / Then
        assertThat(PreferredAllocation.choose(devices(node), Snapshots.uuids(4), List.of(), 3, held))
                .containsExactly(Snapshots.uuid(0), Snapshots.uuid(2), Snapshots.uuid(3));
        assertThat(PreferredAllocation.choose(devices(node), Snapshots.uuids(4), List.of(), 4, held))
                .containsExactlyElementsOf(Snapshots.uuids(4));
        assertThat(PreferredAllocation.choose(devices(node), Snapshots.uuids(4), List.of(Snapshots.uuid(1)), 2, held))
                .contains(Snapshots.uuid(1));
    }

    @Test
    void beyondSixteenGpusConnectedOnesAreGrownTogether() {
        // Given
        Snapshots node = Snapshots.pcie(20).nvLinks(links(20, 7, 18, 12));

        // When / Then
        assertThat(choose(node, range(0, 20), 2)).containsExactly(7, 18);
    }

    @Test
    void theSearchFindsWhatTryingAllDivisionsFinds() {
        Random random = new Random(42);
        for (int round = 0; round < 300; round++) {
            // Given
            int count = 2 + random.nextInt(6);
            int[][] links = new int[count][count];
            for (int a = 0; a < count; a++) {
                for (int b = 0; b < a; b++) {
                    links[a][b] = links[b][a] = random.nextInt(3) == 0 ? random.nextInt(5) : 0;
                }
            }
            PairScores scores = devices(Snapshots.pcie(count).nvLinks(links)).scores();
            int available = 1 + random.nextInt((1 << count) - 1);
            int required = available & random.nextInt(1 << count) & random.nextInt(1 << count);
            int size = Math.clamp(
                    random.nextInt(count) + 1, Math.max(1, Integer.bitCount(required)), Integer.bitCount(available));

            // When
            int chosen = scores.search().best(available, required, size);

            // Then
            assertThat(Integer.bitCount(chosen)).isEqualTo(size);
            assertThat(chosen & ~available).isZero();
            assertThat(required & ~chosen).isZero();
            if (size > 1) {
                assertThat(within(scores, chosen) + slowDivide(scores, available & ~chosen, size))
                        .isEqualTo(slowBest(scores, available, required, size));
            }
        }
    }

    private static int slowBest(PairScores scores, int available, int required, int size) {
        int best = -1;
        for (int mask = available; mask > 0; mask = (mask - 1) & available) {
            if (Integer.bitCount(mask) == size && (required & ~mask) == 0) {
                best = Math.max(best, within(scores, mask) + slowDivide(scores, available & ~mask, size));
            }
        }
        return best;
    }

    /** By trying every ordered way of taking sets away. */
    private static int slowDivide(PairScores scores, int mask, int size) {
        int members = Integer.bitCount(mask);
        if (members <= size) {
            return within(scores, mask);
        }
        int best = -1;
        for (int set = mask; set > 0; set = (set - 1) & mask) {
            if (Integer.bitCount(set) == size) {
                best = Math.max(best, within(scores, set) + slowDivide(scores, mask & ~set, size));
            }
        }
        return best;
    }

    private static int within(PairScores scores, int mask) {
        int sum = 0;
        for (int a = 0; a < scores.count(); a++) {
            for (int b = 0; b < a; b++) {
                sum += (mask >> a & mask >> b & 1) == 1 ? scores.between(a, b) : 0;
            }
        }
        return sum;
    }

    private static List<Integer> choose(Snapshots node, List<Integer> available, int size) {
        AdvertisedDevices devices = devices(node);
        List<String> ids = available.stream().map(Snapshots::uuid).toList();
        return PreferredAllocation.choose(devices, ids, List.of(), size, HeldDevices.UNKNOWN).stream()
                .map(devices::placeOf)
                .toList();
    }

    private static AdvertisedDevices devices(Snapshots node) {
        return new DeviceCatalog(PluginConfigs.envvar(), new SystemHostFiles(Path.of("/nonexistent")))
                .update(node.build(), CdiCoverage.NONE)
                .getFirst();
    }

    private static List<Integer> range(int from, int to) {
        return java.util.stream.IntStream.range(from, to).boxed().toList();
    }

    private static int[][] links(int count, int a, int b, int number) {
        int[][] links = new int[count][];
        Arrays.setAll(links, _ -> new int[count]);
        links[a][b] = number;
        links[b][a] = number;
        return links;
    }
}
