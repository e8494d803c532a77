package io.gpunode.nvml;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a sampler asks the library and what it makes of the answers. */
class SamplingTest {
    @TempDir
    private Path directory;

    @Test
    void aReadMakesOneCallForAllFieldsAndOneForEachGroup() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "8xh100");
                NvmlSampler sampler = node.nvml.sampler(Queries.all())) {
            NvmlDevice device = node.nvml.deviceByIndex(3);
            node.simulator.forget();
            // When
            sampler.read(device, new long[sampler.size()], new int[sampler.size()]);
            // Then
            assertThat(node.simulator.calls("nvmlDeviceGetFieldValues")).isEqualTo(1);
            assertThat(node.simulator.calls("nvmlDeviceGetUtilizationRates")).isEqualTo(1);
            assertThat(node.simulator.calls("nvmlDeviceGetMemoryInfo_v2")).isEqualTo(1);
            assertThat(node.simulator.calls("nvmlDeviceGetBAR1MemoryInfo")).isEqualTo(1);
            assertThat(node.simulator.calls("nvmlDeviceGetRemappedRows")).isEqualTo(1);
            assertThat(node.simulator.calls("nvmlDeviceGetClockInfo")).isEqualTo(4);
        }
    }

    @Test
    void aReadAllocatesNothing() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "8xh100");
                NvmlSampler sampler = node.nvml.sampler(Queries.all())) {
            NvmlDevice device = node.nvml.deviceByIndex(0);
            long[] values = new long[sampler.size()];
            int[] codes = new int[sampler.size()];
            ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
            for (int i = 0; i < 200; i++) {
                sampler.read(device, values, codes);
            }
            long before = threads.getCurrentThreadAllocatedBytes();
            // When
            for (int i = 0; i < 1000; i++) {
                sampler.read(device, values, codes);
            }
            // Then: what the measurement itself may take, far less than a byte a read
            assertThat(threads.getCurrentThreadAllocatedBytes() - before).isLessThan(1000);
        }
    }

    @Test
    void aFailedQueryLeavesItsValueAndTheOthersAlone() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "8xh100");
                NvmlSampler sampler = node.nvml.sampler(List.of(new NvmlQuery.Power(), new NvmlQuery.Clock(2)))) {
            node.simulator.apply("fault lost call=nvmlDeviceGetPowerUsage gpu=0 return=GPU_IS_LOST");
            long[] values = {-7, -7};
            int[] codes = {-7, -7};
            // When
            sampler.read(node.nvml.deviceByIndex(0), values, codes);
            // Then
            assertThat(codes).containsExactly(NvmlReturn.GPU_IS_LOST.code(), 0);
            assertThat(values[0]).isEqualTo(-7);
            assertThat(values[1]).isPositive();
        }
    }

    @Test
    void aBatchThatFailsAsAWholeFailsEachOfItsFields() throws Exception {
        List<NvmlQuery> queries =
                List.of(new NvmlQuery.Field(82, 0), new NvmlQuery.Clock(1), new NvmlQuery.Field(142, 0));
        try (SimulatedNode node = SimulatedNode.open(directory, "8xh100");
                NvmlSampler sampler = node.nvml.sampler(queries)) {
            node.simulator.apply("fault off call=nvmlDeviceGetFieldValues return=RESET_REQUIRED");
            int[] codes = new int[3];
            // When
            sampler.read(node.nvml.deviceByIndex(0), new long[3], codes);
            // Then
            int reset = NvmlReturn.RESET_REQUIRED.code();
            assertThat(codes).containsExactly(reset, 0, reset);
        }
    }

    @Test
    void anOldDriversSamplerMarksWhatItCannotTell() throws Exception {
        List<NvmlQuery> queries = List.of(
                new NvmlQuery.Memory(NvmlQuery.MemoryPart.RESERVED),
                new NvmlQuery.Memory(NvmlQuery.MemoryPart.TOTAL),
                new NvmlQuery.Temperature(),
                new NvmlQuery.ClocksEventReasons(),
                new NvmlQuery.Bar1Memory(NvmlQuery.MemoryPart.RESERVED));
        try (SimulatedNode node = SimulatedNode.open(directory, "old-driver-470");
                NvmlSampler sampler = node.nvml.sampler(queries)) {
            long[] values = new long[5];
            int[] codes = new int[5];
            // When
            sampler.read(node.nvml.deviceByIndex(0), values, codes);
            // Then
            int unsupported = NvmlReturn.NOT_SUPPORTED.code();
            assertThat(codes).containsExactly(unsupported, 0, 0, 0, unsupported);
            assertThat(values[1]).isEqualTo(40960L << 20);
            assertThat(values[2]).isBetween(20L, 40L);
        }
    }

    @Test
    void aStructureVersionThatIsRefusedFallsBackInSamplersToo() throws Exception {
        List<NvmlQuery> queries =
                List.of(new NvmlQuery.Memory(NvmlQuery.MemoryPart.TOTAL), new NvmlQuery.Temperature());
        try (SimulatedNode node = SimulatedNode.open(directory, "8xh100");
                NvmlSampler sampler = node.nvml.sampler(queries)) {
            node.simulator.apply("fault m call=nvmlDeviceGetMemoryInfo_v2 return=ARGUMENT_VERSION_MISMATCH\n"
                    + "fault t call=nvmlDeviceGetTemperatureV return=ARGUMENT_VERSION_MISMATCH");
            NvmlDevice device = node.nvml.deviceByIndex(0);
            int[] codes = new int[2];
            // When
            sampler.read(device, new long[2], codes);
            sampler.read(device, new long[2], codes);
            // Then
            assertThat(codes).containsOnly(0);
            assertThat(node.simulator.calls("nvmlDeviceGetMemoryInfo_v2")).isEqualTo(1);
            assertThat(node.simulator.calls("nvmlDeviceGetMemoryInfo")).isEqualTo(2);
            assertThat(node.simulator.calls("nvmlDeviceGetTemperatureV")).isEqualTo(1);
            assertThat(node.simulator.calls("nvmlDeviceGetTemperature")).isEqualTo(2);
        }
    }

    @Test
    void migDevicesHaveAMemoryOfTheirOwn() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "8xa100-80gb-mig");
                NvmlSampler sampler = node.nvml.sampler(List.of(new NvmlQuery.Memory(NvmlQuery.MemoryPart.TOTAL)))) {
            NvmlDevice parent = node.nvml.deviceByIndex(0);
            long[] values = new long[1];
            List<Long> totals = new ArrayList<>();
            for (NvmlDevice device : List.of(parent, node.nvml.migDevice(parent, 0))) {
                // When
                sampler.read(device, values, new int[1]);
                totals.add(values[0]);
            }
            // Then
            assertThat(totals.get(1)).isPositive().isLessThan(totals.get(0));
        }
    }

    @Test
    void aClosedSamplerAnswersUninitialized() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "1xt4")) {
            NvmlSampler sampler = node.nvml.sampler(List.of(new NvmlQuery.Field(82, 0)));
            sampler.close();
            int[] codes = new int[1];
            // When
            sampler.read(node.nvml.deviceByIndex(0), new long[1], codes);
            sampler.close();
            // Then
            assertThat(codes).containsExactly(NvmlReturn.UNINITIALIZED.code());
        }
    }
}
