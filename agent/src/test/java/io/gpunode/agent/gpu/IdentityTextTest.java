package io.gpunode.agent.gpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.model.Gpu.ProcessUse;
import io.gpunode.nvml.Nvml.GpuProcess;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(10)
class IdentityTextTest {
    @Test
    void whatIsNotPrintableIsReplaced() {
        assertThat(IdentityReader.printable("NVIDIA\u0007 \u00ffH100\n")).isEqualTo("NVIDIA? ?H100?");
    }

    @Test
    void textHasABound() {
        assertThat(IdentityReader.printable("x".repeat(10_000))).hasSize(96);
    }

    @Test
    void aProcessOnTwoListsIsOneProcess() {
        // Given
        List<GpuProcess> found = List.of(
                new GpuProcess(7, -1, -1, -1, GpuProcess.Kind.GRAPHICS),
                new GpuProcess(8, 100, -1, -1, GpuProcess.Kind.COMPUTE),
                new GpuProcess(7, 200, -1, -1, GpuProcess.Kind.COMPUTE));

        // When
        List<ProcessUse> uses = GpuProbe.uses(found);

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
        List<ProcessUse> uses = GpuProbe.uses(found);

        // Then
        assertThat(uses).hasSize(GpuReading.PROCESS_LIMIT);
    }
}
