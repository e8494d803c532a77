package io.gpunode.agent.doctor;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.json.JsonValue;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Whether the node's feature labels are where workloads look for them. */
final class LabelsCheck implements Check {
    @Override
    public String name() {
        return "labels";
    }

    @Override
    public String wanted(Patient patient) {
        return "feature labels on the node";
    }

    @Override
    public List<Diagnosis> examine(Patient patient) {
        List<Diagnosis> found = new ArrayList<>();
        AgentConfig.Labels config = patient.config().labels();
        if (config.sink() == AgentConfig.LabelOutput.OFF) {
            if (!config.outputFile().isEmpty() && patient.files().exists(Path.of(config.outputFile()))) {
                found.add(Diagnosis.note(
                        name(),
                        "labels.sink is off, and " + config.outputFile()
                                + " is there: the node keeps its labels, which may be out of date",
                        "rm " + config.outputFile() + " (unless gpu-feature-discovery writes it)"));
            }
            return found;
        }
        if (patient.state().isEmpty()) {
            return found;
        }
        JsonValue labels = patient.state().get().member("labels");
        String reason = labels.member("reason").textOr("?");
        String place = labels.member("place").textOr("?");
        switch (labels.member("state").textOr("")) {
            case "current" ->
                found.add(Diagnosis.ok(name(), labels.member("count").textOr("?") + " feature labels in " + place));
            case "failed" ->
                found.add(Diagnosis.problem(
                        name(),
                        "the node's feature labels are not written, so pods that select by them are not scheduled: "
                                + reason,
                        "gpu-node-agent labels (tells them)"));
            case "waiting" -> found.add(Diagnosis.note(name(), "the node's feature labels are not written: " + reason));
            default -> {
                // They are on their way.
            }
        }
        return found;
    }
}
