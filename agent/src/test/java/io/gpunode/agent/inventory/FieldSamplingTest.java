package io.gpunode.agent.inventory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.gpunode.agent.model.BoardText;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuSample;
import io.gpunode.agent.model.LinkQuantity;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.model.WantedReadings;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is sampled of a GPU: what was asked for, with as few calls as there can be, and nothing made up. */
@Timeout(30)
class FieldSamplingTest {
    @TempDir
    Path directory;

    @ParameterizedTest
    @ValueSource(strings = {"1xt4", "4xl4", "8xa100-40gb", "8xa100-80gb-mig", "8xh100", "4xgb200", "old-driver-470"})
    void everyQuantityHasANumberOrIsNotOffered(String profile) throws Exception {
        // Given
        try (SimulatedNode node = new SimulatedNode(directory, profile).started()) {

            // When: rates take two samplings
            GpuSample sample = node.awaitNext(2).gpus().getFirst().sample();

            // Then
            List<Quantity> failed = new ArrayList<>();
            int present = 0;
            for (Quantity quantity : Quantity.values()) {
                if (sample.status(quantity) == GpuSample.FAILED) {
                    failed.add(quantity);
                }
                present += sample.has(quantity) ? 1 : 0;
            }
            assertThat(failed).isEmpty();
            assertThat(present).isGreaterThan(40);
        }
    }

    @Test
    void allFieldsOfAGpuAreReadByOneCall() throws Exception {
        // Given
        try (SimulatedNode node = new SimulatedNode(directory, "8xh100")) {
            node.access().want(WantedReadings.of(EnumSet.allOf(Quantity.class), Set.of(), Set.of()));

            // When
            node.started();
            node.awaitNext(3);
            node.stop(Duration.ofSeconds(5));

            // Then
            assertThat(node.simulator().calls("nvmlDeviceGetFieldValues", 3))
                    .isEqualTo(node.simulator().calls("nvmlDeviceGetPowerUsage", 3))
                    .isGreaterThanOrEqualTo(2);
            assertThat(node.simulator().calls("nvmlDeviceGetUtilizationRates", 3))
                    .isEqualTo(node.simulator().calls("nvmlDeviceGetPowerUsage", 3));
        }
    }

    @Test
    void whatCannotChangeIsAskedOnce() throws Exception {
        // Given
        try (SimulatedNode node = new SimulatedNode(directory, "1xt4").started()) {

            // When
            GpuSample sample = node.awaitNext(4).gpus().getFirst().sample();

            // Then: three clocks, four thresholds
            assertThat(node.simulator().calls("nvmlDeviceGetMaxClockInfo", 0)).isEqualTo(3);
            assertThat(node.simulator().calls("nvmlDeviceGetTemperatureThreshold", 0))
                    .isEqualTo(4);
            assertThat(sample.value(Quantity.MAX_SM_CLOCK_MHZ)).isEqualTo(1590);
            assertThat(sample.has(Quantity.SHUTDOWN_TEMPERATURE_CELSIUS)).isTrue();
        }
    }

    @Test
    void whatCannotChangeIsAskedAgainWhenItFailed() throws Exception {
        // Given
        try (SimulatedNode node = new SimulatedNode(directory, "1xt4")) {
            node.simulator().apply("fault flaky call=nvmlDeviceGetMaxClockInfo results=UNKNOWN,TIMEOUT");

            // When
            node.started();

            // Then
            node.awaitGpu(
                    0,
                    "all clocks after all",
                    gpu -> gpu.sample().has(Quantity.MAX_SM_CLOCK_MHZ)
                            && gpu.sample().has(Quantity.MAX_MEMORY_CLOCK_MHZ));
        }
    }

    @Test
    void whatCannotChangeIsThereThoughAnotherFails() throws Exception {
        // Given
        try (SimulatedNode node = new SimulatedNode(directory, "1xt4")) {
            node.simulator().apply("fault clocks call=nvmlDeviceGetMaxClockInfo return=UNKNOWN");

            // When
            node.started();

            // Then
            GpuSample sample = node.inventory().current().gpus().getFirst().sample();
            assertThat(sample.status(Quantity.MAX_SM_CLOCK_MHZ)).isEqualTo(GpuSample.FAILED);
            assertThat(sample.has(Quantity.SHUTDOWN_TEMPERATURE_CELSIUS)).isTrue();
            assertThat(sample.has(Quantity.POWER_LIMIT_MAX_MILLIWATTS)).isTrue();
        }
    }

    @Test
    void anotherChoiceCountsFromTheNextSamplingOn() throws Exception {
        // Given
        try (SimulatedNode node = new SimulatedNode(directory, "1xt4")) {
            node.access().want(WantedReadings.ALWAYS);
            node.started();
            GpuSample before = node.inventory().current().gpus().getFirst().sample();

            // When
            node.access().want(WantedReadings.of(Set.of(Quantity.ENERGY_MILLIJOULES), Set.of(), Set.of()));
            node.awaitGpu(0, "its energy", gpu -> gpu.sample().has(Quantity.ENERGY_MILLIJOULES));
            node.access().want(WantedReadings.ALWAYS);

            // Then
            assertThat(before.status(Quantity.ENERGY_MILLIJOULES)).isEqualTo(GpuSample.NOT_READ);
            node.awaitGpu(
                    0,
                    "no energy any more",
                    gpu -> gpu.sample().status(Quantity.ENERGY_MILLIJOULES) == GpuSample.NOT_READ
                            && gpu.sample().has(Quantity.POWER_MILLIWATTS));
        }
    }

    @Test
    void aDriverWithoutACallLacksItsNumberAndNoOther() throws Exception {
        // Given
        try (SimulatedNode node = new SimulatedNode(directory, "old-driver-470").started()) {

            // When
            GpuSample sample = node.inventory().current().gpus().getFirst().sample();

            // Then
            assertThat(sample.status(Quantity.TEMPERATURE_MARGIN_CELSIUS)).isEqualTo(GpuSample.UNSUPPORTED);
            assertThat(sample.status(Quantity.MEMORY_USED_RATIO)).isEqualTo(GpuSample.UNSUPPORTED);
            assertThat(sample.status(Quantity.SRAM_THRESHOLD_EXCEEDED)).isEqualTo(GpuSample.UNSUPPORTED);
            assertThat(sample.status(Quantity.HARDWARE_POWER_BRAKE_NANOSECONDS)).isEqualTo(GpuSample.UNSUPPORTED);
            assertThat(sample.has(Quantity.POWER_MILLIWATTS)).isTrue();
            assertThat(sample.has(Quantity.POWER_LIMIT_MAX_MILLIWATTS)).isTrue();
            assertThat(sample.has(Quantity.GPU_TEMPERATURE_CELSIUS)).isTrue();
        }
    }

    @Test
    void aNumberThatSaysNotAvailableIsNone() throws Exception {
        // Given
        try (SimulatedNode node = new SimulatedNode(directory, "1xt4").started()) {

            // When
            node.simulator().apply("fault none call=nvmlDeviceGetPowerUsage value=not-available");

            // Then
            node.awaitGpu(
                    0,
                    "no power",
                    gpu -> gpu.sample().status(Quantity.POWER_MILLIWATTS) == GpuSample.UNSUPPORTED
                            && gpu.sample().has(Quantity.ENFORCED_POWER_LIMIT_MILLIWATTS));
        }
    }

    @Test
    void fieldsThatFailCostFieldsOnly() throws Exception {
        // Given
        try (SimulatedNode node = new SimulatedNode(directory, "1xt4").started()) {

            // When
            node.simulator().apply("fault fields call=nvmlDeviceGetFieldValues return=UNKNOWN");

            // Then
            Gpu gpu = node.awaitGpu(
                    0, "no fields", found -> found.sample().status(Quantity.ECC_MODE) == GpuSample.FAILED);
            assertThat(gpu.sample().has(Quantity.SM_CLOCK_MHZ)).isTrue();
            assertThat(gpu.sample().value(Quantity.ECC_MODE)).isZero();
            node.simulator().apply("clear fields");
            node.awaitGpu(0, "fields again", found -> found.sample().has(Quantity.ECC_MODE));
        }
    }

    @Test
    void eachLinkHasNumbersOfItsOwn() throws Exception {
        // Given
        try (SimulatedNode node = new SimulatedNode(directory, "8xh100").started()) {

            // When
            node.simulator().apply("set gpu=2 link-crc-flit=7 links-down=0x4");
            GpuSample sample = node.awaitGpu(
                            2,
                            "an error of link 0 and a rate",
                            gpu -> gpu.sample().links() == 18
                                    && gpu.sample().has(LinkQuantity.CRC_FLIT_ERRORS, 0)
                                    && gpu.sample().value(LinkQuantity.CRC_FLIT_ERRORS, 0) == 7
                                    && gpu.sample().value(LinkQuantity.STATE, 2) == 0
                                    && gpu.sample().has(LinkQuantity.MEGABYTES_PER_SECOND, 17))
                    .sample();

            // Then
            assertThat(sample.value(LinkQuantity.CRC_FLIT_ERRORS, 17)).isZero();
            assertThat(sample.value(Quantity.NVLINK_DATA_LINK_CRC_ERRORS)).isEqualTo(7);
            assertThat(sample.value(LinkQuantity.STATE, 3)).isEqualTo(1);
            assertThat(sample.value(Quantity.NVLINK_ACTIVE_LINKS)).isEqualTo(0x3FFFF & ~4);
            long sent = 0;
            for (int link = 0; link < sample.links(); link++) {
                sent += sample.value(LinkQuantity.SENT_KIBIBYTES, link);
            }
            assertThat(sent).isCloseTo(sample.value(Quantity.NVLINK_SENT_KIBIBYTES), within(18L));
        }
    }

    @Test
    void linksAreCountedAgainWhenCountingFailed() throws Exception {
        // Given
        try (SimulatedNode node = new SimulatedNode(directory, "8xh100")) {
            node.simulator().apply("fault links call=nvmlDeviceGetNvLinkState gpu=0 return=UNKNOWN");
            node.started();
            GpuSample before = node.inventory().current().gpus().getFirst().sample();

            // When
            node.simulator().apply("clear links");
            node.inventory().lookAgain();

            // Then
            assertThat(before.links()).isZero();
            node.awaitGpu(0, "all links", gpu -> gpu.sample().links() == 18);
        }
    }

    @Test
    void aLinkWithoutACounterDoesNotHideTheSumOfTheOthers() throws Exception {
        // Given
        try (SimulatedNode node = new SimulatedNode(directory, "8xh100").started()) {
            node.simulator().apply("set gpu=2 link-crc-flit=7");
            node.awaitGpu(2, "errors", gpu -> gpu.sample().value(Quantity.NVLINK_DATA_LINK_CRC_ERRORS) == 7);

            // When: once, which is link 0
            node.simulator()
                    .apply("fault one call=nvmlDeviceGetFieldValues gpu=2 field=163 times=1 return=NOT_SUPPORTED");

            // Then
            GpuSample sample = node.awaitGpu(
                            2,
                            "a link without the counter",
                            gpu -> gpu.sample().status(LinkQuantity.DATA_LINK_CRC_ERRORS, 0) == GpuSample.UNSUPPORTED)
                    .sample();
            assertThat(sample.status(LinkQuantity.DATA_LINK_CRC_ERRORS, 1)).isEqualTo(GpuSample.PRESENT);
            assertThat(sample.status(Quantity.NVLINK_DATA_LINK_CRC_ERRORS)).isEqualTo(GpuSample.PRESENT);
        }
    }

    @Test
    void linksThatNobodyWantsAreNotInTheSample() throws Exception {
        // Given
        try (SimulatedNode node = new SimulatedNode(directory, "8xh100")) {
            node.access().want(WantedReadings.ALWAYS);

            // When
            node.started();

            // Then: whether they are up is known all the same
            GpuSample sample = node.inventory().current().gpus().getFirst().sample();
            assertThat(sample.links()).isZero();
            assertThat(sample.value(Quantity.NVLINK_ACTIVE_LINKS)).isEqualTo(0x3FFFF);
        }
    }

    @Test
    void aMigDeviceHasMemoryOfItsOwnAndNothingOfTheBoard() throws Exception {
        // Given
        try (SimulatedNode node = new SimulatedNode(directory, "8xa100-80gb-mig").started()) {

            // When
            MigDevice device = node.inventory().current().gpus().stream()
                    .flatMap(gpu -> gpu.migDevices().stream())
                    .findFirst()
                    .orElseThrow();

            // Then
            assertThat(device.sample().has(Quantity.MEMORY_USED_RATIO)).isTrue();
            assertThat(device.sample().has(Quantity.BAR1_TOTAL_BYTES)).isTrue();
            assertThat(device.sample().status(Quantity.POWER_MILLIWATTS)).isEqualTo(GpuSample.NOT_READ);
            assertThat(device.sample().links()).isZero();
        }
    }

    @Test
    void textsOfTheBoardAreReadForWhoWantsThem() throws Exception {
        // Given
        try (SimulatedNode node = new SimulatedNode(directory, "1xt4")) {
            node.access().want(WantedReadings.ALWAYS);
            node.started();
            Gpu before = node.inventory().current().gpus().getFirst();

            // When
            node.access()
                    .want(WantedReadings.of(
                            Set.of(), Set.of(), Set.of(BoardText.BRAND, BoardText.INFOROM_IMAGE_VERSION)));
            node.inventory().lookAgain();
            Gpu gpu = node.awaitGpu(0, "a brand", found -> !found.texts().isEmpty());

            // Then
            assertThat(before.texts()).isEmpty();
            assertThat(gpu.texts())
                    .containsKeys(BoardText.INFOROM_IMAGE_VERSION)
                    .containsEntry(BoardText.BRAND, "NVIDIA RTX");
        }
    }
}
