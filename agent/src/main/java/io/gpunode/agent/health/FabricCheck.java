package io.gpunode.agent.health;

import io.gpunode.agent.model.Finding.Severity;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.Reading;
import java.util.function.Consumer;

/**
 * The NVSwitch fabric: CUDA does not start on a GPU that belongs to one and has not joined it. Nothing is said of a GPU in MIG mode, which
 * does not use it.
 */
final class FabricCheck implements Check {
    static final String NAME = "fabric";

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public void look(Observation seen, Consumer<Symptom> symptoms) {
        if (seen.gpu().migEnabled()
                || !(seen.gpu().fabric() instanceof Reading.Value<Gpu.FabricState>(Gpu.FabricState fabric))) {
            return;
        }
        if (!fabric.state().equals(Gpu.FabricState.COMPLETED)) {
            symptoms.accept(Symptom.at(
                    NAME,
                    "state",
                    Severity.FATAL,
                    "the GPU has not joined the NVSwitch fabric (" + fabric.state() + ")",
                    Repair.FABRIC_MANAGER,
                    "it has joined"));
        } else if (fabric.health().equals(Gpu.FabricState.UNHEALTHY)) {
            symptoms.accept(Symptom.at(
                    NAME,
                    "health",
                    Severity.FATAL,
                    "NVML calls the GPU's NVSwitch fabric unhealthy" + detail(fabric),
                    Repair.FABRIC_MANAGER,
                    "NVML calls it healthy"));
        } else if (!fabric.problems().isEmpty() || fabric.health().equals(Gpu.FabricState.LIMITED)) {
            symptoms.accept(Symptom.at(
                    NAME,
                    "problems",
                    Severity.REMARK,
                    "the GPU's NVSwitch fabric is not at its best" + detail(fabric),
                    Repair.FABRIC_MANAGER,
                    "NVML says so no more"));
        }
    }

    private static String detail(Gpu.FabricState fabric) {
        return fabric.problems().isEmpty() ? "" : " (" + String.join(", ", fabric.problems()) + ")";
    }
}
