package io.gpunode.agent.deviceplugin;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig.DeviceReference;
import io.gpunode.agent.config.AgentConfig.DeviceSelection;
import io.gpunode.agent.config.AgentConfig.MigStrategy;
import io.gpunode.agent.config.AgentConfig.NamePattern;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.testing.Snapshots;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(10)
class ResourcePlanTest {
    private static final String GPU = "nvidia.com/gpu";

    private final Snapshots node = Snapshots.pcie(4);

    @Test
    void everyGpuIsOneOfTheDefaultResource() {
        // When
        ResourcePlan plan = plan(PluginConfigs.start());

        // Then
        assertThat(ids(plan)).containsExactly(Map.entry(GPU, Snapshots.uuids(4)));
        assertThat(plan.problems()).isEmpty();
    }

    @Test
    void aNodeWithoutGpusOffersNoneOfTheDefaultResource() {
        // When
        ResourcePlan plan = ResourcePlan.of(
                Snapshots.noGpus().build().gpus(), PluginConfigs.start().build());

        // Then
        assertThat(ids(plan)).containsExactly(Map.entry(GPU, List.of()));
        assertThat(plan.problems()).isEmpty();
    }

    @Test
    void aDisplayIsNoGpuAndLeavesAGapInTheIndices() {
        // Given
        node.product(0, "NVIDIA DGX Display").product(2, "DGX Display");

        // When
        ResourcePlan plan = plan(PluginConfigs.start());

        // Then
        assertThat(ids(plan)).containsExactly(Map.entry(GPU, List.of(Snapshots.uuid(1), Snapshots.uuid(3))));
        assertThat(plan.resources().getFirst().devices())
                .extracting(device -> device.gpu().index())
                .containsExactly(1, 3);
        assertThat(plan.problems()).isEmpty();
    }

    @Test
    void theFirstPatternThatFitsNamesAGpuAndTheDefaultTheRest() {
        // Given
        node.product(0, "Tesla T4").product(1, "Tesla V100-SXM2-16GB");

        // When
        ResourcePlan plan = plan(PluginConfigs.start()
                .gpuPattern("*V100*", "nvidia.com/v100")
                .gpuPattern("Tesla*", "nvidia.com/tesla")
                .gpuPattern("*T4", "nvidia.com/never"));

        // Then
        assertThat(ids(plan))
                .containsExactly(
                        Map.entry(GPU, List.of(Snapshots.uuid(2), Snapshots.uuid(3))),
                        Map.entry("nvidia.com/tesla", List.of(Snapshots.uuid(0))),
                        Map.entry("nvidia.com/v100", List.of(Snapshots.uuid(1))));
    }

    @ParameterizedTest
    @CsvSource({
        "*, '', true",
        "*, anything at all, true",
        "'', '', true",
        "'', x, false",
        "1g.10gb, 1g.10gb, true",
        "1g.10gb, 1g.10gb+me, false",
        "1g.10gb, 11g.10gb, false",
        "1g.10gb, 1gx10gb, false",
        "1g*, 1g.10gb+me, true",
        "*+me, 1g.10gb+me, true",
        "*A100*80GB, NVIDIA A100-SXM4-80GB, true",
        "*A100*80GB, NVIDIA A100-SXM4-80GB HBM, false",
        "a*b*c, abxbc, true",
        "a*b*c, abxb, false",
        "**, x, true",
        "*aab, aaab, true",
        "Tesla V100, tesla v100, false",
    })
    void aPatternFitsTheWholeText(String pattern, String text, boolean fits) {
        assertThat(new NamePattern(pattern, "nvidia.com/x").fits(text)).isEqualTo(fits);
    }

    @Test
    void aPatternOfManyStarsIsDecidedAtOnce() {
        assertThat(new NamePattern("*a".repeat(500) + "b", "nvidia.com/x").fits("a".repeat(2_000)))
                .isFalse();
    }

    @Test
    void withoutAMigStrategyAPartitionedGpuIsAWholeOne() {
        // Given
        node.partition(0, "1g.10gb", "1g.10gb");

        // When
        ResourcePlan plan = plan(PluginConfigs.start());

        // Then
        assertThat(ids(plan)).containsExactly(Map.entry(GPU, Snapshots.uuids(4)));
    }

    @Test
    void mixedNamesMigDevicesByProfileBesideWholeGpus() {
        // Given
        node.partition(0, "1g.10gb", "2g.20gb", "1g.10gb").partition(2, "1g.10gb+me", "1g.10gb-me", "7g.80gb");

        // When
        ResourcePlan plan = plan(PluginConfigs.start().mig(MigStrategy.MIXED));

        // Then
        assertThat(ids(plan))
                .containsExactly(
                        Map.entry(GPU, List.of(Snapshots.uuid(1), Snapshots.uuid(3))),
                        Map.entry("nvidia.com/mig-1g.10gb", List.of(mig(0, 0), mig(0, 2))),
                        Map.entry("nvidia.com/mig-1g.10gb-me", List.of(mig(2, 1))),
                        Map.entry("nvidia.com/mig-1g.10gb.me", List.of(mig(2, 0))),
                        Map.entry("nvidia.com/mig-2g.20gb", List.of(mig(0, 1))),
                        Map.entry("nvidia.com/mig-7g.80gb", List.of(mig(2, 2))));
        assertThat(plan.problems()).isEmpty();
    }

    @Test
    void mixedLeavesOutPartsOfAGpuInstanceAndSaysSo() {
        // Given
        node.partition(0, "1c.3g.40gb", "3g.40gb", "1c.3g.40gb");

        // When
        ResourcePlan plan = plan(PluginConfigs.start().mig(MigStrategy.MIXED));

        // Then
        assertThat(ids(plan)).containsEntry("nvidia.com/mig-3g.40gb", List.of(mig(0, 1)));
        assertThat(ids(plan)).containsOnlyKeys(GPU, "nvidia.com/mig-3g.40gb");
        assertThat(plan.problems()).singleElement().satisfies(problem -> {
            assertThat(problem.devices()).containsExactly(mig(0, 0), mig(0, 2));
            assertThat(problem.reason()).contains("1c.3g.40gb", "resources.mig");
        });
    }

    @Test
    void aPatternGivesPartsOfAGpuInstanceAName() {
        // Given
        node.partition(0, "1c.3g.40gb", "3g.40gb");

        // When
        ResourcePlan plan =
                plan(PluginConfigs.start().mig(MigStrategy.MIXED).migPattern("*c.*", "nvidia.com/mig-part"));

        // Then
        assertThat(ids(plan)).containsEntry("nvidia.com/mig-part", List.of(mig(0, 0)));
        assertThat(plan.problems()).isEmpty();
    }

    @Test
    void aGpuInMigModeWithoutDevicesIsLeftOutAndTheNodeGoesOn() {
        // Given
        node.partition(0).partition(2);

        // When
        ResourcePlan plan = plan(PluginConfigs.start().mig(MigStrategy.MIXED));

        // Then
        assertThat(ids(plan)).containsExactly(Map.entry(GPU, List.of(Snapshots.uuid(1), Snapshots.uuid(3))));
        assertThat(plan.problems()).singleElement().satisfies(problem -> {
            assertThat(problem.devices()).containsExactly(Snapshots.uuid(0), Snapshots.uuid(2));
            assertThat(problem.text()).startsWith(Snapshots.uuid(0)).contains("nvidia-smi mig -cgi");
        });
    }

    @Test
    void singleOffersMigDevicesOfOneProfileAsGpus() {
        // Given
        for (int gpu = 0; gpu < 4; gpu++) {
            node.partition(gpu, "3g.40gb", "3g.40gb");
        }

        // When
        ResourcePlan plan = plan(PluginConfigs.start().mig(MigStrategy.SINGLE));

        // Then
        assertThat(ids(plan))
                .containsExactly(Map.entry(
                        GPU,
                        List.of(
                                mig(0, 0), mig(0, 1), mig(1, 0), mig(1, 1), mig(2, 0), mig(2, 1), mig(3, 0),
                                mig(3, 1))));
        assertThat(plan.problems()).isEmpty();
    }

    @Test
    void singleWithoutAnyMigModeIsLikeNone() {
        // Given
        node.product(0, "Tesla T4");

        // When
        ResourcePlan plan = plan(PluginConfigs.start().mig(MigStrategy.SINGLE));

        // Then
        assertThat(ids(plan)).containsExactly(Map.entry(GPU, Snapshots.uuids(4)));
        assertThat(plan.problems()).isEmpty();
    }

    @Test
    void singleWithWholeGpusAndMigDevicesOffersNothingAndSaysWhy() {
        // Given
        node.partition(0, "1g.10gb").partition(1, "1g.10gb");

        // When
        ResourcePlan plan = plan(PluginConfigs.start().mig(MigStrategy.SINGLE));

        // Then
        assertThat(ids(plan)).containsExactly(Map.entry(GPU, List.of()));
        assertThat(plan.problems()).singleElement().satisfies(problem -> {
            assertThat(problem.devices()).containsExactly(mig(0, 0), mig(1, 0), Snapshots.uuid(2), Snapshots.uuid(3));
            assertThat(problem.reason()).contains("1g.10gb, whole GPUs", "single", "mixed");
        });
    }

    @Test
    void singleWithSeveralProfilesOffersNothingAndSaysWhy() {
        // Given
        for (int gpu = 0; gpu < 4; gpu++) {
            node.partition(gpu, "3g.40gb", gpu == 3 ? "4g.40gb" : "3g.40gb");
        }

        // When
        ResourcePlan plan = plan(PluginConfigs.start().mig(MigStrategy.SINGLE));

        // Then
        assertThat(ids(plan)).containsExactly(Map.entry(GPU, List.of()));
        assertThat(plan.problems())
                .singleElement()
                .satisfies(problem -> assertThat(problem.reason()).contains("3g.40gb, 4g.40gb"));
    }

    @Test
    void singleServesKindsThatPatternsNameApart() {
        // Given
        node.partition(0, "1g.10gb", "3g.40gb").partition(1, "1g.10gb");

        // When
        ResourcePlan plan = plan(PluginConfigs.start()
                .mig(MigStrategy.SINGLE)
                .migPattern("1g.*", "nvidia.com/small")
                .migPattern("3g.*", "nvidia.com/large"));

        // Then
        assertThat(ids(plan))
                .containsExactly(
                        Map.entry(GPU, List.of(Snapshots.uuid(2), Snapshots.uuid(3))),
                        Map.entry("nvidia.com/large", List.of(mig(0, 1))),
                        Map.entry("nvidia.com/small", List.of(mig(0, 0), mig(1, 0))));
        assertThat(plan.problems()).isEmpty();
    }

    @Test
    void singleLeavesOutAGpuWithoutDevicesAndServesTheOthers() {
        // Given
        for (int gpu = 0; gpu < 3; gpu++) {
            node.partition(gpu, "7g.80gb");
        }
        node.partition(3);

        // When
        ResourcePlan plan = plan(PluginConfigs.start().mig(MigStrategy.SINGLE));

        // Then
        assertThat(ids(plan)).containsExactly(Map.entry(GPU, List.of(mig(0, 0), mig(1, 0), mig(2, 0))));
        assertThat(plan.problems())
                .singleElement()
                .satisfies(problem -> assertThat(problem.devices()).containsExactly(Snapshots.uuid(3)));
    }

    @Test
    void sharesHaveTheUuidAndANumber() {
        // When
        ResourcePlan plan = plan(PluginConfigs.start().share(GPU, 3));

        // Then
        assertThat(ids(plan).get(GPU))
                .hasSize(12)
                .startsWith(
                        Snapshots.uuid(0) + "::0",
                        Snapshots.uuid(0) + "::1",
                        Snapshots.uuid(0) + "::2",
                        Snapshots.uuid(1) + "::0")
                .endsWith(Snapshots.uuid(3) + "::2");
        assertThat(plan.problems()).isEmpty();
    }

    @Test
    void migDevicesAreSharedUnderTheirOwnName() {
        // Given
        node.partition(0, "1g.10gb", "2g.20gb");

        // When
        ResourcePlan plan = plan(PluginConfigs.start().mig(MigStrategy.MIXED).share("nvidia.com/mig-1g.10gb", 2));

        // Then
        assertThat(ids(plan))
                .containsEntry("nvidia.com/mig-1g.10gb", List.of(mig(0, 0) + "::0", mig(0, 0) + "::1"))
                .containsEntry("nvidia.com/mig-2g.20gb", List.of(mig(0, 1)));
    }

    @Test
    void renamedByDefaultSharesAreOfferedAsShared() {
        // When
        ResourcePlan plan = plan(PluginConfigs.start().renameByDefault().share(GPU, 2));

        // Then
        assertThat(ids(plan)).containsOnlyKeys("nvidia.com/gpu.shared");
    }

    @Test
    void aNameOfItsOwnGoesBeforeTheDefaultOne() {
        // When
        ResourcePlan plan = plan(
                PluginConfigs.start().renameByDefault().share(GPU, "nvidia.com/slow", DeviceSelection.All.INSTANCE, 2));

        // Then
        assertThat(ids(plan)).containsOnlyKeys("nvidia.com/slow");
    }

    @Test
    void onlyTheFirstInPciOrderAreSharedAndTheOthersStayWhole() {
        // When
        ResourcePlan plan =
                plan(PluginConfigs.start().renameByDefault().share(GPU, "", new DeviceSelection.First(2), 2));

        // Then
        assertThat(ids(plan))
                .containsExactly(
                        Map.entry(GPU, List.of(Snapshots.uuid(2), Snapshots.uuid(3))),
                        Map.entry(
                                "nvidia.com/gpu.shared",
                                List.of(
                                        Snapshots.uuid(0) + "::0",
                                        Snapshots.uuid(0) + "::1",
                                        Snapshots.uuid(1) + "::0",
                                        Snapshots.uuid(1) + "::1")));
    }

    @Test
    void withoutAnotherNameSharedAndWholeDevicesHaveTheSame() {
        // When
        ResourcePlan plan = plan(PluginConfigs.start()
                .share(GPU, "", new DeviceSelection.Named(List.of(new DeviceReference.Index(1))), 2));

        // Then
        assertThat(ids(plan))
                .containsExactly(Map.entry(
                        GPU,
                        List.of(
                                Snapshots.uuid(0),
                                Snapshots.uuid(1) + "::0",
                                Snapshots.uuid(1) + "::1",
                                Snapshots.uuid(2),
                                Snapshots.uuid(3))));
    }

    @Test
    void devicesAreNamedByIndexUuidAndMigDevice() {
        // Given
        node.partition(1, "1g.10gb", "1g.10gb", "1g.10gb", "1g.10gb");

        // When
        ResourcePlan plan = plan(PluginConfigs.start()
                .mig(MigStrategy.MIXED)
                .share(
                        GPU,
                        "nvidia.com/a",
                        new DeviceSelection.Named(
                                List.of(new DeviceReference.Index(0), new DeviceReference.Uuid(Snapshots.uuid(3)))),
                        2)
                .share(
                        "nvidia.com/mig-1g.10gb",
                        "nvidia.com/b",
                        new DeviceSelection.Named(List.of(
                                new DeviceReference.MigIndex(1, 0),
                                new DeviceReference.Uuid(mig(1, 1)),
                                new DeviceReference.Instance(Snapshots.uuid(1), 3, 0),
                                new DeviceReference.MigIndex(1, 0))),
                        2));

        // Then
        assertThat(ids(plan))
                .containsEntry(GPU, List.of(Snapshots.uuid(2)))
                .containsEntry("nvidia.com/mig-1g.10gb", List.of(mig(1, 3)));
        assertThat(ids(plan).get("nvidia.com/a")).hasSize(4).contains(Snapshots.uuid(3) + "::1");
        assertThat(ids(plan).get("nvidia.com/b")).hasSize(6).contains(mig(1, 2) + "::0");
        assertThat(plan.problems()).isEmpty();
    }

    @Test
    void aDeviceThatIsNotThereIsSaidAndTheOthersAreShared() {
        // When
        ResourcePlan plan = plan(PluginConfigs.start()
                .share(
                        GPU,
                        "",
                        new DeviceSelection.Named(List.of(
                                new DeviceReference.Index(9),
                                new DeviceReference.MigIndex(0, 1),
                                new DeviceReference.Index(0))),
                        2));

        // Then
        assertThat(ids(plan).get(GPU)).startsWith(Snapshots.uuid(0) + "::0", Snapshots.uuid(0) + "::1");
        assertThat(plan.problems())
                .extracting(ResourcePlan.Problem::text)
                .satisfiesExactly(
                        one -> assertThat(one).contains("the device 9"),
                        two -> assertThat(two).contains("0:1"));
    }

    @Test
    void moreDevicesThanThereAreIsSaidAndAllAreShared() {
        // When
        ResourcePlan plan = plan(PluginConfigs.start().share(GPU, "", new DeviceSelection.First(9), 2));

        // Then
        assertThat(ids(plan).get(GPU)).hasSize(8);
        assertThat(plan.problems())
                .singleElement()
                .satisfies(problem -> assertThat(problem.text()).contains("9 devices", "has 4"));
    }

    @Test
    void sharingOfAResourceThatThisNodeLacksIsNoProblem() {
        // When
        ResourcePlan plan = plan(PluginConfigs.start().share("nvidia.com/mig-1g.5gb", 2));

        // Then
        assertThat(ids(plan)).containsExactly(Map.entry(GPU, Snapshots.uuids(4)));
        assertThat(plan.problems()).isEmpty();
    }

    @Test
    void moreSharesThanTheKubeletTakesAreCutAndSaid() {
        // When
        ResourcePlan plan = plan(PluginConfigs.start().share(GPU, 1_000_000));

        // Then
        assertThat(ids(plan).get(GPU)).hasSize(ResourcePlan.MOST_DEVICES_OF_A_RESOURCE);
        assertThat(plan.problems())
                .singleElement()
                .satisfies(problem -> assertThat(problem.text()).contains("1000000 replicas", "2048"));
    }

    @Test
    void moreResourcesThanANodeCanHaveAreLeftOutAndSaid() {
        // Given
        PluginConfigs patterns = PluginConfigs.start();
        List<Gpu> gpus = new ArrayList<>();
        for (int board = 100; board < 170; board++) {
            gpus.add(node.product(board % 4, "product-" + board).build().gpus().get(board % 4));
            patterns.gpuPattern("product-" + board, "nvidia.com/named-" + board);
        }

        // When
        ResourcePlan plan = ResourcePlan.of(gpus, patterns.build());

        // Then
        assertThat(plan.resources())
                .hasSize(ResourcePlan.MOST_RESOURCES)
                .last()
                .satisfies(resource -> assertThat(resource.name()).isEqualTo("nvidia.com/named-163"));
        assertThat(plan.problems()).singleElement().satisfies(problem -> {
            assertThat(problem.devices()).hasSize(6).startsWith(Snapshots.uuid(164 % 4));
            assertThat(problem.reason()).contains("70 resources", "patterns of resources");
        });
    }

    @Test
    void sharesUnderTheNameOfAnotherResourceAreLeftOutAndSaid() {
        // Given
        node.partition(0, "1g.10gb");
        PluginConfigs settings = PluginConfigs.start()
                .mig(MigStrategy.MIXED)
                .share(GPU, "nvidia.com/mig-1g.10gb", DeviceSelection.All.INSTANCE, 2);

        // When
        ResourcePlan plan = plan(settings);

        // Then
        assertThat(ids(plan)).containsExactly(Map.entry("nvidia.com/mig-1g.10gb", List.of(mig(0, 0))));
        assertThat(plan.problems()).singleElement().satisfies(problem -> {
            assertThat(problem.devices())
                    .containsExactlyElementsOf(Snapshots.uuids(4).subList(1, 4));
            assertThat(problem.reason()).contains("rename");
        });
    }

    private ResourcePlan plan(PluginConfigs settings) {
        return ResourcePlan.of(node.build().gpus(), settings.build());
    }

    private static String mig(int gpu, int index) {
        return Snapshots.migDevice(gpu, index, "1g.10gb").id().uuid();
    }

    private static Map<String, List<String>> ids(ResourcePlan plan) {
        Map<String, List<String>> ids = new LinkedHashMap<>();
        for (ResourcePlan.Resource resource : plan.resources()) {
            List<String> devices = new ArrayList<>();
            for (ResourcePlan.Device device : resource.devices()) {
                Gpu gpu = device.gpu();
                assertThat(device.id())
                        .startsWith(
                                (device.mig() == null ? gpu.id() : device.mig().id()).uuid());
                devices.add(device.id());
            }
            ids.put(resource.name(), devices);
        }
        return ids;
    }
}
