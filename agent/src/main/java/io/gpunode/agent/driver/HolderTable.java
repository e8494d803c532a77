package io.gpunode.agent.driver;

import java.time.Duration;
import java.util.List;

/**
 * Who holds the driver, as of one look.
 *
 * @param holders sorted by module as in {@link ModuleGraph}, device and pid
 * @param suspects processes that hold nothing visible and may still keep a file open in the kernel: those that are ending, and those in uninterruptible
 *     sleep. Looked for only when a module has more references than were found
 * @param blind why holders may be missing, in sentences; empty when everything was seen
 * @param processes how many were looked at
 * @param descriptors how many of theirs were looked at
 * @param took how long the look took
 */
public record HolderTable(
        List<Holder> holders,
        List<Suspect> suspects,
        List<String> blind,
        int processes,
        int descriptors,
        Duration took) {
    /**
     * A process that may hold something that is not visible.
     *
     * @param pid in the agent's process namespace
     * @param startMillis when it was started, in ms since the machine was
     * @param executable its name
     * @param place where it belongs
     * @param why what makes it one, in words: a zombie, in uninterruptible sleep and where in the kernel, or what it has open
     */
    public record Suspect(int pid, long startMillis, String executable, HolderPlace place, String why) {}

    public HolderTable {
        holders = List.copyOf(holders);
        suspects = List.copyOf(suspects);
        blind = List.copyOf(blind);
    }

    /** Whether nobody holds anything, as far as could be seen. */
    public boolean isEmpty() {
        return holders.isEmpty();
    }

    /** The same without the holders of one process: those that an agent lets go of by itself. */
    public HolderTable without(int pid) {
        return new HolderTable(
                holders.stream().filter(holder -> holder.pid() != pid).toList(),
                suspects,
                blind,
                processes,
                descriptors,
                took);
    }
}
