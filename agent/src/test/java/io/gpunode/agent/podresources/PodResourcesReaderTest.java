package io.gpunode.agent.podresources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gpunode.podresources.v1.CDIDevice;
import io.gpunode.podresources.v1.ClaimResource;
import io.gpunode.podresources.v1.ContainerDevices;
import io.gpunode.podresources.v1.ContainerMemory;
import io.gpunode.podresources.v1.ContainerResources;
import io.gpunode.podresources.v1.DynamicResource;
import io.gpunode.podresources.v1.ListPodResourcesResponse;
import io.gpunode.podresources.v1.NUMANode;
import io.gpunode.podresources.v1.PodResources;
import io.gpunode.podresources.v1.TopologyInfo;
import io.grpc.StatusRuntimeException;
import java.io.ByteArrayInputStream;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(20)
class PodResourcesReaderTest {
    private final PodResourcesReader reader = new PodResourcesReader(Set.of());

    @Test
    void keepsWhichContainerHoldsWhichDeviceAndSkipsTheRest() {
        // Given
        ListPodResourcesResponse response = ListPodResourcesResponse.newBuilder()
                .addPodResources(PodResources.newBuilder()
                        .setName("train-0")
                        .setNamespace("ml")
                        .addCpuIds(3)
                        .addContainers(ContainerResources.newBuilder()
                                .setName("main")
                                .addAllCpuIds(LongStream.range(0, 64).boxed().toList())
                                .addMemory(ContainerMemory.newBuilder()
                                        .setMemoryType("memory")
                                        .setSize(1 << 30))
                                .addDevices(devices("nvidia.com/gpu", 0, "GPU-a", "GPU-b"))
                                .addDevices(devices("nvidia.com/gpu", 1, "GPU-c"))
                                .addDevices(devices("rdma/hca", 0, "mlx5_0"))
                                .addDevices(devices("nvidia.com/mig-1g.10gb", 0, "MIG-a")))
                        .addContainers(ContainerResources.newBuilder().setName("sidecar")))
                .build();

        // When
        Map<String, List<PodUse>> byDevice = read(response.toByteArray());

        // Then
        PodUse use = new PodUse("ml", "train-0", "main");
        assertThat(byDevice)
                .containsOnly(
                        Map.entry("GPU-a", List.of(use)),
                        Map.entry("GPU-b", List.of(use)),
                        Map.entry("GPU-c", List.of(use)),
                        Map.entry("MIG-a", List.of(use)));
    }

    @Test
    void devicesCountUnderWhateverNameTheyWereGiven() {
        // Given
        ListPodResourcesResponse response = ListPodResourcesResponse.newBuilder()
                .addPodResources(PodResources.newBuilder()
                        .setName("pod")
                        .setNamespace("n")
                        .addContainers(ContainerResources.newBuilder()
                                .setName("c")
                                .addDevices(devices("acme.com/gpu", 0, "GPU-a::1"))
                                .addDevices(devices("acme.com/slice", 0, "MIG-a"))
                                .addDevices(devices("acme.com/nic", 0, "nic-0"))))
                .build();

        // When
        Map<String, List<PodUse>> byDevice = read(response.toByteArray());

        // Then
        assertThat(byDevice).containsOnlyKeys("GPU-a::1", "MIG-a");
    }

    @Test
    void whatIsNoGpuDoesNotCountInNvidiasDomain() {
        // Given
        ListPodResourcesResponse response = ListPodResourcesResponse.newBuilder()
                .addPodResources(PodResources.newBuilder()
                        .setName("pod")
                        .setNamespace("n")
                        .addContainers(ContainerResources.newBuilder()
                                .setName("c")
                                .addDevices(devices("nvidia.com/hostdev", 0, "0000:3b:00.2"))
                                .addDevices(devices("nvidia.com/sriov_rdma", 0, "0000:3b:00.3"))
                                .addDevices(devices("nvidia.com/hopper", 0, "GPU-a::0"))
                                .addDevices(devices("nvidia.com/gpu.shared", 0, "nvidia0/vgpu1"))
                                .addDevices(devices("nvidia.com/mig-1g.10gb", 0, "nvidia1/gi3"))))
                .build();

        // When
        Map<String, List<PodUse>> byDevice = read(response.toByteArray());

        // Then
        assertThat(byDevice).containsOnlyKeys("GPU-a::0", "nvidia0/vgpu1", "nvidia1/gi3");
    }

    @Test
    void devicesOfAResourceThatIsNamedCountWhateverTheirIdsAre() {
        // Given
        PodResourcesReader named = new PodResourcesReader(Set.of("acme.com/slice"));
        byte[] answer = answer(ContainerResources.newBuilder()
                .setName("c")
                .addDevices(devices("acme.com/slice", 0, "3"))
                .addDevices(devices("acme.com/nic", 0, "4")));

        // When
        Map<String, List<PodUse>> byDevice = named.parse(new ByteArrayInputStream(answer));

        // Then
        assertThat(byDevice).containsOnlyKeys("3");
    }

    @Test
    void devicesOfClaimsAreHeldThroughTheirClaim() {
        // Given
        byte[] answer = answer(ContainerResources.newBuilder()
                .setName("c")
                .addDynamicResources(DynamicResource.newBuilder()
                        .setClaimName("train-gpu")
                        .setClaimNamespace("n")
                        .addClaimResources(ClaimResource.newBuilder()
                                .setDriverName("gpu.nvidia.com")
                                .setPoolName("node-a")
                                .setDeviceName("gpu-1")
                                .addCdiDevices(CDIDevice.newBuilder().setName("k8s.gpu.nvidia.com/claim=0815-gpu-1")))
                        .addClaimResources(ClaimResource.newBuilder()
                                .setDriverName("gpu.acme.com")
                                .setPoolName("p")
                                .setDeviceName("d")
                                .addCdiDevices(CDIDevice.newBuilder().setName("nvidia.com/gpu=GPU-a")))
                        .addClaimResources(ClaimResource.newBuilder()
                                .setDriverName("compute-domain.nvidia.com")
                                .setDeviceName("channel-0"))));

        // When
        Map<String, List<PodUse>> byDevice = read(answer);

        // Then
        assertThat(byDevice)
                .containsOnly(
                        Map.entry(
                                "gpu.nvidia.com/node-a/gpu-1",
                                List.of(new PodUse(
                                        "n",
                                        "p",
                                        "c",
                                        new PodUse.Claim("train-gpu", "n", "gpu.nvidia.com", "node-a", "gpu-1")))),
                        Map.entry(
                                "GPU-a",
                                List.of(new PodUse(
                                        "n", "p", "c", new PodUse.Claim("train-gpu", "n", "gpu.acme.com", "p", "d")))));
    }

    @Test
    void aDeviceOfSeveralContainersHasThemAllInTheKubeletsOrder() {
        // Given
        ListPodResourcesResponse.Builder response = ListPodResourcesResponse.newBuilder();
        for (String pod : List.of("b", "a")) {
            response.addPodResources(PodResources.newBuilder()
                    .setName(pod)
                    .setNamespace("n")
                    .addContainers(ContainerResources.newBuilder()
                            .setName("c")
                            .addDevices(devices("nvidia.com/gpu", 0, "GPU-a::0"))));
        }

        // When / Then
        assertThat(read(response.build().toByteArray()))
                .containsEntry("GPU-a::0", List.of(new PodUse("n", "b", "c"), new PodUse("n", "a", "c")));
    }

    @Test
    void anEmptyAnswerIsAnEmptyPicture() {
        assertThat(read(new byte[0])).isEmpty();
    }

    @Test
    void brokenBytesAreRefusedAsAStatusAndNothingElse() {
        // Given
        byte[] good = ListPodResourcesResponse.newBuilder()
                .addPodResources(PodResources.newBuilder()
                        .setName("p")
                        .addContainers(ContainerResources.newBuilder()
                                .setName("c")
                                .addDevices(devices("nvidia.com/gpu", 0, "GPU-a", "GPU-b"))))
                .build()
                .toByteArray();
        assertThatThrownBy(() -> read(Arrays.copyOf(good, good.length - 1)))
                .isInstanceOf(StatusRuntimeException.class)
                .hasMessageContaining("cannot be read");
        Random random = new Random(5);

        for (int i = 0; i < 20_000; i++) {
            byte[] broken = good.clone();
            broken[random.nextInt(broken.length)] = (byte) random.nextInt();
            broken[random.nextInt(broken.length)] ^= (byte) (1 << random.nextInt(8));

            // When / Then
            try {
                assertThat(read(broken)).hasSizeLessThan(10);
            } catch (StatusRuntimeException refused) {
                assertThat(refused).hasMessageContaining("cannot be read");
            }
        }
    }

    private static byte[] answer(ContainerResources.Builder container) {
        return ListPodResourcesResponse.newBuilder()
                .addPodResources(
                        PodResources.newBuilder().setName("p").setNamespace("n").addContainers(container))
                .build()
                .toByteArray();
    }

    private static ContainerDevices devices(String resource, long numaNode, String... ids) {
        return ContainerDevices.newBuilder()
                .setResourceName(resource)
                .addAllDeviceIds(List.of(ids))
                .setTopology(
                        TopologyInfo.newBuilder().addNodes(NUMANode.newBuilder().setID(numaNode)))
                .build();
    }

    private Map<String, List<PodUse>> read(byte[] bytes) {
        return reader.parse(new ByteArrayInputStream(bytes));
    }
}
