package io.gpunode.agent.doctor;

import io.gpunode.agent.config.AgentConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Whether another program does the agent's work on this node as well. */
final class OtherPluginsCheck implements Check {
    private static final Path HOOK = Path.of("/usr/share/containers/oci/hooks.d/oci-nvidia-hook.json");
    /** Its entry script writes it, and takes it away when the driver is unloaded. */
    private static final Path DRIVER_CONTAINER = Path.of("/run/nvidia/nvidia-driver.pid");

    @Override
    public String name() {
        return "other-plugins";
    }

    @Override
    public String wanted(Patient patient) {
        return "nobody else who offers, labels, splits or measures the GPUs of this node";
    }

    @Override
    public List<Diagnosis> examine(Patient patient) throws IOException {
        List<Diagnosis> found = new ArrayList<>();
        String plugin = processes(patient, "nvidia-device-p");
        if (!plugin.isEmpty()) {
            found.add(Diagnosis.problem(
                    name(),
                    "NVIDIA's device plugin runs on this node too" + plugin
                            + ": each list of one replaces the other's at the kubelet",
                    "take the node out of its DaemonSet, such as: kubectl label node "
                            + patient.config().host().nodeName() + " nvidia.com/gpu.deploy.device-plugin=false"));
        }
        String exporter = processes(patient, "dcgm-exporter");
        if (!exporter.isEmpty()) {
            found.add(Diagnosis.note(
                    name(),
                    "dcgm-exporter runs on this node too" + exporter
                            + ": its series and the agent's have the same names",
                    "kubectl label node " + patient.config().host().nodeName()
                            + " nvidia.com/gpu.deploy.dcgm-exporter=false"));
        }
        String labels = processes(patient, "gpu-feature-dis");
        if (!labels.isEmpty() && patient.config().labels().sink() != AgentConfig.LabelOutput.OFF) {
            found.add(Diagnosis.note(
                    name(),
                    "NVIDIA's gpu-feature-discovery runs on this node too" + labels
                            + ": it writes the same labels to the same places",
                    "kubectl label node " + patient.config().host().nodeName()
                            + " nvidia.com/gpu.deploy.gpu-feature-discovery=false"));
        }
        String manager = processes(patient, "nvidia-mig-mana");
        if (!manager.isEmpty() && patient.config().mig().manage()) {
            found.add(Diagnosis.problem(
                    name(),
                    "NVIDIA's MIG manager runs on this node too" + manager
                            + ", and mig.manage is on: both split the GPUs by one label",
                    "kubectl label node " + patient.config().host().nodeName()
                            + " nvidia.com/gpu.deploy.mig-manager=false"));
        }
        if (patient.config().driver().manage() && patient.files().exists(DRIVER_CONTAINER)) {
            found.add(Diagnosis.problem(
                    name(),
                    "NVIDIA's driver container has brought this node's driver (" + DRIVER_CONTAINER
                            + "), and driver.manage is on: both load and unload it",
                    "kubectl label node " + patient.config().host().nodeName()
                            + " nvidia.com/gpu.deploy.driver=false"));
        }
        if (patient.cdi() && patient.files().exists(HOOK)) {
            found.add(Diagnosis.note(
                    name(), "podman and CRI-O run NVIDIA's hook beside the CDI specification", "rm " + HOOK));
        }
        return found;
    }

    /** {@code  (process 4711)}; empty when there is none. */
    private static String processes(Patient patient, String name) throws IOException {
        List<RunningProgram> running = RunningProgram.named(patient.files(), name);
        return running.isEmpty() ? "" : " (process " + running.getFirst().pid() + ")";
    }
}
