package io.gpunode.agent.deviceplugin;

import static io.gpunode.agent.deviceplugin.Lists.mig;
import static io.gpunode.agent.deviceplugin.Lists.share;
import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig.AllocationPolicy;
import io.gpunode.agent.podresources.PodUse;
import io.gpunode.agent.testing.Snapshots;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Where shares and MIG devices come from. */
@Timeout(30)
class SharedPlacementTest {
    @Test
    void distributedTakesFromTheGpuThatIsUsedLeast() {
        // Given
        AdvertisedDevices devices = Lists.shares(4, 3);
        List<String> available = without(devices, share(0, 0), share(0, 1), share(2, 0), share(3, 1));

        // When / Then
        assertThat(distributed(devices, available, 1)).containsExactly(share(1, 0));
    }

    @Test
    void packedTakesFromTheGpuThatIsUsedMostAndHasSomethingLeft() {
        // Given
        AdvertisedDevices devices = Lists.shares(4, 3);
        List<String> available =
                without(devices, share(0, 0), share(0, 1), share(0, 2), share(2, 0), share(2, 2), share(3, 1));

        // When / Then
        assertThat(packed(devices, available, 1)).containsExactly(share(2, 1));
        assertThat(packed(devices, available, 3)).containsExactly(share(2, 1), share(3, 0), share(3, 2));
    }

    @Test
    void oneContainersSharesAreOfDifferentGpusUnderDistributed() {
        // Given
        AdvertisedDevices devices = Lists.shares(3, 4);
        List<String> available = without(devices, share(1, 0), share(1, 1), share(2, 0), share(2, 1));

        // When / Then
        assertThat(distributed(devices, available, 3)).containsExactly(share(0, 0), share(1, 2), share(2, 2));
    }

    @Test
    void whatTheContainerHasAlreadyCounts() {
        // Given
        AdvertisedDevices devices = Lists.shares(2, 4);

        // When
        List<String> chosen = PreferredAllocation.choose(
                devices, without(devices, share(1, 0), share(1, 1)), List.of(share(0, 0)), 2, HeldDevices.UNKNOWN);

        // Then
        assertThat(chosen).containsExactly(share(0, 0), share(1, 2));
    }

    @Test
    void sharesOfOneContainerStayOnOneNumaNodeAmongEquals() {
        // Given
        AdvertisedDevices devices = Lists.shares(4, 2);
        List<String> available = without(devices, share(0, 0), share(0, 1));

        // When / Then
        assertThat(distributed(devices, available, 2)).containsExactly(share(2, 0), share(3, 0));
    }

    @Test
    void amongEqualGpusTheQuieterNumaNodeIsTakenAndThePackedOneTheBusier() {
        // Given
        AdvertisedDevices devices = Lists.shares(4, 2);
        List<String> available = without(devices, share(1, 0));

        // When / Then
        assertThat(distributed(devices, available, 1)).containsExactly(share(2, 0));
        assertThat(packed(devices, without(devices, share(3, 0), share(3, 1)), 1))
                .containsExactly(share(2, 0));
    }

    @Test
    void migDevicesAreSpreadOverTheirGpus() {
        // Given
        AdvertisedDevices devices = Lists.mig(4, 7);
        List<String> available = without(devices, mig(0, 0, 7), mig(1, 0, 7), mig(1, 1, 7), mig(2, 0, 7));

        // When / Then
        assertThat(distributed(devices, available, 1)).containsExactly(mig(3, 0, 7));
        assertThat(distributed(devices, available, 4))
                .containsExactly(mig(0, 1, 7), mig(1, 2, 7), mig(2, 1, 7), mig(3, 0, 7));
    }

    @Test
    void migDevicesArePackedOnTheirGpus() {
        // Given
        AdvertisedDevices devices = Lists.mig(4, 7);
        List<String> available = without(devices, mig(2, 0, 7));

        // When / Then
        assertThat(packed(devices, available, 3)).containsExactly(mig(2, 1, 7), mig(2, 2, 7), mig(2, 3, 7));
    }

    @Test
    void otherMigProfilesOnTheSameGpuCountBySlices() {
        // Given
        Snapshots node =
                Snapshots.h100x8().partition(0, "1g.10gb", "3g.40gb").partition(1, "1g.10gb", "1g.20gb", "1g.20gb");
        HeldDevices held = HeldDevices.of(
                node.build().gpus(),
                used(
                        Snapshots.migDevice(0, 1, "3g.40gb").id().uuid(),
                        Snapshots.migDevice(1, 1, "1g.20gb").id().uuid(),
                        Snapshots.migDevice(1, 2, "1g.20gb").id().uuid()));
        AdvertisedDevices devices = Lists.mig(2, 1);

        // When / Then
        assertThat(one(AllocationPolicy.DISTRIBUTED, devices, Lists.ids(devices), held))
                .containsExactly(mig(1, 0, 1));
        assertThat(one(AllocationPolicy.PACKED, devices, Lists.ids(devices), held))
                .containsExactly(mig(0, 0, 1));
    }

    @Test
    void aGpuThatSomebodyHoldsWholeThroughAnotherResourceComesLast() {
        // Given
        HeldDevices held = HeldDevices.of(Snapshots.h100x8().build().gpus(), used(Snapshots.uuid(0)));
        AdvertisedDevices devices = Lists.shares(2, 2);

        // When / Then
        assertThat(PreferredAllocation.choose(
                        Lists.under(AllocationPolicy.PACKED, devices), Lists.ids(devices), List.of(), 2, held))
                .containsExactly(share(1, 0), share(1, 1));
        assertThat(PreferredAllocation.choose(devices, Lists.ids(devices), List.of(), 3, held))
                .containsExactly(share(0, 0), share(1, 0), share(1, 1));
    }

    @Test
    void anUnhealthyDeviceIsNotInUseUnlessAContainerHoldsIt() {
        // Given
        AdvertisedDevices devices = Lists.withheld(Lists.mig(2, 2), mig(0, 0, 2));
        List<String> available = without(devices, mig(0, 0, 2), mig(1, 0, 2));
        Snapshots node = Snapshots.h100x8().mig(0, Snapshots.migDevice(0, 7, 0, "1g.10gb"));

        // When / Then
        assertThat(one(
                        AllocationPolicy.DISTRIBUTED,
                        devices,
                        available,
                        HeldDevices.of(node.build().gpus(), used("MIG-another"))))
                .containsExactly(mig(0, 1, 2));
        assertThat(one(
                        AllocationPolicy.PACKED,
                        devices,
                        available,
                        HeldDevices.of(node.build().gpus(), used(mig(0, 0, 2)))))
                .containsExactly(mig(0, 1, 2));
        assertThat(one(
                        AllocationPolicy.PACKED,
                        devices,
                        available,
                        HeldDevices.of(node.build().gpus(), used("MIG-another"))))
                .containsExactly(mig(1, 1, 2));
    }

    @ParameterizedTest
    @EnumSource(AllocationPolicy.class)
    void everyAnswerIsValidAndTheSameInAnyOrder(AllocationPolicy policy) {
        Random random = new Random(17);
        for (int round = 0; round < 2_000; round++) {
            // Given
            int gpus = 1 + random.nextInt(8);
            int each = 1 + random.nextInt(7);
            AdvertisedDevices devices =
                    Lists.under(policy, random.nextBoolean() ? Lists.shares(gpus, each) : Lists.mig(gpus, each));
            List<String> available = pick(Lists.ids(devices), random);
            List<String> required = random.nextInt(3) == 0 ? pick(available, random) : List.of();
            int size = Math.max(1, required.size()) + random.nextInt(1 + available.size() - required.size());

            // When
            List<String> chosen = PreferredAllocation.choose(devices, available, required, size, HeldDevices.UNKNOWN);

            // Then
            assertThat(chosen)
                    .hasSize(Math.min(size, available.size()))
                    .doesNotHaveDuplicates()
                    .isSubsetOf(available)
                    .containsAll(required.size() <= size ? required : List.of());
            Collections.shuffle(available, random);
            assertThat(PreferredAllocation.choose(devices, available, required, size, HeldDevices.UNKNOWN))
                    .isEqualTo(chosen);
        }
    }

    @Test
    void distributedIsNeverMoreUnevenThanTheLeastUsedFirst() {
        Random random = new Random(18);
        for (int round = 0; round < 1_000; round++) {
            // Given
            int gpus = 1 + random.nextInt(8);
            AdvertisedDevices devices = Lists.shares(gpus, 1 + random.nextInt(6));
            List<String> available = pick(Lists.ids(devices), random);
            if (available.isEmpty()) {
                continue;
            }
            int size = 1 + random.nextInt(available.size());

            // When
            List<String> chosen = distributed(devices, available, size);

            // Then
            assertThat(gpusOf(chosen))
                    .hasSizeGreaterThanOrEqualTo(
                            gpusOf(leastUsedFirst(devices, available, size)).size());
            if (size == 1) {
                assertThat(inUse(devices, available, chosen.getFirst()))
                        .isEqualTo(inUse(
                                devices,
                                available,
                                leastUsedFirst(devices, available, 1).getFirst()));
            }
        }
    }

    /** The published rule for shares: the GPU with the fewest given out, again and again. */
    private static List<String> leastUsedFirst(AdvertisedDevices devices, List<String> available, int size) {
        List<String> left = new ArrayList<>(available);
        List<String> chosen = new ArrayList<>();
        while (chosen.size() < size) {
            String best = left.getFirst();
            for (String id : left) {
                if (inUse(devices, left, id) < inUse(devices, left, best)) {
                    best = id;
                }
            }
            left.remove(best);
            chosen.add(best);
        }
        return chosen;
    }

    private static long inUse(AdvertisedDevices devices, List<String> available, String id) {
        return Lists.ids(devices).stream()
                .filter(other -> gpuOf(other).equals(gpuOf(id)) && !available.contains(other))
                .count();
    }

    private static Set<String> gpusOf(List<String> ids) {
        Set<String> gpus = new HashSet<>();
        ids.forEach(id -> gpus.add(gpuOf(id)));
        return gpus;
    }

    private static String gpuOf(String share) {
        return share.substring(0, share.indexOf("::"));
    }

    private static List<String> pick(List<String> from, Random random) {
        List<String> picked = new ArrayList<>(from);
        picked.removeIf(_ -> random.nextInt(3) == 0);
        return picked;
    }

    private static List<String> without(AdvertisedDevices devices, String... inUse) {
        List<String> available = new ArrayList<>(Lists.ids(devices));
        available.removeAll(Arrays.asList(inUse));
        return available;
    }

    private static Map<String, List<PodUse>> used(String... ids) {
        Map<String, List<PodUse>> byDevice = new HashMap<>();
        for (String id : ids) {
            byDevice.put(id, List.of(new PodUse("default", "pod-" + id, "main")));
        }
        return byDevice;
    }

    private static List<String> distributed(AdvertisedDevices devices, List<String> available, int size) {
        return PreferredAllocation.choose(devices, available, List.of(), size, HeldDevices.UNKNOWN);
    }

    private static List<String> packed(AdvertisedDevices devices, List<String> available, int size) {
        return PreferredAllocation.choose(
                Lists.under(AllocationPolicy.PACKED, devices), available, List.of(), size, HeldDevices.UNKNOWN);
    }

    private static List<String> one(
            AllocationPolicy policy, AdvertisedDevices devices, List<String> available, HeldDevices held) {
        return PreferredAllocation.choose(Lists.under(policy, devices), available, List.of(), 1, held);
    }
}
