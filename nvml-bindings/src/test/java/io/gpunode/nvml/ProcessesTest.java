package io.gpunode.nvml;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.gpunode.nvml.Nvml.GpuProcess;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ProcessesTest {
    private static final String THREE = """
            process gpu=0 pid=101 type=compute memory=512 name=train
            process gpu=0 pid=102 type=graphics memory=64 name=Xorg
            process gpu=0 pid=103 type=mps memory=32 name=server
            """;

    @TempDir
    private Path directory;

    @Test
    void allThreeListsAreRead() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "8xh100")) {
            node.simulator.apply(THREE);
            // When
            List<GpuProcess> processes = node.nvml.processes(node.nvml.deviceByIndex(0));
            // Then
            assertThat(processes)
                    .containsExactlyInAnyOrder(
                            new GpuProcess(101, 512L << 20, -1, -1, GpuProcess.Kind.COMPUTE),
                            new GpuProcess(102, 64L << 20, -1, -1, GpuProcess.Kind.GRAPHICS),
                            new GpuProcess(103, 32L << 20, -1, -1, GpuProcess.Kind.MPS));
            assertThat(node.nvml.processName(101)).isEqualTo("train");
        }
    }

    @Test
    void aListThatIsRefusedCostsItsProcessesOnly() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "8xh100")) {
            node.simulator.apply(THREE + "fault g call=nvmlDeviceGetGraphicsRunningProcesses_v3 return=NOT_SUPPORTED");
            // When
            List<GpuProcess> processes = node.nvml.processes(node.nvml.deviceByIndex(0));
            // Then
            assertThat(processes).extracting(GpuProcess::pid).containsExactlyInAnyOrder(101, 103);
        }
    }

    @Test
    void aListThatGrowsBetweenTwoCallsIsReadInTheEnd() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "8xh100")) {
            node.simulator.apply(THREE + "fault i call=nvmlDeviceGetComputeRunningProcesses_v3 times=3 size=growing");
            // When
            List<GpuProcess> processes = node.nvml.processes(node.nvml.deviceByIndex(0));
            // Then
            assertThat(processes).extracting(GpuProcess::pid).contains(101);
        }
    }

    @Test
    void aListThatAlwaysGrowsEndsWithItsCodeAfterABoundedNumberOfCalls() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "8xh100")) {
            node.simulator.apply("fault i call=nvmlDeviceGetComputeRunningProcesses_v3 size=growing");
            NvmlDevice device = node.nvml.deviceByIndex(0);
            // When
            NvmlException failure = catchThrowableOfType(NvmlException.class, () -> node.nvml.processes(device));
            // Then
            assertThat(failure.is(NvmlReturn.INSUFFICIENT_SIZE)).isTrue();
            assertThat(node.simulator.calls("nvmlDeviceGetComputeRunningProcesses_v3"))
                    .isBetween(2L, 8L);
        }
    }

    @Test
    void memoryThatTheLibraryCannotTellIsMinusOne() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "8xh100")) {
            node.simulator.apply(THREE + "fault v call=nvmlDeviceGetComputeRunningProcesses_v3 value=not-available");
            // When
            List<GpuProcess> processes = node.nvml.processes(node.nvml.deviceByIndex(0));
            // Then
            assertThat(processes)
                    .filteredOn(process -> process.kind() == GpuProcess.Kind.COMPUTE)
                    .extracting(GpuProcess::usedMemory)
                    .containsExactly(-1L);
        }
    }

    @Test
    void aHostileNameStaysInsideItsBufferAndIsCleaned() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "8xh100")) {
            NvmlDevice device = node.nvml.deviceByIndex(0);
            for (String kind : List.of("unterminated", "odd-bytes", "empty", "full")) {
                node.simulator.apply("fault s call=nvmlDeviceGetName string=" + kind);
                // When
                String name = node.nvml.name(device);
                // Then
                assertThat(name.length()).as(kind).isLessThanOrEqualTo(256);
                assertThat(name.chars().noneMatch(Character::isISOControl))
                        .as(kind)
                        .isTrue();
            }
        }
    }
}
