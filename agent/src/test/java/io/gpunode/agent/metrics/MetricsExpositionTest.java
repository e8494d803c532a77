package io.gpunode.agent.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.attribution.AttributionPicture;
import io.gpunode.agent.attribution.GpuShare;
import io.gpunode.agent.attribution.GpuUser;
import io.gpunode.agent.attribution.PodFacts;
import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.EntitySelector;
import io.gpunode.agent.model.Finding;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuHealth;
import io.gpunode.agent.model.GpuSample;
import io.gpunode.agent.model.LaneState;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.model.Reading;
import io.gpunode.agent.model.XidCounts;
import io.gpunode.agent.model.XidEvent;
import io.gpunode.agent.podresources.PodUse;
import io.gpunode.agent.testing.Configs;
import io.gpunode.agent.testing.FakeSnapshotSource;
import io.gpunode.agent.testing.Golden;
import io.gpunode.agent.testing.Snapshots;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class MetricsExpositionTest {
    @Test
    void showsTheDefaultFieldsOfEightGpusWithTheirPods() {
        // Given
        Pages pages = Pages.of(h100x8WithNumbers().build())
                .holder(Snapshots.uuid(1), "ml", "job-7x", "train")
                .holder(Snapshots.uuid(2), "ml", "job-7x", "train");

        // When
        String page = pages.render();

        // Then
        Golden.check("metrics/h100x8.txt", page);
        assertIsWellFormed(page);
    }

    @Test
    void showsEveryFieldOfTheCatalogue() {
        // Given
        Pages pages = Pages.of(h100x8WithNumbers().build())
                .fields(FieldCatalogue.fields().stream().map(Field::name).toList());

        // When
        String page = pages.render();

        // Then
        Golden.check("metrics/h100x8-all-fields.txt", page);
        assertIsWellFormed(page);
    }

    @Test
    void showsBoardFieldsOncePerGpuAndInstanceFieldsOncePerGpuInstance() {
        // Given: GPU 0 is split, two compute instances share GPU instance 2; GPU 1 is in MIG mode without any instance
        Snapshots node = Snapshots.pcie(2);
        node.mig(
                0,
                withNumbers(Snapshots.migDevice(0, 1, 0, "2g.20gb"), 0),
                withNumbers(Snapshots.migDevice(1, 2, 0, "1c.3g.40gb"), 1),
                withNumbers(Snapshots.migDevice(2, 2, 1, "1c.3g.40gb"), 1));
        node.mig(1);
        node.sample(0, Pages.numbers(0)).sample(1, Pages.numbers(1));
        Pages pages = Pages.of(node.build())
                .holder(Snapshots.migDevice(0, 1, 0, "").id().uuid(), "lab", "nb-0", "nb")
                .holder(Snapshots.migDevice(1, 2, 0, "").id().uuid(), "lab", "nb-1", "nb")
                .holder("nvidia0/gi2", "lab", "nb-2", "nb");

        // When
        String page = pages.render();

        // Then
        Golden.check("metrics/mig.txt", page);
        assertIsWellFormed(page);
    }

    @Test
    void partsThatOnlyAnUnseenUidTellsApartAreOne() {
        // Given
        GpuShare before = share("uid-1", OptionalLong.of(100), new Gpu.ProcessUtilization(1, 0, 0, 0));
        GpuShare after = share("uid-2", OptionalLong.of(23), new Gpu.ProcessUtilization(2, 0, 0, 0));
        GpuShare host = new GpuShare(Snapshots.id(0), -1, GpuUser.HOST, 1, OptionalLong.of(5), null);
        AttributionPicture known =
                new AttributionPicture(1, List.of(before, after, host), Map.of(), Map.of(), Map.of());
        MetricsExposition exposition = Pages.of(Snapshots.pcie(1).build()).exposition();

        // When
        exposition.attribute(Configs.of("DCGM_EXPORTER_KUBERNETES=true").attribution(), () -> known);
        String page = Pages.text(exposition);

        // Then
        assertThat(page.lines().filter(line -> line.startsWith("gpu_node_agent_container_memory_used_bytes{")))
                .hasSize(2)
                .first(InstanceOfAssertFactories.STRING)
                .contains("pod=\"web-0\"")
                .endsWith(" 123");
        assertThat(page).containsPattern("gpu_node_agent_container_sm_utilization_ratio\\{.*pod=\"web-0\"} 0\\.03\n");
    }

    private static GpuShare share(String podUid, OptionalLong bytes, Gpu.ProcessUtilization utilization) {
        return new GpuShare(
                Snapshots.id(0),
                -1,
                new GpuUser(GpuUser.Kind.POD, "ml", "web-0", "main", podUid),
                1,
                bytes,
                utilization);
    }

    @Test
    void showsWhatEachContainerTakesOfAGpuAndRepeatsSeriesForSharesAndJobs() {
        // Given
        Snapshots node = Snapshots.pcie(2);
        node.sample(0, Pages.numbers(0)).sample(1, Pages.numbers(1));
        GpuUser train = new GpuUser(GpuUser.Kind.POD, "ml", "train-0", "main", "uid-1");
        GpuUser idle = new GpuUser(GpuUser.Kind.POD, "ml", "idle", "main", "");
        AttributionPicture known = new AttributionPicture(
                1,
                List.of(
                        new GpuShare(
                                Snapshots.id(0),
                                -1,
                                train,
                                2,
                                OptionalLong.of(1L << 30),
                                new Gpu.ProcessUtilization(63, 7, 1, 0)),
                        new GpuShare(Snapshots.id(0), -1, idle, 0, OptionalLong.of(0), Gpu.ProcessUtilization.IDLE),
                        new GpuShare(Snapshots.id(1), 3, GpuUser.HOST, 1, OptionalLong.empty(), null)),
                Map.of("ml/train-0", new PodFacts("uid-1", Map.of("app", "train"), false)),
                Map.of("1", List.of("1001", "1002")),
                Map.of("1", List.of(new PodUse("", "", "jupyter"))));
        MetricsExposition exposition = Pages.of(node.build())
                .fields(List.of("DCGM_FI_DEV_GPU_UTIL"))
                .holder(Snapshots.uuid(0) + "::0", "ml", "train-0", "main")
                .holder(Snapshots.uuid(0) + "::1", "ml", "idle", "main")
                .exposition();

        // When
        exposition.attribute(Configs.of("KUBERNETES_VIRTUAL_GPUS=true").attribution(), () -> known);
        String page = Pages.text(exposition);

        // Then
        Golden.check("metrics/attribution.txt", page);
        assertIsWellFormed(page);
    }

    @Test
    void escapesHostileNames() {
        // Given
        Snapshots node = Snapshots.t4();
        node.gpu(0, gpu -> renamed(gpu, "Te\"sla\\ T4\n\u0007é🙂} 1"));
        Pages pages = Pages.of(node.build()).holder(Snapshots.uuid(0), "n\"s", "p\\od", "c\nc");

        // When
        String page = pages.render();

        // Then
        Golden.check("metrics/hostile-names.txt", page);
        assertIsWellFormed(page);
    }

    @Test
    void dropsTheNumbersOfAGpuThatDoesNotAnswerAndSaysSo() {
        // Given
        Snapshots node = Snapshots.pcie(2);
        node.sample(0, Pages.numbers(0)).sample(1, Pages.numbers(1));
        node.gpu(
                1,
                gpu -> with(
                        gpu,
                        new GpuHealth.Unhealthy(List.of(
                                finding("lane", Finding.Severity.FATAL),
                                finding("lane", Finding.Severity.FATAL),
                                finding("throttle", Finding.Severity.REMARK))),
                        new LaneState.Unresponsive("nvmlDeviceGetPowerUsage", Snapshots.AT),
                        gpu.lastXid(),
                        gpu.sample()));
        Pages pages = Pages.of(node.build());

        // When
        String page = pages.render();

        // Then
        Golden.check("metrics/unresponsive.txt", page);
        assertIsWellFormed(page);
    }

    @Test
    void keepsTheNodesOwnSeriesWhileTheDriverIsNotThere() {
        // Given
        Pages pages = Pages.of(Snapshots.h100x8().waiting().build()).withoutKubelet();

        // When
        String page = pages.render();

        // Then
        Golden.check("metrics/waiting.txt", page);
        assertIsWellFormed(page);
    }

    @Test
    void showsTheLastXidOnTheGpuInstanceThatItNames() {
        // Given
        Snapshots node = Snapshots.pcie(2);
        node.mig(0, withNumbers(Snapshots.migDevice(0, 7, 0, "1g.10gb"), 0));
        node.gpu(0, gpu -> with(gpu, gpu.health(), gpu.lane(), xid(gpu, 48, OptionalInt.of(7)), gpu.sample()));
        node.gpu(1, gpu -> with(gpu, gpu.health(), gpu.lane(), xid(gpu, 31, OptionalInt.of(3)), gpu.sample()));
        Pages pages = Pages.of(node.build()).holder(Snapshots.uuid(1), "ml", "job", "train");

        // When
        String page = pages.render();

        // Then
        assertThat(page.lines().filter(line -> line.startsWith("DCGM_FI_DEV_XID_ERRORS{")))
                .satisfiesExactly(
                        split -> assertThat(split)
                                .contains("GPU_I_PROFILE=\"1g.10gb\",GPU_I_ID=\"7\",hostname=\"node-a\"")
                                .endsWith("err_code=\"48\",err_msg=\"Double Bit ECC Error\"} 48"),
                        whole -> assertThat(whole)
                                .doesNotContain("GPU_I_ID")
                                .endsWith("container=\"train\",err_code=\"31\",err_msg=\"Unknown Error\","
                                        + "namespace=\"ml\",pod=\"job\"} 31"));
    }

    @Test
    void tellsAbsentReadingsFromZero() {
        // Given
        Snapshots node = Snapshots.t4();
        node.gpu(0, gpu -> with(gpu, gpu.health(), gpu.lane(), gpu.lastXid(), sampleOfEachStatus()));
        Pages pages = Pages.of(node.build());

        // When
        String page = pages.render();

        // Then: present zero; unsupported, failed and not read are all absent, but for the licence, which hardware
        // without vGPU does not hold
        assertThat(page).contains("DCGM_FI_DEV_GPU_UTIL{").contains("DCGM_FI_DEV_VGPU_LICENSE_STATUS{");
        assertThat(page)
                .doesNotContain("DCGM_FI_DEV_ENC_UTIL")
                .doesNotContain("DCGM_FI_DEV_DEC_UTIL")
                .doesNotContain("DCGM_FI_DEV_SM_CLOCK");
    }

    @Test
    void showsOneSeriesWithWhatAllHoldersAgreeOnWhenAGpuIsShared() {
        // Given
        Pages pages = Pages.of(Snapshots.pcie(4).build())
                .holder(Snapshots.uuid(0) + "::0", "inf", "a", "srv")
                .holder(Snapshots.uuid(0) + "::1", "inf", "b", "srv")
                .holder(Snapshots.uuid(1) + "::0", "inf", "a", "srv")
                .holder(Snapshots.uuid(1) + "::1", "inf", "a", "sidecar")
                .holder(Snapshots.uuid(2) + "::0", "one", "x", "c")
                .holder(Snapshots.uuid(2) + "::1", "two", "x", "c")
                .holder(Snapshots.uuid(3) + "::0", "one", "x", "c")
                .holder(Snapshots.uuid(3) + "::1", "one", "x", "c");

        // When
        String page = pages.render();

        // Then
        assertThat(page.lines()
                        .filter(line -> line.startsWith("DCGM_FI_DEV_GPU_TEMP{"))
                        .map(line -> line.replaceAll(".*DRIVER_VERSION=\"[^\"]*\"", "")))
                .containsExactly(
                        ",namespace=\"inf\"} 40",
                        ",namespace=\"inf\",pod=\"a\"} 41",
                        "} 42",
                        ",container=\"c\",namespace=\"one\",pod=\"x\"} 43");
        assertThat(page.lines().filter(line -> line.startsWith("gpu_node_agent_device_pod_info{")))
                .hasSize(7)
                .contains("gpu_node_agent_device_pod_info{gpu=\"0\",UUID=\"" + Snapshots.uuid(0)
                        + "\",container=\"srv\",namespace=\"inf\",pod=\"b\"} 1");
    }

    @Test
    void understandsEveryFormOfDeviceId() {
        // Given
        Snapshots node = Snapshots.pcie(5);
        node.mig(4, Snapshots.migDevice(0, 9, 0, "1g.10gb"), Snapshots.migDevice(1, 10, 0, "1g.10gb"));
        Pages pages = Pages.of(node.build())
                .holder(Snapshots.uuid(0), "n", "uuid", "c")
                .holder("1", "n", "index", "c")
                .holder("nvidia2", "n", "device", "c")
                .holder("nvidia3/vgpu0", "n", "gke-share", "c")
                .holder("MIG-" + Snapshots.uuid(4) + "/9/0", "n", "old-mig", "c")
                .holder("4:1", "n", "mig-index", "c")
                .holder("GPU-unknown", "n", "gone", "c");

        // When
        String page = pages.render();

        // Then
        assertThat(page.lines()
                        .filter(line -> line.startsWith("gpu_node_agent_device_pod_info{"))
                        .map(line -> line.replaceAll(".*pod=\"([^\"]*)\".*", "$1")))
                .containsExactly("uuid", "index", "device", "gke-share", "old-mig", "mig-index");
        assertThat(page)
                .contains("gpu_node_agent_pod_devices 7\n")
                .contains("gpu_node_agent_pod_devices_unmatched 1\n");
    }

    @Test
    void keepsTheLastAnswerAndSaysThatTheKubeletIsDown() {
        // Given
        Pages pages = Pages.of(Snapshots.t4().build())
                .holder(Snapshots.uuid(0), "ml", "job", "train")
                .kubeletError("UNAVAILABLE");

        // When
        String page = pages.render();

        // Then
        assertThat(page)
                .contains("pod=\"job\"")
                .contains("gpu_node_agent_pod_picture_up 0\n")
                .contains("gpu_node_agent_pod_picture_age_seconds 2.5\n");
    }

    @Test
    void losesOnlyTheSeriesOfACollectorThatFails() {
        // Given
        FakeSnapshotSource source = new FakeSnapshotSource(Snapshots.t4().build());
        MetricsExposition exposition = new MetricsExposition(
                List.of(
                        collector(
                                "good",
                                out -> out.family(OwnMetric.GPUS)
                                        .series(OwnMetric.GPUS)
                                        .value(1)
                                        .family(OwnMetric.NVML_OPEN)),
                        collector("bad", out -> {
                            out.family(OwnMetric.NVML_OPEN)
                                    .series(OwnMetric.NVML_OPEN)
                                    .value(0)
                                    .text("half");
                            throw new IllegalStateException("a fault of the test");
                        }),
                        collector(
                                "after",
                                out -> out.family(OwnMetric.NVML_OPEN)
                                        .series(OwnMetric.NVML_OPEN)
                                        .value(1))),
                source,
                Optional::empty,
                () -> Pages.NOW,
                Pages.WALL);

        // When
        String page = Pages.text(exposition);

        // Then
        assertThat(page)
                .contains("gpu_node_agent_gpus 1\n")
                .contains("gpu_node_agent_nvml_open 1\n")
                .doesNotContain("half")
                .contains("gpu_node_agent_collector_success{collector=\"good\"} 1\n")
                .contains("gpu_node_agent_collector_success{collector=\"bad\"} 0\n")
                .contains("gpu_node_agent_collector_success{collector=\"after\"} 1\n");
    }

    @Test
    void countsTheSeriesThatReadersWouldRefuseThePageFor() {
        // Given
        MetricsExposition exposition = new MetricsExposition(
                List.of(
                        collector(
                                "one",
                                out -> out.family(OwnMetric.GPUS)
                                        .series(OwnMetric.GPUS)
                                        .value(1)
                                        .family(OwnMetric.SNAPSHOT_VERSION)
                                        .series(OwnMetric.SNAPSHOT_VERSION)
                                        .value(Double.NaN)),
                        collector(
                                "two",
                                out -> out.family(OwnMetric.GPUS)
                                        .series(OwnMetric.GPUS)
                                        .value(2))),
                new FakeSnapshotSource(Snapshots.t4().build()),
                Optional::empty,
                () -> Pages.NOW,
                Pages.WALL);

        // When
        String page = Pages.text(exposition);

        // Then
        assertThat(page)
                .contains("gpu_node_agent_gpus 1\n")
                .doesNotContain("gpu_node_agent_gpus 2")
                .doesNotContain("gpu_node_agent_snapshot_version")
                .contains("gpu_node_agent_series_left_out{reason=\"duplicate\"} 1\n")
                .contains("gpu_node_agent_series_left_out{reason=\"not_a_number\"} 1\n");
        assertIsWellFormed(page);
    }

    @Test
    void followsThePictureFromPageToPage() {
        // Given
        Snapshots node = Snapshots.h100x8();
        FakeSnapshotSource source = new FakeSnapshotSource(node.build());
        MetricsExposition exposition = new MetricsExposition(
                new AgentConfig.Metrics(
                        Pages.named(List.of("DCGM_FI_DEV_GPU_TEMP")),
                        "",
                        EntitySelector.FLEXIBLE,
                        AgentConfig.MetricLabels.NEWEST,
                        false,
                        false),
                "node-a",
                "0.1.0",
                Long::toString,
                new MicrometerMeters(_ -> {}, () -> Pages.NOW, _ -> {}),
                source,
                Optional::empty,
                () -> Pages.NOW,
                Pages.WALL);
        List<Long> gpusShown = new ArrayList<>();

        // When
        for (NodeSnapshot next :
                List.of(node.withdrawn().build(), node.reopened(2).build())) {
            gpusShown.add(temperatures(exposition));
            source.publish(next);
        }
        gpusShown.add(temperatures(exposition));

        // Then
        assertThat(gpusShown).containsExactly(8L, 0L, 8L);
    }

    @Test
    void showsOtherFieldsAfterReconfiguration() {
        // Given
        MetricsExposition exposition = Pages.of(h100x8WithNumbers().build()).exposition();

        // When
        exposition.reconfigure(new AgentConfig.Metrics(
                Pages.named(List.of("DCGM_FI_DEV_FAN_SPEED")),
                "",
                EntitySelector.FLEXIBLE,
                AgentConfig.MetricLabels.NEWEST,
                false,
                true));

        // Then
        assertThat(Pages.text(exposition).lines().filter(line -> line.startsWith("# TYPE DCGM")))
                .containsExactly("# TYPE DCGM_FI_DEV_FAN_SPEED gauge");
    }

    /** What every reader of the format relies on, beyond what one golden file shows. */
    private static void assertIsWellFormed(String page) {
        Set<String> series = new HashSet<>();
        Set<String> families = new HashSet<>();
        String family = "";
        for (String line : page.lines().toList()) {
            if (line.startsWith("# HELP ")) {
                family = line.split(" ", -1)[2];
                assertThat(families.add(family)).as("family once: %s", line).isTrue();
            } else if (!line.startsWith("# TYPE ")) {
                assertThat(line)
                        .matches("[A-Za-z0-9_]+(\\{.*\\})? [-+0-9.eNaInf]+")
                        .startsWith(family);
                assertThat(series.add(line.substring(0, line.lastIndexOf(' '))))
                        .as("series once: %s", line)
                        .isTrue();
            }
        }
        List<String> deviceFamilies = page.lines()
                .filter(line -> line.startsWith("# TYPE DCGM"))
                .map(line -> line.split(" ", -1)[2])
                .collect(Collectors.toList());
        assertThat(deviceFamilies).isSorted();
    }

    private static long temperatures(MetricsExposition exposition) {
        return Pages.text(exposition)
                .lines()
                .filter(line -> line.startsWith("DCGM_FI_DEV_GPU_TEMP{"))
                .count();
    }

    private static Snapshots h100x8WithNumbers() {
        Snapshots node = Snapshots.h100x8();
        for (int i = 0; i < 8; i++) {
            node.sample(i, Pages.numbers(i));
        }
        return node;
    }

    private static GpuSample sampleOfEachStatus() {
        byte[] statuses = new byte[Quantity.count()];
        statuses[Quantity.GPU_UTILIZATION_PERCENT.ordinal()] = GpuSample.PRESENT;
        statuses[Quantity.ENCODER_UTILIZATION_PERCENT.ordinal()] = GpuSample.UNSUPPORTED;
        statuses[Quantity.DECODER_UTILIZATION_PERCENT.ordinal()] = GpuSample.FAILED;
        statuses[Quantity.VGPU_LICENSED.ordinal()] = GpuSample.UNSUPPORTED;
        return GpuSample.copyOf(new long[Quantity.count()], statuses, 1);
    }

    private static Finding finding(String check, Finding.Severity severity) {
        return new Finding(check, severity, "a reason", "a repair", "a recovery", Snapshots.AT);
    }

    private static Reading<XidEvent> xid(Gpu gpu, long number, OptionalInt instance) {
        return Reading.of(new XidEvent(gpu.id(), number, Snapshots.AT, instance, OptionalInt.empty()));
    }

    private static MigDevice withNumbers(MigDevice mig, int seed) {
        return Snapshots.withSample(
                mig,
                Snapshots.sampleOf(Map.of(
                        Quantity.MEMORY_USED_BYTES,
                        (seed + 1) * 1_048_576_000L,
                        Quantity.MEMORY_FREE_BYTES,
                        20_000_000_000L,
                        Quantity.GRAPHICS_ENGINE_ACTIVE,
                        0.41327 + seed)));
    }

    private static Gpu renamed(Gpu gpu, String name) {
        return rebuilt(gpu, name, gpu.health(), gpu.lane(), gpu.lastXid(), gpu.sample());
    }

    private static Gpu with(Gpu gpu, GpuHealth health, LaneState lane, Reading<XidEvent> lastXid, GpuSample sample) {
        return rebuilt(gpu, gpu.name(), health, lane, lastXid, sample);
    }

    private static Gpu rebuilt(
            Gpu gpu, String name, GpuHealth health, LaneState lane, Reading<XidEvent> lastXid, GpuSample sample) {
        return new Gpu(
                gpu.id(),
                gpu.index(),
                gpu.minor(),
                gpu.pci(),
                name,
                gpu.serial(),
                gpu.vbiosVersion(),
                gpu.computeCapability(),
                gpu.architecture(),
                gpu.memoryBytes(),
                gpu.persistenceMode(),
                gpu.pciClass(),
                gpu.numaNode(),
                gpu.migMode(),
                gpu.migDevices(),
                gpu.fabric(),
                health,
                lane,
                lastXid,
                lastXid instanceof Reading.Value<XidEvent>(XidEvent event)
                        ? XidCounts.NONE.plus(event)
                        : gpu.xidCounts(),
                sample,
                gpu.processes());
    }

    private static Collector collector(String name, Consumer<ExpositionWriter> body) {
        return new Collector() {
            @Override
            public String name() {
                return name;
            }

            @Override
            public void collect(Scrape scrape, ExpositionWriter out) {
                body.accept(out);
            }
        };
    }
}
