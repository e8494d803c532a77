package io.gpunode.agent.driver;

import java.util.Locale;

/**
 * A process that holds a device of the driver, or something in the kernel that does.
 *
 * @param module whose reference it holds
 * @param device the device's usual name, such as {@code /dev/nvidia0}; empty for what is held without one
 * @param pid of the process, in the agent's process namespace; 0 for what no process is known for
 * @param startMillis when the process was started, in ms since the machine was: together with the pid it is the process's identity. 0 with pid 0
 * @param executable the program's path as the process sees it, or its name where that may not be read
 * @param place where it belongs
 * @param through how it holds the device
 * @param count descriptors or mappings of that device
 * @param state the letter of {@code /proc/<pid>/stat}: R, S, D, Z …; empty with pid 0
 */
public record Holder(
        String module,
        String device,
        int pid,
        long startMillis,
        String executable,
        HolderPlace place,
        Through through,
        int count,
        String state) {
    /** How something holds a device. */
    public enum Through {
        /** An open descriptor, of the process or of a thread with descriptors of its own. */
        FD,
        /** A mapping whose descriptor was closed. */
        MAP,
        /** A reference with no open file in any process that could be looked at. */
        KERNEL;

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }
}
