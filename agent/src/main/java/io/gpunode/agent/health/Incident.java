package io.gpunode.agent.health;

import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.time.Tick;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Reports of one kind about one GPU, counted; immutable. NVML and the kernel log may both tell of the same thing, in either order: one of each
 * within {@link #PAIR} are one.
 *
 * @param migDevices the MIG devices that it is about; empty when it is about the GPU, or about an instance that no picture has shown yet
 * @param first wall time of the first
 * @param last when the last came
 * @param count how many
 * @param unpaired of them, how many the other witness has not told of yet
 * @param unpairedBy who told of those
 */
record Incident(
        DriverReport report,
        List<GpuId> migDevices,
        Instant first,
        Tick last,
        long count,
        long unpaired,
        Witness unpairedBy) {
    /** Who told of it. */
    enum Witness {
        NVML,
        KERNEL_LOG
    }

    /** Both witnesses tell within milliseconds unless the machine is very busy. */
    static final Duration PAIR = Duration.ofSeconds(5);

    Incident {
        migDevices = List.copyOf(migDevices);
    }

    static Incident first(DriverReport report, List<GpuId> migDevices, Witness by, Instant wallNow, Tick now) {
        return new Incident(report, migDevices, wallNow, now, 1, 1, by);
    }

    /** The same again, or the other witness's word for what is counted already. */
    Incident again(Witness by, Tick now) {
        boolean open = now.since(last).compareTo(PAIR) < 0;
        if (awaits(by, now)) {
            return new Incident(report, migDevices, first, now, count, unpaired - 1, unpairedBy);
        }
        boolean more = open && unpairedBy == by;
        return new Incident(report, migDevices, first, now, count + 1, more ? unpaired + 1 : 1, by);
    }

    /** Whether the other witness may still tell of one of these. */
    boolean awaits(Witness by, Tick now) {
        return unpaired > 0 && unpairedBy != by && now.since(last).compareTo(PAIR) < 0;
    }

    /** Without one that the other witness tells of in graver words; null when nothing is left. */
    @Nullable Incident withoutOne() {
        return count == 1 ? null : new Incident(report, migDevices, first, last, count - 1, unpaired - 1, unpairedBy);
    }

    Incident about(List<GpuId> devices) {
        return new Incident(report, devices, first, last, count, unpaired, unpairedBy);
    }
}
