package io.gpunode.nvml;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PerformanceMonitoringTest {
    private static final int[] METRICS = {1, 2, 5, 10, 20};

    @TempDir
    private Path directory;

    private final double[] values = new double[METRICS.length];
    private final int[] codes = new int[METRICS.length];

    @Test
    void theFirstReadHasNothingToCompareWith() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "8xh100");
                NvmlGpmSampler sampler = node.nvml.gpmSampler(node.nvml.deviceByIndex(0), -1, METRICS)) {
            // When
            boolean complete = sampler.read(values, codes);
            // Then
            assertThat(complete).isFalse();
            assertThat(values).containsOnly(0);
        }
    }

    @Test
    void allMetricsComeFromOneCall() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "8xh100");
                NvmlGpmSampler sampler = node.nvml.gpmSampler(node.nvml.deviceByIndex(0), -1, METRICS)) {
            node.simulator.apply("workload gpu=0 kind=train");
            node.simulator.advance(Duration.ofSeconds(30));
            sampler.read(values, codes);
            node.simulator.advance(Duration.ofSeconds(30));
            // When
            boolean complete = sampler.read(values, codes);
            // Then
            assertThat(complete).isTrue();
            assertThat(codes).containsOnly(0);
            assertThat(values[0]).isBetween(1.0, 100.0);
            assertThat(node.simulator.calls("nvmlGpmMetricsGet")).isEqualTo(1);
            assertThat(node.simulator.calls("nvmlGpmSampleAlloc")).isEqualTo(2);
        }
    }

    @Test
    void aFailedSampleKeepsTheOneBefore() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "8xh100");
                NvmlGpmSampler sampler = node.nvml.gpmSampler(node.nvml.deviceByIndex(0), -1, METRICS)) {
            sampler.read(values, codes);
            node.simulator.apply("fault once call=nvmlGpmSampleGet times=1 return=UNKNOWN");
            NvmlException failure = catchThrowableOfType(NvmlException.class, () -> sampler.read(values, codes));
            assertThat(failure.is(NvmlReturn.UNKNOWN)).isTrue();
            node.simulator.advance(Duration.ofSeconds(1));
            // When
            boolean complete = sampler.read(values, codes);
            // Then
            assertThat(complete).isTrue();
        }
    }

    @Test
    void aGpuWithoutMonitoringSaysSo() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "1xt4")) {
            NvmlDevice device = node.nvml.deviceByIndex(0);
            // When
            boolean supported = node.nvml.gpmSupported(device);
            // Then
            assertThat(supported).isFalse();
        }
    }

    @Test
    void anOldLibraryHasNoSuchFunction() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "old-driver-470")) {
            NvmlDevice device = node.nvml.deviceByIndex(0);
            // When
            NvmlException failure =
                    catchThrowableOfType(NvmlException.class, () -> node.nvml.gpmSampler(device, -1, METRICS));
            // Then
            assertThat(failure.is(NvmlReturn.FUNCTION_NOT_FOUND)).isTrue();
        }
    }

    @Test
    void moreMetricsThanTheStructureHoldsAreRefused() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "8xh100")) {
            NvmlDevice device = node.nvml.deviceByIndex(0);
            // When
            Throwable thrown = catchThrowable(() -> node.nvml.gpmSampler(device, -1, new int[334]));
            // Then
            assertThat(thrown).isInstanceOf(IllegalArgumentException.class).hasMessageContaining("334");
        }
    }
}
