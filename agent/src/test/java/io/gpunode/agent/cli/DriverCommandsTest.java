package io.gpunode.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.driver.DriverHost;
import io.gpunode.agent.driver.Holder;
import io.gpunode.agent.driver.Holder.Through;
import io.gpunode.agent.driver.HolderPlace;
import io.gpunode.agent.driver.HolderTable;
import io.gpunode.agent.driver.ModuleGraph;
import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.os.LoadedModule;
import io.gpunode.agent.os.LoadedModule.Phase;
import io.gpunode.agent.testing.Golden;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code driver status} and {@code driver holders} as they are typed, over a folder as the host's root. */
@Timeout(60)
class DriverCommandsTest {
    @TempDir
    private Path root = Path.of("");

    private Terminal terminal() {
        return new Terminal().environment("GPU_NODE_AGENT_HOST_ROOT", root.toString());
    }

    private static String machine(String text) {
        return text.replace("aarch64", "x86_64");
    }

    @Test
    void statusShowsWhatIsThereBesideWhatIsWanted() throws IOException {
        // Given
        new DriverHost(root);
        Terminal terminal = terminal();

        // When
        ExitCode code = terminal.execute("driver", "status");

        // Then
        assertThat(code).isEqualTo(ExitCode.OK);
        assertThat(terminal.err()).isEmpty();
        Golden.check("driver/status.txt", machine(terminal.out()));
    }

    @Test
    void statusTellsOfAChangeThatNobodyCanGoOnWith() throws IOException {
        // Given
        new DriverHost(root).write("/var/lib/gpu-node-agent/driver.journal", "rubbish");
        Terminal terminal = terminal();

        // When
        terminal.execute("driver", "status");

        // Then
        assertThat(terminal.out())
                .contains(
                        "/var/lib/gpu-node-agent/driver.journal is no journal of driver changes",
                        "the next start of the agent, or the next driver command, does so");
    }

    @Test
    void statusIsAlsoForPrograms() throws IOException {
        // Given
        new DriverHost(root);
        Terminal terminal = terminal();

        // When
        ExitCode code = terminal.execute("driver", "status", "--output", "json");

        // Then
        assertThat(code).isEqualTo(ExitCode.OK);
        Golden.check("driver/status.json", machine(terminal.out()));
    }

    @Test
    void statusSaysWhatIsInTheWay() throws IOException {
        // Given
        DriverHost host = new DriverHost(root);
        host.write("/proc/cmdline", "quiet");
        host.modules("nouveau 2000000 3 - Live 0x0\n");
        host.gpu("0000:18:00.0", "nouveau");
        host.gpu("0000:3b:00.0", "nouveau");
        host.remove("/proc/driver/nvidia/version");
        host.write("/proc/devices", "Character devices:\n  1 mem\n");
        host.remove("/lib/modules/6.1.0-18-amd64/build/Module.symvers");
        host.write("/sys/kernel/security/lockdown", "none [integrity] confidentiality");
        Terminal terminal = terminal()
                .environment("GPU_NODE_AGENT_DRIVER_MANAGE", "true")
                .environment("GPU_NODE_AGENT_DRIVER_SOURCE", "package");

        // When
        ExitCode code = terminal.execute("driver", "status");

        // Then
        assertThat(code).isEqualTo(ExitCode.OK);
        Golden.check("driver/status-nouveau.txt", machine(terminal.out()));
    }

    /** A driver is loaded, and the wanted one is still in a bundle. */
    private Terminal wantingABundle() throws IOException {
        new DriverHost(root).write("/opt/bundle/gpu-node-agent-bundle", "gpu-node-agent-bundle 1");
        return terminal()
                .environment("GPU_NODE_AGENT_DRIVER_SOURCE", "bundle")
                .environment("GPU_NODE_AGENT_DRIVER_BUNDLE_PATH", "/opt/bundle");
    }

    @Test
    void thePlanOfADriverThatIsNotReadyTellsWhatComesFirstAndWhatGoes() throws IOException {
        // Given
        Terminal terminal = wantingABundle();

        // When
        ExitCode code = terminal.execute("driver", "plan");

        // Then
        assertThat(code).as(terminal.err()).isEqualTo(ExitCode.OK);
        assertThat(terminal.out())
                .startsWith("first: check and take over the bundle /opt/bundle\n")
                .containsSubsequence(
                        "then: the loaded driver goes, unless it is the same one:\n  1. ",
                        "unload nvidia_uvm",
                        "unload nvidia\n",
                        "driver install\n");
    }

    @Test
    void aLoadOfADriverThatIsNotReadyLeavesTheLoadedOne() throws IOException {
        // Given
        Terminal terminal = wantingABundle();

        // When
        ExitCode code = terminal.execute("driver", "load", "--dry-run");

        // Then
        assertThat(code).as(terminal.err()).isEqualTo(ExitCode.OK);
        assertThat(terminal.out())
                .contains("a driver that is loaded stays, upgrade exchanges it")
                .doesNotContain("unload");
    }

    @Test
    void thePlanOfADriverThatIsNotReadyIsAlsoForPrograms() throws Exception {
        // Given
        Terminal terminal = wantingABundle();

        // When
        terminal.execute("driver", "plan", "--output", "json");

        // Then
        JsonValue plan = JsonValue.parse(terminal.out());
        assertThat(plan.member("before").elements()).hasSize(2);
        assertThat(plan.member("goes").elements()).hasSizeGreaterThan(4);
        assertThat(plan.member("holders").elements()).isNotEmpty();
    }

    @Test
    void aPlanWithoutItsBundleFails() throws IOException {
        // Given
        new DriverHost(root);
        Terminal terminal = terminal();

        // When
        ExitCode code = terminal.execute("driver", "install", "--dry-run", "--bundle", "/nope.tar");

        // Then
        assertThat(code).isEqualTo(ExitCode.FAILURE);
        assertThat(terminal.err()).contains("the bundle /nope.tar is not there");
    }

    @ParameterizedTest
    @CsvSource({
        "driver prune --keep -3, --keep -3 is less than 0",
        "driver build --wait -5, --wait -5 is less than 0 seconds",
        "driver build --kernel ../../etc, --kernel ../../etc is no release of a kernel",
        "driver install --bundle /b.tar --sha256 zz, --sha256 zz is not 64 hexadecimal digits",
        "driver install --sha256 zz, driver.bundle.sha256",
    })
    void wrongArgumentsAreNamed(String command, String told) {
        // Given
        Terminal terminal = terminal();

        // When
        ExitCode code = terminal.execute(command.split(" ", -1));

        // Then
        assertThat(code).isEqualTo(ExitCode.USAGE);
        assertThat(terminal.err()).contains(told);
    }

    @Test
    void whatWouldBePrunedIsToldWithoutMakingAnything() {
        // Given
        Terminal terminal = terminal();

        // When
        ExitCode code = terminal.execute("driver", "prune", "--dry-run");

        // Then
        assertThat(code).as(terminal.err()).isEqualTo(ExitCode.OK);
        assertThat(terminal.out()).isEqualTo("the store has no drivers\n");
        assertThat(root).isEmptyDirectory();
    }

    @Test
    void holdersOfANodeWithoutDriverAreNone() {
        // Given
        Terminal terminal = terminal();

        // When
        ExitCode code = terminal.execute("driver", "holders");

        // Then
        assertThat(code).isEqualTo(ExitCode.OK);
        assertThat(terminal.out()).startsWith("no module of the driver is loaded\nnobody holds it (");
    }

    @Test
    void holdersAreToldWithWhereTheyBelongAndHowTheyLetGo() {
        // When
        String text = DriverHoldersCommand.text(modules(), table());

        // Then
        Golden.check("driver/holders.txt", text);
    }

    @Test
    void holdersAreAlsoForPrograms() throws Exception {
        // When
        String text = DriverHoldersCommand.json(modules(), table());

        // Then
        Golden.check("driver/holders.json", text + "\n");
        assertThat(JsonValue.parse(text)).isNotNull();
    }

    private static ModuleGraph modules() {
        return ModuleGraph.of(List.of(
                new LoadedModule("nvidia_uvm", 1, 1, List.of(), Phase.LIVE, "", "", ""),
                new LoadedModule("vendor_rdma", 1, 0, List.of(), Phase.LIVE, "", "", ""),
                new LoadedModule("nvidia", 1, 8, List.of("nvidia_uvm", "vendor_rdma"), Phase.LIVE, "", "", "")));
    }

    private static HolderTable table() {
        HolderPlace pod = new HolderPlace(
                "cri-containerd-4f.scope",
                "team-a",
                "train-0",
                "main",
                "8c1b64a6-8f56-4fd5-b35f-0b3c7a3a5f21",
                "4f".repeat(32));
        return new HolderTable(
                List.of(
                        new Holder(
                                "nvidia_uvm",
                                "/dev/nvidia-uvm",
                                4711,
                                81_230,
                                "/usr/bin/python3.11",
                                pod,
                                Through.MAP,
                                1,
                                "S"),
                        new Holder(
                                "nvidia",
                                "/dev/nvidia0",
                                812,
                                4_020,
                                "/usr/bin/nvidia-persistenced",
                                HolderPlace.ofUnit("nvidia-persistenced.service"),
                                Through.FD,
                                1,
                                "S"),
                        new Holder(
                                "nvidia",
                                "/dev/nvidiactl",
                                4711,
                                81_230,
                                "/usr/bin/python3.11",
                                pod,
                                Through.FD,
                                3,
                                "S"),
                        new Holder("nvidia", "", 0, 0, "", HolderPlace.UNKNOWN, Through.KERNEL, 2, "")),
                List.of(new HolderTable.Suspect(
                        5120,
                        90_000,
                        "python3",
                        HolderPlace.UNKNOWN,
                        "it is in uninterruptible sleep in nv_wait_for_gpu")),
                List.of("2 processes may not be looked at: run as root with CAP_SYS_PTRACE"),
                312,
                10_231,
                Duration.ofMillis(45));
    }
}
