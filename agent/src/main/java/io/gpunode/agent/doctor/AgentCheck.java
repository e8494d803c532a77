package io.gpunode.agent.doctor;

import io.gpunode.agent.json.JsonValue;
import java.util.ArrayList;
import java.util.List;

/** What the running agent itself says: what it waits for, and which GPUs it withholds. */
final class AgentCheck implements Check {
    @Override
    public String name() {
        return "agent";
    }

    @Override
    public String wanted(Patient patient) {
        return "a running agent that is ready";
    }

    @Override
    public List<Diagnosis> examine(Patient patient) {
        if (patient.state().isEmpty()) {
            return List.of(Diagnosis.problem(
                    name(),
                    "no agent answers on "
                            + String.join(", ", patient.config().http().listen()),
                    "systemctl start gpu-node-agent",
                    "journalctl -u gpu-node-agent -e"));
        }
        JsonValue state = patient.state().get();
        List<Diagnosis> found = new ArrayList<>();
        for (JsonValue condition : state.member("readiness").elements()) {
            if (!condition.member("ok").isTrue()) {
                String nextStep = condition.member("nextStep").textOr("gpu-node-agent status");
                found.add(Diagnosis.problem(
                        name(),
                        condition.member("name").textOr("?") + ": "
                                + condition.member("reason").textOr("not ready"),
                        nextStep));
            }
        }
        int healthy = 0;
        List<JsonValue> gpus = state.member("gpus").elements();
        for (JsonValue gpu : gpus) {
            if (gpu.member("healthy").isTrue()) {
                healthy++;
                continue;
            }
            JsonValue worst =
                    gpu.member("findings").elements().stream().findFirst().orElse(gpu.member("none"));
            found.add(Diagnosis.problem(
                    name(),
                    "GPU " + gpu.member("index").textOr("?") + " ("
                            + gpu.member("id").textOr("?") + ") is withheld: "
                            + worst.member("reason").textOr("see gpu-node-agent gpus"),
                    worst.member("repair").textOr("gpu-node-agent gpus")));
        }
        if (found.isEmpty()) {
            found.add(Diagnosis.ok(name(), "ready, " + healthy + " of " + gpus.size() + " GPUs healthy"));
        }
        return found;
    }
}
