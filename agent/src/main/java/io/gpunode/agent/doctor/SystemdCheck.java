package io.gpunode.agent.doctor;

import io.gpunode.agent.os.SystemdVersion;
import java.util.List;
import java.util.OptionalInt;

/** Whether systemd runs the machine, and which. */
final class SystemdCheck implements Check {
    private static final int NOTIFY_RELOAD = 253;
    private static final int RESTART_STEPS = 254;

    @Override
    public String name() {
        return "systemd";
    }

    @Override
    public String wanted(Patient patient) {
        return "systemd 254 or newer; with older ones the unit works with less comfort";
    }

    @Override
    public List<Diagnosis> examine(Patient patient) throws InterruptedException {
        if (!SystemdVersion.booted(patient.files())) {
            return List.of(Diagnosis.note(
                    name(),
                    "this machine is not run by systemd: nothing starts the agent by itself",
                    "let its supervisor run: gpu-node-agent run (SIGTERM ends it, SIGHUP reads the configuration)",
                    "or run the agent as a DaemonSet"));
        }
        OptionalInt version = SystemdVersion.of(patient.commands(), patient.files());
        if (version.isEmpty()) {
            return List.of(Diagnosis.note(name(), "systemd, whose version cannot be asked", "systemctl --version"));
        }
        int number = version.getAsInt();
        if (number < NOTIFY_RELOAD) {
            return List.of(Diagnosis.note(
                    name(),
                    "systemd " + number
                            + ": it tells at daemon-reload which lines of the unit it does not know; systemctl reload takes a drop-in",
                    "gpu-node-agent config systemd prints it; changes of files are read without it"));
        }
        if (number < RESTART_STEPS) {
            return List.of(Diagnosis.note(
                    name(),
                    "systemd " + number + " restarts without longer and longer pauses: 30 times in 10 minutes"));
        }
        return List.of(Diagnosis.ok(name(), "systemd " + number));
    }
}
