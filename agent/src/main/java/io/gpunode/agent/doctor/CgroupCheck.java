package io.gpunode.agent.doctor;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** Which version of control groups the node has; whose cgroup driver differs from whose is for the checks of the runtimes. */
final class CgroupCheck implements Check {
    private static final Path ROOT = Path.of("/sys/fs/cgroup");

    @Override
    public String name() {
        return "cgroups";
    }

    @Override
    public String wanted(Patient patient) {
        return "version 2, with one cgroup driver for kubelet and container runtime";
    }

    @Override
    public List<Diagnosis> examine(Patient patient) throws IOException {
        KubeletSetup kubelet = KubeletSetup.of(patient);
        String driver = kubelet.program().isEmpty() || kubelet.cgroupDriver().isEmpty()
                ? ""
                : ", kubelet with " + kubelet.cgroupDriver();
        if (patient.files().exists(ROOT.resolve("cgroup.controllers"))) {
            return List.of(Diagnosis.ok(name(), "version 2" + driver));
        }
        boolean hybrid = patient.files().exists(ROOT.resolve("unified/cgroup.procs"));
        return List.of(Diagnosis.note(
                name(),
                (hybrid ? "versions 1 and 2 side by side" : "version 1") + driver
                        + ": the agent works; kubelets from 1.35 on do not start",
                "systemd.unified_cgroup_hierarchy=1 on the kernel's command line, and reboot"));
    }
}
