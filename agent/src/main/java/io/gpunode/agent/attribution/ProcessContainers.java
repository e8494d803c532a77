package io.gpunode.agent.attribution;

import io.gpunode.agent.os.ContainerCgroup;
import io.gpunode.agent.os.Processes;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;

/**
 * The container of each process, read once for each process: a process does not leave its container, and another that gets its id began at another time.
 * For one thread.
 */
final class ProcessContainers {
    /** A list is read with a sample, not in the same moment, and may be used again within a second. Ids come again after minutes at the earliest. */
    private static final long TOLERANCE_MILLIS = 1_000;

    private record Known(long startedMillis, ContainerCgroup container) {}

    private final Processes processes;
    private final Map<Integer, Known> known = new HashMap<>();
    private final Set<Integer> seen = new HashSet<>();
    private OptionalLong uptimeMillis = OptionalLong.empty();

    ProcessContainers(Processes processes) {
        this.processes = processes;
    }

    /** A round begins in which every process that there still is will be asked for. */
    void begin() {
        seen.clear();
        uptimeMillis = processes.uptimeMillis();
    }

    /** The round has ended: those that were not asked for are forgotten. */
    void end() {
        known.keySet().retainAll(seen);
    }

    /**
     * The container of a process that the driver listed.
     *
     * @param listedMillisAgo when it did, before {@link #begin}
     * @return empty when that process is gone; {@link ContainerCgroup#NONE} for one of the host
     */
    Optional<ContainerCgroup> of(int pid, long listedMillisAgo) {
        OptionalLong started = processes.startedMillisAfterBoot(pid);
        if (started.isEmpty() || isLater(started.getAsLong(), listedMillisAgo)) {
            return Optional.empty();
        }
        seen.add(pid);
        Known before = known.get(pid);
        if (before != null && before.startedMillis == started.getAsLong()) {
            return Optional.of(before.container);
        }
        known.remove(pid);
        Optional<ContainerCgroup> found = processes.container(pid);
        // Both files are of one process when it is the same one before and after.
        if (found.isEmpty() || !processes.startedMillisAfterBoot(pid).equals(started)) {
            return Optional.empty();
        }
        known.put(pid, new Known(started.getAsLong(), found.get()));
        return found;
    }

    private boolean isLater(long startedMillis, long listedMillisAgo) {
        return uptimeMillis.isPresent()
                && startedMillis > uptimeMillis.getAsLong() - listedMillisAgo + TOLERANCE_MILLIS;
    }
}
