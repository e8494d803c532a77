package io.gpunode.agent.gpu;

import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.model.NvmlFault;
import io.gpunode.nvml.NvmlException;
import io.gpunode.nvml.NvmlReturn;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * How long native calls took and what they answered: the {@code gpu_node_agent_nvml_*} meters and the last faults for {@code /state}. Any
 * thread; a call that succeeds takes no lock.
 */
public final class CallRecord {
    private static final int FAULT_LIMIT = 32;

    private final Meters meters;
    private final InstantSource wall;
    private final Meters.Timer[] timers = new Meters.Timer[CallGroup.values().length];
    private final Map<FaultKey, NvmlFault> faults = new LinkedHashMap<>();

    public CallRecord(Meters meters, InstantSource wall) {
        this.meters = meters;
        this.wall = wall;
        for (CallGroup group : CallGroup.values()) {
            timers[group.ordinal()] = meters.timer(
                    "gpu_node_agent_nvml_call_seconds", "Time that NVML calls took.", "group", group.tag());
        }
    }

    /** A call, or a batch that the binding makes as one, has returned. */
    void took(CallGroup group, long nanos) {
        timers[group.ordinal()].record(nanos);
    }

    /** A call failed; what is merely not supported is not recorded. */
    void failed(CallGroup group, NvmlException failure) {
        failed(group, failure.function(), failure.code(), failure.device());
    }

    /** As above, for one query of a batch. */
    void failed(CallGroup group, String function, int code, String device) {
        switch (ReturnMeaning.of(code)) {
            case SUCCESS, UNSUPPORTED -> {}
            case LOST, RESET_NEEDED, DRIVER_GONE, TRANSIENT -> remember(group, function, code, device);
        }
    }

    private synchronized void remember(CallGroup group, String function, int code, String device) {
        String returned = NvmlReturn.nameOf(code);
        meters.counter(
                        "gpu_node_agent_nvml_errors",
                        "NVML calls that failed, without those that are not supported.",
                        "group",
                        group.tag(),
                        "return",
                        returned)
                .increment();
        Instant now = wall.instant();
        FaultKey key = new FaultKey(function, code, device);
        // Taken out and put back, so that the map's first entry is the one that was quiet for longest.
        NvmlFault before = faults.remove(key);
        if (before == null && faults.size() == FAULT_LIMIT) {
            faults.remove(faults.keySet().iterator().next());
        }
        faults.put(
                key,
                before == null
                        ? new NvmlFault(function, returned, device, 1, now, now)
                        : new NvmlFault(function, returned, device, before.count() + 1, before.first(), now));
    }

    /** The faults that were seen last, the newest last; at most 32. */
    public synchronized List<NvmlFault> recentFaults() {
        return new ArrayList<>(faults.values());
    }

    private record FaultKey(String function, int code, String device) {}
}
