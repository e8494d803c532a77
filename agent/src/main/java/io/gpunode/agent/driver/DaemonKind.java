package io.gpunode.agent.driver;

import java.util.Optional;

/** The driver's daemons, in the order that they are started in; stopped in reverse. */
public enum DaemonKind {
    /** Keeps GPUs initialised while nobody uses them. Holds {@code /dev/nvidiaN} open: no module can be unloaded before it has ended. */
    PERSISTENCED("nvidia-persistenced", "nvidia-persistenced.service"),
    /** The subnet manager of NVLink, from its fifth generation on. The unit of the fabric manager starts it. */
    SUBNET_MANAGER("nvlsm", ""),
    /** Sets up NVSwitches. */
    FABRIC_MANAGER("nv-fabricmanager", "nvidia-fabricmanager.service"),
    /** Shares memory between the GPUs of several nodes. */
    IMEX("nvidia-imex", "nvidia-imex.service");

    private final String program;
    private final String unit;

    DaemonKind(String program, String unit) {
        this.program = program;
        this.unit = unit;
    }

    /** The name of its program, and what logs and {@code status} call it. */
    public String program() {
        return program;
    }

    /** The systemd unit that distributions start it with; empty when it has none of its own. */
    public Optional<String> unit() {
        return unit.isEmpty() ? Optional.empty() : Optional.of(unit);
    }
}
