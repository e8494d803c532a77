package io.gpunode.agent.os;

import java.util.List;

/** Which processes have character devices open. One look at a time; any thread. */
public interface OpenDevices {
    /** Which devices are looked for. */
    @FunctionalInterface
    interface Wanted {
        /** Whether this one is. */
        boolean wants(int major, int minor);
    }

    /**
     * A process that has wanted devices open.
     *
     * @param process who
     * @param devices what, sorted by numbers
     */
    record DeviceHolder(SeenProcess process, List<OpenDevice> devices) {
        public DeviceHolder {
            devices = List.copyOf(devices);
        }
    }

    /**
     * A process as it was seen.
     *
     * @param pid in this process's namespace
     * @param startedMillis in ms since the machine was started: with the pid its identity
     * @param state the letter of {@code /proc/<pid>/stat}; empty when it has gone meanwhile
     * @param executable the program's path in its own mount namespace, without the mark of a deleted file; its name where the path may not be read
     * @param unit systemd's unit or scope; empty where it is in none
     * @param container its container
     */
    record SeenProcess(
            int pid, long startedMillis, String state, String executable, String unit, ContainerCgroup container) {}

    /**
     * A device that a process has open.
     *
     * @param mapped whether it is mapped; else it has a descriptor
     * @param count how many descriptors or mappings, of all of its threads
     */
    record OpenDevice(int major, int minor, boolean mapped, int count) {}

    /**
     * One look.
     *
     * @param holders sorted by pid
     * @param processes that were looked at
     * @param descriptors that were looked at
     * @param blind why holders may be missing, in sentences; empty when everything was seen
     */
    record Look(List<DeviceHolder> holders, int processes, int descriptors, List<String> blind) {
        public Look {
            holders = List.copyOf(holders);
            blind = List.copyOf(blind);
        }
    }

    /**
     * A process that may keep a file open without a descriptor or mapping that shows it.
     *
     * @param why in words
     */
    record Suspect(SeenProcess process, String why) {}

    /** Looks at descriptors and mappings of every process, by device number: whatever the node is called and wherever it lies, also when it is deleted. Never fails. */
    Look look(Wanted wanted);

    /**
     * Processes that are ending or in uninterruptible sleep, and those with shared GPU buffers or registered files in the kernel: for what {@link #look} cannot explain. Some 64 at
     * most. Never fails.
     */
    List<Suspect> suspects();
}
