package io.gpunode.agent.inventory;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuSample;
import io.gpunode.agent.model.LinkQuantity;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.model.WantedReadings;
import java.nio.file.Path;
import java.time.Duration;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Profiling through GPM: what is read of whom, how often, and what is said where there is none. */
@Timeout(30)
class ProfilingTest {
    @TempDir
    Path directory;

    @Test
    void averagesStayUntilTheirPeriodIsOver() throws Exception {
        // Given
        try (SimulatedNode node = new SimulatedNode(directory, "8xh100")) {
            node.inventory().profilingInterval(Duration.ofHours(1));
            node.started();
            GpuSample first = node.awaitGpu(
                            0, "a first average", gpu -> gpu.sample().has(Quantity.SM_ACTIVE))
                    .sample();
            long calls = node.simulator().calls("nvmlGpmSampleGet", 0);

            // When
            GpuSample later = node.awaitGpu(
                            0,
                            "a later sampling",
                            gpu -> gpu.sample().sampledAtEpochMillis() > first.sampledAtEpochMillis() + 500)
                    .sample();

            // Then
            assertThat(later.fraction(Quantity.SM_ACTIVE)).isEqualTo(first.fraction(Quantity.SM_ACTIVE));
            assertThat(node.simulator().calls("nvmlGpmSampleGet", 0)).isEqualTo(calls);
        }
    }

    @Test
    void aChipWithoutProfilingSaysSoAndIsNotAskedAgain() throws Exception {
        // Given
        try (SimulatedNode node = new SimulatedNode(directory, "8xa100-40gb").started()) {

            // When
            GpuSample sample = node.inventory().current().gpus().getFirst().sample();

            // Then
            assertThat(sample.status(Quantity.SM_ACTIVE)).isEqualTo(GpuSample.UNSUPPORTED);
            assertThat(node.simulator().calls("nvmlGpmSampleGet")).isZero();
            assertThat(node.simulator().calls("nvmlGpmQueryDeviceSupport", 0)).isEqualTo(1);
        }
    }

    @Test
    void whatNobodyWantsIsNotAskedFor() throws Exception {
        // Given
        try (SimulatedNode node = new SimulatedNode(directory, "8xh100")) {
            node.access().want(WantedReadings.ALWAYS);

            // When
            node.started();

            // Then: health checks and the status page do without it
            assertThat(node.simulator().calls("nvmlGpmQueryDeviceSupport")).isZero();
            assertThat(node.simulator().calls("nvmlGpmSampleGet")).isZero();
        }
    }

    @Test
    void aGpuAndEachOfItsInstancesNeedTwoCallsForAllThatIsWanted() throws Exception {
        // Given
        try (SimulatedNode node = new SimulatedNode(directory, "8xh100")) {
            node.inventory().profilingInterval(Duration.ofHours(1));
            Set<Quantity> quantities = EnumSet.of(
                    Quantity.SM_ACTIVE,
                    Quantity.DRAM_ACTIVE,
                    Quantity.NVDEC_7_ACTIVE,
                    Quantity.NVLINK_SENT_BYTES_PER_SECOND);
            node.access().want(new WantedReadings(quantities, Set.of(), Set.of()));

            // When
            node.started();
            Gpu gpu = node.awaitGpu(
                    2, "an average", candidate -> candidate.sample().has(Quantity.SM_ACTIVE));

            // Then: one sample to begin with, and one to compare it with
            assertThat(node.simulator().calls("nvmlGpmSampleGet", 2)).isEqualTo(2);
            assertThat(gpu.sample().has(Quantity.NVDEC_7_ACTIVE)).isTrue();
            assertThat(gpu.sample().has(Quantity.NVLINK_SENT_BYTES_PER_SECOND)).isTrue();
            assertThat(gpu.sample().status(Quantity.FP64_ACTIVE)).isEqualTo(GpuSample.NOT_READ);
        }
    }

    @Test
    void aMetricThatTheDriverDoesNotKnowIsUnsupportedAndCostsNoOther() throws Exception {
        // Given: a driver of branch 580 knows no totals
        try (SimulatedNode node = new SimulatedNode(directory, "8xh100").started()) {

            // When
            GpuSample sample = node.awaitGpu(
                            0, "an average", gpu -> gpu.sample().has(Quantity.SM_ACTIVE))
                    .sample();

            // Then
            assertThat(sample.status(Quantity.SM_CYCLES_ACTIVE)).isEqualTo(GpuSample.UNSUPPORTED);
        }
    }

    @Test
    void eachNvLinkHasRatesOfItsOwn() throws Exception {
        // Given
        try (SimulatedNode node = new SimulatedNode(directory, "8xh100").started()) {

            // When
            GpuSample sample = node.awaitGpu(
                            0, "an average", gpu -> gpu.sample().has(Quantity.SM_ACTIVE))
                    .sample();

            // Then: the driver's branch knows no totals of links
            assertThat(sample.links()).isEqualTo(18);
            assertThat(sample.has(LinkQuantity.PROFILED_SENT_BYTES_PER_SECOND, 0))
                    .isTrue();
            assertThat(sample.has(LinkQuantity.PROFILED_RECEIVED_BYTES_PER_SECOND, 17))
                    .isTrue();
            assertThat(sample.status(LinkQuantity.PROFILED_SENT_BYTES, 3)).isEqualTo(GpuSample.UNSUPPORTED);
        }
    }

    @Test
    void aSplitGpuIsProfiledOncePerGpuInstance() throws Exception {
        // Given: two compute instances of one GPU instance, and one of another
        try (SimulatedNode node = new SimulatedNode(directory, "8xh100").started()) {
            node.simulator()
                    .apply(
                            "mig gpu=0 mode=on\nmig gpu=0 profile=1c.3g.40gb start=0\nmig gpu=0 profile=1g.10gb start=4");

            // When
            Gpu gpu = node.awaitGpu(
                    0,
                    "averages of every instance",
                    candidate -> candidate.migDevices().size() >= 2
                            && candidate.migDevices().stream()
                                    .allMatch(mig -> mig.sample().has(Quantity.SM_ACTIVE)));

            // Then
            assertThat(gpu.sample().status(Quantity.SM_ACTIVE)).isEqualTo(GpuSample.NOT_READ);
            assertThat(gpu.sample().has(Quantity.PCIE_SENT_BYTES_PER_SECOND)).isTrue();
            List<MigDevice> devices = gpu.migDevices();
            assertThat(devices)
                    .allSatisfy(mig -> assertThat(mig.sample().status(Quantity.PCIE_SENT_BYTES_PER_SECOND))
                            .isEqualTo(GpuSample.NOT_READ));
        }
    }

    @Test
    void aSampleThatFailsCostsTheAveragesAndNothingElse() throws Exception {
        // Given
        try (SimulatedNode node = new SimulatedNode(directory, "8xh100").started()) {
            node.awaitGpu(1, "a first average", gpu -> gpu.sample().has(Quantity.SM_ACTIVE));

            // When: at once, since the period of the tests is one sampling
            node.simulator().apply("fault sampling call=nvmlGpmSampleGet gpu=1 return=UNKNOWN");

            // Then
            Gpu failing =
                    node.awaitGpu(1, "no average", gpu -> gpu.sample().status(Quantity.SM_ACTIVE) == GpuSample.FAILED);
            assertThat(failing.sample().has(Quantity.POWER_MILLIWATTS)).isTrue();
        }
    }
}
