package io.gpunode.agent.process;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.nvml.simulator.ControlFile;
import io.gpunode.nvml.simulator.SimulatedNodeFiles;
import io.gpunode.nvml.simulator.SimulatedProfile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The commands that change MIG, as processes that are killed, meet one another and meet a running agent. The driver keeps its layout over all of them. */
@Timeout(120)
class MigProcessIT {
    private static final String NODE = """
            driver version=570.195.03 cuda=12.8
            model A100 name="NVIDIA A100-SXM4-80GB" device-id=0x20B210DE memory=81920 architecture=ampere mig-table=a100-80gb
            model H100 name="NVIDIA H100 80GB HBM3" device-id=0x233010DE memory=81559 architecture=hopper mig-table=h100-80gb
            gpu 0 model=A100 pci=0000:10:00.0 uuid=GPU-00000000-0000-0000-0000-000000000000 mig-held=on
            gpu 1 model=H100 pci=0000:11:00.0 uuid=GPU-00000000-0000-0000-0000-000000000001
            """;

    private static final String LAYOUTS = """
            version: v1
            mig-configs:
              start:
                - {devices: [0], mig-enabled: true, mig-devices: {"3g.40gb": 1, "2g.20gb": 1}}
                - {devices: [1], mig-enabled: false}
              mixed:
                - {devices: [0], mig-enabled: true, mig-devices: {"1g.10gb": 2, "3g.40gb": 1}}
                - {devices: [1], mig-enabled: true, mig-devices: {"7g.80gb": 1}}
            """;

    /** What the steps from start to mixed call, in their order. */
    private static final List<String> STEPS = List.of(
            "nvmlComputeInstanceDestroy",
            "nvmlGpuInstanceDestroy",
            "nvmlDeviceCreateGpuInstanceWithPlacement",
            "nvmlGpuInstanceCreateComputeInstanceWithPlacement",
            "nvmlDeviceCreateGpuInstanceWithPlacement",
            "nvmlGpuInstanceCreateComputeInstanceWithPlacement",
            "nvmlDeviceSetMigMode",
            "nvmlDeviceCreateGpuInstanceWithPlacement",
            "nvmlGpuInstanceCreateComputeInstanceWithPlacement");

    @TempDir(factory = ShortTempDir.class)
    private Path folder;

    private ControlFile driver;
    private Path layouts;

    @BeforeEach
    void layOut() throws Exception {
        SimulatedProfile profile = SimulatedProfile.parse("two", NODE);
        SimulatedNodeFiles.create(folder, profile);
        driver = ControlFile.install(folder, profile, NodeUnderTest.ACKNOWLEDGED);
        layouts = Files.writeString(folder.resolve("mig.yaml"), LAYOUTS);
    }

    @AfterEach
    void askTheReferee() {
        driver.close();
    }

    private AgentProcess mig(Map<String, String> environment, String... words) throws IOException {
        List<String> arguments = new ArrayList<>(List.of("mig"));
        arguments.addAll(List.of(words));
        Map<String, String> all = new HashMap<>(environment);
        all.put("GPU_NODE_AGENT_HOST_ROOT", folder.toString());
        all.put(
                "GPU_NODE_AGENT_KUBELET_POD_RESOURCES_SOCKET",
                folder.resolve("none.sock").toString());
        return AgentProcess.start(arguments, all);
    }

    private AgentProcess apply(String layout) throws IOException {
        return mig(Map.of(), "apply", "-f", layouts.toString(), "-c", layout);
    }

    private void applied(String layout, String... said) throws Exception {
        try (AgentProcess process = apply(layout)) {
            assertThat(process.awaitExit(30)).as("%s", process.output()).isZero();
            for (String text : said) {
                assertThat(process.output()).anyMatch(line -> line.contains(text));
            }
        }
    }

    /** Begins to apply mixed and gets as far as this step, whose call into the driver does not return. */
    private AgentProcess stoppedAt(int step) throws Exception {
        String function = STEPS.get(step - 1);
        long before =
                STEPS.subList(0, step - 1).stream().filter(function::equals).count();
        Path scenario = Files.writeString(
                folder.resolve("stopped.conf"),
                NODE + "fault stop call=" + function + " after=" + before + " hang=until-released\n");
        AgentProcess process =
                mig(Map.of("NVMLSIM_SCENARIO", scenario.toString()), "apply", "-f", layouts.toString(), "-c", "mixed");
        for (int line = 1; line <= step; line++) {
            process.awaitLine("GPU-00000000-", 30);
        }
        return process;
    }

    @Test
    void aProcessThatIsKilledAtAnyStepHasItsChangeEndedByTheNext() throws Exception {
        // Given
        applied("start", "5 steps done");
        for (int step = 1; step <= STEPS.size(); step++) {
            try (AgentProcess process = stoppedAt(step)) {
                // When
                process.kill();
                process.awaitExit(10);
            }

            // Then: all of the new layout, from where every step back to the old one is known
            applied(
                    "start",
                    "a change that was interrupted: " + (STEPS.size() + 1 - step)
                            + (step == STEPS.size() ? " step done" : " steps done"),
                    "9 steps done");
        }
        assertThat(folder.resolve("var/lib/gpu-node-agent/mig.journal")).doesNotExist();
    }

    @Test
    void theSecondOfTwoWritersIsSentAwayWithTheNumberOfTheFirst() throws Exception {
        // Given
        applied("start");
        try (AgentProcess first = stoppedAt(3);
                // When
                AgentProcess second = apply("start")) {
            // Then
            assertThat(second.awaitExit(30)).isEqualTo(1);
            assertThat(second.output())
                    .anyMatch(line -> line.contains("MIG is being changed by process " + first.pid() + ":"));
        }
        applied("mixed", "a change that was interrupted: 7 steps done", "nothing to do");
    }

    @Test
    void aModeThatARunningAgentIsInTheWayOfIsTakenBackWithWhatToType() throws Exception {
        // Given
        Path config = Files.writeString(folder.resolve("config.yaml"), """
                version: v1
                host: {root: %1$s, nodeName: node-under-test}
                kubelet: {devicePluginDirectory: %1$s/kubelet, podResourcesSocket: %1$s/none.sock}
                http: {listen: "127.0.0.1:0"}
                """.formatted(folder));
        try (AgentProcess agent = AgentProcess.start(List.of("run", "--config", config.toString()))) {
            agent.awaitLine("NVML is open", 30);

            // When
            try (AgentProcess apply = apply("start")) {
                // Then
                assertThat(apply.awaitExit(30)).isEqualTo(1);
                assertThat(apply.output())
                        .anyMatch(line -> line.contains("nvmlDeviceSetMigMode answers IN_USE")
                                && line.contains("every GPU is split as it was before")
                                && line.contains("systemctl stop gpu-node-agent"));
            }
            agent.terminate();
            agent.awaitExit(10);
        }
        applied("start", "5 steps done");
    }
}
