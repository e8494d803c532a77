package io.gpunode.agent.doctor;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** Makes the round of all checks, from the hardware up. Changes nothing. */
public final class Doctor {
    private static final List<Check> CHECKS = List.of(
            new DriverCheck(),
            new DeviceNodesCheck(),
            new CdiSpecCheck(),
            new ContainerdCheck(),
            new CrioCheck(),
            new DockerCheck(),
            new KubeletCheck(),
            new OtherPluginsCheck(),
            new PortsCheck(),
            new ServiceCheck(),
            new AgentCheck(),
            new LabelsCheck());

    private Doctor() {}

    /** What all checks found, in the order in which things depend on each other. */
    public static List<Diagnosis> examine(Patient patient) throws InterruptedException {
        List<Diagnosis> all = new ArrayList<>();
        for (Check check : CHECKS) {
            all.addAll(examine(check, patient));
        }
        return List.copyOf(all);
    }

    /** One check's findings; that it could not look is one of them. */
    static List<Diagnosis> examine(Check check, Patient patient) throws InterruptedException {
        try {
            return check.examine(patient);
        } catch (IOException e) {
            return List.of(Diagnosis.note(
                    check.name(), "could not be looked at: " + e.getMessage(), "run it as root on the node"));
        }
    }
}
