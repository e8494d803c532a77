package io.gpunode.nvml;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.nio.file.Path;
import java.time.Duration;
import java.util.stream.IntStream;
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
    void aCallThatIsRefusedAsAWholeCostsTheRefusedMetricOnly() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "8xh100");
                NvmlGpmSampler sampler = node.nvml.gpmSampler(node.nvml.deviceByIndex(0), -1, METRICS)) {
            sampler.read(values, codes);
            node.simulator.advance(Duration.ofSeconds(1));
            // The call for all of them, and then the first one alone.
            node.simulator.apply("fault old call=nvmlGpmMetricsGet times=2 return=INVALID_ARGUMENT");
            sampler.read(values, codes);
            node.simulator.advance(Duration.ofSeconds(1));
            long before = node.simulator.calls("nvmlGpmMetricsGet");
            // When
            sampler.read(values, codes);
            // Then
            assertThat(codes).containsExactly(NvmlReturn.INVALID_ARGUMENT.code(), 0, 0, 0, 0);
            assertThat(node.simulator.calls("nvmlGpmMetricsGet") - before).isEqualTo(1);
        }
    }

    @Test
    void aCallThatFailsForEveryMetricIsAFailureAndRefusesNone() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "8xh100");
                NvmlGpmSampler sampler = node.nvml.gpmSampler(node.nvml.deviceByIndex(0), -1, METRICS)) {
            sampler.read(values, codes);
            node.simulator.advance(Duration.ofSeconds(1));
            node.simulator.apply("fault none call=nvmlGpmMetricsGet times=6 return=NOT_SUPPORTED");
            // When
            NvmlException failure = catchThrowableOfType(NvmlException.class, () -> sampler.read(values, codes));
            // Then
            assertThat(failure.is(NvmlReturn.NOT_SUPPORTED)).isTrue();
            node.simulator.advance(Duration.ofSeconds(1));
            assertThat(sampler.read(values, codes)).isTrue();
            assertThat(codes).containsOnly(0);
        }
    }

    @Test
    void moreMetricsThanOneCallTakesAreAskedForInSeveral() throws Exception {
        int[] many = IntStream.rangeClosed(1, 200).toArray();
        double[] manyValues = new double[many.length];
        int[] manyCodes = new int[many.length];
        try (SimulatedNode node = SimulatedNode.open(directory, "8xh100");
                NvmlGpmSampler sampler = node.nvml.gpmSampler(node.nvml.deviceByIndex(0), -1, many)) {
            sampler.read(manyValues, manyCodes);
            node.simulator.advance(Duration.ofSeconds(1));
            // When
            sampler.read(manyValues, manyCodes);
            // Then
            assertThat(node.simulator.calls("nvmlGpmMetricsGet")).isEqualTo(3);
            assertThat(manyCodes[0]).isZero();
            assertThat(manyCodes[165]).as("NVENC 0").isZero();
            assertThat(manyCodes[13]).isEqualTo(NvmlReturn.NOT_SUPPORTED.code());
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
