package io.gpunode.agent.attribution;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.podresources.PodUse;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.SystemTime;
import io.gpunode.agent.time.Tick;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(20)
class RuntimeContainersTest {
    private static final String ID = ProcFiles.id(1);
    private static final String OTHER_ID = ProcFiles.id(2);
    private static final String OWN_ID = ProcFiles.id(3);
    private static final String ALL = "{\"HostConfig\":{\"DeviceRequests\":[{\"Driver\":\"\",\"Count\":-1,"
            + "\"DeviceIDs\":null,\"Capabilities\":[[\"gpu\"]]}]}}";

    @TempDir
    private Path directory;

    private final List<Gpu> gpus = Snapshots.pcie(2).build().gpus();
    private final RuntimeContainers containers = new RuntimeContainers(SystemTime.monotonic(), () -> OWN_ID);
    private Path socket;
    private FakeRuntime runtime;

    @BeforeEach
    void open() throws Exception {
        socket = directory.resolve("docker.sock");
        runtime = new FakeRuntime(socket);
    }

    @AfterEach
    void close() {
        runtime.close();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{'HostConfig':{'DeviceRequests':[{'Driver':'','Count':0,'DeviceIDs':['GPU-a','1'],'Capabilities':[['gpu']]}]}} | 1,GPU-a",
                "{'HostConfig':{'DeviceRequests':[{'Driver':'nvidia','Count':2,'DeviceIDs':[]}]}} | 0,1",
                "{'HostConfig':{'DeviceRequests':[{'Driver':'cdi','Count':0,'DeviceIDs':['nvidia.com/gpu=0:1']}]}} | nvidia.com/gpu=0:1",
                "{'HostConfig':{'Runtime':'nvidia'},'Config':{'Env':['PATH=/bin','NVIDIA_VISIBLE_DEVICES=MIG-a, 3']}} | 3,MIG-a",
                "{'HostConfig':{'Runtime':'runc'},'Config':{'Env':['NVIDIA_VISIBLE_DEVICES=all']}} | ''",
                "{'HostConfig':{'Runtime':'nvidia'},'Config':{'Env':['NVIDIA_VISIBLE_DEVICES=void']}} | ''",
                "{'HostConfig':{'Runtime':'nvidia'},'Config':{'Env':['NVIDIA_VISIBLE_DEVICES=none']}} | ''",
                "{'HostConfig':{'DeviceRequests':[{'Driver':'acme','DeviceIDs':['1']}]}} | ''",
                "{'HostConfig':{'DeviceRequests':'none'},'Config':7} | ''",
                "[] | ''",
            })
    void aContainerHoldsTheDevicesThatItWasStartedWith(String inspected, String devices) {
        // Given
        runtime.container(ID, "job", inspected.replace('\'', '"'));

        // When
        containers.refresh(socket);

        // Then
        assertThat(containers.problem()).isEmpty();
        assertThat(String.join(",", containers.byDevice(gpus).keySet())).isEqualTo(devices);
        assertThat(containers.name(ID)).isEqualTo("job");
    }

    @Test
    void aContainerWithAllDevicesHoldsEachOfThem() {
        // Given
        runtime.container(ID, "job", ALL);

        // When
        containers.refresh(socket);

        // Then
        List<PodUse> job = List.of(new PodUse("", "", "job"));
        assertThat(containers.byDevice(gpus)).isEqualTo(Map.of(Snapshots.uuid(0), job, Snapshots.uuid(1), job));
    }

    @Test
    void theAgentsOwnContainerHoldsNothing() {
        // Given
        runtime.container(ID, "job", ALL);
        runtime.container(OWN_ID, "gpu-node-agent", ALL);

        // When
        containers.refresh(socket);

        // Then
        assertThat(containers.byDevice(gpus).get(Snapshots.uuid(0))).containsExactly(new PodUse("", "", "job"));
    }

    @Test
    void aContainerIsAskedAboutOnce() {
        // Given
        runtime.container(ID, "job", ALL);
        containers.refresh(socket);
        runtime.container(OTHER_ID, "other", ALL);

        // When
        containers.refresh(socket);

        // Then
        assertThat(runtime.asked()).filteredOn(path -> path.contains(ID)).hasSize(1);
        assertThat(containers.byDevice(gpus).get(Snapshots.uuid(0)))
                .containsExactlyInAnyOrder(new PodUse("", "", "job"), new PodUse("", "", "other"));
    }

    @Test
    void aContainerThatHasEndedHoldsNothing() {
        // Given
        runtime.container(ID, "job", ALL);
        containers.refresh(socket);
        runtime.remove(ID);

        // When
        containers.refresh(socket);

        // Then
        assertThat(containers.byDevice(gpus)).isEmpty();
    }

    @Test
    void containersOfKubernetesAreTheKubeletsToTell() {
        // Given
        runtime.page(
                "/v1.40/containers/json",
                "[{\"Id\":\"" + ID + "\",\"Names\":[\"/k8s_c\"],\"Labels\":{\"io.kubernetes.pod.uid\":\"1\"}}]");

        // When
        containers.refresh(socket);

        // Then
        assertThat(containers.name(ID)).isEmpty();
        assertThat(runtime.asked()).hasSize(1);
    }

    @Test
    void aLongNameIsCutBetweenCharacters() {
        // Given
        runtime.container(ID, "é".repeat(100), ALL);

        // When
        containers.refresh(socket);

        // Then
        assertThat(containers.name(ID)).isEqualTo("é".repeat(64));
    }

    @Test
    void anIdThatIsNoneIsNotAskedAbout() {
        // Given
        runtime.page("/v1.40/containers/json", "[{\"Id\":\"../../images\"},{\"Id\":7},{},[],null]");

        // When
        containers.refresh(socket);

        // Then
        assertThat(runtime.asked()).containsExactly("/v1.40/containers/json");
        assertThat(containers.problem()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "SSH-2.0-OpenSSH_9.6\r\n",
                "HTTP/1.0 500 Internal Server Error\r\n\r\n",
                "HTTP/1.1 200 OK\r\n\r\n[{\"Id\":",
                "HTTP/1.1 200 OK\r\n",
                "HTTP/1.1",
            })
    void theLastGoodAnswerStaysWhenThereIsNone(String answer) {
        // Given
        runtime.container(ID, "job", ALL);
        containers.refresh(socket);
        runtime.raw("/v1.40/containers/json", answer);

        // When
        containers.refresh(socket);

        // Then
        assertThat(containers.problem()).contains(socket.toString());
        assertThat(containers.byDevice(gpus)).hasSize(2);
    }

    @Test
    void anAnswerThatIsTooLargeIsRefused() {
        // Given
        runtime.page("/v1.40/containers/json", "[" + " ".repeat(RuntimeContainers.LARGEST_ANSWER_BYTES) + "]");

        // When
        containers.refresh(socket);

        // Then
        assertThat(containers.problem()).contains("larger than 2097152 bytes");
    }

    @Test
    void aRuntimeThatHangsIsGivenUpAfterTwoSeconds() {
        // Given
        runtime.hang(true);
        Tick began = SystemTime.monotonic().now();

        // When
        containers.refresh(socket);

        // Then
        assertThat(containers.problem()).contains("no answer in time");
        assertThat(SystemTime.monotonic().now().since(began))
                .isBetween(Duration.ofMillis(1_900), Duration.ofSeconds(8));
    }

    @Test
    void aSocketThatIsNotThereOrIsAFileIsAProblemAndNothingMore() throws Exception {
        // Given
        Path file = Files.createFile(directory.resolve("file"));

        // When
        containers.refresh(directory.resolve("none.sock"));
        String missing = containers.problem();
        containers.refresh(file);

        // Then
        assertThat(missing).contains("none.sock");
        assertThat(containers.problem()).contains(file.toString());
        assertThat(containers.byDevice(gpus)).isEmpty();
    }
}
