package io.gpunode.agent.health;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.inventory.SimulatedNode;
import io.gpunode.agent.model.Finding;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuHealth;
import io.gpunode.agent.model.LaneState;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.SystemTime;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Faults of a simulated driver, from the first evidence to the way back. */
@Timeout(60)
class FaultsOnNodeTest {
    private static final Duration LIMIT = Duration.ofSeconds(5);
    private static final int HIT = 1;

    private final MonotonicClock clock = SystemTime.monotonic();

    @TempDir
    private Path directory;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "nvmlDeviceGetFieldValues",
                "nvmlDeviceGetClockInfo",
                "nvmlDeviceGetTemperature",
                "nvmlDeviceGetPowerUsage",
                "nvmlDeviceGetPowerManagementLimit",
                "nvmlDeviceGetEnforcedPowerLimit",
                "nvmlDeviceGetTotalEnergyConsumption",
                "nvmlDeviceGetUtilizationRates",
                "nvmlDeviceGetEncoderUtilization",
                "nvmlDeviceGetDecoderUtilization",
                "nvmlDeviceGetMemoryInfo_v2",
                "nvmlDeviceGetPcieReplayCounter",
                "nvmlDeviceGetCurrPcieLinkGeneration",
                "nvmlDeviceGetCurrPcieLinkWidth",
                "nvmlDeviceGetCurrentClocksEventReasons",
                "nvmlDeviceGetPerformanceState",
                "nvmlDeviceGetFanSpeed",
                "nvmlDeviceGetGridLicensableFeatures_v4",
                "nvmlDeviceGetComputeRunningProcesses_v3",
                "nvmlDeviceGetUUID",
                "nvmlDeviceGetPciInfo_v3",
                "nvmlDeviceGetMinorNumber",
                "nvmlDeviceGetName",
                "nvmlDeviceGetArchitecture",
                "nvmlDeviceGetMigMode",
                "nvmlDeviceGetSerial",
                "nvmlDeviceGetVbiosVersion",
                "nvmlDeviceGetCudaComputeCapability",
                "nvmlDeviceGetPersistenceMode"
            })
    void aCallThatHangsCostsItsGpuAlone(String function) throws Exception {
        // Long enough that a loaded machine does not make the other GPUs late.
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4", Duration.ofMillis(700)).started()) {
            XidWatcher watcher = watching(node);

            // When
            node.simulator().apply("fault stuck call=" + function + " gpu=" + HIT + " hang=until-released");
            node.inventory().lookAgain();

            // Then
            node.await("GPU " + HIT + " withheld", picture -> withheld(picture).equals(List.of(HIT)));
            NodeSnapshot hung = node.awaitNext(3);
            assertThat(withheld(hung)).containsExactly(HIT);
            assertThat(hung.gpus().get(HIT).lane()).isInstanceOf(LaneState.Unresponsive.class);
            node.simulator().apply("clear stuck");
            node.await("all back", picture -> withheld(picture).isEmpty());
            watcher.stop(LIMIT);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "nvmlDeviceGetTemperatureThreshold",
                "nvmlDeviceGetMaxPcieLinkGeneration",
                "nvmlDeviceGetMaxPcieLinkWidth"
            })
    void aCallForWhatCannotChangeThatHangsCostsItsGpuAlone(String function) throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4", Duration.ofMillis(700))) {
            node.simulator().apply("fault stuck call=" + function + " gpu=" + HIT + " hang=until-released");

            // When: they are asked once, at the beginning
            node.inventory().start();
            XidWatcher watcher = watching(node);

            // Then
            NodeSnapshot hung = node.await(
                    "GPU " + HIT + " withheld", picture -> withheld(picture).equals(List.of(HIT)));
            assertThat(hung.gpus().get(HIT).lane()).isInstanceOf(LaneState.Unresponsive.class);
            node.simulator().apply("clear stuck");
            node.await("all back", picture -> withheld(picture).isEmpty());
            watcher.stop(LIMIT);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"nvmlDeviceGetCount_v2", "nvmlEventSetWait_v2"})
    void aCallAboutTheSystemThatHangsCostsNoGpu(String function) throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4").started()) {
            XidWatcher watcher = watching(node);

            // When
            node.simulator().apply("fault stuck call=" + function + " hang=until-released");
            node.simulator().awaitHung(1, Duration.ofSeconds(10));

            // Then
            NodeSnapshot later = node.awaitNext(5);
            assertThat(withheld(later)).isEmpty();
            node.simulator().apply("clear stuck");
            watcher.stop(LIMIT);
        }
    }

    @Test
    void aGpuThatIsLostBetweenTwoCallsIsWithheldAlone() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4").started()) {
            XidWatcher watcher = watching(node);

            // When: the first calls of a sampling work, the later ones do not
            node.simulator().apply("fault gone call=nvmlDeviceGetPerformanceState gpu=" + HIT + " return=GPU_IS_LOST");

            // Then
            node.await("GPU " + HIT + " withheld", picture -> withheld(picture).equals(List.of(HIT)));
            node.simulator().apply("clear gone");
            node.await("all back", picture -> withheld(picture).isEmpty());
            watcher.stop(LIMIT);
        }
    }

    @Test
    void whenAllGpusAreLostAllAreWithheldAndComeBack() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4").started()) {
            XidWatcher watcher = watching(node);

            // When
            node.simulator().apply("lose gpu=all");

            // Then
            node.await("all withheld", picture -> withheld(picture).size() == 4);
            node.simulator().apply("restore gpu=all");
            node.await(
                    "all back",
                    picture -> picture.gpus().size() == 4 && withheld(picture).isEmpty());
            watcher.stop(LIMIT);
        }
    }

    @Test
    void aThousandXidsInABurstAreOneVerdictOfOneGpu() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4").started()) {
            XidWatcher watcher = watching(node);
            long structure = node.inventory().current().structureVersion();

            // When
            node.simulator().apply("event gpu=" + HIT + " xid=74 burst=1000");

            // Then
            NodeSnapshot picture = node.await(
                    "all of them",
                    candidate -> candidate.gpus().stream()
                            .flatMap(gpu -> gpu.health().all().stream())
                            .anyMatch(finding -> finding.reason().endsWith("(1000 times or more)")));
            assertThat(withheld(picture)).containsExactly(HIT);
            assertThat(picture.gpus().get(HIT).health().all()).hasSize(1);
            assertThat(picture.structureVersion() - structure).isLessThanOrEqualTo(15);
            watcher.stop(LIMIT);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "8xh100, remap-failure=on, remap-failure=off, row-remap",
        "8xh100, fabric-state=2, fabric-state=3, fabric",
        "8xh100, recovery-action=1, recovery-action=0, recovery-action",
        "8xh100, links-down=0x4, links-down=0, nvlink",
        "8xh100, temperature=120, temperature=auto, temperature",
    })
    void aConditionWithholdsItsGpuWhileItLasts(String profile, String bad, String good, String check) throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, profile).started()) {
            XidWatcher watcher = watching(node);

            // When
            node.simulator().apply("set gpu=" + HIT + " " + bad);
            node.inventory().lookAgain();

            // Then
            NodeSnapshot picture = node.await(
                    "GPU " + HIT + " withheld", found -> withheld(found).equals(List.of(HIT)));
            assertThat(picture.gpus().get(HIT).health().all())
                    .extracting(Finding::check)
                    .containsOnly(check);
            node.simulator().apply("set gpu=" + HIT + " " + good);
            node.inventory().lookAgain();
            node.await("all back", found -> withheld(found).isEmpty());
            watcher.stop(LIMIT);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"1xt4", "4xl4", "8xa100-40gb", "8xa100-80gb-mig", "8xh100", "4xgb200", "old-driver-470"})
    void nothingIsKnownAgainstAHealthyNode(String profile) throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, profile).started()) {
            XidWatcher watcher = watching(node);

            // When
            NodeSnapshot later = node.awaitNext(8);

            // Then
            assertThat(later.gpus())
                    .isNotEmpty()
                    .allSatisfy(gpu -> assertThat(gpu.health()).isEqualTo(GpuHealth.Healthy.CLEAN));
            assertThat(later.findings()).isEmpty();
            watcher.stop(LIMIT);
        }
    }

    private static List<Integer> withheld(NodeSnapshot picture) {
        return picture.gpus().stream()
                .filter(gpu -> !gpu.healthy())
                .map(Gpu::index)
                .toList();
    }

    private XidWatcher watching(SimulatedNode node) {
        HealthKeeper keeper = new HealthKeeper(
                HealthConfigs.recoveringAfter(Duration.ofSeconds(1)),
                node.inventory(),
                node.inventory()::lookAgain,
                clock,
                SystemTime.wall());
        XidWatcher watcher = new XidWatcher(
                node.access(),
                node.inventory(),
                keeper,
                node.inventory()::lookAgain,
                clock,
                SystemTime.wall(),
                node.heartbeats());
        watcher.start();
        node.simulator().awaitCalls("nvmlEventSetWait_v2", 1, Duration.ofSeconds(20));
        return watcher;
    }
}
