package io.gpunode.nvml;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.gpunode.nvml.Nvml.CloseOutcome;
import io.gpunode.nvml.Nvml.GpuProcess;
import io.gpunode.nvml.NvmlOpenException.Reason;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Libraries that no driver ships, and a few that one did: a stub in C behaves badly in one way at a time. */
class DishonestLibraryTest {
    @TempDir
    private Path directory;

    private @Nullable Nvml open;

    @AfterEach
    void close() {
        if (open != null) {
            open.close(Duration.ofMillis(100));
        }
    }

    private Nvml open(String... arguments) throws NvmlOpenException {
        Nvml nvml = NvmlLibraries.open(StubLibrary.build(directory, arguments));
        open = nvml;
        return nvml;
    }

    @Test
    void aNameWithoutEndMarkIsCutAtTheBuffer() throws Exception {
        // Given
        Nvml nvml = open();
        // When
        String name = nvml.name(nvml.deviceByIndex(0));
        // Then
        assertThat(name).isEqualTo("\uFFFD".repeat(256));
    }

    @Test
    void aTextThatWasNotWrittenIsEmptyAndNotTheLastCallsText() throws Exception {
        // Given
        Nvml nvml = open();
        NvmlDevice device = nvml.deviceByIndex(0);
        nvml.name(device);
        // When
        String serial = nvml.serial(device);
        // Then
        assertThat(serial).isEmpty();
    }

    @Test
    void aRefusedStructureVersionIsTriedOnceAndTheOlderOneRemembered() throws Exception {
        // Given: "used" counts the refusals
        Nvml nvml = open();
        NvmlDevice device = nvml.deviceByIndex(0);
        nvml.memory(device);
        // When
        Nvml.MemoryInfo memory = nvml.memory(device);
        // Then
        assertThat(memory).isEqualTo(new Nvml.MemoryInfo(300, -1, 200, 101));
    }

    @Test
    void aFabricThatKnowsTheSecondVersionHasAMaskAndNoSummary() throws Exception {
        // Given
        Nvml nvml = open();
        // When
        Nvml.FabricInfo fabric = nvml.fabricInfo(nvml.deviceByIndex(0));
        // Then
        assertThat(fabric).isEqualTo(new Nvml.FabricInfo("abababab-abab-abab-abab-abababababab", 7, 3, 0, 0x2A, -1));
    }

    @Test
    void fieldsThatWereNotAnsweredAreNoValues() throws Exception {
        // Given
        Nvml nvml = open();
        NvmlDevice device = nvml.deviceByIndex(0);
        List<NvmlQuery> queries =
                List.of(new NvmlQuery.Field(1, 0), new NvmlQuery.Field(2, 0), new NvmlQuery.Field(3, 0));
        long[] values = {11, 22, 33};
        int[] codes = new int[3];
        // When
        try (NvmlSampler sampler = nvml.sampler(queries)) {
            sampler.read(device, values, codes);
        }
        // Then
        assertThat(codes).containsExactly(0, NvmlReturn.UNKNOWN.code(), NvmlReturn.UNKNOWN.code());
        assertThat(values).containsExactly(-42, 22, 33);
    }

    @ParameterizedTest
    @CsvSource({
        "nvmlDeviceGetComputeRunningProcesses_v3, 24, true",
        "nvmlDeviceGetComputeRunningProcesses_v3, 32, true",
        "nvmlDeviceGetComputeRunningProcesses_v2, 24, true",
        "nvmlDeviceGetComputeRunningProcesses,    16, false"
    })
    void processEntriesOfEveryLengthThatDriversWroteAreRead(String symbol, int bytes, boolean instances)
            throws Exception {
        // Given
        Nvml nvml = open("-DPROCESS_SYMBOL=" + symbol, "-DPROCESS_BYTES=" + bytes);
        // When
        List<GpuProcess> processes = nvml.processes(nvml.deviceByIndex(0));
        // Then: 300 of them, more than the first try has room for
        assertThat(processes)
                .containsExactlyElementsOf(IntStream.range(0, 300)
                        .mapToObj(i -> new GpuProcess(
                                1000 + i,
                                (long) i << 20,
                                instances ? i % 7 : -1,
                                instances ? i % 7 : -1,
                                GpuProcess.Kind.COMPUTE))
                        .toList());
    }

    @Test
    void aListThatNeverStopsGrowingEndsInItsCode() throws Exception {
        // Given
        Nvml nvml = open("-DENDLESS");
        NvmlDevice device = nvml.deviceByIndex(0);
        // When
        NvmlException failure = catchThrowableOfType(NvmlException.class, () -> nvml.processes(device));
        // Then
        assertThat(failure.is(NvmlReturn.INSUFFICIENT_SIZE)).isTrue();
    }

    @Test
    void aSymbolThatIsAbsentCostsOneReading() throws Exception {
        // Given
        Nvml nvml = open();
        NvmlDevice device = nvml.deviceByIndex(0);
        // When
        NvmlException failure = catchThrowableOfType(NvmlException.class, () -> nvml.brand(device));
        // Then
        assertThat(failure.is(NvmlReturn.FUNCTION_NOT_FOUND)).isTrue();
        assertThat(failure).hasMessage("nvmlDeviceGetBrand for index 0 answered FUNCTION_NOT_FOUND (13), NVML 1.2.3");
        assertThat(nvml.library().absent()).contains("nvmlDeviceGetBrand").doesNotContain("nvmlDeviceGetName");
    }

    @Test
    void aShutdownThatHangsIsReportedAndTheLibraryStays() throws Exception {
        // Given
        Path library = StubLibrary.build(directory, "-DSHUTDOWN_HANGS");
        Nvml nvml = NvmlLibraries.open(library);
        // When
        CloseOutcome outcome = nvml.close(Duration.ofMillis(10));
        // Then
        assertThat(outcome).isEqualTo(CloseOutcome.WEDGED);
        assertThat(isMapped(library)).isTrue();
    }

    @Test
    void aLibraryThatInsistsOnStayingIsStillClosed() throws Exception {
        // Given
        Path library = StubLibrary.build(directory, "-Wl,-z,nodelete");
        Nvml nvml = NvmlLibraries.open(library);
        // When
        CloseOutcome outcome = nvml.close(Duration.ofSeconds(1));
        // Then
        assertThat(outcome).isEqualTo(CloseOutcome.CLOSED);
        assertThat(isMapped(library)).isTrue();
    }

    @Test
    void aLibraryWithoutShutdownIsNotNvmlAndIsUnmapped() throws Exception {
        // Given
        Path library = StubLibrary.build(directory, "-DNO_SHUTDOWN");
        // When
        NvmlOpenException refusal = catchThrowableOfType(NvmlOpenException.class, () -> NvmlLibraries.open(library));
        // Then
        assertThat(refusal.reason()).isEqualTo(Reason.NOT_NVML);
        assertThat(isMapped(library)).isFalse();
    }

    @ParameterizedTest
    @CsvSource({"9, DRIVER_NOT_LOADED", "18, DRIVER_LIBRARY_MISMATCH", "999, INIT_FAILED", "77, INIT_FAILED"})
    void aFailedInitIsClassifiedAndTheLibraryUnmapped(int code, Reason reason) throws Exception {
        // Given
        Path library = StubLibrary.build(directory, "-DINIT_CODE=" + code);
        // When
        NvmlOpenException refusal = catchThrowableOfType(NvmlOpenException.class, () -> NvmlLibraries.open(library));
        // Then
        assertThat(refusal.reason()).isEqualTo(reason);
        assertThat(refusal.code()).isEqualTo(code);
        assertThat(refusal)
                .hasMessageContaining(library.toString())
                .hasMessageContaining("nvmlInit_v2")
                .hasMessageContaining("(" + code + ")");
        assertThat(isMapped(library)).isFalse();
    }

    @Test
    void aLibraryThatTheLinkerRefusesIsRefusedInTheLinkersWords() throws Exception {
        // Given: an import that nothing provides
        Path source = Files.writeString(
                directory.resolve("broken.c"),
                "int nowhere_to_be_found(void);\nint nvmlInit_v2(void) { return nowhere_to_be_found(); }\n");
        Path library = StubLibrary.compile(source, directory.resolve("broken.so"));
        // When
        NvmlOpenException refusal = catchThrowableOfType(NvmlOpenException.class, () -> NvmlLibraries.open(library));
        // Then
        assertThat(refusal.reason()).isEqualTo(Reason.LOAD_FAILED);
        assertThat(refusal).hasMessageContaining("nowhere_to_be_found");
    }

    @Test
    void aTextThatNoDeviceCanHaveNeverReachesTheLibrary() throws Exception {
        // Given
        Nvml nvml = open();
        // When
        NvmlException failure = catchThrowableOfType(NvmlException.class, () -> nvml.deviceByUuid("GPU-".repeat(1000)));
        // Then
        assertThat(failure.is(NvmlReturn.INVALID_ARGUMENT)).isTrue();
        assertThat(failure.getMessage()).hasSizeLessThan(200);
    }

    static boolean isMapped(Path library) throws Exception {
        return Files.readString(Path.of("/proc/self/maps"))
                .contains(library.toRealPath().toString());
    }
}
