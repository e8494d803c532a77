package io.gpunode.agent.podresources;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import com.google.protobuf.InvalidProtocolBufferException;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.podresources.v1.CDIDevice;
import io.gpunode.podresources.v1.ClaimResource;
import io.gpunode.podresources.v1.ContainerDevices;
import io.gpunode.podresources.v1.ContainerResources;
import io.gpunode.podresources.v1.DynamicResource;
import io.gpunode.podresources.v1.ListPodResourcesResponse;
import io.gpunode.podresources.v1.PodResources;
import io.grpc.StatusRuntimeException;
import java.io.ByteArrayInputStream;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** Any bytes are an answer or an error of that call; what protobuf's own parser accepts means the same to both. */
class PodResourcesFuzzTest {
    private static final List<Gpu> GPUS = Snapshots.h100x8()
            .mig(2, Snapshots.migDevice(0, 9, 0, "1g.10gb"), Snapshots.migDevice(1, 10, 0, "1g.10gb"))
            .build()
            .gpus();

    private final PodResourcesReader reader = new PodResourcesReader(Set.of());

    @FuzzTest
    void anyAnswerIsReadOrRefused(byte[] bytes) {
        // When
        Optional<Map<String, List<PodUse>>> byDevice = read(bytes);

        // Then
        byDevice.ifPresent(PodResourcesFuzzTest::assertThatAllAreHeldOrUnmatched);
        peersReading(bytes).ifPresent(expected -> assertThat(byDevice).contains(expected));
    }

    private Optional<Map<String, List<PodUse>>> read(byte[] bytes) {
        try {
            return Optional.of(reader.parse(new ByteArrayInputStream(bytes)));
        } catch (StatusRuntimeException e) {
            return Optional.empty();
        }
    }

    private static void assertThatAllAreHeldOrUnmatched(Map<String, List<PodUse>> byDevice) {
        DeviceHolders holders = new DeviceHolders(GPUS, byDevice);
        assertThat(holders.devices()).isEqualTo(byDevice.size());
        boolean anyHeld = false;
        for (int place = 0; place < GPUS.size(); place++) {
            anyHeld |= !holders.holders(place).isEmpty();
            for (int instance = 9; instance <= 10; instance++) {
                anyHeld |= !holders.holders(place, instance).isEmpty();
            }
        }
        assertThat(anyHeld).isEqualTo(holders.unmatched() < holders.devices());
    }

    /** By the generated classes; empty where they refuse the bytes. */
    private static Optional<Map<String, List<PodUse>>> peersReading(byte[] bytes) {
        ListPodResourcesResponse response;
        try {
            response = ListPodResourcesResponse.parseFrom(bytes);
        } catch (InvalidProtocolBufferException e) {
            return Optional.empty();
        }
        Map<String, List<PodUse>> byDevice = new HashMap<>();
        for (PodResources pod : response.getPodResourcesList()) {
            for (ContainerResources container : pod.getContainersList()) {
                PodUse use = new PodUse(pod.getNamespace(), pod.getName(), container.getName());
                for (ContainerDevices devices : container.getDevicesList()) {
                    boolean gpus = devices.getResourceName().startsWith("nvidia.com/gpu")
                            || devices.getResourceName().startsWith("nvidia.com/mig-");
                    for (String id : devices.getDeviceIdsList()) {
                        if (gpus || isUuid(id)) {
                            add(byDevice, id, use);
                        }
                    }
                }
                for (DynamicResource resource : container.getDynamicResourcesList()) {
                    for (ClaimResource device : resource.getClaimResourcesList()) {
                        claimedId(device).ifPresent(id -> add(byDevice, id, claimed(use, resource, device)));
                    }
                }
            }
        }
        return Optional.of(byDevice);
    }

    private static PodUse claimed(PodUse use, DynamicResource resource, ClaimResource device) {
        return new PodUse(
                use.namespace(),
                use.pod(),
                use.container(),
                new PodUse.Claim(
                        resource.getClaimName(),
                        resource.getClaimNamespace(),
                        device.getDriverName(),
                        device.getPoolName(),
                        device.getDeviceName()));
    }

    private static Optional<String> claimedId(ClaimResource device) {
        String uuid = "";
        for (CDIDevice cdi : device.getCdiDevicesList()) {
            if (isUuid(cdi.getName())) {
                uuid = cdi.getName().substring(cdi.getName().indexOf('=') + 1);
            }
        }
        if (!uuid.isEmpty()) {
            return Optional.of(uuid);
        }
        return device.getDriverName().equals("gpu.nvidia.com")
                ? Optional.of("gpu.nvidia.com/" + device.getPoolName() + "/" + device.getDeviceName())
                : Optional.empty();
    }

    private static boolean isUuid(String id) {
        String device = id.substring(id.indexOf('=') + 1);
        return device.startsWith("GPU-") || device.startsWith("MIG-");
    }

    private static void add(Map<String, List<PodUse>> byDevice, String id, PodUse use) {
        List<PodUse> uses = byDevice.computeIfAbsent(id, _ -> new ArrayList<>());
        if (!uses.contains(use)) {
            uses.add(use);
        }
    }
}
