package io.gpunode.agent.doctor;

import io.gpunode.agent.config.AgentConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Whether another program does the agent's work on this node as well. */
final class OtherPluginsCheck implements Check {
    private static final Path HOOK = Path.of("/usr/share/containers/oci/hooks.d/oci-nvidia-hook.json");

    @Override
    public String name() {
        return "other-plugins";
    }

    @Override
    public List<Diagnosis> examine(Patient patient) throws IOException {
        List<Diagnosis> found = new ArrayList<>();
        if (!RunningProgram.named(patient.files(), "nvidia-device-p").isEmpty()) {
            found.add(Diagnosis.problem(
                    name(),
                    "NVIDIA's device plugin runs on this node too: each list of one replaces the other's at the kubelet",
                    "take the node out of its DaemonSet, such as: kubectl label node "
                            + patient.config().host().nodeName() + " nvidia.com/gpu.deploy.device-plugin=false"));
        }
        if (!RunningProgram.named(patient.files(), "dcgm-exporter").isEmpty()) {
            found.add(Diagnosis.note(
                    name(),
                    "dcgm-exporter runs on this node too: its series and the agent's have the same names",
                    "kubectl label node " + patient.config().host().nodeName()
                            + " nvidia.com/gpu.deploy.dcgm-exporter=false"));
        }
        if (!RunningProgram.named(patient.files(), "gpu-feature-dis").isEmpty()
                && patient.config().labels().sink() != AgentConfig.LabelOutput.OFF) {
            found.add(Diagnosis.note(
                    name(),
                    "NVIDIA's gpu-feature-discovery runs on this node too: it writes the same labels to the same places",
                    "kubectl label node " + patient.config().host().nodeName()
                            + " nvidia.com/gpu.deploy.gpu-feature-discovery=false"));
        }
        if (patient.cdi() && patient.files().exists(HOOK)) {
            found.add(Diagnosis.note(
                    name(), "podman and CRI-O run NVIDIA's hook beside the CDI specification", "rm " + HOOK));
        }
        return found;
    }
}
