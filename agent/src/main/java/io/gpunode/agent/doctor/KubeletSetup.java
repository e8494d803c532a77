package io.gpunode.agent.doctor;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * How the node's kubelet runs.
 *
 * @param program its process; empty when none runs
 * @param runtimeEndpoint the container runtime's socket as configured; empty for the kubelet's default
 * @param cgroupDriver {@code systemd} or {@code cgroupfs}
 * @param cgroupDriverFrom which file or flag says so, for people
 * @param config its configuration file's content
 */
record KubeletSetup(
        Optional<RunningProgram> program,
        String runtimeEndpoint,
        String cgroupDriver,
        String cgroupDriverFrom,
        Path configFile,
        Tree config) {
    private static final Path DEFAULT_CONFIG = Path.of("/var/lib/kubelet/config.yaml");
    private static final int LIMIT = 1 << 20;

    static KubeletSetup of(Patient patient) throws IOException {
        List<RunningProgram> kubelets = RunningProgram.named(patient.files(), "kubelet");
        Optional<RunningProgram> program = kubelets.stream().findFirst();
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
                flag.or(() -> written).orElse("cgroupfs"),
                flag.isPresent()
                        ? "the kubelet's flag --cgroup-driver"
                        : written.isPresent() ? file.toString() : "the kubelet's default",
                file,
                config);
    }

    /** Whether the kubelet uses a runtime whose socket's path has this in it; true as well where nothing says which one it uses. */
    boolean mayUse(String runtime) {
        return program.isPresent() && (runtimeEndpoint.isEmpty() || runtimeEndpoint.contains(runtime));
    }
}
