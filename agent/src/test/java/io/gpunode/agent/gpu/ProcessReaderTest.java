package io.gpunode.agent.gpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.model.Gpu.ProcessUse;
import io.gpunode.agent.model.Gpu.ProcessUtilization;
import io.gpunode.nvml.Nvml;
import io.gpunode.nvml.Nvml.GpuProcess;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(10)
class ProcessReaderTest {
    @Test
    void aProcessOnTwoListsIsOneProcess() {
        // Given
        List<GpuProcess> found = List.of(
                new GpuProcess(7, -1, -1, -1, GpuProcess.Kind.GRAPHICS),
                new GpuProcess(8, 100, -1, -1, GpuProcess.Kind.COMPUTE),
                new GpuProcess(7, 200, -1, -1, GpuProcess.Kind.COMPUTE));

        // When
        List<ProcessUse> uses = ProcessReader.uses(found, null);

        // Then
        assertThat(uses)
                .containsExactly(new ProcessUse(7, OptionalLong.of(200)), new ProcessUse(8, OptionalLong.of(100)));
    }

    @Test
    void theListOfProcessesHasABound() {
        // Given
        List<GpuProcess> found = new ArrayList<>();
        for (int pid = 1; pid <= 10_000; pid++) {
            found.add(new GpuProcess(pid, 1, -1, -1, GpuProcess.Kind.COMPUTE));
        }

        // When
        List<ProcessUse> uses = ProcessReader.uses(found, null);

        // Then
        assertThat(uses).hasSize(GpuReading.PROCESS_LIMIT);
    }

    @Test
    void aProcessOfTwoGpuInstancesIsThereTwice() {
        // Given
        List<GpuProcess> found = List.of(
                new GpuProcess(7, 100, 3, 0, GpuProcess.Kind.COMPUTE),
                new GpuProcess(7, 200, 4, 0, GpuProcess.Kind.COMPUTE));

        // When
        List<ProcessUse> uses = ProcessReader.uses(found, null);

        // Then
        assertThat(uses)
                .containsExactly(
                        new ProcessUse(7, OptionalLong.of(100), 3, null),
                        new ProcessUse(7, OptionalLong.of(200), 4, null));
    }

    @Test
    void aProcessWithoutASampleDidNothing() {
        // Given
        List<GpuProcess> found = List.of(
                new GpuProcess(7, 100, -1, -1, GpuProcess.Kind.COMPUTE),
                new GpuProcess(8, 100, -1, -1, GpuProcess.Kind.COMPUTE));
        ProcessUtilization busy = new ProcessUtilization(80, 20, 0, 0);

        // When
        List<ProcessUse> uses = ProcessReader.uses(found, Map.of(7, busy));

        // Then
        assertThat(uses).extracting(ProcessUse::utilization).containsExactly(busy, ProcessUtilization.IDLE);
    }

    @Test
    void theNewestSampleOfAProcessCountsAndWhatIsNoPercentageDoesNot() {
        // Given
        List<Nvml.ProcessUtilization> samples = List.of(
                new Nvml.ProcessUtilization(7, 200, 40, 10, 1, 2),
                new Nvml.ProcessUtilization(7, 100, 90, 90, 90, 90),
                new Nvml.ProcessUtilization(8, 150, -1, 1_912_604, 5, 0));

        // When
        Map<Integer, ProcessUtilization> newest = ProcessReader.newest(samples);

        // Then
        assertThat(newest)
                .isEqualTo(Map.of(7, new ProcessUtilization(40, 10, 1, 2), 8, new ProcessUtilization(0, 0, 5, 0)));
    }
}
