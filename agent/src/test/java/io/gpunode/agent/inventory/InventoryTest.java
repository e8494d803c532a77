package io.gpunode.agent.inventory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.tuple;

import io.gpunode.agent.gpu.CloseOutcome;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuHealth;
import io.gpunode.agent.model.GpuSample;
import io.gpunode.agent.model.HealthVerdict;
import io.gpunode.agent.model.LaneState;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.model.Reading;
import io.gpunode.agent.time.SystemTime;
import io.gpunode.agent.time.Tick;
import io.gpunode.nvml.NvmlLibraries;
import io.gpunode.nvml.simulator.NvmlSimulator;
import io.gpunode.nvml.simulator.SimulatedNodeFiles;
import io.gpunode.nvml.simulator.SimulatedProfile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The inventory over a simulated NVML, loaded as the real one is. */
@Timeout(60)
class InventoryTest {
    @TempDir
    private Path directory;

    @Test
    void showsEveryGpuInPciOrder() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "8xh100")) {
            // When
            node.started();

            // Then
            NodeSnapshot picture = node.inventory().current();
            assertThat(picture.gpus())
                    .hasSize(8)
                    .isSortedAccordingTo((a, b) -> a.pci().compareTo(b.pci()));
            Gpu first = picture.gpus().getFirst();
            assertThat(first.id().uuid()).startsWith("GPU-");
            assertThat(first.name()).contains("H100");
            assertThat(first.computeCapability()).isEqualTo(Reading.of("9.0"));
            assertThat(first.memoryBytes().orElse(0)).isGreaterThan(79L << 30);
            assertThat(first.lane()).isEqualTo(LaneState.Responsive.INSTANCE);
            assertThat(first.health()).isEqualTo(GpuHealth.Healthy.CLEAN);
            assertThat(picture.nvml()).isInstanceOfSatisfying(NvmlState.Open.class, open -> {
                assertThat(open.driverVersion()).isNotEmpty();
                assertThat(open.libraryPath())
                        .isEqualTo(node.simulator().library().toString());
            });
        }
    }

    @Test
    void samplesWhatAnH100Offers() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "8xh100")) {
            node.started();

            // When
            Gpu gpu = node.awaitGpu(
                    0, "a GPM reading", candidate -> candidate.sample().has(Quantity.SM_ACTIVE));

            // Then
            GpuSample sample = gpu.sample();
            assertThat(sample.value(Quantity.GPU_TEMPERATURE_CELSIUS)).isBetween(1L, 120L);
            assertThat(sample.value(Quantity.POWER_MILLIWATTS)).isBetween(1_000L, 1_500_000L);
            assertThat(sample.value(Quantity.MEMORY_TOTAL_BYTES)).isGreaterThan(79L << 30);
            assertThat(sample.fraction(Quantity.GRAPHICS_ENGINE_ACTIVE)).isBetween(0.0, 1.0);
            assertThat(sample.has(Quantity.NVLINK_BANDWIDTH_MEGABYTES_PER_SECOND))
                    .isTrue();
            assertThat(sample.has(Quantity.ENERGY_MILLIJOULES)).isTrue();
        }
    }

    @Test
    void readsNumaNodesFromSysfs() throws Exception {
        // Given
        NvmlSimulator simulator = NvmlSimulator.install(directory.resolve("driver"), "8xh100");
        SimulatedNodeFiles.create(directory, simulator.profile());
        try (SimulatedNode node = new SimulatedNode(directory, simulator)) {

            // When
            node.started();

            // Then
            for (var gpu : simulator.profile().gpus()) {
                assertThat(node.inventory().current().gpus())
                        .filteredOn(candidate -> candidate.id().uuid().equals(gpu.uuid()))
                        .singleElement()
                        .extracting(Gpu::numaNode)
                        .isEqualTo(gpu.numaNode() < 0 ? OptionalInt.empty() : OptionalInt.of(gpu.numaNode()));
            }
        }
    }

    @Test
    void readsThePciClassFromSysfs() throws Exception {
        // Given
        NvmlSimulator simulator = NvmlSimulator.install(directory.resolve("driver"), "4xl4");
        SimulatedNodeFiles.create(directory, simulator.profile());
        Path display = directory
                .resolve("sys/bus/pci/devices")
                .resolve(simulator.profile().gpus().get(1).pciAddress());
        Files.writeString(display.resolve("class"), "0x030000\n");
        Path unread = directory
                .resolve("sys/bus/pci/devices")
                .resolve(simulator.profile().gpus().get(2).pciAddress());
        Files.writeString(unread.resolve("class"), "a display\n");
        try (SimulatedNode node = new SimulatedNode(directory, simulator)) {

            // When
            node.started();

            // Then
            assertThat(node.inventory().current().gpus())
                    .extracting(Gpu::pciClass)
                    .containsExactly(
                            OptionalInt.of(0x030200),
                            OptionalInt.of(0x030000),
                            OptionalInt.empty(),
                            OptionalInt.of(0x030200));
        }
    }

    @Test
    void tellsMigModeThatIsOffFromNoMig() throws Exception {
        try (SimulatedNode capable = new SimulatedNode(directory.resolve("a100"), "8xa100-40gb");
                SimulatedNode incapable = new SimulatedNode(directory.resolve("t4"), "1xt4")) {

            // When
            capable.started();
            incapable.started();

            // Then
            assertThat(capable.inventory().current().gpus())
                    .allSatisfy(gpu -> assertThat(gpu.migMode()).isEqualTo(Reading.of(false)));
            assertThat(incapable.inventory().current().gpus())
                    .singleElement()
                    .satisfies(gpu -> assertThat(gpu.migMode()).isInstanceOf(Reading.Unsupported.class));
        }
    }

    @Test
    void structureVersionStaysWhileOnlySamplesChange() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4")) {
            node.started();
            long structure = node.inventory().current().structureVersion();

            // When
            NodeSnapshot later = node.awaitNext(5);

            // Then
            assertThat(later.structureVersion()).isEqualTo(structure);
        }
    }

    @Test
    void structureVersionStaysWhenTheIdentitiesAreReadAgain() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "8xa100-80gb-mig")) {
            node.started();
            NodeSnapshot before = node.inventory().current();
            long identified = node.simulator().calls("nvmlDeviceGetUUID");

            // When
            node.simulator().awaitCalls("nvmlDeviceGetUUID", identified + 8, Duration.ofSeconds(20));

            // Then
            NodeSnapshot after = node.awaitNext(2);
            assertThat(after.structureVersion()).isEqualTo(before.structureVersion());
        }
    }

    @Test
    void aHungCallCostsItsGpuOnly() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "8xh100").started()) {
            // Given
            String stuck = node.simulator().profile().gpus().get(3).uuid();

            // When
            node.simulator().apply("""
                        fault stuck call=nvmlDeviceGetTemperature gpu=3 hang=until-released
                        fault stuck2 call=nvmlDeviceGetTemperatureV gpu=3 hang=until-released
                        """);
            NodeSnapshot hung = node.await(
                    "an unresponsive GPU",
                    picture -> picture.gpus().stream().anyMatch(gpu -> gpu.lane() instanceof LaneState.Unresponsive));

            // Then
            assertThat(hung.gpus()).hasSize(8).allSatisfy(gpu -> {
                if (gpu.id().uuid().equals(stuck)) {
                    assertThat(gpu.lane())
                            .isInstanceOfSatisfying(
                                    LaneState.Unresponsive.class,
                                    lane -> assertThat(lane.function()).isEqualTo("nvmlDeviceGetTemperature"));
                } else {
                    assertThat(gpu.lane()).isEqualTo(LaneState.Responsive.INSTANCE);
                }
            });
            long sampled = hung.gpus().getFirst().sample().sampledAtEpochMillis();
            node.awaitGpu(
                    0,
                    "further samplings of the others",
                    gpu -> gpu.sample().sampledAtEpochMillis() > sampled + 3 * SimulatedNode.SAMPLING.toMillis());
        }
    }

    @Test
    void othersAreSampledBeforeAHungCallIsOverdue() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "8xh100", Duration.ofSeconds(30)).started()) {
            // Given
            node.simulator().apply("fault stuck call=nvmlDeviceGetPowerUsage gpu=3 hang=until-released");
            node.simulator().awaitHung(1, Duration.ofSeconds(10));
            long hungAt = SystemTime.wall().millis();

            // When
            NodeSnapshot picture = node.await(
                    "two further samplings of the others",
                    candidate -> candidate.gpus().stream()
                                    .filter(gpu -> gpu.sample().sampledAtEpochMillis()
                                            > hungAt + SimulatedNode.SAMPLING.toMillis())
                                    .count()
                            == 7);

            // Then
            assertThat(SystemTime.wall().millis() - hungAt).isLessThan(10_000);
            assertThat(picture.gpus()).noneMatch(gpu -> gpu.lane() instanceof LaneState.Unresponsive);
        }
    }

    @Test
    void aSlowGpuIsShownWhenItsAnswersCome() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4", Duration.ofSeconds(30)).started()) {
            // Given
            String slow = node.simulator().profile().gpus().get(1).uuid();
            long before = sampledAt(node.inventory().current(), slow);

            // When
            node.simulator().apply("fault slow call=nvmlDeviceGetPowerUsage gpu=1 delay=900ms");

            // Then
            node.await("two slow samplings", picture -> sampledAt(picture, slow) > before + 1_500);
        }
    }

    @Test
    void aReleasedLaneRecoversByItself() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4").started()) {
            // Given
            node.simulator().apply("fault stuck call=nvmlDeviceGetUtilizationRates gpu=1 hang=until-released");
            Gpu stuck = node
                    .await(
                            "an unresponsive GPU",
                            picture -> picture.gpus().stream()
                                    .anyMatch(gpu -> gpu.lane() instanceof LaneState.Unresponsive))
                    .gpus()
                    .stream()
                    .filter(gpu -> gpu.lane() instanceof LaneState.Unresponsive)
                    .findFirst()
                    .orElseThrow();

            // When
            node.simulator().apply("clear stuck");

            // Then
            node.await(
                    "it responds",
                    picture -> picture.gpu(stuck.id())
                            .filter(gpu -> gpu.lane() instanceof LaneState.Responsive)
                            .filter(gpu -> gpu.sample().sampledAtEpochMillis()
                                    > stuck.sample().sampledAtEpochMillis())
                            .isPresent());
        }
    }

    @Test
    void aGpuThatHangsWhenItIsIdentifiedDoesNotKeepTheOthersOut() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4")) {
            // Given
            node.simulator().apply("fault stuck call=nvmlDeviceGetUUID gpu=2 hang=until-released");

            // When
            node.inventory().start();
            node.await(
                    "the other three",
                    picture -> picture.open() && picture.gpus().size() == 3);

            // Then
            assertThat(node.inventory().unidentified()).containsOnlyKeys(2);
            assertThat(node.inventory().current().unidentified()).isEqualTo(1);
            node.simulator().apply("clear stuck");
            node.await("all four", picture -> picture.gpus().size() == 4 && picture.unidentified() == 0);
        }
    }

    @Test
    void aNameAndAMemoryThatCouldNotBeReadAgainAreThoseThatWere() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4")) {
            // Given
            node.inventory().start();
            Gpu before = node.await("open", picture -> picture.gpus().size() == 4)
                    .gpus()
                    .get(1);
            node.simulator().apply("fault name call=nvmlDeviceGetName gpu=1 return=UNKNOWN");
            node.simulator().apply("fault memory call=nvmlDeviceGetMemoryInfo gpu=1 return=UNKNOWN");
            node.simulator().apply("fault serial call=nvmlDeviceGetSerial gpu=1 return=UNKNOWN");

            // When
            Gpu after = node.await(
                            "asked again", picture -> picture.gpus().get(1).serial() instanceof Reading.Failed)
                    .gpus()
                    .get(1);

            // Then
            assertThat(after.name()).isEqualTo(before.name());
            assertThat(after.memoryBytes()).isEqualTo(before.memoryBytes());
        }
    }

    @Test
    void aLostGpuStaysInThePictureAndComesBack() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "8xh100").started()) {
            // Given
            String lost = node.simulator().profile().gpus().get(5).uuid();

            // When
            node.simulator().apply("lose gpu=5");
            NodeSnapshot without = node.await(
                    "a lost GPU",
                    picture -> picture.gpus().stream().anyMatch(gpu -> gpu.lane() instanceof LaneState.Lost));

            // Then
            assertThat(without.gpus())
                    .hasSize(8)
                    .filteredOn(gpu -> gpu.lane() instanceof LaneState.Lost)
                    .singleElement()
                    .satisfies(gpu -> assertThat(gpu.id().uuid()).isEqualTo(lost));
            node.simulator().apply("restore gpu=5");
            node.await(
                    "it is back",
                    picture -> picture.gpus().stream().allMatch(gpu -> gpu.lane() instanceof LaneState.Responsive));
        }
    }

    @Test
    void aLostGpuThatStillTellsItsNameStaysLost() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4").started()) {
            // Given
            node.simulator().apply("fault lost group=thermal gpu=1 return=GPU_IS_LOST");
            NodeSnapshot lost = node.await(
                    "a lost GPU",
                    picture -> picture.gpus().stream().anyMatch(gpu -> gpu.lane() instanceof LaneState.Lost));

            // When: it is identified again, and again
            for (int look = 0; look < 3; look++) {
                long names = node.simulator().calls("nvmlDeviceGetUUID");
                node.inventory().lookAgain();
                node.simulator().awaitCalls("nvmlDeviceGetUUID", names + 4, Duration.ofSeconds(10));
                node.awaitNext(2);
            }

            // Then
            assertThat(node.pictures())
                    .filteredOn(picture -> picture.version() >= lost.version())
                    .allSatisfy(picture -> assertThat(picture.gpus())
                            .filteredOn(gpu -> gpu.lane() instanceof LaneState.Lost)
                            .hasSize(1));
        }
    }

    @Test
    void anIdentityThatCannotBeReadForOnceDoesNotWithholdTheGpu() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4").started()) {
            // Given
            long version = node.inventory().current().version();
            long names = node.simulator().calls("nvmlDeviceGetUUID");
            node.simulator().apply("fault flaky call=nvmlDeviceGetUUID gpu=2 results=UNKNOWN,TIMEOUT");

            // When
            node.inventory().lookAgain();
            node.simulator().awaitCalls("nvmlDeviceGetUUID", names + 4, Duration.ofSeconds(10));
            node.awaitNext(3);

            // Then
            assertThat(node.pictures())
                    .filteredOn(picture -> picture.version() > version)
                    .allSatisfy(picture -> assertThat(picture.gpus())
                            .hasSize(4)
                            .allMatch(gpu -> gpu.lane() instanceof LaneState.Responsive));
        }
    }

    @Test
    void aRemovedGpuIsWithheldAndNotForgotten() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4").started()) {
            // Given
            String removed = node.simulator().profile().gpus().get(1).uuid();

            // When
            node.simulator().apply("remove gpu=1");
            NodeSnapshot without = node.await(
                    "an unlisted GPU",
                    picture -> picture.gpus().stream()
                            .anyMatch(gpu -> gpu.lane() instanceof LaneState.Lost(String reason, var _)
                                    && reason.contains("does not list it")));

            // Then
            assertThat(without.gpus())
                    .hasSize(4)
                    .filteredOn(gpu -> gpu.lane() instanceof LaneState.Responsive)
                    .hasSize(3)
                    .noneSatisfy(gpu -> assertThat(gpu.id().uuid()).isEqualTo(removed));
            node.simulator().apply("restore gpu=1");
            node.await(
                    "it is back",
                    picture -> picture.gpus().stream().allMatch(gpu -> gpu.lane() instanceof LaneState.Responsive));
        }
    }

    @Test
    void identityFollowsTheUuidWhenIndicesAreReordered() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4").started()) {
            // Given
            List<String> before = uuids(node.inventory().current());

            // When
            node.simulator().apply("reorder 3 2 1 0");
            node.inventory().lookAgain();
            NodeSnapshot after = node.await(
                    "new indices", picture -> picture.gpus().getFirst().index() == 3);

            // Then
            assertThat(uuids(after)).isEqualTo(before);
            assertThat(after.gpus()).allSatisfy(gpu -> assertThat(gpu.lane()).isInstanceOf(LaneState.Responsive.class));
        }
    }

    @Test
    void aCountThatChangesDuringEnumerationIsTakenAsItIsInTheEnd() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4")) {
            // Given: the first count is wrong
            node.simulator().apply("fault miscount call=nvmlDeviceGetCount_v2 times=1 count=6");

            // When
            node.started();

            // Then
            assertThat(node.inventory().current().gpus()).hasSize(4);
            assertThat(node.inventory().unidentified()).isEmpty();
        }
    }

    @Test
    void aFirstCountThatHangsIsWaitedForWithoutSpinning() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4")) {
            // Given
            node.simulator().apply("fault stuck call=nvmlDeviceGetCount_v2 hang=until-released");
            node.inventory().start();
            node.await(
                    "waiting for the count",
                    picture -> picture.nvml() instanceof NvmlState.Waiting state
                            && state.reason().contains("nvmlDeviceGetCount"));
            CountDownLatch aWhile = new CountDownLatch(1);
            long before = node.inventory().turns();

            // When
            boolean ended = aWhile.await(1, TimeUnit.SECONDS);

            // Then
            assertThat(ended).isFalse();
            assertThat(node.inventory().turns() - before)
                    .as("turns in a second")
                    .isLessThan(20);
            node.simulator().apply("clear stuck");
            node.await("open", picture -> picture.open() && picture.gpus().size() == 4);
        }
    }

    @Test
    void gpusThatWereIdentifiedAreShownWhenTheSecondCountHangs() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4")) {
            // Given
            node.simulator().apply("fault stuck call=nvmlDeviceGetCount_v2 after=1 hang=until-released");

            // When
            node.started();

            // Then
            assertThat(node.inventory().current().gpus()).hasSize(4);
        }
    }

    @Test
    void waitsForADriverThatIsNotLoadedAndComesUpByItself() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "no-driver")) {
            // Given
            node.inventory().start();
            NodeSnapshot waiting = node.await(
                    "waiting for the driver",
                    picture -> picture.nvml() instanceof NvmlState.Waiting state
                            && state.kind().equals("driver-not-loaded"));
            assertThat(waiting.gpus()).isEmpty();

            // When
            node.simulator().apply("driver loaded=yes");

            // Then
            node.await("open", picture -> picture.open() && picture.gpus().size() == 2);
        }
    }

    @Test
    void waitsForALibraryThatAppearsLater() throws Exception {
        // Given
        NvmlSimulator simulator = NvmlSimulator.install(directory.resolve("elsewhere"), "4xl4");
        Path root = directory.resolve("driver");
        Files.createDirectories(root);
        try (SimulatedNode node =
                new SimulatedNode(directory, simulator, () -> NvmlLibraries.open(NvmlLibraries.find(root)))) {
            node.inventory().start();
            node.await(
                    "waiting for the library",
                    picture -> picture.nvml() instanceof NvmlState.Waiting state
                            && state.kind().equals("library-not-found")
                            && state.nextStep().contains("nvml.library"));

            // When
            Files.createDirectories(root.resolve("usr/lib64"));
            Files.copy(simulator.library().resolveSibling("nvmlsim.conf"), root.resolve("usr/lib64/nvmlsim.conf"));
            Files.copy(simulator.library(), root.resolve("usr/lib64/libnvidia-ml.so.1"));

            // Then
            node.await("open", picture -> picture.open() && picture.gpus().size() == 4);
        }
    }

    @Test
    void aWaitDoesNotPublishTheSameStateAgainAndAgain() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "no-driver")) {
            node.inventory().start();
            NodeSnapshot waiting = node.await(
                    "waiting for the driver",
                    picture -> picture.nvml() instanceof NvmlState.Waiting state
                            && state.kind().equals("driver-not-loaded"));

            // When
            long inits = node.simulator().calls("nvmlInit_v2");
            node.simulator().awaitCalls("nvmlInit_v2", inits + 5, Duration.ofSeconds(10));

            // Then
            assertThat(node.inventory().current()).isSameAs(waiting);
        }
    }

    @Test
    void aDriverThatGoesAwayIsWaitedForAndFoundAgain() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4").started()) {
            // Given
            long generation = generation(node.inventory().current());

            // When
            node.simulator().apply("fault gone group=all return=DRIVER_NOT_LOADED");
            node.await(
                    "waiting",
                    picture -> picture.nvml() instanceof NvmlState.Waiting
                            && picture.gpus().isEmpty());
            node.simulator().apply("clear gone");

            // Then
            NodeSnapshot back = node.await(
                    "open", picture -> picture.open() && picture.gpus().size() == 4);
            assertThat(generation(back)).isGreaterThan(generation);
        }
    }

    @Test
    void suspendLetsGoOfTheGpusAndResumeTakesThemAgain() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "8xh100").started()) {
            // When
            CloseOutcome outcome = node.inventory().suspend("driver", "driver reload", Duration.ofSeconds(5));

            // Then
            assertThat(outcome).isEqualTo(CloseOutcome.CLOSED);
            assertThat(node.simulator().initCount()).isZero();
            assertThat(node.inventory().current().nvml())
                    .isInstanceOfSatisfying(
                            NvmlState.Withdrawn.class,
                            state -> assertThat(state.reason()).isEqualTo("driver reload"));
            assertThat(node.inventory().current().gpus()).isEmpty();
            node.inventory().resume("driver");
            node.await("open again", picture -> picture.open() && picture.gpus().size() == 8);
        }
    }

    @Test
    void suspendUnderAHungCallSaysWedgedWithinItsLimit() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4").started()) {
            // Given
            node.simulator().apply("fault stuck call=nvmlDeviceGetPowerUsage gpu=0 hang=until-released");
            node.simulator().awaitHung(1, Duration.ofSeconds(10));
            Tick began = SystemTime.monotonic().now();

            // When
            CloseOutcome outcome = node.inventory().suspend("driver", "driver reload", Duration.ofSeconds(1));

            // Then
            assertThat(outcome).isEqualTo(CloseOutcome.WEDGED);
            assertThat(SystemTime.monotonic().now().since(began)).isLessThan(Duration.ofMillis(1500));
        }
    }

    @Test
    void suspendTellsTheOutcomeAlsoWhenResumedMeanwhile() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4").started()) {
            // Given
            node.simulator().apply("fault stuck call=nvmlDeviceGetPowerUsage gpu=0 hang=until-released");
            node.simulator().awaitHung(1, Duration.ofSeconds(10));
            FutureTask<CloseOutcome> suspending =
                    new FutureTask<>(() -> node.inventory().suspend("driver", "driver reload", Duration.ofSeconds(8)));
            Thread.ofPlatform().daemon().name("suspending").start(suspending);
            node.await("withdrawn", picture -> picture.nvml() instanceof NvmlState.Withdrawn);

            // When
            node.inventory().resume("driver");
            node.simulator().apply("clear stuck");

            // Then
            assertThat(suspending.get(10, TimeUnit.SECONDS)).isEqualTo(CloseOutcome.CLOSED);
            node.await("open again", picture -> picture.open() && picture.gpus().size() == 4);
        }
    }

    @Test
    void suspendedAgainAfterAResumeThatNobodyNoticedIsAnsweredToo() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4").started()) {
            // Given
            node.inventory().suspend("driver", "driver reload", Duration.ofSeconds(5));

            // When
            node.inventory().resume("driver");
            CloseOutcome outcome = node.inventory().suspend("driver", "driver reload", Duration.ofSeconds(5));

            // Then
            assertThat(outcome).isEqualTo(CloseOutcome.CLOSED);
        }
    }

    @Test
    void whoWantsTheGpusAloneWaitsUntilTheOtherHasDone() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4").started()) {
            // Given
            node.inventory().suspend("driver", "driver reload", Duration.ofSeconds(5));
            FutureTask<CloseOutcome> second =
                    new FutureTask<>(() -> node.inventory().suspend("mig", "mode switch", Duration.ofSeconds(20)));
            Thread waiting = Thread.ofPlatform().daemon().name("second").start(second);
            while (waiting.getState() != Thread.State.TIMED_WAITING) {
                Thread.onSpinWait();
            }

            // When
            node.inventory().resume("driver");

            // Then
            assertThat(second.get(20, TimeUnit.SECONDS)).isEqualTo(CloseOutcome.CLOSED);
            node.inventory().resume("mig");
            node.await("open again", picture -> picture.open() && picture.gpus().size() == 4);
        }
    }

    @Test
    void whoWantsTheGpusAloneIsToldWhoHasThem() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4").started()) {
            // Given
            node.inventory().suspend("mig", "MIG mode is being switched", Duration.ofSeconds(5));

            // When
            Throwable thrown =
                    catchThrowable(() -> node.inventory().suspend("driver", "driver reload", Duration.ofMillis(50)));

            // Then
            assertThat(thrown).isInstanceOf(GpusTakenException.class).hasMessage("MIG mode is being switched");
            node.inventory().resume("mig");
            node.await("open again", picture -> picture.open() && picture.gpus().size() == 4);
        }
    }

    @Test
    void nobodyTakesTheGpusFromWhoSplitsSome() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4").started()) {
            // Given
            node.inventory()
                    .hold(
                            "mig",
                            Set.of(node.inventory().current().gpus().getFirst().id()));

            // When
            Throwable thrown =
                    catchThrowable(() -> node.inventory().suspend("driver", "driver reload", Duration.ofMillis(50)));

            // Then
            assertThat(thrown).isInstanceOf(GpusTakenException.class).hasMessage("GPUs are being split anew");
            assertThat(node.inventory().current().open()).isTrue();
        }
    }

    @Test
    void whatOneHasAskedForIsNotEndedByAnother() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4").started()) {
            // Given
            node.inventory().suspend("mig", "MIG mode is being switched", Duration.ofSeconds(5));

            // When
            node.inventory().resume("driver");
            node.inventory().beginSuspended("driver", "the driver is gone");
            node.inventory().resume("mig");

            // Then
            assertThat(node.inventory().suspend("driver", "driver reload", Duration.ofSeconds(5)))
                    .isEqualTo(CloseOutcome.CLOSED);
            assertThat(node.simulator().initCount()).isZero();
        }
    }

    @Test
    void whyTheGpusStayAwayIsToldAnewWhileTheyAreAway() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4").started()) {
            // Given
            node.inventory().suspend("driver", "the driver is being made ready", Duration.ofSeconds(5));
            NvmlState before = node.inventory().current().nvml();

            // When
            node.inventory().beginSuspended("driver", "the driver cannot be loaded");

            // Then
            NodeSnapshot after = node.await(
                    "the other reason",
                    picture -> picture.nvml() instanceof NvmlState.Withdrawn(String reason, var _)
                            && reason.equals("the driver cannot be loaded"));
            assertThat(((NvmlState.Withdrawn) after.nvml()).since()).isEqualTo(((NvmlState.Withdrawn) before).since());
        }
    }

    @Test
    void stopsWithinItsLimitWhileACallHangs() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "8xh100").started()) {
            // Given
            node.simulator().apply("fault stuck group=thermal gpu=2 hang=until-released");
            node.simulator().awaitHung(1, Duration.ofSeconds(10));

            // When
            Duration took = node.stop(Duration.ofSeconds(2));

            // Then
            assertThat(took).isLessThan(Duration.ofMillis(2500));
            assertThat(node.heartbeats().read()).isEmpty();
        }
    }

    @Test
    void hostileNamesBecomePrintable() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4")) {
            // Given
            node.simulator().apply("""
                        fault bytes call=nvmlDeviceGetName gpu=0 string=odd-bytes
                        fault endless call=nvmlDeviceGetName gpu=1 string=unterminated
                        fault nothing call=nvmlDeviceGetName gpu=2 string=empty
                        fault serial call=nvmlDeviceGetSerial gpu=3 string=odd-bytes
                        """);

            // When
            node.started();

            // Then
            assertThat(node.inventory().current().gpus()).hasSize(4).allSatisfy(gpu -> {
                assertThat(gpu.name()).hasSizeLessThanOrEqualTo(96).matches("[ -~]*");
                assertThat(gpu.serial().describe()).matches("[ -~]*");
            });
        }
    }

    @Test
    void migDevicesCarryTheirProfiles() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "8xa100-80gb-mig")) {
            // When
            node.started();

            // Then
            List<Gpu> gpus = node.inventory().current().gpus();
            assertThat(gpus.get(0).migDevices()).hasSize(7).allSatisfy(mig -> {
                assertThat(mig.profile()).isEqualTo("1g.10gb");
                assertThat(mig.sample().has(Quantity.MEMORY_TOTAL_BYTES)).isTrue();
            });
            assertThat(gpus.get(4).migDevices())
                    .extracting(MigDevice::profile)
                    .containsExactlyInAnyOrder("3g.40gb", "2g.20gb", "1g.10gb", "1g.10gb");
            assertThat(gpus.get(7).migEnabled()).isFalse();
            assertThat(gpus.get(7).migDevices()).isEmpty();
        }
    }

    @Test
    void aMigDeviceIsReadTheErrorCounterThatNvmlKeepsForItsInstance() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "8xa100-80gb-mig").started()) {
            // When
            MigDevice device =
                    node.inventory().current().gpus().getFirst().migDevices().getFirst();

            // Then
            assertThat(device.sample().has(Quantity.ECC_UNCORRECTED_SRAM_VOLATILE))
                    .isTrue();
            assertThat(device.sample().has(Quantity.ECC_UNCORRECTED_AGGREGATE)).isFalse();
        }
    }

    @Test
    void aChangedMigLayoutIsNoticed() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "8xa100-80gb-mig").started()) {
            // Given
            long structure = node.inventory().current().structureVersion();

            // When
            node.simulator()
                    .apply("mig gpu=0 clear\nmig gpu=0 profile=3g.40gb start=0\nmig gpu=0 profile=3g.40gb start=4");

            // Then
            NodeSnapshot after = node.await(
                    "the new layout",
                    picture -> picture.gpus().getFirst().migDevices().size() == 2);
            assertThat(after.gpus().getFirst().migDevices())
                    .extracting(MigDevice::profile)
                    .containsOnly("3g.40gb");
            assertThat(after.structureVersion()).isGreaterThan(structure);
        }
    }

    @Test
    void aGpuThatIsHeldStaysAsItWasUntilItIsLetGoAndIsThenWhatItHasBecome() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "8xa100-80gb-mig").started()) {
            // Given
            List<MigDevice> before =
                    node.inventory().current().gpus().getFirst().migDevices();
            node.inventory()
                    .hold(
                            "mig",
                            Set.of(node.inventory().current().gpus().getFirst().id()));
            node.simulator().apply("mig gpu=0 clear\nmig gpu=1 clear\nmig gpu=1 profile=7g.80gb");
            node.await(
                    "the other GPU",
                    picture -> picture.gpus().get(1).migDevices().size() == 1);
            node.simulator().apply("mig gpu=0 profile=3g.40gb start=4");
            node.simulator().apply("mig gpu=0 profile=3g.40gb start=0");
            node.awaitNext(10);

            // When
            node.inventory().hold("mig", Set.of());

            // Then
            node.await(
                    "the new layout",
                    picture -> picture.gpus().getFirst().migDevices().size() != 7);
            assertThat(node.pictures().stream()
                            .filter(NodeSnapshot::open)
                            .map(picture -> picture.gpus().getFirst().migDevices().stream()
                                    .map(MigDevice::id)
                                    .toList())
                            .distinct())
                    .containsExactly(
                            before.stream().map(MigDevice::id).toList(),
                            node.inventory().current().gpus().getFirst().migDevices().stream()
                                    .map(MigDevice::id)
                                    .toList());
            assertThat(node.inventory().current().gpus().getFirst().migDevices())
                    .extracting(MigDevice::profile)
                    .containsExactly("3g.40gb", "3g.40gb");
        }
    }

    @Test
    void whoReachesWhoseMemoryIsReadAgainWhenLinksGoDown() throws Exception {
        // Given
        try (SimulatedNode node = new SimulatedNode(directory, "8xh100").started()) {
            assertThat(node.inventory().current().topology().peerStatus()[2]).containsExactly(0, 0, -1, 0, 0, 0, 0, 0);

            // When
            node.simulator().apply("set gpu=2 links-down=0x3ffff");

            // Then
            NodeSnapshot picture = node.await(
                    "GPU 2 reaches nobody", candidate -> candidate.topology().peerStatus()[2][0] > 0);
            assertThat(picture.topology().peerStatus()[0][1]).isZero();
        }
    }

    @Test
    void aMigLayoutChangedByOthersIsNoticedFromTheKernelsDirectories() throws Exception {
        // Given: no sampling that could notice it, and nobody who waits for events
        NvmlSimulator simulator = NvmlSimulator.install(directory, "8xa100-80gb-mig");
        SimulatedNodeFiles.create(directory, simulator.profile());
        try (SimulatedNode node = new SimulatedNode(directory, simulator).started()) {
            node.inventory().samplingInterval(Duration.ofMinutes(10));

            // When
            simulator.apply(
                    "mig gpu=6 destroy=0\nmig gpu=6 profile=3g.40gb start=0\nmig gpu=6 profile=1c.3g.40gb start=4");

            // Then
            Gpu gpu = node.awaitGpu(
                    6, "the new layout", candidate -> candidate.migDevices().size() == 2);
            assertThat(gpu.migDevices())
                    .extracting(
                            MigDevice::profile, MigDevice::gpuInstanceCapability, MigDevice::computeInstanceCapability)
                    .containsExactly(
                            tuple("3g.40gb", OptionalInt.of(831), OptionalInt.of(832)),
                            tuple("1c.3g.40gb", OptionalInt.of(822), OptionalInt.of(823)));
            assertThat(gpu.migDevices().getLast().attributes().multiprocessors())
                    .isEqualTo(14);
        }
    }

    @Test
    void aLayoutThatStaysIsNotReadAgain() throws Exception {
        // Given: a GPU instance without a compute instance, which NVML does not show
        NvmlSimulator simulator = NvmlSimulator.install(directory, "8xa100-80gb-mig");
        SimulatedNodeFiles.create(directory, simulator.profile());
        simulator.apply("mig gpu=6 clear\nmig gpu=6 profile=3g.40gb bare");
        try (SimulatedNode node = new SimulatedNode(directory, simulator).started()) {
            node.inventory().samplingInterval(Duration.ofMinutes(10));
            CountDownLatch aWhile = new CountDownLatch(1);
            // A look that was under way has begun with every GPU by then.
            boolean ended = aWhile.await(500, TimeUnit.MILLISECONDS);
            simulator.forget();

            // When: the directories are looked at twice at least
            ended |= aWhile.await(2200, TimeUnit.MILLISECONDS);

            // Then
            assertThat(ended).isFalse();
            assertThat(simulator.calls("nvmlDeviceGetHandleByIndex_v2")).isZero();
        }
    }

    @Test
    void aGpuThatIsSplitIsNoticedBySampling() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "8xa100-80gb-mig").started()) {
            // When
            node.simulator().apply("mig gpu=7 mode=on\nmig gpu=7 profile=7g.80gb");

            // Then
            Gpu gpu = node.awaitGpu(
                    7, "the new layout", candidate -> candidate.migDevices().size() == 1);
            assertThat(gpu.migEnabled()).isTrue();
        }
    }

    @Test
    void anInstanceInAnEmptyPlaceIsNoticedBySampling() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "8xa100-80gb-mig").started()) {
            node.simulator().apply("mig gpu=0 destroy=9");
            node.awaitGpu(0, "one less", candidate -> candidate.migDevices().size() == 6);

            // When
            node.simulator().apply("mig gpu=0 profile=1g.10gb+me start=2");

            // Then
            Gpu gpu = node.awaitGpu(
                    0, "the new one", candidate -> candidate.migDevices().size() == 7);
            assertThat(gpu.migDevices()).extracting(MigDevice::profile).containsOnlyOnce("1g.10gb+me");
        }
    }

    @Test
    void anotherInstanceInTheSamePlaceIsAnotherDevice() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "8xa100-80gb-mig").started()) {
            // When
            node.simulator()
                    .apply(
                            "mig gpu=0 destroy=9\nmig gpu=0 profile=1g.10gb start=2 uuid=MIG-0b6a1f0e-0000-5000-8000-000000000001");

            // Then
            Gpu gpu = node.awaitGpu(
                    0,
                    "the new UUID",
                    candidate -> candidate.migDevices().stream()
                            .anyMatch(mig -> mig.id().uuid().startsWith("MIG-0b6a1f0e")));
            assertThat(gpu.migDevices()).hasSize(7);
        }
    }

    @Test
    void profilesOfEveryChipAreNamedByWhatTheDriverLists() throws Exception {
        // Given
        SimulatedProfile profile = SimulatedProfile.parse("rtx", """
                driver version=580.95.05 cuda=13.0
                model X name=X memory=97887 mig-table=rtx-pro-6000
                gpu 0 model=X pci=0000:07:00.0 uuid=GPU-f70f6629-053c-482d-a78a-7717cabc38a8
                set gpu=0 mig-mode=on mig-pending=on
                """);
        NvmlSimulator simulator = NvmlSimulator.install(directory, profile);
        simulator.apply(
                "mig gpu=0 profile=1g.24gb+gfx start=0\nmig gpu=0 profile=1g.24gb-me start=1\nmig gpu=0 profile=2g.48gb");
        try (SimulatedNode node = new SimulatedNode(directory, simulator)) {
            // When
            node.started();

            // Then
            assertThat(node.inventory().current().gpus().getFirst().migDevices())
                    .extracting(MigDevice::profile)
                    .containsExactly("1g.24gb+gfx", "1g.24gb-me", "2g.48gb");
        }
    }

    @Test
    void anOldDriverCostsReadingsAndNotGpus() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "old-driver-470")) {
            // When
            node.started();

            // Then
            NodeSnapshot picture = node.inventory().current();
            assertThat(picture.nvml())
                    .isInstanceOfSatisfying(
                            NvmlState.Open.class,
                            open -> assertThat(open.absent()).isNotEmpty());
            assertThat(picture.gpus()).isNotEmpty().allSatisfy(gpu -> {
                assertThat(gpu.sample().has(Quantity.GPU_TEMPERATURE_CELSIUS)).isTrue();
                assertThat(gpu.sample().status(Quantity.MEMORY_RESERVED_BYTES)).isEqualTo(GpuSample.UNSUPPORTED);
                assertThat(gpu.sample().status(Quantity.SM_ACTIVE)).isEqualTo(GpuSample.UNSUPPORTED);
            });
        }
    }

    @Test
    void unbelievableTemperaturesAreNoNumbers() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "8xh100")) {
            // Given
            node.simulator().apply("fault hot call=nvmlDeviceGetFieldValues gpu=0 field=82 value=maximum");

            // When
            node.started();

            // Then
            assertThat(node.inventory()
                            .current()
                            .gpus()
                            .getFirst()
                            .sample()
                            .status(Quantity.MEMORY_TEMPERATURE_CELSIUS))
                    .isEqualTo(GpuSample.UNSUPPORTED);
        }
    }

    @Test
    void aCounterThatWentBackGivesNoRate() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "8xh100")) {
            // Given
            node.simulator().apply("workload gpu=0 kind=train\ntime advance=100s");
            node.started();
            node.awaitGpu(0, "a rate", gpu -> gpu.sample().has(Quantity.NVLINK_BANDWIDTH_MEGABYTES_PER_SECOND));

            // When
            node.simulator().apply("time freeze\ncounters gpu=0 reset");

            // Then
            node.awaitGpu(
                    0,
                    "no rate",
                    gpu -> gpu.sample().status(Quantity.NVLINK_BANDWIDTH_MEGABYTES_PER_SECOND) == GpuSample.NOT_READ);
            for (NodeSnapshot picture : node.pictures()) {
                if (!picture.gpus().isEmpty()) {
                    assertThat(picture.gpus().getFirst().sample().value(Quantity.NVLINK_BANDWIDTH_MEGABYTES_PER_SECOND))
                            .isNotNegative();
                }
            }
        }
    }

    @Test
    void listsProcessesWithTheirMemory() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4")) {
            // Given
            node.simulator().apply("process gpu=0 pid=4711 memory=100 type=compute name=train");

            // When
            node.started();

            // Then
            assertThat(node.inventory().current().gpus().getFirst().processes())
                    .isEqualTo(Reading.of(List.of(
                            new Gpu.ProcessUse(4711, OptionalLong.of(100L << 20), -1, Gpu.ProcessUtilization.IDLE))));
        }
    }

    @Test
    void processesShareHowBusyTheGpuIsAndAreNotReadMoreThanOnceASecond() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4")) {
            // Given
            node.simulator().apply("workload gpu=0 kind=burn pids=4711,4712 memory=2048");
            node.simulator().apply("process gpu=0 pid=4713 memory=100");
            Tick began = SystemTime.monotonic().now();

            // When
            node.started();
            node.awaitNext(5);

            // Then
            List<Gpu.ProcessUse> uses = node.inventory()
                    .current()
                    .gpus()
                    .getFirst()
                    .processes()
                    .asOptional()
                    .orElseThrow();
            assertThat(uses).extracting(Gpu.ProcessUse::pid).containsExactlyInAnyOrder(4711, 4712, 4713);
            int sum = 0;
            for (Gpu.ProcessUse use : uses) {
                int sm = Objects.requireNonNull(use.utilization()).sm();
                sum += sm;
                assertThat(sm > 0).isEqualTo(use.pid() != 4713);
            }
            assertThat(sum).isBetween(50, 100);
            // A reading is two calls: how many there are, and which.
            long seconds = SystemTime.monotonic().now().since(began).toSeconds();
            assertThat(node.simulator().calls("nvmlDeviceGetProcessUtilization", 0))
                    .isLessThanOrEqualTo(2 * (seconds + 1));
        }
    }

    @Test
    void topologyCountsLinksAndLevels() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "8xh100")) {
            // When
            node.started();

            // Then
            var topology = node.inventory().current().topology();
            assertThat(topology.gpus())
                    .isEqualTo(node.inventory().current().gpus().stream()
                            .map(Gpu::id)
                            .toList());
            assertThat(topology.nvSwitch()).containsOnly(true);
            assertThat(topology.ancestor()[0][0]).isEqualTo(-1);
            assertThat(topology.ancestor()[0][7]).isBetween(10, 50);
        }
    }

    @Test
    void aConsumerThatFailsDoesNotKeepTheOthersFromThePicture() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "1xt4")) {
            // Given
            java.util.concurrent.atomic.AtomicInteger told = new java.util.concurrent.atomic.AtomicInteger();
            node.subscribe("broken", _ -> {
                throw new IllegalStateException("on purpose");
            });
            node.subscribe("sound", _ -> told.incrementAndGet());

            // When
            node.started();

            // Then
            assertThat(told.get()).isPositive();
        }
    }

    @Test
    void aVerdictIsPublishedAtOnce() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4").started()) {
            // Given
            Gpu gpu = node.inventory().current().gpus().get(2);
            GpuHealth verdict = new GpuHealth.Unhealthy(List.of(new io.gpunode.agent.model.Finding(
                    "xid",
                    io.gpunode.agent.model.Finding.Severity.FATAL,
                    "a reason",
                    "a repair",
                    "a way back",
                    SystemTime.wall().instant())));

            // When
            node.inventory().health(new HealthVerdict(gpu.id(), verdict, Map.of()));

            // Then
            node.awaitGpu(2, "the verdict", candidate -> candidate.health().equals(verdict));
        }
    }

    private static long sampledAt(NodeSnapshot picture, String uuid) {
        return picture.gpus().stream()
                .filter(gpu -> gpu.id().uuid().equals(uuid))
                .findFirst()
                .orElseThrow()
                .sample()
                .sampledAtEpochMillis();
    }

    private static List<String> uuids(NodeSnapshot picture) {
        return picture.gpus().stream().map(gpu -> gpu.id().uuid()).toList();
    }

    private static long generation(NodeSnapshot picture) {
        return picture.nvml() instanceof NvmlState.Open open ? open.generation() : -1;
    }
}
