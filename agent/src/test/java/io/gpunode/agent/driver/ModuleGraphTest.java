package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.os.LoadedModule;
import io.gpunode.agent.os.LoadedModule.Phase;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(10)
class ModuleGraphTest {
    private static LoadedModule module(String name, int references, String... holders) {
        return new LoadedModule(name, 1, references, List.of(holders), Phase.LIVE, "", "", "");
    }

    @Test
    void leavesComeFirstWhateverTheKernelsOrder() {
        // Given
        List<LoadedModule> loaded = List.of(
                module("nvidia", 3, "nvidia_drm", "nvidia_modeset", "nvidia_uvm"),
                module("drm", 1, "nvidia_drm"),
                module("nvidia_modeset", 1, "nvidia_drm"),
                module("nvidia_uvm", 0),
                module("nvidia_drm", 0),
                module("ext4", 1));

        // When
        ModuleGraph graph = ModuleGraph.of(loaded);

        // Then
        assertThat(graph.unloadOrder()).containsExactly("nvidia_drm", "nvidia_modeset", "nvidia_uvm", "nvidia");
        assertThat(graph.free()).isTrue();
    }

    @Test
    void aModuleOfSomebodyElseIsNamedAndKeepsTheDriver() {
        // Given
        List<LoadedModule> loaded = List.of(
                module("nvidia", 1, "vendor_rdma"), module("vendor_rdma", 1, "vendor_top"), module("vendor_top", 0));

        // When
        ModuleGraph graph = ModuleGraph.of(loaded);

        // Then
        assertThat(graph.unloadOrder()).containsExactly("vendor_top", "vendor_rdma", "nvidia");
        assertThat(graph.foreign()).extracting(LoadedModule::name).containsExactly("vendor_top", "vendor_rdma");
        assertThat(graph.free()).isFalse();
    }

    @Test
    void aModuleIsHeldFromOutsideWhenItHasMoreReferencesThanUsers() {
        // Given
        List<LoadedModule> loaded = List.of(module("nvidia", 3, "nvidia_uvm"), module("nvidia_uvm", 0));

        // When
        ModuleGraph graph = ModuleGraph.of(loaded);

        // Then
        assertThat(graph.externallyUsed()).extracting(LoadedModule::name).containsExactly("nvidia");
        assertThat(graph.find("nvidia").orElseThrow().externalReferences()).isEqualTo(2);
    }

    @Test
    void aModuleOnItsWayIsNotSettled() {
        // Given
        LoadedModule coming = new LoadedModule("nvidia", 1, 1, List.of(), Phase.COMING, "", "", "");

        // When
        ModuleGraph graph = ModuleGraph.of(List.of(coming));

        // Then
        assertThat(graph.unsettled()).containsExactly(coming);
        assertThat(graph.free()).isFalse();
    }

    @Test
    void whatDoesNotNeedNvidiaIsStillTheDrivers() {
        assertThat(ModuleGraph.of(List.of(module("gdrdrv", 0))).unloadOrder()).containsExactly("gdrdrv");
        assertThat(ModuleGraph.of(List.of(module("nouveau", 0), module("ext4", 1)))
                        .isEmpty())
                .isTrue();
    }

    @RepeatedTest(50)
    void anyGraphIsOrderedSoThatUsersGoFirst(RepetitionInfo run) {
        // Given
        Random random = new Random(run.getCurrentRepetition());
        int count = 2 + random.nextInt(8);
        List<LoadedModule> loaded = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            List<String> holders = new ArrayList<>();
            for (int j = i + 1; j < count; j++) {
                if (random.nextInt(3) == 0) {
                    holders.add("m" + j);
                }
            }
            loaded.add(module(i == 0 ? "nvidia" : "m" + i, holders.size(), holders.toArray(new String[0])));
        }
        Collections.shuffle(loaded, random);

        // When
        ModuleGraph graph = ModuleGraph.of(loaded);

        // Then
        List<String> order = graph.unloadOrder();
        for (LoadedModule module : graph.modules()) {
            assertThat(module.holders())
                    .allSatisfy(holder ->
                            assertThat(order.indexOf(holder)).isNotNegative().isLessThan(order.indexOf(module.name())));
        }
    }

    @Test
    void aCircleEnds() {
        // Given what a kernel never tells
        List<LoadedModule> loaded = List.of(module("nvidia", 1, "a"), module("a", 1, "nvidia"));

        // When
        ModuleGraph graph = ModuleGraph.of(loaded);

        // Then
        assertThat(graph.unloadOrder()).containsExactlyInAnyOrder("a", "nvidia");
    }

    @ParameterizedTest
    @CsvSource({"1, 0, true", "2, 0, false", "1, 1, false", "-1, 0, false"})
    void aDriverIsUnusedWhereTheKernelCountsNobodyButItsModules(int ofCore, int ofUser, boolean unused) {
        // Given
        List<LoadedModule> loaded = List.of(
                new LoadedModule("nvidia_uvm", 1, ofUser, List.of(), LoadedModule.Phase.LIVE, "1.0.1", "", ""),
                new LoadedModule("nvidia", 1, ofCore, List.of("nvidia_uvm"), LoadedModule.Phase.LIVE, "1.0.1", "", ""));

        // When
        boolean found = ModuleGraph.of(loaded).isUnused();

        // Then
        assertThat(found).isEqualTo(unused);
    }
}
