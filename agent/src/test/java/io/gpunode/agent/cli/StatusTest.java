package io.gpunode.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.testing.Golden;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import org.assertj.core.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(30)
class StatusTest {
    private static final String STATE = """
            {
              "version": "0.1.0",
              "node": "node-a",
              "ready": true,
              "readiness": [
                {"name": "kubelet", "ok": true, "reason": "nvidia.com/gpu is registered"},
                {"name": "cdi", "ok": true, "reason": "/var/run/cdi/nvidia.com-gpu.json"}
              ],
              "nvml": {"state": "open", "driverVersion": "580.65.06", "nvmlVersion": "13.580.65.06",
                       "libraryPath": "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1"},
              "gpus": [
                {"index": 0, "id": "GPU-1111", "pci": "0000:1b:00.0", "name": "NVIDIA H100 80GB HBM3", "healthy": true,
                 "findings": [], "pods": [],
                 "migDevices": [{"id": "MIG-3333", "index": "0:0", "profile": "3g.40gb", "healthy": true,
                                 "findings": [],
                                 "pods": [{"namespace": "ml", "pod": "train-0", "container": "main"}]}]},
                {"index": 1, "id": "GPU-2222", "pci": "0000:43:00.0", "name": "NVIDIA H100\\u001b[31m", "healthy": false,
                 "findings": [{"check": "xid", "severity": "fatal", "reason": "XID 79: the GPU has fallen off the bus",
                               "repair": "reset it: nvidia-smi --gpu-reset -i 1", "recovery": "5m without new errors",
                               "since": "2026-01-02T03:04:05Z"}], "pods": []}
              ],
              "devicePlugin": {
                "problems": ["GPU-4444: MIG mode is on and there is no MIG device"],
                "resources": [
                  {"resource": "nvidia.com/gpu", "state": "registered", "devices": 1, "healthyDevices": 0},
                  {"resource": "nvidia.com/mig-3g.40gb", "state": "retrying", "devices": 1, "healthyDevices": 1}
                ]
              }
            }
            """;

    private static final String WAITING = """
            {
              "version": "0.1.0", "node": "node-a", "ready": false,
              "readiness": [{"name": "kubelet", "ok": false, "reason": "no kubelet.sock", "nextStep": "start the kubelet"}],
              "loops": [{"name": "inventory", "ok": true, "ageMillis": 12}, {"name": "metrics", "ok": false, "ageMillis": 31000}],
              "pods": {"error": "the kubelet has not said yet which container holds which device"},
              "configuration": {"named": "/config/a (named by config.default)",
                                "refused": ["/config/b:2:3: log.level: \\"loud\\" is not known; write one of error, warn"],
                                "needRestart": [{"setting": "http.listen", "inForce": ":9400", "read": ":9500"}]},
              "http": {"webConfig": {"refused": ["/config/web.yml:1:2: basic_auth_users: a user has no hash; write it"], "notices": []}},
              "nvml": {"state": "waiting", "kind": "driver-not-loaded", "reason": "the NVIDIA kernel module is not loaded",
                       "nextStep": "modprobe nvidia"},
              "gpus": []
            }
            """;

    @Test
    void statusShowsAReadyNode() throws Exception {
        // Given
        Terminal terminal = new Terminal();
        try (FakeAgent agent = FakeAgent.ofState(STATE)) {
            // When
            ExitCode code = terminal.execute("status", "--address", agent.address());

            // Then
            assertThat(code).isEqualTo(ExitCode.OK);
            Golden.check("status/ready.txt", terminal.out());
        }
    }

    @Test
    void statusShowsWhatANodeThatIsNotReadyWaitsFor() throws Exception {
        // Given
        Terminal terminal = new Terminal();
        try (FakeAgent agent = FakeAgent.ofState(WAITING)) {
            // When
            ExitCode code = terminal.execute("status", "--address", agent.address());

            // Then
            assertThat(code).isEqualTo(ExitCode.NOT_READY);
            Golden.check("status/waiting.txt", terminal.out());
        }
    }

    @Test
    void statusSaysWhyTheDriverIsNotTheWantedOne() throws Exception {
        // Given
        Terminal terminal = new Terminal();
        String state = """
                {"driver": {"state": "differs", "running": "570.86.15 (open)", "wanted": "580.95.05 (open)",
                            "differences": ["the version is 570.86.15 and not 580.95.05"], "step": "",
                            "reason": "exchange it with: gpu-node-agent driver upgrade"},""" + STATE.strip().substring(1);
        try (FakeAgent agent = FakeAgent.ofState(state)) {
            // When
            terminal.execute("status", "--address", agent.address());

            // Then
            assertThat(terminal.out()).contains("""
                    Managed     differs: 570.86.15 (open) runs, 580.95.05 (open) is wanted
                                the version is 570.86.15 and not 580.95.05
                                exchange it with: gpu-node-agent driver upgrade
                    """);
        }
    }

    @Test
    void statusShowsTheStepOfAChangeOfTheDriver() throws Exception {
        // Given
        Terminal terminal = new Terminal();
        String state = """
                {"driver": {"state": "changing", "running": "580.65.06 (open)", "wanted": "580.65.06 (open)",
                            "differences": [], "step": "unload nvidia_uvm", "reason": ""},""" + STATE.strip().substring(1);
        try (FakeAgent agent = FakeAgent.ofState(state)) {
            // When
            terminal.execute("status", "--address", agent.address());

            // Then
            assertThat(terminal.out()).contains("""
                    Managed     changing: 580.65.06 (open) runs
                                now: unload nvidia_uvm
                    """);
        }
    }

    @Test
    void statusSaysWhyAMigLayoutIsNotApplied() throws Exception {
        // Given
        Terminal terminal = new Terminal();
        String state = "{\"mig\":{\"state\":\"failed\",\"layout\":\"all-1g.10gb\",\"reason\":\"GPU 6 is in use\"},"
                + STATE.strip().substring(1);
        try (FakeAgent agent = FakeAgent.ofState(state)) {
            // When
            terminal.execute("status", "--address", agent.address());

            // Then
            assertThat(terminal.out()).contains("layout all-1g.10gb is failed: GPU 6 is in use");
        }
    }

    @Test
    void statusFindsTheAddressInTheConfiguration() throws Exception {
        // Given
        try (FakeAgent agent = FakeAgent.ofState(STATE)) {
            Terminal terminal = new Terminal().environment("DCGM_EXPORTER_LISTEN", agent.address());

            // When
            ExitCode code = terminal.execute("status");

            // Then
            assertThat(code).isEqualTo(ExitCode.OK);
        }
    }

    @Test
    void statusWritesTheStateAsJson() throws Exception {
        // Given
        Terminal terminal = new Terminal();
        try (FakeAgent agent = FakeAgent.ofState(WAITING)) {
            // When
            ExitCode code = terminal.execute("status", "--output", "json", "--address", agent.address());

            // Then
            assertThat(code).isEqualTo(ExitCode.NOT_READY);
            assertThat(terminal.out()).startsWith("{\n").contains("\"kind\": \"driver-not-loaded\"");
        }
    }

    @Test
    void gpusListsTheGpus() throws Exception {
        // Given
        Terminal terminal = new Terminal();
        try (FakeAgent agent = FakeAgent.ofState(STATE)) {
            // When
            ExitCode code = terminal.execute("gpus", "--address", agent.address());

            // Then
            assertThat(code).isEqualTo(ExitCode.OK);
            Golden.check("status/gpus.txt", terminal.out());
        }
    }

    @Test
    void gpusSaysWhyThereAreNone() throws Exception {
        // Given
        Terminal terminal = new Terminal();
        try (FakeAgent agent = FakeAgent.ofState(WAITING)) {
            // When
            terminal.execute("gpus", "--address", agent.address());

            // Then
            assertThat(terminal.out()).isEqualTo("no GPUs: the NVIDIA kernel module is not loaded\n");
        }
    }

    @Test
    void anAgentThatDoesNotRunIsToldWithTheCommandThatStartsIt() throws Exception {
        // Given
        int port;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = free.getLocalPort();
        }
        Terminal terminal = new Terminal();

        // When
        ExitCode code = terminal.execute("status", "--address", "127.0.0.1:" + port);

        // Then
        assertThat(code).isEqualTo(ExitCode.UNREACHABLE);
        assertThat(terminal.err())
                .isEqualTo(
                        "gpu-node-agent: no agent answers at http://127.0.0.1:" + port + "/state: Connection refused\n"
                                + "start it with: systemctl start gpu-node-agent (or: gpu-node-agent run)\n"
                                + "if it listens elsewhere: --address HOST:PORT\n");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "SSH-2.0-OpenSSH\r\n",
                "HTTP/1.1 404 Not Found\r\n\r\nnothing",
                "HTTP/1.1 200 OK\r\n\r\n<html>",
                "HTTP/1.1 200 OK\r\n\r\n{\"a\":",
                "HTTP/1.1 200 OK\r\n"
            })
    void whatIsNotAnAgentIsTold(String answer) throws Exception {
        // Given
        Terminal terminal = new Terminal();
        try (FakeAgent agent = new FakeAgent(answer)) {
            // When
            ExitCode code = terminal.execute("status", "--address", agent.address());

            // Then
            assertThat(code).isEqualTo(ExitCode.UNREACHABLE);
            assertThat(terminal.err()).contains("no agent answers at").doesNotContain("\tat ");
        }
    }

    @Test
    void anAgentThatNeverAnswersIsGivenUp() throws Exception {
        // Given
        AtomicLong now = new AtomicLong();
        try (FakeAgent agent = new FakeAgent("")) {
            StateClient client = new StateClient(
                    agent.address(),
                    Duration.ofMillis(200),
                    () -> new io.gpunode.agent.time.Tick(now.getAndAdd(1_000_000)));

            // When
            Throwable thrown = Assertions.catchThrowable(client::state);

            // Then
            assertThat(thrown).isInstanceOf(IOException.class).hasMessageStartingWith("no answer within");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"nonsense", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:99999"})
    void aWrongAddressIsAUsageProblem(String address) {
        // Given
        Terminal terminal = new Terminal();

        // When
        ExitCode code = terminal.execute("status", "--address", address);

        // Then
        assertThat(code).isEqualTo(ExitCode.USAGE);
        assertThat(terminal.err()).contains("\"" + address + "\" has no port", "write host:port");
    }
}
