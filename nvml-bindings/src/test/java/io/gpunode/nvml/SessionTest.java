package io.gpunode.nvml;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.gpunode.nvml.Nvml.CloseOutcome;
import io.gpunode.nvml.simulator.ControlFile;
import io.gpunode.nvml.simulator.NvmlSimulator;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Opening, closing, and what happens to calls in flight then. */
class SessionTest {
    private static final Duration LONG = Duration.ofSeconds(20);
    private static final String HANG = "fault stuck call=nvmlDeviceGetName gpu=0 hang=until-released";

    @TempDir
    private Path directory;

    @AutoClose("shutdownNow")
    private final ExecutorService threads = Executors.newCachedThreadPool();

    @Test
    void aClosedLibraryIsUnmappedAndAReopenedOneStartsAnew() throws Exception {
        // Given: a simulator that nobody maps but the session
        Path library = ControlFile.install(directory, "1xt4", LONG).library();
        List<Long> generations = new ArrayList<>();
        for (int round = 0; round < 5; round++) {
            // When
            Nvml nvml = NvmlLibraries.open(library);
            generations.add(nvml.library().generation());
            assertThat(DishonestLibraryTest.isMapped(library)).isTrue();
            assertThat(nvml.deviceCount()).isEqualTo(1);
            // Then
            assertThat(nvml.close(LONG)).isEqualTo(CloseOutcome.CLOSED);
            assertThat(DishonestLibraryTest.isMapped(library)).isFalse();
        }
        assertThat(generations).isSorted().doesNotHaveDuplicates();
    }

    @Test
    void twoLibrariesOpenAtOnceKeepTheirOwnStateAndSymbols() throws Exception {
        try (SimulatedNode older = SimulatedNode.open(directory.resolve("a"), "old-driver-470");
                SimulatedNode newer = SimulatedNode.open(directory.resolve("b"), "8xh100");
                SimulatedNode third = SimulatedNode.open(directory.resolve("c"), "1xt4")) {
            // When
            List<String> names = List.of(
                    older.nvml.name(older.nvml.deviceByIndex(1)),
                    newer.nvml.name(newer.nvml.deviceByIndex(7)),
                    third.nvml.name(third.nvml.deviceByIndex(0)));
            // Then
            assertThat(names).containsExactly("NVIDIA A100-SXM4-40GB", "NVIDIA H100 80GB HBM3", "Tesla T4");
            assertThat(older.nvml.library().absent()).contains("nvmlDeviceGetMemoryInfo_v2");
            assertThat(newer.nvml.library().absent()).doesNotContain("nvmlDeviceGetMemoryInfo_v2");
            assertThat(older.simulator.calls("nvmlDeviceGetName")).isEqualTo(1);
            assertThat(newer.simulator.calls("nvmlDeviceGetName")).isEqualTo(1);
        }
    }

    @Test
    void closingOneOfTwoLeavesTheOtherAtWork() throws Exception {
        try (SimulatedNode stays = SimulatedNode.open(directory.resolve("a"), "8xh100")) {
            try (SimulatedNode goes = SimulatedNode.open(directory.resolve("b"), "1xt4")) {
                assertThat(goes.nvml.deviceCount()).isEqualTo(1);
            }
            // When
            int count = stays.nvml.deviceCount();
            // Then
            assertThat(count).isEqualTo(8);
        }
    }

    @Test
    void aHandleOfAnotherSessionNeverReachesTheLibrary() throws Exception {
        try (SimulatedNode one = SimulatedNode.open(directory.resolve("a"), "1xt4");
                SimulatedNode other = SimulatedNode.open(directory.resolve("b"), "1xt4")) {
            NvmlDevice foreign = other.nvml.deviceByIndex(0);
            // When
            NvmlException refusal = catchThrowableOfType(NvmlException.class, () -> one.nvml.name(foreign));
            // Then
            assertThat(refusal.is(NvmlReturn.UNINITIALIZED)).isTrue();
            assertThat(one.simulator.calls("nvmlDeviceGetName")).isZero();
        }
    }

    @Test
    void anOldDriverCostsTheReadingsItLacks() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "old-driver-470")) {
            NvmlDevice device = node.nvml.deviceByIndex(0);
            // When
            Nvml.MemoryInfo memory = node.nvml.memory(device);
            NvmlException noFabric = catchThrowableOfType(NvmlException.class, () -> node.nvml.fabricInfo(device));
            // Then
            assertThat(memory.reserved()).isEqualTo(-1);
            assertThat(memory.total()).isEqualTo(40960L << 20);
            assertThat(noFabric.is(NvmlReturn.FUNCTION_NOT_FOUND)).isTrue();
            assertThat(node.nvml.gpmSupported(device)).isFalse();
            assertThat(node.nvml.library().variants())
                    .containsEntry(
                            "nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons")
                    .containsEntry("nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetComputeRunningProcesses_v2");
        }
    }

    @Test
    void aMissingDriverIsToldAndTheLibraryUnmapped() throws Exception {
        // Given
        Path library = ControlFile.install(directory, "no-driver", LONG).library();
        // When
        NvmlOpenException refusal = catchThrowableOfType(NvmlOpenException.class, () -> NvmlLibraries.open(library));
        // Then
        assertThat(refusal.reason()).isEqualTo(NvmlOpenException.Reason.DRIVER_NOT_LOADED);
        assertThat(refusal.code()).isEqualTo(NvmlReturn.DRIVER_NOT_LOADED.code());
        assertThat(refusal).hasMessageContaining("modprobe nvidia");
        assertThat(DishonestLibraryTest.isMapped(library)).isFalse();
    }

    @Test
    void closeWaitsForACallThatComesBackInTime() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "8xh100")) {
            NvmlDevice device = node.nvml.deviceByIndex(0);
            node.simulator.apply(HANG);
            Future<String> stuck = threads.submit(() -> node.nvml.name(device));
            node.simulator.awaitHung(1, LONG);
            Future<CloseOutcome> closing = threads.submit(() -> node.nvml.close(LONG));
            awaitClosing(node.nvml);
            // When
            node.simulator.releaseHangs();
            // Then
            assertThat(stuck.get(20, TimeUnit.SECONDS)).isEqualTo("NVIDIA H100 80GB HBM3");
            assertThat(closing.get(20, TimeUnit.SECONDS)).isEqualTo(CloseOutcome.CLOSED);
        }
    }

    @Test
    void aCallThatDoesNotComeBackWedgesTheSessionWhichStaysMapped() throws Exception {
        // Given
        NvmlSimulator simulator = NvmlSimulator.install(directory, "8xh100");
        Nvml nvml = NvmlLibraries.open(simulator.library());
        NvmlDevice device = nvml.deviceByIndex(0);
        simulator.apply(HANG);
        Future<String> stuck = threads.submit(() -> nvml.name(device));
        simulator.awaitHung(1, LONG);
        // When
        CloseOutcome outcome = nvml.close(Duration.ofMillis(50));
        // Then
        assertThat(outcome).isEqualTo(CloseOutcome.WEDGED);
        assertThat(simulator.calls("nvmlShutdown")).isZero();
        assertThat(simulator.initCount()).isEqualTo(1);
        NvmlException refusal = catchThrowableOfType(NvmlException.class, nvml::deviceCount);
        assertThat(refusal.is(NvmlReturn.UNINITIALIZED)).isTrue();
        // And the call that was lost comes back to a process that is alive, in which another session can be opened
        simulator.releaseHangs();
        assertThat(stuck.get(20, TimeUnit.SECONDS)).isEqualTo("NVIDIA H100 80GB HBM3");
        assertThat(nvml.close(LONG)).isEqualTo(CloseOutcome.WEDGED);
        try (SimulatedNode other = SimulatedNode.open(directory.resolve("other"), "1xt4")) {
            assertThat(other.nvml.deviceCount()).isEqualTo(1);
        }
    }

    @Test
    void anInterruptNeitherEndsACallNorIsLost() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "8xh100")) {
            NvmlDevice device = node.nvml.deviceByIndex(0);
            node.simulator.apply(HANG);
            CountDownLatch started = new CountDownLatch(1);
            Thread[] caller = new Thread[1];
            Future<Boolean> call = threads.submit(() -> {
                caller[0] = Thread.currentThread();
                started.countDown();
                String name = node.nvml.name(device);
                return name.startsWith("NVIDIA") && Thread.interrupted();
            });
            started.await();
            node.simulator.awaitHung(1, LONG);
            // When
            caller[0].interrupt();
            // Then
            assertThat(call.isDone()).isFalse();
            node.simulator.releaseHangs();
            assertThat(call.get(20, TimeUnit.SECONDS)).isTrue();
        }
    }

    @Test
    void anInterruptDoesNotShortenAClose() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "1xt4")) {
            // When
            Thread.currentThread().interrupt();
            CloseOutcome outcome = node.nvml.close(LONG);
            // Then
            assertThat(Thread.interrupted()).isTrue();
            assertThat(outcome).isEqualTo(CloseOutcome.CLOSED);
        }
    }

    @Test
    void closingUnderLoadNeverCutsACall() throws Exception {
        for (int round = 0; round < 10; round++) {
            Path library = ControlFile.install(directory.resolve("round" + round), "8xh100", LONG)
                    .library();
            Nvml nvml = NvmlLibraries.open(library);
            NvmlDevice device = nvml.deviceByIndex(0);
            CountDownLatch running = new CountDownLatch(4);
            Callable<NvmlException> untilRefused = () -> {
                running.countDown();
                while (true) {
                    try {
                        assertThat(nvml.minorNumber(device)).isZero();
                    } catch (NvmlException e) {
                        return e;
                    }
                }
            };
            List<Future<NvmlException>> callers = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                callers.add(threads.submit(untilRefused));
            }
            running.await();
            // When
            CloseOutcome outcome = nvml.close(LONG);
            // Then
            assertThat(outcome).isEqualTo(CloseOutcome.CLOSED);
            for (Future<NvmlException> caller : callers) {
                assertThat(result(caller).is(NvmlReturn.UNINITIALIZED)).isTrue();
            }
            assertThat(DishonestLibraryTest.isMapped(library)).isFalse();
        }
    }

    @Test
    void moreHungCallsThanThreadsUsuallyThereAreStillCalls() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "8xh100")) {
            NvmlDevice device = node.nvml.deviceByIndex(0);
            node.simulator.apply(HANG);
            List<Future<String>> stuck = new ArrayList<>();
            for (int i = 0; i < 40; i++) {
                stuck.add(threads.submit(() -> node.nvml.name(device)));
            }
            node.simulator.awaitHung(40, LONG);
            // When
            String uuid = node.nvml.uuid(node.nvml.deviceByIndex(1));
            // Then
            assertThat(uuid).startsWith("GPU-");
            node.simulator.releaseHangs();
            for (Future<String> call : stuck) {
                assertThat(call.get(20, TimeUnit.SECONDS)).isEqualTo("NVIDIA H100 80GB HBM3");
            }
        }
    }

    @Test
    void whatTheOwnerForgotToFreeIsFreedByClose() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "8xh100")) {
            NvmlDevice device = node.nvml.deviceByIndex(0);
            NvmlEventSet set = node.nvml.createEventSet();
            NvmlGpmSampler gpm = node.nvml.gpmSampler(device, -1, new int[] {1});
            // When
            node.nvml.close(LONG);
            set.close();
            gpm.close();
            // Then
            assertThat(node.simulator.calls("nvmlEventSetFree")).isEqualTo(1);
            assertThat(node.simulator.calls("nvmlGpmSampleFree")).isEqualTo(2);
            assertThat(node.simulator.violations()).isEmpty();
        }
    }

    @Test
    void theLibraryIsFoundUnderItsDriverRoot() throws Exception {
        // Given
        Path library = NvmlSimulator.install(directory, "1xt4").library();
        // When
        Path found = NvmlLibraries.find(directory);
        // Then
        assertThat(Files.isSameFile(found, library)).isTrue();
        assertThat(NvmlLibraries.candidates(directory)).contains(library);
    }

    private static void awaitClosing(Nvml nvml) {
        while (true) {
            try {
                nvml.deviceCount();
                Thread.onSpinWait();
            } catch (NvmlException e) {
                return;
            }
        }
    }

    private static <T> T result(Future<T> future) throws InterruptedException, ExecutionException {
        try {
            return future.get(20, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            throw new AssertionError(e);
        }
    }
}
