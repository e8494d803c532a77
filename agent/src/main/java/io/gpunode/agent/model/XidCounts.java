package io.gpunode.agent.model;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.BiPredicate;

/**
 * The XIDs of a GPU that were seen since the agent was started: how many by number and place, and the last of each place. Immutable; those of an
 * instance end with it.
 *
 * @param entries in the order in which they first came, at most {@value #LIMIT}
 * @param latest the last of each place that the driver named, the GPU itself among them, in the order in which they came, at most {@value #LIMIT}
 */
public record XidCounts(List<Entry> entries, List<XidEvent> latest) {
    /** More than numbers there are; beyond it the entry that came first goes. */
    public static final int LIMIT = 256;

    /** None was seen. */
    public static final XidCounts NONE = new XidCounts(List.of(), List.of());

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
        latest = List.copyOf(latest);
    }

    /** The last of all; not read when there was none. */
    public Reading<XidEvent> last() {
        return latest.isEmpty() ? new Reading.NotRead<>() : Reading.of(latest.getLast());
    }

    /** With one more. */
    public XidCounts plus(XidEvent event) {
        Entry one = new Entry(event.xid(), event.gpuInstanceId(), event.computeInstanceId(), 1);
        return plus(new XidCounts(List.of(one), List.of(event)));
    }

    /** Both together, the other ones later. */
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
        List<XidEvent> last = new ArrayList<>(latest);
        for (XidEvent later : more.latest) {
            last.removeIf(event -> event.gpuInstanceId().equals(later.gpuInstanceId())
                    && event.computeInstanceId().equals(later.computeInstanceId()));
            last.add(later);
        }
        return new XidCounts(newest(sum), newest(last));
    }

    private static <T> List<T> newest(List<T> all) {
        return all.size() > LIMIT ? all.subList(all.size() - LIMIT, all.size()) : all;
    }

    /**
     * Without those of places that are gone.
     *
     * @param gone asked with the GPU instance and the compute instance that the driver named
     */
    public XidCounts without(BiPredicate<OptionalInt, OptionalInt> gone) {
        List<Entry> kept = new ArrayList<>(entries);
        kept.removeIf(entry -> gone.test(entry.gpuInstance(), entry.computeInstance()));
        List<XidEvent> last = new ArrayList<>(latest);
        last.removeIf(event -> gone.test(event.gpuInstanceId(), event.computeInstanceId()));
        return new XidCounts(kept, last);
    }
}
