package io.gpunode.agent.admin;

import io.gpunode.agent.inventory.SnapshotSource;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.podresources.PodResourcesSource;
import io.gpunode.agent.time.MonotonicClock;
import java.util.ArrayList;
import java.util.List;

/**
 * What the pages look at.
 *
 * @param version of the agent
 * @param node the node's name
 * @param snapshots the picture
 * @param pods who holds what
 * @param heartbeats the loops of the process
 * @param readiness the conditions of readiness, in the order in which people look for the cause
 * @param sections further members of {@code /state}
 * @param clock for ages
 */
public record AdminState(
        String version,
        String node,
        SnapshotSource snapshots,
        PodResourcesSource pods,
        Heartbeats heartbeats,
        List<ReadinessCheck> readiness,
        List<StateSection> sections,
        MonotonicClock clock) {
    public AdminState {
        readiness = List.copyOf(readiness);
        sections = List.copyOf(sections);
    }

    /** The same with a section more. */
    AdminState with(StateSection section) {
        List<StateSection> all = new ArrayList<>(sections);
        all.add(section);
        return new AdminState(version, node, snapshots, pods, heartbeats, readiness, all, clock);
    }
}
