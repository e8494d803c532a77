package io.gpunode.agent.doctor;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Whether CRI-O hands out GPUs in the way that the agent announces them. */
final class CrioCheck implements Check {
    private static final Path CONFIG = Path.of("/etc/crio/crio.conf");
    private static final Path DROP_INS = Path.of("/etc/crio/crio.conf.d");
    private static final Path OURS = DROP_INS.resolve("99-gpu-node-agent.conf");
    private static final String RESTART = "systemctl restart crio";
    private static final int LIMIT = 1 << 20;

    @Override
    public String name() {
        return "cri-o";
    }

    @Override
    public String wanted(Patient patient) {
        return patient.cdi()
                ? "CRI-O 1.23 or newer that resolves CDI names, with the kubelet's cgroup driver"
                : "NVIDIA's runtime as a handler of CRI-O, and the kubelet's cgroup driver";
    }

    @Override
    public List<Diagnosis> examine(Patient patient) throws IOException, InterruptedException {
        Optional<RunningProgram> program =
                RunningProgram.named(patient.files(), "crio").stream().findFirst();
        KubeletSetup kubelet = KubeletSetup.of(patient);
        if (program.isEmpty() || !kubelet.mayUse("crio")) {
            return List.of();
        }
        Optional<Release> release = Release.of(patient.commands(), program.get());
        Tree config = read(patient).table("crio", "runtime");
        List<Diagnosis> found = new ArrayList<>();
        if (patient.cdi()) {
            cdi(patient, release, config, found);
        } else {
            List<String> nvidia = new ArrayList<>();
            Tree runtimes = config.table("runtimes");
            for (String handler : runtimes.values().keySet()) {
                if (runtimes.text(handler, "runtime_path").orElse("").contains("nvidia")) {
                    nvidia.add(handler);
                }
            }
            String chosen = config.text("default_runtime").orElse("crun");
            NvidiaRuntime.handlers(name(), patient, chosen, nvidia, "crio", RESTART, found);
        }
        String manager = config.text("cgroup_manager").orElse("systemd");
        if (!kubelet.cgroupDriver().isEmpty() && !manager.equals(kubelet.cgroupDriver())) {
            found.add(Diagnosis.problem(
                    name(),
                    "the kubelet keeps cgroups with " + kubelet.cgroupDriver() + " (" + kubelet.cgroupDriverFrom()
                            + "), CRI-O with " + manager + ": containers do not start",
                    kubelet.configFile() + ":",
                    "  cgroupDriver: " + manager,
                    "systemctl restart kubelet"));
        }
        if (found.isEmpty()) {
            found.add(Diagnosis.ok(
                    name(), "CRI-O" + release.map(number -> " " + number).orElse("")));
        }
        return found;
    }

    /** The main file, then the drop-ins by name; what comes later counts. */
    private static Tree read(Patient patient) throws IOException {
        List<Path> sources = new ArrayList<>(List.of(CONFIG));
        patient.files().list(DROP_INS).forEach(name -> sources.add(DROP_INS.resolve(name)));
        Tree all = Tree.EMPTY;
        for (Path source : sources) {
            Optional<String> text = patient.files().readText(source, LIMIT);
            try {
                all = text.isPresent() ? all.overlaidBy(Tree.toml(text.get())) : all;
            } catch (IOException e) {
                throw new IOException(source + ": " + e.getMessage(), e);
            }
        }
        return all;
    }

    private void cdi(Patient patient, Optional<Release> release, Tree config, List<Diagnosis> found) {
        if (release.isPresent() && release.get().before(1, 23)) {
            found.add(Diagnosis.problem(
                    name(),
                    "CRI-O " + release.get() + " cannot resolve CDI names, which the agent hands out",
                    "upgrade CRI-O to 1.23 or newer"));
            return;
        }
        List<String> directories = config.texts("cdi_spec_dirs");
        List<String> read = directories.isEmpty() ? List.of("/etc/cdi", "/var/run/cdi") : directories;
        if (!Directories.contain(patient.files(), read, patient.cdiDirectory())) {
            found.add(Diagnosis.problem(
                    name(),
                    "CRI-O looks for CDI specifications in " + String.join(", ", read) + ", the agent writes them to "
                            + patient.cdiDirectory(),
                    OURS + ":",
                    "[crio.runtime]",
                    "cdi_spec_dirs = [\"/etc/cdi\", \"" + patient.cdiDirectory() + "\"]",
                    RESTART));
        }
    }
}
