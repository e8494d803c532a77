package io.gpunode.agent.doctor;

import io.gpunode.agent.config.AgentConfig.DeviceListStrategy;
import io.gpunode.agent.os.CommandRunner;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Whether the kubelet's containerd hands out GPUs in the way that the agent announces them. */
final class ContainerdCheck implements Check {
    private static final Path DEFAULT_CONFIG = Path.of("/etc/containerd/config.toml");
    private static final String DEFAULT_SOCKET = "/run/containerd/containerd.sock";
    private static final Duration LIMIT = Duration.ofSeconds(10);
    private static final int OUTPUT_LIMIT = 1 << 20;

    /** Where the CRI plugin's settings are, by the file's version (containerd's cri/config.md). */
    private enum Layout {
        V1("cri", "[plugins.cri]"),
        V2("io.containerd.grpc.v1.cri", "[plugins.\"io.containerd.grpc.v1.cri\"]"),
        V3("io.containerd.cri.v1.runtime", "[plugins.'io.containerd.cri.v1.runtime']");

        private final String plugin;
        private final String heading;

        Layout(String plugin, String heading) {
            this.plugin = plugin;
            this.heading = heading;
        }

        static Layout of(Tree config) {
            return switch (config.text("version").orElse("1")) {
                case "1" -> V1;
                case "2" -> V2;
                default -> V3;
            };
        }

        String runtime(String name) {
            String quote = this == V3 ? "'" : "\"";
            String inner = heading.substring(1, heading.length() - 1);
            return "[" + (this == V1 ? "plugins.cri" : inner.replace("\"", quote)) + ".containerd.runtimes." + name
                    + ".options]";
        }
    }

    /** @param shown the file in which a person changes it */
    private record Containerd(Optional<Release> release, Tree cri, Layout layout, Path shown, String restart) {}

    @Override
    public String name() {
        return "containerd";
    }

    @Override
    public String wanted(Patient patient) {
        return patient.cdi()
                ? "containerd 1.7 or newer that resolves CDI names, with the kubelet's cgroup driver"
                : "NVIDIA's runtime as a handler of containerd, and the kubelet's cgroup driver";
    }

    @Override
    public List<Diagnosis> examine(Patient patient) throws IOException, InterruptedException {
        KubeletSetup kubelet = KubeletSetup.of(patient);
        Optional<RunningProgram> program = program(patient, kubelet);
        if (program.isEmpty()) {
            return List.of();
        }
        Containerd containerd = read(patient, program.get());
        List<Diagnosis> found = new ArrayList<>();
        if (patient.cdi()) {
            cdi(patient, containerd, found);
        }
        handlers(patient, containerd, found);
        cgroups(kubelet, containerd, found);
        if (found.isEmpty()) {
            found.add(Diagnosis.ok(
                    name(),
                    "containerd"
                            + containerd.release().map(release -> " " + release).orElse("")
                            + (patient.cdi()
                                    ? " resolves CDI names"
                                    : " starts GPU containers with NVIDIA's runtime")));
        }
        return found;
    }

    /** The one with the kubelet's socket; docker has a containerd of its own. */
    private static Optional<RunningProgram> program(Patient patient, KubeletSetup kubelet) throws IOException {
        String socket = kubelet.runtimeEndpoint().replaceFirst("^unix://", "");
        for (RunningProgram candidate : RunningProgram.named(patient.files(), "containerd")) {
            String address = candidate.flag("--address", "-a").orElse(address(patient, config(candidate)));
            if (socket.isEmpty() ? !address.contains("docker") : address.equals(socket)) {
                return Optional.of(candidate);
            }
        }
        return Optional.empty();
    }

    /** A file that cannot be read says nothing here; it is told when its other settings are asked for. */
    private static String address(Patient patient, Path file) {
        try {
            Optional<String> text = patient.files().readText(file, OUTPUT_LIMIT);
            return text.isPresent()
                    ? Tree.toml(text.get()).text("grpc", "address").orElse(DEFAULT_SOCKET)
                    : DEFAULT_SOCKET;
        } catch (IOException e) {
            return DEFAULT_SOCKET;
        }
    }

    private static Path config(RunningProgram program) {
        return program.flag("--config", "-c")
                .filter(path -> path.startsWith("/"))
                .map(Path::of)
                .orElse(DEFAULT_CONFIG);
    }

    private Containerd read(Patient patient, RunningProgram program) throws IOException, InterruptedException {
        Path file = config(program);
        Tree config = effective(patient, program, file);
        Layout layout = Layout.of(config);
        return new Containerd(
                Release.of(patient.commands(), program),
                config.table("plugins", layout.plugin),
                layout,
                shown(file, layout),
                restart(file));
    }

    /** Some write the file anew from a template at each start: a person changes that. */
    private static Path shown(Path file, Layout layout) {
        String path = file.toString();
        if (path.contains("/rancher/")) {
            return file.resolveSibling(layout == Layout.V3 ? "config-v3.toml.tmpl" : "config.toml.tmpl");
        }
        return path.contains("/microk8s/") ? file.resolveSibling("containerd-template.toml") : file;
    }

    private static String restart(Path file) {
        String path = file.toString();
        if (path.contains("/microk8s/")) {
            return "snap restart microk8s.daemon-containerd";
        }
        return "systemctl restart "
                + (path.contains("/rke2/") ? "rke2-agent" : path.contains("/rancher/") ? "k3s" : "containerd");
    }

    /** What containerd itself makes of its files and defaults; without its help, the file as it is. */
    private static Tree effective(Patient patient, RunningProgram program, Path file)
            throws IOException, InterruptedException {
        try {
            if (program.executable().isPresent()) {
                String executable = program.executable().get().toString();
                CommandRunner.Result dump = patient.commands()
                        .run(List.of(executable, "--config", file.toString(), "config", "dump"), LIMIT, OUTPUT_LIMIT);
                if (dump.ok() && !dump.truncated()) {
                    return Tree.toml(dump.output());
                }
            }
        } catch (IOException e) {
            // Read below.
        }
        Optional<String> text = patient.files().readText(file, OUTPUT_LIMIT);
        try {
            return text.isPresent() ? Tree.toml(text.get()) : new Tree(Map.of("version", 2));
        } catch (IOException e) {
            throw new IOException(file + ": " + e.getMessage(), e);
        }
    }

    private void cdi(Patient patient, Containerd containerd, List<Diagnosis> found) {
        boolean annotationsOnly =
                !patient.config().plugin().deviceListStrategies().contains(DeviceListStrategy.CDI_CRI);
        if (containerd.release().isPresent() && containerd.release().get().before(1, 7)) {
            found.add(Diagnosis.problem(
                    name(),
                    "containerd " + containerd.release().get() + " cannot resolve CDI names, which the agent hands out",
                    "upgrade containerd to 1.7 or newer",
                    "or, with NVIDIA's container toolkit installed: flags: {plugin: {deviceListStrategy: envvar}} in"
                            + " /etc/gpu-node-agent/config.yaml"));
            return;
        }
        boolean newer =
                containerd.release().isPresent() && !containerd.release().get().before(2, 0);
        boolean enabled = containerd.cri().truth("enable_cdi").orElse(newer);
        if (!enabled) {
            found.add(Diagnosis.problem(
                    name(),
                    "containerd does not resolve CDI names: enable_cdi is not set",
                    containerd.shown() + ":",
                    containerd.layout().heading,
                    "  enable_cdi = true",
                    "  cdi_spec_dirs = [\"/etc/cdi\", \"" + patient.cdiDirectory() + "\"]",
                    containerd.restart()));
            return;
        }
        List<String> directories = containerd.cri().texts("cdi_spec_dirs");
        List<String> read = directories.isEmpty() ? List.of("/etc/cdi", "/var/run/cdi") : directories;
        if (!Directories.contain(patient.files(), read, patient.cdiDirectory())) {
            found.add(Diagnosis.problem(
                    name(),
                    "containerd looks for CDI specifications in " + String.join(", ", read)
                            + ", the agent writes them to " + patient.cdiDirectory(),
                    containerd.shown() + ":",
                    containerd.layout().heading,
                    "  cdi_spec_dirs = [\"/etc/cdi\", \"" + patient.cdiDirectory() + "\"]",
                    containerd.restart()));
        }
        if (annotationsOnly && !patient.config().plugin().cdiAnnotationPrefix().equals("cdi.k8s.io/")) {
            found.add(Diagnosis.note(
                    name(),
                    "containerd reads CDI annotations with the prefix cdi.k8s.io/; the agent writes "
                            + patient.config().plugin().cdiAnnotationPrefix()
                            + ", which only NVIDIA's runtime reads",
                    "remove flags.plugin.cdiAnnotationPrefix from /etc/gpu-node-agent/config.yaml"));
        }
    }

    private void handlers(Patient patient, Containerd containerd, List<Diagnosis> found) {
        Tree runtimes = containerd.cri().table("containerd", "runtimes");
        String chosen =
                containerd.cri().text("containerd", "default_runtime_name").orElse("runc");
        if (!runtimes.isEmpty() && runtimes.table(chosen).isEmpty()) {
            found.add(Diagnosis.problem(
                    name(),
                    "the default runtime \"" + chosen + "\" is not defined: no pod can start (\"no runtime for "
                            + chosen + " is configured\")",
                    containerd.shown() + ":",
                    "  default_runtime_name = \"runc\"",
                    containerd.restart()));
            return;
        }
        List<String> nvidia = new ArrayList<>();
        for (String handler : runtimes.values().keySet()) {
            String binary = runtimes.text(handler, "options", "BinaryName").orElse("");
            if (!binary.isEmpty() && binary.startsWith("/") && !patient.files().exists(Path.of(binary))) {
                found.add(Diagnosis.problem(
                        name(),
                        "the program of the runtime \"" + handler + "\" is not there: " + binary
                                + "; its pods cannot start",
                        "install it, or remove " + containerd.layout().runtime(handler) + " from " + containerd.shown(),
                        containerd.restart()));
            }
            if (binary.contains("nvidia")) {
                nvidia.add(handler);
            }
        }
        if (patient.nvidiaRuntime()) {
            NvidiaRuntime.handlers(name(), patient, chosen, nvidia, "containerd", containerd.restart(), found);
        }
    }

    private void cgroups(KubeletSetup kubelet, Containerd containerd, List<Diagnosis> found) {
        Tree runtimes = containerd.cri().table("containerd", "runtimes");
        // From 1.34 on the kubelet asks the runtime, and its own setting does not count.
        for (String handler : runtimes.values().keySet()) {
            if (!runtimes.text(handler, "runtime_type").orElse("").startsWith("io.containerd.runc")) {
                continue;
            }
            boolean systemd =
                    runtimes.truth(handler, "options", "SystemdCgroup").orElse(false);
            boolean wanted = kubelet.cgroupDriver().equals("systemd");
            if (kubelet.program().isPresent() && !kubelet.cgroupDriver().isEmpty() && systemd != wanted) {
                found.add(Diagnosis.problem(
                        name(),
                        "the kubelet keeps cgroups with " + kubelet.cgroupDriver() + " (" + kubelet.cgroupDriverFrom()
                                + "), the runtime \"" + handler + "\" with " + (systemd ? "systemd" : "cgroupfs")
                                + ": containers lose devices, or do not start",
                        containerd.shown() + ":",
                        containerd.layout().runtime(handler),
                        "  SystemdCgroup = " + wanted,
                        containerd.restart()));
            }
        }
    }
}
