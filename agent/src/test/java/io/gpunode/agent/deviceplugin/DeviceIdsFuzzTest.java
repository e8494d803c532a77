package io.gpunode.agent.deviceplugin;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.gpunode.agent.config.AgentConfig.AllocationPolicy;
import io.gpunode.agent.testing.Snapshots;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Whatever ids the kubelet asks with: a preference is made of them and complete, and an allocation is given or refused with a reason. */
class DeviceIdsFuzzTest {
    private static final AdvertisedDevices GPUS = gpus();
    private static final List<AdvertisedDevices> LISTS = List.of(
            GPUS,
            Lists.shares(3, 4),
            Lists.under(AllocationPolicy.PACKED, Lists.shares(3, 4)),
            Lists.mig(2, 7),
            AdvertisedDevices.none("nvidia.com/gpu"));

    /** The first byte is the size, the second how many of the ids must be included; the ids are lines. */
    @FuzzTest
    void anyIdsAreAnsweredOrRefused(byte[] bytes) {
        // Given
        if (bytes.length < 2) {
            return;
        }
        int size = bytes[0];
        List<String> ids = new String(bytes, 2, bytes.length - 2, StandardCharsets.UTF_8)
                .lines()
                .toList();
        List<String> required = ids.subList(0, Math.min(ids.size(), bytes[1] & 15));
        List<String> available = ids.subList(Math.min(ids.size(), (bytes[1] & 255) >> 4), ids.size());
        Set<String> offered = new HashSet<>(available);
        offered.addAll(required);

        for (AdvertisedDevices devices : LISTS) {
            // When
            List<String> chosen = PreferredAllocation.choose(devices, available, required, size, HeldDevices.UNKNOWN);

            // Then
            assertThat(chosen)
                    .hasSize(Math.clamp(size, 0, offered.size()))
                    .doesNotHaveDuplicates()
                    .isSubsetOf(offered);
            if (size >= new HashSet<>(required).size()) {
                assertThat(chosen).containsAll(required);
            }
            assertThatAllocationIsGivenOrRefused(devices, ids);
        }
    }

    private static void assertThatAllocationIsGivenOrRefused(AdvertisedDevices devices, List<String> ids) {
        try {
            Allocator.allocate(devices, ids);
            assertThat(ids).isNotEmpty().allMatch(id -> devices.placeOf(id) >= 0);
        } catch (AllocationRefusedException e) {
            assertThat(e.getMessage()).isNotEmpty().hasSizeLessThan(1_000);
        }
    }

    private static AdvertisedDevices gpus() {
        List<AdvertisedDevice> list = new ArrayList<>();
        Snapshots.h100x8()
                .build()
                .gpus()
                .forEach(gpu -> list.add(
                        AdvertisedDevice.gpu(gpu.id(), gpu.index(), gpu.minor(), gpu.pci(), gpu.numaNode(), "")));
        return new AdvertisedDevices("nvidia.com/gpu", "", list, PairScores.unknown(list.size()), AllocationRules.NONE);
    }
}
