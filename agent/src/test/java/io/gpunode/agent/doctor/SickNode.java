package io.gpunode.agent.doctor;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.json.JsonException;
import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.os.CommandRunner;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.testing.Configs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A node in a temporary folder: healthy to begin with, with a kubelet 1.31 on containerd 1.7 that resolves CDI names, and a knob for each thing
 * that can be wrong.
 */
final class SickNode {
    static final String CONTAINERD_CONFIG = """
            version = 2
            [plugins."io.containerd.grpc.v1.cri"]
              enable_cdi = true
              cdi_spec_dirs = ["/etc/cdi", "/var/run/cdi"]
              [plugins."io.containerd.grpc.v1.cri".containerd]
                default_runtime_name = "runc"
                [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
                  runtime_type = "io.containerd.runc.v2"
                  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
                    SystemdCgroup = true
            """;

    private final Path root;
    private final HostFiles files;
    private final Map<String, String> answers = new HashMap<>();
    private final List<String> asked = new ArrayList<>();
    private final Map<String, String> variables = new HashMap<>();
    private String strategies = "cdi-cri";
    private String labelSink = "auto";
    private String state = """
            {"ready": true, "readiness": [], "gpus": [{"index": 0, "id": "GPU-1", "healthy": true}]}
            """;

    SickNode(Path root) throws IOException {
        this.root = root;
        this.files = new SystemHostFiles(root);
        write("/sys/bus/pci/devices/0000:65:00.0/vendor", "0x10de\n");
        write("/sys/bus/pci/devices/0000:65:00.0/class", "0x030200\n");
        write("/sys/bus/pci/drivers/nvidia/bind", "");
        link("/sys/bus/pci/devices/0000:65:00.0/driver", "/sys/bus/pci/drivers/nvidia");
        write(
                "/proc/driver/nvidia/version",
                "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.163.01  Release Build\nGCC version: 12\n");
        write("/proc/driver/nvidia/gpus/0000:65:00.0/information", "Model: NVIDIA H100\nDevice Minor: \t 0\n");
        write("/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.550.163.01", "");
        Files.createDirectories(root.resolve("run/systemd/system"));
        int minor = 0;
        for (String node : List.of("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia0")) {
            write("/dev/" + node, "");
            link("/dev/char/195:" + minor++, "../" + node);
        }
        write("/var/run/cdi/k8s.device-plugin.nvidia.com-gpu.json", """
                {"cdiVersion": "0.5.0", "kind": "k8s.device-plugin.nvidia.com/gpu",
                 "devices": [{"name": "GPU-1", "containerEdits": {"deviceNodes": [{"path": "/dev/nvidia0"}]}}],
                 "containerEdits": {"mounts": [{"hostPath": "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.550.163.01",
                                                "containerPath": "/usr/lib64/libnvidia-ml.so.1"}]}}
                """);
        process(100, "kubelet", "/usr/bin/kubelet --config=/var/lib/kubelet/config.yaml");
        write("/var/lib/kubelet/config.yaml", """
                cgroupDriver: systemd
                containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
                """);
        write("/var/lib/kubelet/device-plugins/kubelet.sock", "");
        write("/var/lib/kubelet/pod-resources/kubelet.sock", "");
        process(101, "containerd", "/usr/bin/containerd");
        write("/etc/containerd/config.toml", CONTAINERD_CONFIG);
        write("/proc/sys/kernel/osrelease", "6.1.0-30-amd64\n");
        write("/sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
        write("/proc/1/mounts", "/dev/sda1 / ext4 rw,relatime 0 0\nproc /proc proc rw,nosuid,noexec 0 0\n");
        answer("getconf GNU_LIBC_VERSION", "glibc 2.36\n");
        answer("systemctl --version", "systemd 257 (257.13-1)\n");
        unit("CapabilityBoundingSet=cap_mknod cap_perfmon cap_syslog", "ProtectSystem=strict");
        answer("/usr/bin/kubelet --version", "Kubernetes v1.31.2\n");
        answer("/usr/bin/containerd --version", "containerd github.com/containerd/containerd v1.7.24 abc\n");
    }

    /** What systemd says of the agent's unit. */
    SickNode unit(String... properties) {
        return answer(
                "systemctl show gpu-node-agent.service"
                        + " --property=LoadState,ActiveState,Result,NeedDaemonReload,CapabilityBoundingSet,ProtectSystem",
                "LoadState=loaded\nActiveState=active\nResult=success\nNeedDaemonReload=no\n"
                        + String.join("\n", properties) + "\n");
    }

    SickNode write(String hostPath, String text) throws IOException {
        Path file = root.resolve(hostPath.substring(1));
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
        return this;
    }

    SickNode link(String hostPath, String target) throws IOException {
        Path file = root.resolve(hostPath.substring(1));
        Files.createDirectories(file.getParent());
        Files.deleteIfExists(file);
        Files.createSymbolicLink(file, Path.of(target));
        return this;
    }

    SickNode without(String hostPath) throws IOException {
        Files.delete(root.resolve(hostPath.substring(1)));
        return this;
    }

    SickNode process(int pid, String name, String commandLine) throws IOException {
        String program = commandLine.split(" ", -1)[0];
        if (program.startsWith("/")) {
            write(program, "");
        }
        write("/proc/" + pid + "/comm", name + "\n");
        write("/proc/" + pid + "/status", "Name:\t" + name + "\nUid:\t0\t0\t0\t0\n");
        link("/proc/" + pid + "/exe", program);
        return write("/proc/" + pid + "/cmdline", commandLine.replace(' ', '\0') + "\0");
    }

    /** What a program of the node prints; programs that nobody gave an answer cannot be started. */
    SickNode answer(String command, String output) {
        answers.put(command, output);
        return this;
    }

    /** The agent's device list strategies. */
    SickNode strategies(String list) {
        strategies = list;
        return this;
    }

    /** The agent's {@code labels.sink}. */
    SickNode labelSink(String sink) {
        labelSink = sink;
        return this;
    }

    /** What the agent's {@code /state} says; empty when no agent runs. */
    SickNode state(String text) {
        state = text;
        return this;
    }

    List<Diagnosis> examined() throws Exception {
        return Doctor.examine(patient());
    }

    /** What preflight finds. */
    List<Preflight.Outcome> looked() throws Exception {
        return Preflight.examine(patient());
    }

    Patient patient() throws Exception {
        return new Patient(files, commands(), config(), json(), Path.of("/usr/lib/gpu-node-agent/runtime"));
    }

    /** An environment variable of the agent. */
    SickNode variable(String name, String value) {
        variables.put(name, value);
        return this;
    }

    /** The one problem; fails when there are more or none. */
    Diagnosis problem() throws Exception {
        List<Diagnosis> problems = examined().stream()
                .filter(diagnosis -> diagnosis.level() == Diagnosis.Level.PROBLEM)
                .toList();
        if (problems.size() != 1) {
            throw new AssertionError("one problem was expected, found " + problems);
        }
        return problems.getFirst();
    }

    /** The programs that were asked. */
    List<String> asked() {
        return List.copyOf(asked);
    }

    private CommandRunner commands() {
        return (command, _, _, _, _) -> {
            asked.add(String.join(" ", command));
            String answer = answers.get(String.join(" ", command));
            if (answer == null) {
                throw new IOException("there is no program " + command.getFirst());
            }
            return new CommandRunner.Result(0, answer, "", false, false);
        };
    }

    private AgentConfig config() {
        Map<String, String> environment = new HashMap<>(variables);
        environment.put("DEVICE_LIST_STRATEGY", strategies);
        environment.put("GPU_NODE_AGENT_LABELS_SINK", labelSink);
        return Configs.withEnvironment(environment);
    }

    private Optional<JsonValue> json() throws JsonException {
        return state.isEmpty() ? Optional.empty() : Optional.of(JsonValue.parse(state));
    }
}
