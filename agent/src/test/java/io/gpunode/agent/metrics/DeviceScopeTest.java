package io.gpunode.agent.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.model.GpuSample;
import io.gpunode.agent.model.LaneState;
import io.gpunode.agent.model.LinkQuantity;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.testing.Snapshots;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What a value belongs to: the board, a GPU instance, a link. */
@Timeout(20)
class DeviceScopeTest {
    private static final List<String> FIELDS =
            List.of("DCGM_FI_DEV_POWER_USAGE", "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_NVLINK_TX_BANDWIDTH_L1");

    @Test
    void aBoardsPowerIsThereOnceHoweverTheBoardIsSplit() {
        // When
        String page = Pages.of(splitNode().build()).fields(FIELDS).render();

        // Then: 300 W of GPU 0, which is split, and 200 W of GPU 1
        assertThat(series(page, "DCGM_FI_DEV_POWER_USAGE")).hasSize(2).noneMatch(line -> line.contains("GPU_I_ID"));
        assertThat(sum(page, "DCGM_FI_DEV_POWER_USAGE")).isEqualTo(500);
    }

    @Test
    void memoryIsOfEachInstanceAndNotOfTheGpuThatTheyAreOf() {
        // When
        String page = Pages.of(splitNode().build()).fields(FIELDS).render();

        // Then
        assertThat(series(page, "DCGM_FI_DEV_FB_USED"))
                .hasSize(3)
                .anyMatch(line -> line.contains("GPU_I_ID=\"1\"") && line.endsWith(" 10"))
                .anyMatch(line -> line.contains("GPU_I_ID=\"2\"") && line.endsWith(" 20"))
                .anyMatch(line -> line.contains("gpu=\"1\"") && line.endsWith(" 7"));
        assertThat(sum(page, "DCGM_FI_DEV_FB_USED")).isEqualTo(37);
    }

    @Test
    void instancesRepeatTheBoardsValuesWhenTheyAreToldTo() {
        // When
        String page = Pages.of(splitNode().build())
                .fields(FIELDS)
                .boardValuesOnInstances()
                .render();

        // Then: as dcgm-exporter does it, the GPU that is split has no series
        assertThat(series(page, "DCGM_FI_DEV_POWER_USAGE"))
                .hasSize(3)
                .anyMatch(line -> line.contains("GPU_I_ID=\"1\"") && line.endsWith(" 300"))
                .anyMatch(line -> line.contains("GPU_I_ID=\"2\"") && line.endsWith(" 300"))
                .anyMatch(line -> line.contains("gpu=\"1\"") && line.endsWith(" 200"));
        assertThat(sum(page, "DCGM_FI_DEV_FB_USED")).isEqualTo(37);
    }

    @Test
    void aLinkHasTheLabelsThatTheExporterGivesIt() {
        // Given
        Snapshots node = Snapshots.t4();
        node.sample(0, links(5, 0, 6, 40));

        // When
        String page = Pages.of(node.build())
                .fields(List.of("DCGM_FI_DEV_NVLINK_TX_THROUGHPUT_PER_LINK", "DCGM_FI_DRIVER_VERSION"))
                .render();

        // Then
        String gpu = "gpu=\"0\",gpu_uuid=\"" + Snapshots.uuid(0)
                + "\",pci_bus_id=\"00000000:3B:00.0\",device=\"nvidia0\",model_name=\"Tesla T4\",hostname=\"node-a\","
                + "DCGM_FI_DRIVER_VERSION=\"" + Snapshots.DRIVER + "\"} ";
        assertThat(page)
                .contains("# TYPE DCGM_FI_DEV_NVLINK_TX_THROUGHPUT_PER_LINK gauge\n")
                .contains("\nDCGM_FI_DEV_NVLINK_TX_THROUGHPUT_PER_LINK{nvlink=\"0\"," + gpu + "6\n")
                .contains("\nDCGM_FI_DEV_NVLINK_TX_THROUGHPUT_PER_LINK{nvlink=\"1\"," + gpu + "40\n");
    }

    @Test
    void aFieldOfOneLinkIsOfItsGpu() {
        // Given
        Snapshots node = Snapshots.t4();
        node.sample(0, links(5, 0, 6, 40));

        // When
        String page = Pages.of(node.build())
                .fields(List.of("DCGM_FI_DEV_NVLINK_TX_BANDWIDTH_L1", "DCGM_FI_DEV_NVLINK_TX_BANDWIDTH_L2"))
                .render();

        // Then: there is no link 2
        assertThat(series(page, "DCGM_FI_DEV_NVLINK_TX_BANDWIDTH_L1"))
                .singleElement()
                .matches(line -> line.contains("{gpu=\"0\"") && line.endsWith(" 40"));
        assertThat(series(page, "DCGM_FI_DEV_NVLINK_TX_BANDWIDTH_L2")).isEmpty();
    }

    @Test
    void linksOfASplitGpuAreStillTheGpus() {
        // Given
        Snapshots node = splitNode();
        node.sample(0, links(5, 0, 6, 40));

        // When
        String page = Pages.of(node.build())
                .fields(List.of("DCGM_FI_DEV_NVLINK_TX_THROUGHPUT_PER_LINK"))
                .boardValuesOnInstances()
                .render();

        // Then
        assertThat(series(page, "DCGM_FI_DEV_NVLINK_TX_THROUGHPUT_PER_LINK")).hasSize(2);
    }

    @Test
    void aGpuThatDoesNotAnswerHasNoLinks() {
        // Given
        Snapshots node = Snapshots.t4();
        node.sample(0, links(5, 0, 6, 40));
        node.lane(0, new LaneState.Lost("gone", Snapshots.AT));

        // When
        String page = Pages.of(node.build())
                .fields(List.of("DCGM_FI_DEV_NVLINK_TX_THROUGHPUT_PER_LINK"))
                .render();

        // Then
        assertThat(page).doesNotContain("NVLINK");
    }

    @Test
    void aBitErrorRatioIsTakenApart() {
        assertThat(DeviceCollector.errorRatio(0x0F0F)).isEqualTo(15e-15);
        assertThat(DeviceCollector.errorRatio(0x0100)).isEqualTo(1);
        assertThat(DeviceCollector.errorRatio(0x00FF)).isZero();
    }

    /** GPU 0 is split into two instances, GPU 1 is whole. */
    private static Snapshots splitNode() {
        Snapshots node = Snapshots.pcie(2);
        node.mig(
                0,
                with(Snapshots.migDevice(0, 1, 0, "1g.10gb"), 10L << 20),
                with(Snapshots.migDevice(1, 2, 0, "2g.20gb"), 20L << 20));
        node.sample(0, Map.of(Quantity.POWER_MILLIWATTS, 300_000L, Quantity.MEMORY_USED_BYTES, 31L << 20));
        node.sample(1, Map.of(Quantity.POWER_MILLIWATTS, 200_000L, Quantity.MEMORY_USED_BYTES, 7L << 20));
        return node;
    }

    private static MigDevice with(MigDevice device, long usedBytes) {
        return Snapshots.withSample(device, Snapshots.sampleOf(Map.of(Quantity.MEMORY_USED_BYTES, usedBytes)));
    }

    /** Two links, each with what it has sent in KiB and how fast it sends. */
    private static GpuSample links(long firstKib, long secondKib, long firstRate, long secondRate) {
        long[] values = new long[2 * LinkQuantity.count()];
        byte[] statuses = new byte[values.length];
        set(values, statuses, LinkQuantity.SENT_KIBIBYTES, firstKib, secondKib);
        set(values, statuses, LinkQuantity.SENT_MEGABYTES_PER_SECOND, firstRate, secondRate);
        return GpuSample.copyOf(
                new long[Quantity.count()], new byte[Quantity.count()], values, statuses, Snapshots.AT.toEpochMilli());
    }

    private static void set(long[] values, byte[] statuses, LinkQuantity quantity, long... ofLinks) {
        for (int link = 0; link < ofLinks.length; link++) {
            int place = link * LinkQuantity.count() + quantity.ordinal();
            values[place] = ofLinks[link];
            statuses[place] = GpuSample.PRESENT;
        }
    }

    private static List<String> series(String page, String name) {
        return page.lines().filter(line -> line.startsWith(name + "{")).toList();
    }

    private static double sum(String page, String name) {
        return series(page, name).stream()
                .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1)))
                .sum();
    }
}
