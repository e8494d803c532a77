package io.gpunode.agent.deviceplugin;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.gpunode.agent.config.AgentConfig.DeviceListStrategy;
import io.gpunode.agent.config.AgentConfig.DeviceSelection;
import io.gpunode.agent.config.AgentConfig.MigStrategy;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.testing.Snapshots;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/** Any list of ids is answered or refused with a sentence; an answer names the devices of the ids, each once, whatever their order. */
class AllocatorFuzzTest {
    private static final List<AdvertisedDevices> LISTS = lists();

    @FuzzTest
    void anyIdsAreAnsweredOrRefused(byte[] bytes) {
        // Given
        List<String> ids = new ArrayList<>(List.of(new String(bytes, StandardCharsets.UTF_8).split("\n", -1)));
        AdvertisedDevices devices = listOf(ids.getFirst());

        try {
            // When
            Allocation allocation = Allocator.allocate(devices, ids);

            // Then
            Set<String> bases = new TreeSet<>();
            for (String id : ids) {
                bases.add(devices.devices().get(devices.placeOf(id)).base().uuid());
            }
            String named = String.valueOf(allocation.environment().get("NVIDIA_VISIBLE_DEVICES"));
            assertThat(List.of(named.split(",", -1))).containsExactlyInAnyOrderElementsOf(bases);
            assertThat(allocation.cdiDevices()).hasSize(bases.size());
            Collections.reverse(ids);
            assertThat(Allocator.allocate(devices, ids)).isEqualTo(allocation);
        } catch (AllocationRefusedException refused) {
            String sentence = String.valueOf(refused.getMessage());
            assertThat(sentence).isNotBlank().hasSizeLessThan(1_000);
            assertThat(sentence.chars()).allMatch(c -> c >= ' ' && c != 0x7f);
        }
    }

    /** The resource that has this device; the first when none has. */
    private static AdvertisedDevices listOf(String id) {
        for (AdvertisedDevices list : LISTS) {
            if (list.placeOf(id) >= 0) {
                return list;
            }
        }
        return LISTS.getFirst();
    }

    /** Whole GPUs and shares under one name, MIG devices, shares of MIG devices. */
    private static List<AdvertisedDevices> lists() {
        NodeSnapshot snapshot = Snapshots.h100x8()
                .partition(2, "1g.10gb", "3g.40gb", "1g.10gb")
                .unhealthy(4)
                .build();
        return new DeviceCatalog(
                        PluginConfigs.start()
                                .strategies(DeviceListStrategy.ENVVAR, DeviceListStrategy.CDI_CRI)
                                .mig(MigStrategy.MIXED)
                                .share("nvidia.com/gpu", "", new DeviceSelection.First(2), 3)
                                .share("nvidia.com/mig-1g.10gb", 2)
                                .build(),
                        new SystemHostFiles(Path.of("/nonexistent")))
                .update(snapshot, CdiCoverages.whole(snapshot));
    }
}
