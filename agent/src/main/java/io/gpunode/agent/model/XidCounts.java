package io.gpunode.agent.model;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.IntPredicate;

/**
 * How many XIDs of a GPU were seen since the agent was started, by number and place. Immutable; counts of an instance end with it.
 *
 * @param entries in the order in which they first came, at most {@value #LIMIT}
 */
public record XidCounts(List<Entry> entries) {
    /** More than numbers there are; beyond it the entry that came first goes. */
    public static final int LIMIT = 256;

    /** None was seen. */
    public static final XidCounts NONE = new XidCounts(List.of());

    /**
     * One number at one place.
     *
     * @param gpuInstance the GPU instance that the driver named, if it did
     * @param computeInstance the compute instance of it that the driver named, if it did
     */
    public record Entry(long xid, OptionalInt gpuInstance, OptionalInt computeInstance, long count) {
        private boolean isOf(Entry other) {
            return xid == other.xid
                    && gpuInstance.equals(other.gpuInstance)
                    && computeInstance.equals(other.computeInstance);
        }
    }

    public XidCounts {
        entries = List.copyOf(entries);
    }

    /** With one more. */
    public XidCounts plus(XidEvent event) {
        return plus(
                new XidCounts(List.of(new Entry(event.xid(), event.gpuInstanceId(), event.computeInstanceId(), 1))));
    }

    /** Both together. */
    public XidCounts plus(XidCounts more) {
        if (more.entries.isEmpty()) {
            return this;
        }
        List<Entry> sum = new ArrayList<>(entries);
        for (Entry added : more.entries) {
            int place = 0;
            while (place < sum.size() && !sum.get(place).isOf(added)) {
                place++;
            }
            if (place == sum.size()) {
                sum.add(added);
            } else {
                long count = sum.get(place).count() + added.count();
                sum.set(place, new Entry(added.xid(), added.gpuInstance(), added.computeInstance(), count));
            }
        }
        return new XidCounts(sum.size() > LIMIT ? sum.subList(sum.size() - LIMIT, sum.size()) : sum);
    }

    /** Without those of GPU instances that are gone. */
    public XidCounts without(IntPredicate gpuInstances) {
        List<Entry> kept = new ArrayList<>(entries);
        kept.removeIf(entry -> entry.gpuInstance().isPresent()
                && gpuInstances.test(entry.gpuInstance().getAsInt()));
        return kept.size() == entries.size() ? this : new XidCounts(kept);
    }
}
