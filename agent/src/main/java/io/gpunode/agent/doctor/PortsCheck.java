package io.gpunode.agent.doctor;

import io.gpunode.agent.os.PortHolder;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Whether the ports that the agent listens on are free, or its own; else who has them, and how they are handed over. */
final class PortsCheck implements Check {
    @Override
    public String name() {
        return "ports";
    }

    @Override
    public String wanted(Patient patient) {
        return "free: " + String.join(", ", patient.config().http().listen());
    }

    @Override
    public List<Diagnosis> examine(Patient patient) throws IOException {
        if (patient.config().http().systemdSocket() || patient.state().isPresent()) {
            // systemd holds them for the agent; or the agent itself, which has just answered there.
            return List.of();
        }
        List<Diagnosis> found = new ArrayList<>();
        for (String address : patient.config().http().listen()) {
            int port = port(address);
            if (port <= 0 || !PortHolder.taken(patient.files(), port)) {
                continue;
            }
            Optional<PortHolder> holder = PortHolder.of(patient.files(), port);
            found.add(Diagnosis.problem(
                    name(),
                    "port " + port + " is held by "
                            + holder.map(PortHolder::text).orElse("a process that only root sees")
                            + ": the agent cannot start",
                    remedy(patient, holder).toArray(new String[0])));
        }
        if (found.isEmpty()) {
            found.add(Diagnosis.ok(
                    name(), "free: " + String.join(", ", patient.config().http().listen())));
        }
        return found;
    }

    private static List<String> remedy(Patient patient, Optional<PortHolder> holder) {
        String elsewhere =
                "or let the agent listen elsewhere; in /etc/gpu-node-agent/config.yaml: http: {listen: ':9401'}";
        String program = holder.map(PortHolder::program).orElse("");
        return switch (program) {
            case "dcgm-exporter" ->
                List.of(
                        "hand over: kubectl label node "
                                + patient.config().host().nodeName()
                                + " nvidia.com/gpu.deploy.dcgm-exporter=false (the agent's series have the same names)",
                        "where no GPU operator runs: systemctl disable --now dcgm-exporter, or take the node out of its DaemonSet",
                        elsewhere);
            case "systemd" ->
                List.of(
                        "systemd holds it for gpu-node-agent.socket: http: {systemdSocket: true} in /etc/gpu-node-agent/config.yaml",
                        "or: systemctl disable --now gpu-node-agent.socket");
            case "java" ->
                List.of("if it is an agent that does not answer: systemctl restart gpu-node-agent", elsewhere);
            default ->
                List.of(
                        "stop it"
                                + holder.map(found -> ": ps -fp " + found.pid()).orElse(""),
                        elsewhere);
        };
    }

    private static int port(String address) {
        try {
            return Integer.parseInt(address.substring(address.lastIndexOf(':') + 1));
        } catch (NumberFormatException e) {
            // The loader has refused it.
            return 0;
        }
    }
}
