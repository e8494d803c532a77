package io.gpunode.agent.driver;

import java.util.Map;
import java.util.Optional;

/** One thing that is done on the way from one driver to another. Each can be made again after it was made, and changes nothing then. */
public sealed interface DriverStep {
    /** What it does, for people, as an order: {@code unload nvidia_uvm}. */
    String text();

    /** The agent lets go of the GPUs, and everything that it offers says so. */
    record Withdraw() implements DriverStep {
        @Override
        public String text() {
            return "withdraw the GPUs";
        }
    }

    /** A daemon is stopped. */
    record StopDaemon(DaemonKind kind) implements DriverStep {
        @Override
        public String text() {
            return "stop " + kind.program();
        }
    }

    /** The driver's files and nodes are taken away from where containers look for them. */
    record DetachRoot() implements DriverStep {
        @Override
        public String text() {
            return "take away " + DriverRoot.POINT;
        }
    }

    /** A module goes out of the kernel. */
    record UnloadModule(String name) implements DriverStep {
        @Override
        public String text() {
            return "unload " + name;
        }
    }

    /** The kernel's own driver goes from the GPUs. */
    record ReleaseNouveau() implements DriverStep {
        @Override
        public String text() {
            return "unload nouveau";
        }
    }

    /** The kernel is told where firmware lies. */
    record SetFirmwarePath(String path) implements DriverStep {
        @Override
        public String text() {
            return path.isEmpty() ? "clear the kernel's firmware path" : "set the kernel's firmware path to " + path;
        }
    }

    /**
     * Something that a module needs goes into the kernel; it stays there.
     *
     * @param required whether the module cannot be loaded without it
     */
    record LoadDependency(String name, boolean required) implements DriverStep {
        @Override
        public String text() {
            return "load " + name + (required ? "" : ", where it is there");
        }
    }

    /**
     * A module goes into the kernel.
     *
     * @param file the staged one; empty for the one that modprobe finds
     */
    record LoadModule(String name, Optional<StagedModule> file, Map<String, String> parameters) implements DriverStep {
        @Override
        public String text() {
            StringBuilder text = new StringBuilder("load ").append(name);
            parameters.forEach(
                    (key, value) -> text.append(' ').append(key).append('=').append(value));
            return text.toString();
        }
    }

    /** The driver's files and nodes are put where containers look for them. */
    record AttachRoot(StagedDriver driver) implements DriverStep {
        @Override
        public String text() {
            return "make the nodes" + (driver.userspaceRoot().getNameCount() == 0 ? "" : " and " + DriverRoot.POINT);
        }
    }

    /**
     * A daemon is started.
     *
     * @param again whether it ran before the change, and is to run after it whether the node needs it or not
     */
    record StartDaemon(DaemonKind kind, StagedDriver driver, boolean again) implements DriverStep {
        @Override
        public String text() {
            return "start " + kind.program() + (again ? " again" : ", where the node needs it");
        }
    }

    /** Says to others on the node that the driver works; the agent takes up the GPUs again. */
    record Announce(DriverTarget target) implements DriverStep {
        @Override
        public String text() {
            return target.isNone() ? "tell that there is no driver" : "offer the GPUs again";
        }
    }
}
