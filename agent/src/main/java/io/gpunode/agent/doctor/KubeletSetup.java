package io.gpunode.agent.doctor;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * How the node's kubelet runs.
 *
 * @param program its process; empty when none runs
 * @param runtimeEndpoint the container runtime's socket as configured; empty for the kubelet's default
 * @param rootDirectory where it keeps its state, with the directory of device plugins in it
 * @param cgroupDriver {@code systemd} or {@code cgroupfs}; empty where the kubelet is part of another program, which tells it only inside
 * @param cgroupDriverFrom which file or flag says so, for people
 * @param config its configuration file's content
 */
record KubeletSetup(
        Optional<RunningProgram> program,
        String runtimeEndpoint,
        Path rootDirectory,
        String cgroupDriver,
        String cgroupDriverFrom,
        Path configFile,
        Tree config) {
    private static final Path DEFAULT_CONFIG = Path.of("/var/lib/kubelet/config.yaml");
    private static final Path DEFAULT_ROOT = Path.of("/var/lib/kubelet");
    private static final int LIMIT = 1 << 20;

    static KubeletSetup of(Patient patient) throws IOException {
        Optional<RunningProgram> program =
                RunningProgram.named(patient.files(), "kubelet").stream().findFirst();
        for (String inside : List.of("kubelite", "k3s-server", "k3s-agent")) {
            if (program.isEmpty()) {
                Optional<RunningProgram> whole =
                        RunningProgram.named(patient.files(), inside).stream().findFirst();
                if (whole.isPresent()) {
                    return inside.equals("kubelite") ? microk8s(patient, whole) : k3s(whole);
                }
            }
        }
        Path file = program.flatMap(kubelet -> kubelet.flag("--config"))
                .filter(path -> path.startsWith("/"))
                .map(Path::of)
                .orElse(DEFAULT_CONFIG);
        Optional<String> text = patient.files().readText(file, LIMIT);
        Tree config = text.isPresent() ? Tree.yaml(text.get()) : Tree.EMPTY;
        Optional<String> flag = program.flatMap(kubelet -> kubelet.flag("--cgroup-driver"));
        Optional<String> written = config.text("cgroupDriver");
        // A flag wins over the file; without either it is cgroupfs (KubeletConfiguration v1beta1).
        return new KubeletSetup(
                program,
                program.flatMap(kubelet -> kubelet.flag("--container-runtime-endpoint"))
                        .or(() -> config.text("containerRuntimeEndpoint"))
                        .orElse(""),
                root(program.flatMap(kubelet -> kubelet.flag("--root-dir"))),
                flag.or(() -> written).orElse("cgroupfs"),
                flag.isPresent()
                        ? "the kubelet's flag --cgroup-driver"
                        : written.isPresent() ? file.toString() : "the kubelet's default",
                file,
                config);
    }

    /** In one process with containerd's supervisor (k3s's documentation of its agent). */
    private static KubeletSetup k3s(Optional<RunningProgram> program) {
        return new KubeletSetup(
                program,
                program.flatMap(k3s -> k3s.flag("--container-runtime-endpoint"))
                        .orElse("unix:///run/k3s/containerd/containerd.sock"),
                root(Optional.empty()),
                "",
                "",
                Path.of("/etc/rancher/k3s/config.yaml"),
                Tree.EMPTY);
    }

    /** All of Kubernetes in one process, whose flags are in files (MicroK8s's documentation of its services). */
    private static KubeletSetup microk8s(Patient patient, Optional<RunningProgram> program) throws IOException {
        Path file = Path.of("/var/snap/microk8s/current/args/kubelet");
        List<String> flags = new ArrayList<>(List.of("kubelet"));
        for (String line : patient.files().readText(file, LIMIT).orElse("").split("\n", -1)) {
            flags.add(line.strip()
                    .replace("${SNAP_COMMON}", "/var/snap/microk8s/common")
                    .replace("${SNAP_DATA}", "/var/snap/microk8s/current"));
        }
        RunningProgram kubelet = new RunningProgram(0, flags, Optional.empty());
        return new KubeletSetup(
                program,
                kubelet.flag("--container-runtime-endpoint").orElse(""),
                root(kubelet.flag("--root-dir")),
                kubelet.flag("--cgroup-driver").orElse(""),
                file.toString(),
                file,
                Tree.EMPTY);
    }

    private static Path root(Optional<String> flag) {
        return flag.filter(path -> path.startsWith("/")).map(Path::of).orElse(DEFAULT_ROOT);
    }

    /** Whether the kubelet uses a runtime whose socket's path has this in it; true as well where nothing says which one it uses. */
    boolean mayUse(String runtime) {
        return program.isPresent() && (runtimeEndpoint.isEmpty() || runtimeEndpoint.contains(runtime));
    }
}
