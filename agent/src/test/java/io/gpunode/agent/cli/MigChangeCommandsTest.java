package io.gpunode.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.mig.MigConfigExport;
import io.gpunode.agent.mig.MigConfigText;
import io.gpunode.agent.mig.SimulatedMigNode;
import io.gpunode.agent.mig.SimulatedMigNode.Chip;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.net.UnixSockets;
import io.gpunode.podresources.v1.ContainerDevices;
import io.gpunode.podresources.v1.ContainerResources;
import io.gpunode.podresources.v1.ListPodResourcesRequest;
import io.gpunode.podresources.v1.ListPodResourcesResponse;
import io.gpunode.podresources.v1.PodResources;
import io.gpunode.podresources.v1.PodResourcesListerGrpc;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** {@code mig plan}, {@code mig apply} and {@code mig restore} as they are typed, on a driver that plays MIG. */
@Timeout(60)
class MigChangeCommandsTest {
    private static final String LAYOUTS = """
            version: v1
            mig-configs:
              off:
                - {devices: all, mig-enabled: false}
              mixed:
                - {devices: [0], mig-enabled: true, mig-devices: {"1g.10gb": 2, "3g.40gb": 1}}
                - {devices: [1], mig-enabled: true, mig-devices: {"7g.80gb": 1}}
              too-much:
                - {devices: [0], mig-enabled: true, mig-devices: {"3g.40gb": 2, "1g.10gb": 1}}
            """;

    @TempDir
    private Path root = Path.of("");

    @TempDir
    private Path directory = Path.of("");

    private Path podResources = Path.of("");

    @BeforeEach
    void layOut() {
        podResources = directory.resolve("pod-resources.sock");
    }

    private Terminal terminal() {
        return new Terminal()
                .environment("GPU_NODE_AGENT_HOST_ROOT", root.toString())
                .environment("GPU_NODE_AGENT_KUBELET_POD_RESOURCES_SOCKET", podResources.toString());
    }

    private List<String> words(String command, String... more) throws Exception {
        Path layouts = Files.writeString(directory.resolve("mig.yaml"), LAYOUTS);
        Path checkpoint = directory.resolve("checkpoint.json");
        boolean checkpoints = command.equals("restore") || command.equals("checkpoint");
        List<String> words =
                new ArrayList<>(List.of("mig", command, "-f", (checkpoints ? checkpoint : layouts).toString()));
        words.addAll(List.of(more));
        return words;
    }

    private Terminal run(String command, String... more) throws Exception {
        Terminal terminal = terminal();
        terminal.execute(words(command, more).toArray(new String[0]));
        return terminal;
    }

    private ExitCode code(String command, String... more) throws Exception {
        return terminal().execute(words(command, more).toArray(new String[0]));
    }

    private SimulatedMigNode node() {
        return SimulatedMigNode.of(root, Chip.A100_80, Chip.H100).split(0, "3g.40gb start=0", "2g.20gb start=4");
    }

    private static String layout(SimulatedMigNode node) throws Exception {
        return MigConfigText.yaml(MigConfigExport.of("now", node.read()).file());
    }

    @Test
    void planPrintsTheStepsAndChangesNothing() throws Exception {
        try (SimulatedMigNode node = node()) {
            String before = layout(node);

            // When
            Terminal terminal = run("plan", "-c", "mixed");

            // Then
            assertThat(terminal.out()).isEqualTo("""
                    GPU 0 (GPU-00000000-0000-0000-0000-000000000000): 6 steps
                      destroy compute instance 0 of GPU instance 5 (2g.20gb)
                      destroy GPU instance 5 (2g.20gb at 4:2)
                      create GPU instance 1g.10gb at 4:1
                      create compute instance 1g.10gb at 0:1 in the GPU instance at 4:1
                      create GPU instance 1g.10gb at 5:1
                      create compute instance 1g.10gb at 0:1 in the GPU instance at 5:1
                    GPU 1 (GPU-00000000-0000-0000-0000-000000000001): 3 steps
                      turn MIG mode on
                      create GPU instance 7g.80gb at 0:8
                      create compute instance 7g.80gb at 0:7 in the GPU instance at 0:8
                    """);
            assertThat(layout(node)).isEqualTo(before);
        }
    }

    @Test
    void applyDoesItAndAssertAgrees() throws Exception {
        try (SimulatedMigNode node = node()) {
            // When
            Terminal terminal = run("apply", "-c", "mixed");

            // Then
            assertThat(terminal.out()).isEqualTo("9 steps done\n");
            assertThat(terminal.err().lines()).hasSize(9);
            assertThat(code("assert", "-c", "mixed")).isEqualTo(ExitCode.OK);
            assertThat(run("apply", "-c", "mixed").out()).isEqualTo("nothing to do\n");
            assertThat(node.simulator().violations()).isEmpty();
        }
    }

    @Test
    void whoIsInTheWayIsNamedAndNothingIsChanged() throws Exception {
        try (SimulatedMigNode node = node().apply("process gpu=0 mig=1 pid=4711 name=train")) {
            String before = layout(node);

            // When
            Terminal terminal = run("apply", "-c", "mixed");

            // Then
            assertThat(terminal.out()).isEmpty();
            assertThat(terminal.err())
                    .contains("is in use: 2g.20gb (GPU instance 5, compute instance 0) by process 4711 (train)")
                    .endsWith("nothing was changed\n");
            assertThat(layout(node)).isEqualTo(before);
            assertThat(code("apply", "-c", "mixed")).isEqualTo(ExitCode.FAILURE);
            node.apply("process gpu=0 pid=4711 end");
        }
    }

    @Test
    void planPrintsTheStepsAndWhoIsInTheirWay() throws Exception {
        try (SimulatedMigNode node = node().apply("process gpu=0 mig=1 pid=4711 name=train")) {
            // When
            Terminal terminal = run("plan", "-c", "mixed");

            // Then
            assertThat(terminal.out()).contains("6 steps").contains("destroy GPU instance 5 (2g.20gb at 4:2)");
            assertThat(terminal.err()).contains("by process 4711 (train)");
            assertThat(run("apply", "-c", "mixed", "--dry-run", "-o", "json").out())
                    .contains("\"ok\": false")
                    .contains("by process 4711 (train)")
                    .contains("destroy GPU instance 5 (2g.20gb at 4:2)");
            node.apply("process gpu=0 pid=4711 end");
        }
    }

    @Test
    void aPodThatWasGivenAnInstanceIsInTheWayBeforeItHasAProcess() throws Exception {
        try (SimulatedMigNode node = node()) {
            // Given
            String device = "0:1";
            try (Kubelet _ = new Kubelet(podResources, device)) {
                // When
                Terminal terminal = run("apply", "-c", "mixed");

                // Then
                assertThat(terminal.out()).isEmpty();
                assertThat(terminal.err())
                        .contains("2g.20gb (GPU instance 5, compute instance 0) by pod training/bert-0")
                        .endsWith("nothing was changed\n");
                assertThat(run("plan", "-c", "mixed").out()).contains("destroy GPU instance 5 (2g.20gb at 4:2)");
            }
            assertThat(run("apply", "-c", "mixed").out()).isEqualTo("9 steps done\n");
            assertThat(node.simulator().violations()).isEmpty();
        }
    }

    @Test
    void aKubeletThatDoesNotAnswerKeepsTheGpusAsTheyAre() throws Exception {
        try (SimulatedMigNode node = node()) {
            // Given
            String before = layout(node);
            try (Kubelet _ = new Kubelet(podResources, "")) {
                // When
                Terminal terminal = run("apply", "-c", "mixed");

                // Then
                assertThat(terminal.err())
                        .contains("the kubelet does not say which pods hold GPU-")
                        .endsWith("nothing was changed\n");
                assertThat(layout(node)).isEqualTo(before);
            }
        }
    }

    @Test
    void aKubeletThatWasStoppedIsSaidAndIsNoHindrance() throws Exception {
        try (SimulatedMigNode _ = node()) {
            // Given
            Files.createFile(podResources);

            // When
            Terminal terminal = run("apply", "-c", "mixed");

            // Then
            assertThat(terminal.out()).isEqualTo("9 steps done\n");
            assertThat(terminal.err()).contains("the kubelet does not run").containsOnlyOnce("pods are not");
        }
    }

    /** Tells that the pod training/bert-0 holds a device; with none it answers with an error. */
    private static final class Kubelet implements AutoCloseable {
        private final EventLoops loops = EventLoops.open("kubelet-io");
        private final Server server;

        Kubelet(Path socket, String device) throws IOException {
            server = UnixSockets.server(socket, loops)
                    .addService(new PodResourcesListerGrpc.PodResourcesListerImplBase() {
                        @Override
                        public void list(
                                ListPodResourcesRequest request, StreamObserver<ListPodResourcesResponse> observer) {
                            if (device.isEmpty()) {
                                observer.onError(Status.INTERNAL.asRuntimeException());
                                return;
                            }
                            observer.onNext(ListPodResourcesResponse.newBuilder()
                                    .addPodResources(PodResources.newBuilder()
                                            .setNamespace("training")
                                            .setName("bert-0")
                                            .addContainers(ContainerResources.newBuilder()
                                                    .setName("main")
                                                    .addDevices(ContainerDevices.newBuilder()
                                                            .setResourceName("nvidia.com/mig-2g.20gb")
                                                            .addDeviceIds(device))))
                                    .build());
                            observer.onCompleted();
                        }
                    })
                    .build()
                    .start();
        }

        @Override
        public void close() {
            server.shutdownNow();
            loops.close();
        }
    }

    @Test
    void whatDoesNotFitIsRefusedWithWhatDoes() throws Exception {
        try (SimulatedMigNode _ = node()) {
            // When
            Terminal terminal = run("plan", "-c", "too-much");

            // Then
            assertThat(terminal.err())
                    .contains("cannot be split into 2 x 3g.40gb, 1 x 1g.10gb at the same time; what fits: 2 x 3g.40gb");
        }
    }

    @Test
    void itIsToldAsJson() throws Exception {
        try (SimulatedMigNode _ = node()) {
            // When
            Terminal terminal = run("apply", "-c", "off", "-o", "json");

            // Then
            assertThat(terminal.out()).isEqualTo("""
                    {
                      "ok": true,
                      "outcome": "done",
                      "message": "5 steps done",
                      "gpus": [
                        {
                          "gpu": 0,
                          "uuid": "GPU-00000000-0000-0000-0000-000000000000",
                          "needsRestart": false,
                          "steps": [
                            "destroy compute instance 0 of GPU instance 2 (3g.40gb)",
                            "destroy GPU instance 2 (3g.40gb at 0:4)",
                            "destroy compute instance 0 of GPU instance 5 (2g.20gb)",
                            "destroy GPU instance 5 (2g.20gb at 4:2)",
                            "turn MIG mode off, which resets the GPU"
                          ]
                        },
                        {
                          "gpu": 1,
                          "uuid": "GPU-00000000-0000-0000-0000-000000000001",
                          "needsRestart": false,
                          "steps": []
                        }
                      ]
                    }
                    """);
        }
    }

    @Test
    void modeOnlyLeavesInstancesAsTheyAre() throws Exception {
        try (SimulatedMigNode _ = node()) {
            // When
            Terminal terminal = run("apply", "-c", "mixed", "-m");

            // Then
            assertThat(terminal.out()).isEqualTo("1 step done\n");
            assertThat(code("assert", "-c", "mixed", "-m")).isEqualTo(ExitCode.OK);
        }
    }

    @Test
    void aResetThatIsSkippedLeavesTheModePendingAndTheRestForAfterIt() throws Exception {
        try (SimulatedMigNode node =
                SimulatedMigNode.of(root, Chip.A100_80, Chip.H100).apply("set gpu=0 mig-reset=on")) {
            assertThat(code("apply", "-c", "mixed", "-m")).isEqualTo(ExitCode.FAILURE);

            // When
            Terminal terminal = terminal();
            ExitCode code =
                    terminal.execute(words("apply", "-c", "mixed", "-m", "-s").toArray(new String[0]));

            // Then
            assertThat(code).isEqualTo(ExitCode.OK);
            assertThat(terminal.out()).contains("2 steps done; MIG mode comes into force when");
            node.apply("reset gpu=0");
            assertThat(code("apply", "-c", "mixed")).isEqualTo(ExitCode.OK);
        }
    }

    @Test
    void aDriverThatTellsNoProfilesWhileMigIsOffIsToldToTurnItOnFirst() throws Exception {
        try (SimulatedMigNode _ =
                SimulatedMigNode.of(root, Chip.A100_80, Chip.H100).apply("set gpu=all mig-silent=on")) {
            assertThat(run("plan", "-c", "mixed").err()).contains("tells what it can be split into when MIG is on");

            // When
            ExitCode code = code("apply", "-c", "mixed");

            // Then
            assertThat(code).isEqualTo(ExitCode.OK);
            assertThat(code("assert", "-c", "mixed")).isEqualTo(ExitCode.OK);
        }
    }

    @Test
    void aModeThatWasTurnedOnFirstIsTurnedOffAgainWhenTheRestDoesNotFit() throws Exception {
        try (SimulatedMigNode node =
                SimulatedMigNode.of(root, Chip.A100_80, Chip.H100).apply("set gpu=all mig-silent=on")) {
            // When
            Terminal terminal = run("apply", "-c", "too-much");

            // Then
            assertThat(terminal.err())
                    .contains("cannot be split into 2 x 3g.40gb, 1 x 1g.10gb")
                    .contains("MIG is turned off again: 1 step done");
            assertThat(node.read()
                            .getFirst()
                            .geometry()
                            .asOptional()
                            .orElseThrow()
                            .enabled())
                    .isFalse();
        }
    }

    @Test
    void aResetThatIsSkippedAndNotNeededIsNoObstacle() throws Exception {
        try (SimulatedMigNode _ = SimulatedMigNode.of(root, Chip.A100_80, Chip.H100)) {
            // When
            ExitCode code = code("apply", "-c", "mixed", "-s");

            // Then
            assertThat(code).isEqualTo(ExitCode.OK);
            assertThat(code("assert", "-c", "mixed")).isEqualTo(ExitCode.OK);
        }
    }

    @Test
    void aCheckpointIsRestoredWithEveryInstanceAtItsPlace() throws Exception {
        try (SimulatedMigNode node = node()) {
            // Given
            assertThat(code("checkpoint")).isEqualTo(ExitCode.OK);
            run("apply", "-c", "off");

            // When
            Terminal terminal = run("restore");

            // Then
            assertThat(terminal.out()).isEqualTo("5 steps done\n");
            assertThat(node.read()
                            .getFirst()
                            .geometry()
                            .asOptional()
                            .orElseThrow()
                            .instances())
                    .extracting(instance -> instance.placement().toString())
                    .containsExactly("0:4", "4:2");
            assertThat(run("restore", "--dry-run").out())
                    .contains("nothing to do")
                    .doesNotContain("steps");
        }
    }

    @Test
    void aStepThatFailsBringsBackWhatWasThere() throws Exception {
        try (SimulatedMigNode node = node()) {
            String before = layout(node);
            node.apply(
                    "fault f call=nvmlDeviceCreateGpuInstanceWithPlacement gpu=1 times=1 return=INSUFFICIENT_RESOURCES");

            // When
            Terminal terminal = run("apply", "-c", "mixed");

            // Then
            assertThat(terminal.err())
                    .contains("could not create GPU instance 7g.80gb at 0:8:"
                            + " nvmlDeviceCreateGpuInstanceWithPlacement answers INSUFFICIENT_RESOURCES")
                    .endsWith("every GPU is split as it was before\n");
            assertThat(layout(node)).isEqualTo(before);
        }
    }

    @Test
    void aChangeThatWasInterruptedIsEndedFirst() throws Exception {
        try (SimulatedMigNode node = node()) {
            // Given
            node.apply("fault f call=nvmlDeviceCreateGpuInstanceWithPlacement return=UNKNOWN");
            assertThat(run("apply", "-c", "mixed").err())
                    .contains("not brought back yet")
                    .contains("mig.journal");
            node.apply("clear f");

            // When
            Terminal plan = run("plan", "-c", "mixed");
            Terminal terminal = run("apply", "-c", "mixed", "-m");

            // Then
            assertThat(plan.err())
                    .isEqualTo("a change was interrupted, or is under way: apply and restore end it first\n");
            assertThat(terminal.err()).contains("a change that was interrupted: could not create GPU instance");
            assertThat(terminal.out()).isEqualTo("1 step done\n");
            assertThat(layout(node)).contains("3g.40gb").contains("2g.20gb");
        }
    }

    @Test
    void hooksAreRunAroundAChangeAndNotAroundNothing() throws Exception {
        try (SimulatedMigNode _ = node()) {
            // Given
            Path log = directory.resolve("log");
            String hook = "[{command: sh, args: ['-c', 'echo $WHEN $MIG_PARTED_SELECTED_CONFIG >> " + log
                    + "'], envs: {WHEN: %s}}]";
            Path hooks = Files.writeString(directory.resolve("hooks.yaml"), """
                    version: v1
                    hooks:
                      apply-start: %s
                      pre-apply-mode: %s
                      pre-apply-config: %s
                      apply-exit: %s
                    """.formatted(
                    hook.formatted("start"), hook.formatted("mode"), hook.formatted("config"), hook.formatted("exit")));

            // When
            Terminal terminal = run("apply", "-c", "mixed", "-k", hooks.toString());
            run("apply", "-c", "mixed", "-k", hooks.toString());

            // Then
            assertThat(terminal.out()).isEqualTo("9 steps done\n");
            assertThat(log).hasContent("start mixed\nmode mixed\nconfig mixed\nexit mixed\n");
        }
    }

    @Test
    void aHookThatFailsKeepsTheGpusAsTheyAre() throws Exception {
        try (SimulatedMigNode node = node()) {
            // Given
            String before = layout(node);
            Path hooks = Files.writeString(
                    directory.resolve("hooks.yaml"),
                    "{version: v1, hooks: {apply-start: [{command: sh, args: ['-c', 'echo no; exit 7']}]}}");

            // When
            Terminal terminal = run("apply", "-c", "mixed", "-k", hooks.toString());

            // Then
            assertThat(terminal.err())
                    .isEqualTo("no\nthe hook sh of apply-start ended with status 7: nothing was changed\n");
            assertThat(layout(node)).isEqualTo(before);
        }
    }
}
