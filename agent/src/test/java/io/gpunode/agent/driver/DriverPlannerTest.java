package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

@Timeout(20)
class DriverPlannerTest {
    private static final Map<String, String> PARAMETERS = Map.of("NVreg_X", "1");

    /** Everything that a node can be in when somebody wants something of it, crashes in the middle included. */
    static List<FakeDriverNode> states() {
        List<List<String>> loaded = List.of(
                List.of(),
                List.of("nvidia"),
                List.of("nvidia", "nvidia_uvm"),
                List.of("nvidia", "nvidia_modeset"),
                List.of("nvidia", "nvidia_uvm", "nvidia_modeset"),
                List.of("nvidia", "nvidia_uvm", "nvidia_modeset", "nvidia_drm"));
        List<FakeDriverNode> states = new ArrayList<>();
        for (List<String> modules : loaded) {
            for (String version : List.of("1.0.1", "2.0.2", "535.1.1")) {
                for (Map<String, String> parameters : List.of(Map.<String, String>of(), PARAMETERS)) {
                    for (int bits = 0; bits < 16; bits++) {
                        FakeDriverNode node = new FakeDriverNode();
                        node.put(
                                version,
                                version.startsWith("535") ? ModuleType.PROPRIETARY : ModuleType.OPEN,
                                parameters,
                                modules.toArray(new String[0]));
                        node.attached = (bits & 1) != 0;
                        node.withdrawn = (bits & 2) != 0;
                        if ((bits & 4) != 0) {
                            node.daemons.addAll(EnumSet.of(DaemonKind.PERSISTENCED, DaemonKind.FABRIC_MANAGER));
                            node.needed.add(DaemonKind.FABRIC_MANAGER);
                        }
                        if ((bits & 8) != 0) {
                            node.needed.add(DaemonKind.PERSISTENCED);
                        }
                        node.nouveau = modules.isEmpty() && (bits & 8) != 0;
                        states.add(node);
                    }
                }
            }
        }
        return states;
    }

    private static List<String> texts(List<DriverStep> steps) {
        return steps.stream().map(DriverStep::text).toList();
    }

    static List<DriverTarget> targets() {
        return List.of(
                DriverTarget.NONE,
                FakeDriverNode.target("1.0.1", Map.of()),
                FakeDriverNode.target("1.0.1", PARAMETERS),
                FakeDriverNode.target("1.0.1", Map.of("NVreg_X", "0")),
                FakeDriverNode.target("2.0.2", Map.of()));
    }

    static Stream<DriverTarget> everyTarget() {
        return targets().stream();
    }

    @ParameterizedTest
    @MethodSource("everyTarget")
    void aPlanLeadsFromEveryStateToWhatIsWanted(DriverTarget target) throws Exception {
        for (FakeDriverNode node : states()) {
            FakeDriverNode before = node.copy();
            DriverPlan plan = DriverPlanner.plan(node.observe(), target);

            // When
            for (DriverStep step : plan.steps()) {
                node.perform(step);
            }

            // Then
            String how = before.everything() + " by " + texts(plan.steps());
            assertThat(node.violations).as(how).isEmpty();
            assertThat(DriverPlanner.hasModules(node.observe(), target)).as(how).isTrue();
            assertThat(texts(DriverPlanner.plan(node.observe(), target).steps()))
                    .as(how)
                    .isEmpty();
        }
    }

    /** The source was changed from the host to a bundle. */
    @Test
    void aDriverThatRunsAndIsTheWantedOneIsShownWhereItsFilesAreLookedFor() throws Exception {
        // Given
        FakeDriverNode node = new FakeDriverNode();
        node.put("1.0.1", ModuleType.OPEN, Map.of(), "nvidia", "nvidia_uvm", "nvidia_modeset");

        // When
        DriverPlan plan = DriverPlanner.plan(node.observe(), FakeDriverNode.target("1.0.1", Map.of()));

        // Then
        assertThat(plan.differences()).containsExactly("containers do not find the driver's nodes and files");
        assertThat(texts(plan.steps()))
                .containsExactly("make the nodes and /run/nvidia/driver", "offer the GPUs again");
        assertThat(plan.disrupts()).isFalse();
    }

    @ParameterizedTest
    @CsvSource({
        "AAAA, BBBB, nvidia is another build of 1.0.1 (srcversion AAAA; and BBBB is on the disk)",
        "AAAA, AAAA, ''",
        "'', BBBB, ''",
        "AAAA, '', ''"
    })
    void aModuleThatWasBuiltAnewUnderItsVersionIsADifference(String loaded, String onDisk, String difference) {
        // Given
        FakeDriverNode node = new FakeDriverNode();
        node.put("1.0.1", ModuleType.OPEN, Map.of(), "nvidia", "nvidia_uvm", "nvidia_modeset");
        node.attached = true;
        node.sourceVersions.put("nvidia", loaded);
        DriverTarget target = FakeDriverNode.target("1.0.1", Map.of());
        StagedDriver driver = target.driver().orElseThrow();
        DriverTarget built = new DriverTarget(
                Optional.of(driver.with(driver.modules().stream()
                        .map(module -> module.built(onDisk))
                        .toList())),
                target.modules(),
                target.firmwarePath(),
                Set.of(),
                true);

        // When
        DriverPlan plan = DriverPlanner.plan(node.observe(), built);

        // Then
        assertThat(String.join("; ", plan.differences())).isEqualTo(difference.replace(';', ','));
        assertThat(plan.unloads().isEmpty()).isEqualTo(difference.isEmpty());
    }

    @ParameterizedTest
    @MethodSource("everyTarget")
    void aPlanTellsADifferenceWheneverItHasAStep(DriverTarget target) {
        for (FakeDriverNode node : states()) {
            // When
            DriverPlan plan = DriverPlanner.plan(node.observe(), target);

            // Then
            assertThat(plan.differences().isEmpty())
                    .as(node.everything() + " by " + texts(plan.steps()))
                    .isEqualTo(plan.isEmpty());
        }
    }

    @ParameterizedTest
    @MethodSource("everyTarget")
    void nothingThatCanWaitOrCouldHaveBeenDoneBeforeIsBetweenUnloadingAndLoading(DriverTarget target) {
        for (FakeDriverNode node : states()) {
            // When
            List<DriverStep> steps = DriverPlanner.plan(node.observe(), target).steps();

            // Then
            int firstUnload = index(steps, DriverStep.UnloadModule.class, true);
            int lastLoad = index(steps, DriverStep.LoadModule.class, false);
            if (firstUnload >= 0 && lastLoad >= 0) {
                assertThat(steps.subList(firstUnload, lastLoad))
                        .allMatch(step -> step instanceof DriverStep.UnloadModule
                                || step instanceof DriverStep.LoadModule
                                || step instanceof DriverStep.SetFirmwarePath);
            }
        }
    }

    private static int index(List<DriverStep> steps, Class<?> kind, boolean first) {
        int found = -1;
        for (int i = 0; i < steps.size(); i++) {
            if (kind.isInstance(steps.get(i)) && (!first || found < 0)) {
                found = i;
            }
        }
        return found;
    }

    @Test
    void aRootWhoseNoteIsLostGoesWithTheDriver() {
        // Given
        FakeDriverNode node = withALostNote();

        // When
        DriverPlan plan = DriverPlanner.plan(node.observe(), DriverTarget.NONE);

        // Then
        assertThat(texts(plan.steps())).contains("take away /run/nvidia/driver");
    }

    @Test
    void aRootThatAnAgentHadNoTimeToNoteIsMadeToItsEnd() {
        // Given
        FakeDriverNode node = withALostNote();

        // When
        DriverPlan plan = DriverPlanner.plan(node.observe(), FakeDriverNode.target("1.0.1", Map.of()));

        // Then
        assertThat(texts(plan.steps()))
                .containsExactly("make the nodes and /run/nvidia/driver", "offer the GPUs again");
    }

    private static FakeDriverNode withALostNote() {
        FakeDriverNode node = new FakeDriverNode();
        node.put("1.0.1", ModuleType.OPEN, Map.of(), "nvidia", "nvidia_uvm", "nvidia_modeset");
        node.attached = true;
        node.noteLost = true;
        return node;
    }

    @Test
    void anotherParameterOfALeafLeavesTheGpusAlone() {
        // Given
        FakeDriverNode node = new FakeDriverNode();
        node.put("1.0.1", ModuleType.OPEN, Map.of(), "nvidia", "nvidia_uvm", "nvidia_modeset");
        node.modules.put("nvidia_uvm", new FakeDriverNode.Module("1.0.1", ModuleType.OPEN, Map.of("uvm_x", "0")));
        node.daemons.add(DaemonKind.PERSISTENCED);
        node.attached = true;
        DriverTarget target = FakeDriverNode.target("1.0.1", Map.of());
        target = new DriverTarget(
                target.driver(),
                List.of(
                        target.modules().get(0),
                        new DriverTarget.Module("nvidia_uvm", false, Map.of("uvm_x", "1")),
                        target.modules().get(2)),
                target.firmwarePath(),
                Set.of(),
                true);

        // When
        DriverPlan plan = DriverPlanner.plan(node.observe(), target);

        // Then
        assertThat(plan.steps().stream().map(DriverStep::text))
                .containsExactly(
                        "load i2c_core, where it is there",
                        "unload nvidia_uvm",
                        "load nvidia_uvm uvm_x=1",
                        "offer the GPUs again");
        assertThat(plan.differences()).containsExactly("nvidia_uvm has uvm_x=0, and 1 is wanted");
    }

    @Test
    void anUpgradeStopsWhatHoldsTheDriverAndStartsItAgain() {
        // Given
        FakeDriverNode node = new FakeDriverNode();
        node.put("1.0.1", ModuleType.OPEN, Map.of(), "nvidia", "nvidia_uvm", "nvidia_modeset", "nvidia_drm");
        node.daemons.addAll(Set.of(DaemonKind.PERSISTENCED, DaemonKind.FABRIC_MANAGER));
        node.attached = true;

        // When
        DriverPlan plan = DriverPlanner.plan(node.observe(), FakeDriverNode.target("2.0.2", Map.of()));

        // Then
        assertThat(plan.steps().stream().map(DriverStep::text))
                .containsExactly(
                        "load i2c_core, where it is there",
                        "load ecc",
                        "load video",
                        "withdraw the GPUs",
                        "stop nv-fabricmanager",
                        "stop nvidia-persistenced",
                        "take away /run/nvidia/driver",
                        "unload nvidia_drm",
                        "unload nvidia_modeset",
                        "unload nvidia_uvm",
                        "unload nvidia",
                        "set the kernel's firmware path to /firmware/2.0.2",
                        "load nvidia",
                        "load nvidia_uvm",
                        "load nvidia_modeset",
                        "load nvidia_drm, where it is there",
                        "make the nodes and /run/nvidia/driver",
                        "start nvidia-persistenced again",
                        "start nv-fabricmanager again",
                        "offer the GPUs again");
    }

    /** Its keeper, or its unit, is about to start it again. */
    @ParameterizedTest
    @CsvSource({"true", "false"})
    void aNeededDaemonWithoutAProcessIsKeptFromStartingInTheMiddle(boolean failed) throws Exception {
        // Given
        FakeDriverNode node = new FakeDriverNode();
        node.put("1.0.1", ModuleType.OPEN, Map.of(), "nvidia");
        node.needed.add(DaemonKind.PERSISTENCED);
        if (failed) {
            node.broken.add(DaemonKind.PERSISTENCED);
            node.perform(new DriverStep.StartDaemon(DaemonKind.PERSISTENCED, FakeDriverNode.staged("1.0.1"), false));
        }

        // When
        DriverPlan plan = DriverPlanner.plan(node.observe(), DriverTarget.NONE);

        // Then
        assertThat(texts(plan.steps()))
                .containsExactly(
                        "withdraw the GPUs",
                        "stop nvidia-persistenced",
                        "unload nvidia",
                        "tell that there is no driver");
    }

    @ParameterizedTest
    @CsvSource({
        "1, 1, true",
        "Y, 1, true",
        "N, 0, true",
        "16, 0x10, true",
        "4294967295, -1, true",
        "'\"a=1;b=2\"', a=1;b=2, true",
        "1, 0, false",
        "a, b, false",
        "'', 0, false"
    })
    void aParameterIsTheSameHoweverTheKernelWritesIt(String inForce, String wanted, boolean same) {
        // When
        boolean answer = ParameterValues.same(inForce, wanted);

        // Then
        assertThat(answer).isEqualTo(same);
    }
}
