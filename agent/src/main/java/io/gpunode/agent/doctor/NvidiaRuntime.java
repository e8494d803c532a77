package io.gpunode.agent.doctor;

import io.gpunode.agent.config.AgentConfig.DeviceListStrategy;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** What the strategies {@code envvar} and {@code volume-mounts} need: NVIDIA's container runtime, in use and willing. */
final class NvidiaRuntime {
    private static final Path CONFIG = Path.of("/etc/nvidia-container-runtime/config.toml");
    private static final int LIMIT = 1 << 20;

    private NvidiaRuntime() {}

    /**
     * @param chosen the container runtime's default handler
     * @param nvidia handlers that start NVIDIA's runtime
     */
    static void handlers(
            String check,
            Patient patient,
            String chosen,
            List<String> nvidia,
            String runtime,
            String restart,
            List<Diagnosis> found) {
        if (nvidia.isEmpty()) {
            found.add(Diagnosis.problem(
                    check,
                    "no runtime of " + runtime
                            + " hands out GPUs by environment variable, which is how the agent announces them: a GPU pod starts without"
                            + " its GPU",
                    "let " + runtime + " resolve CDI names instead; in /etc/gpu-node-agent/config.yaml:",
                    "  flags: {plugin: {deviceListStrategy: cdi-cri}}",
                    "or, with NVIDIA's container toolkit installed: nvidia-ctk runtime configure --runtime=" + runtime
                            + " --set-as-default && " + restart));
        } else if (!nvidia.contains(chosen)) {
            found.add(Diagnosis.note(
                    check,
                    "the default runtime is \"" + chosen + "\": a GPU pod gets its GPU only with runtimeClassName: "
                            + nvidia.getFirst(),
                    "kubectl apply -f - <<< '{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: "
                            + nvidia.getFirst() + "}, handler: " + nvidia.getFirst() + "}'",
                    "or make it the default: nvidia-ctk runtime configure --runtime=" + runtime
                            + " --set-as-default && " + restart));
        }
        try {
            willing(check, patient, found);
        } catch (IOException e) {
            found.add(Diagnosis.problem(check, CONFIG + ": " + e.getMessage(), "nvidia-ctk config --in-place"));
        }
    }

    private static void willing(String check, Patient patient, List<Diagnosis> found) throws IOException {
        Optional<String> text = patient.files().readText(CONFIG, LIMIT);
        Tree config = text.isPresent() ? Tree.toml(text.get()) : Tree.EMPTY;
        boolean byVariable = config.truth("accept-nvidia-visible-devices-envvar-when-unprivileged")
                .orElse(true);
        boolean byMount =
                config.truth("accept-nvidia-visible-devices-as-volume-mounts").orElse(false);
        Set<DeviceListStrategy> strategies = patient.config().plugin().deviceListStrategies();
        if (strategies.contains(DeviceListStrategy.ENVVAR) && strategies.size() == 1 && !byVariable) {
            found.add(Diagnosis.problem(
                    check,
                    "NVIDIA's runtime refuses GPUs by environment variable to unprivileged containers",
                    CONFIG + ":",
                    "  accept-nvidia-visible-devices-envvar-when-unprivileged = true",
                    "or, which keeps pods from helping themselves: flags: {plugin: {deviceListStrategy: cdi-cri}} in"
                            + " /etc/gpu-node-agent/config.yaml"));
        } else if (byVariable && !byMount) {
            found.add(Diagnosis.note(
                    check,
                    "any image that sets NVIDIA_VISIBLE_DEVICES gets GPUs, also in pods that ask for none",
                    "flags: {plugin: {deviceListStrategy: cdi-cri}} in /etc/gpu-node-agent/config.yaml, and in "
                            + CONFIG + ":",
                    "  accept-nvidia-visible-devices-envvar-when-unprivileged = false"));
        }
        if (strategies.contains(DeviceListStrategy.VOLUME_MOUNTS) && !byMount) {
            found.add(Diagnosis.problem(
                    check,
                    "NVIDIA's runtime does not accept GPUs as volume mounts",
                    CONFIG + ":",
                    "  accept-nvidia-visible-devices-as-volume-mounts = true"));
        }
    }
}
