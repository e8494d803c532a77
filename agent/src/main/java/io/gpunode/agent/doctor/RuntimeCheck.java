package io.gpunode.agent.doctor;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** Whether there is a container runtime at all; how each is set up is for its own check. */
final class RuntimeCheck implements Check {
    @Override
    public String name() {
        return "container-runtime";
    }

    @Override
    public String wanted(Patient patient) {
        return "containerd, CRI-O, or docker behind cri-dockerd; those of k3s, RKE2 and MicroK8s, too";
    }

    @Override
    public List<Diagnosis> examine(Patient patient) throws IOException {
        List<String> running = new ArrayList<>();
        for (String name : List.of("containerd", "crio", "dockerd", "cri-dockerd")) {
            for (RunningProgram program : RunningProgram.named(patient.files(), name)) {
                running.add(name + " (process " + program.pid() + ")");
            }
        }
        if (running.isEmpty()) {
            return List.of(Diagnosis.problem(
                    name(),
                    "none runs",
                    "systemctl enable --now containerd, or install one; then run preflight again"));
        }
        return List.of(Diagnosis.ok(name(), String.join(", ", running)));
    }
}
