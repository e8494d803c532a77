package io.gpunode.agent.doctor;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Docker: as the kubelet's runtime behind cri-dockerd, or beside it for people. */
final class DockerCheck implements Check {
    private static final Path CONFIG = Path.of("/etc/docker/daemon.json");
    private static final String RESTART = "systemctl restart docker";
    private static final String CGROUPS = "native.cgroupdriver=";
    private static final int LIMIT = 1 << 20;

    @Override
    public String name() {
        return "docker";
    }

    @Override
    public String wanted(Patient patient) {
        return "docker 28.2 or newer, with the kubelet's cgroup driver where the kubelet uses it";
    }

    @Override
    public List<Diagnosis> examine(Patient patient) throws IOException, InterruptedException {
        Optional<RunningProgram> program =
                RunningProgram.named(patient.files(), "dockerd").stream().findFirst();
        if (program.isEmpty()) {
            return List.of();
        }
        Optional<Release> release = Release.of(patient.commands(), program.get());
        Optional<String> text = patient.files().readText(CONFIG, LIMIT);
        Tree config;
        try {
            config = text.isPresent() ? Tree.json(text.get()) : Tree.EMPTY;
        } catch (IOException e) {
            throw new IOException(CONFIG + ": " + e.getMessage(), e);
        }
        KubeletSetup kubelet = KubeletSetup.of(patient);
        boolean servesKubelet =
                kubelet.program().isPresent() && kubelet.runtimeEndpoint().contains("dockerd");
        List<Diagnosis> found = new ArrayList<>();
        cdi(release, config, found);
        if (servesKubelet) {
            String driver = "cgroupfs";
            for (String option : config.texts("exec-opts")) {
                driver = option.startsWith(CGROUPS) ? option.substring(CGROUPS.length()) : driver;
            }
            if (!kubelet.cgroupDriver().isEmpty() && !driver.equals(kubelet.cgroupDriver())) {
                found.add(Diagnosis.problem(
                        name(),
                        "the kubelet keeps cgroups with " + kubelet.cgroupDriver() + " (" + kubelet.cgroupDriverFrom()
                                + "), docker with " + driver,
                        CONFIG + ":",
                        "  \"exec-opts\": [\"" + CGROUPS + kubelet.cgroupDriver() + "\"]",
                        RESTART));
            }
            if (patient.nvidiaRuntime()) {
                Tree runtimes = config.table("runtimes");
                List<String> nvidia = runtimes.values().keySet().stream()
                        .filter(handler ->
                                runtimes.text(handler, "path").orElse("").contains("nvidia"))
                        .toList();
                String chosen = config.text("default-runtime").orElse("runc");
                NvidiaRuntime.handlers(name(), patient, chosen, nvidia, "docker", RESTART, found);
            }
        }
        if (found.isEmpty()) {
            found.add(Diagnosis.ok(
                    name(), "docker" + release.map(number -> " " + number).orElse("")));
        }
        return found;
    }

    /** 25.0 knows CDI as an experiment, from 28.2 on it is on by itself. */
    private void cdi(Optional<Release> release, Tree config, List<Diagnosis> found) {
        if (release.isEmpty()) {
            return;
        }
        if (release.get().before(25, 0)) {
            found.add(Diagnosis.note(
                    name(),
                    "docker " + release.get() + " knows no CDI (--device nvidia.com/gpu=all)",
                    "upgrade it to 28.2 or newer"));
        } else if (release.get().before(28, 2)
                && !config.truth("features", "cdi").orElse(false)) {
            found.add(Diagnosis.note(
                    name(),
                    "docker " + release.get() + " has CDI switched off (--device nvidia.com/gpu=all)",
                    CONFIG + ":",
                    "  \"features\": {\"cdi\": true}",
                    RESTART));
        }
    }
}
