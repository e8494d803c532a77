package io.gpunode.nvml;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.gpunode.nvml.NvmlOpenException.Reason;
import io.gpunode.nvml.raw.MappedLibrary;
import io.gpunode.nvml.raw.NvmlFunction;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SortedSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * NVIDIA's own library on a machine without its driver. {@code NVML_REAL_LIBRARIES} names driver roots, separated by colons;
 * {@code src/test/scripts/fetch-real-nvml.sh} unpacks two.
 */
class RealLibraryTest {
    private List<Path> roots = List.of();

    @BeforeEach
    void findLibraries() {
        String named = System.getenv("NVML_REAL_LIBRARIES");
        assumeTrue(
                named != null && !named.isEmpty(),
                "skipped: NVML_REAL_LIBRARIES names no libraries; src/test/scripts/fetch-real-nvml.sh unpacks two");
        assumeFalse(Files.exists(Path.of("/sys/module/nvidia")), "skipped: this machine has a driver");
        assumeFalse(
                "root".equals(System.getProperty("user.name")) && System.getenv("PRIVATE_DEV") == null,
                "skipped: as root NVML creates /dev/nvidiactl; run under src/test/scripts/in-private-dev.sh");
        roots = Arrays.stream(named.split(":", -1)).map(Path::of).toList();
    }

    @Test
    void withoutADriverTheReasonIsClearAndNothingStaysMapped() throws Exception {
        for (Path root : roots) {
            Path library = NvmlLibraries.find(root);
            // When
            NvmlOpenException refusal =
                    catchThrowableOfType(NvmlOpenException.class, () -> NvmlLibraries.open(library));
            // Then
            assertThat(refusal.reason()).isEqualTo(Reason.DRIVER_NOT_LOADED);
            assertThat(refusal.code()).isEqualTo(9);
            assertThat(refusal).hasMessageContaining("nvmlInit_v2").hasMessageContaining("modprobe nvidia");
            assertThat(DishonestLibraryTest.isMapped(library)).isFalse();
        }
    }

    @Test
    void everySymbolIsFoundOrListedAsAbsent() throws Exception {
        for (Path root : roots) {
            MappedLibrary library = MappedLibrary.open(NvmlLibraries.find(root));
            try {
                // When
                SortedSet<String> absent = library.absentSymbols();
                // Then
                long known = Arrays.stream(NvmlFunction.values())
                        .flatMap(function -> function.symbols().stream())
                        .count();
                System.getLogger(RealLibraryTest.class.getName())
                        .log(
                                System.Logger.Level.INFO,
                                "{0}: {1} of {2} symbols, absent {3}",
                                library.path().getFileName(),
                                known - absent.size(),
                                known,
                                absent);
                // Each came with R545 or later, and has a fallback or is read by few
                assertThat(absent)
                        .isSubsetOf(
                                "nvmlDeviceGetGpuFabricInfoV", "nvmlDeviceGetNumaNodeId", "nvmlDeviceGetTemperatureV");
                assertThat(Arrays.stream(NvmlFunction.values()).filter(function -> !library.has(function)))
                        .extracting(Enum::name)
                        .isSubsetOf(absent);
            } finally {
                assertThat(library.close()).isTrue();
            }
        }
    }

    @Test
    void openingItAHundredTimesLeavesNoFileOpen() throws Exception {
        for (Path root : roots) {
            Path library = NvmlLibraries.find(root);
            openInVain(library, 20);
            long before = openFiles();
            // When
            openInVain(library, 100);
            // Then
            assertThat(openFiles()).isLessThanOrEqualTo(before);
        }
    }

    private static void openInVain(Path library, int times) {
        for (int i = 0; i < times; i++) {
            assertThatThrownBy(() -> NvmlLibraries.open(library)).isInstanceOf(NvmlOpenException.class);
        }
    }

    private static long openFiles() throws Exception {
        try (Stream<Path> files = Files.list(Path.of("/proc/self/fd"))) {
            return files.count();
        }
    }
}
