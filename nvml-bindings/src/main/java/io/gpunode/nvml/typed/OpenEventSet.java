package io.gpunode.nvml.typed;

import io.gpunode.nvml.NvmlDevice;
import io.gpunode.nvml.NvmlEventSet;
import io.gpunode.nvml.NvmlException;
import io.gpunode.nvml.NvmlReturn;
import io.gpunode.nvml.raw.NativeBlock;
import io.gpunode.nvml.raw.NvmlApi;
import io.gpunode.nvml.raw.NvmlFunction;
import io.gpunode.nvml.raw.NvmlStructs.nvmlEventData_t;
import io.gpunode.nvml.session.Lease;
import io.gpunode.nvml.session.NvmlSession;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** An event set of one session, freed by its owner or, failing that, when the session closes. */
final class OpenEventSet implements NvmlEventSet, NvmlSession.Resource {
    private static final String ABOUT = "event set";

    private final OpenNvml nvml;
    private final long set;

    private OpenEventSet(OpenNvml nvml, long set) {
        this.nvml = nvml;
        this.set = set;
    }

    static OpenEventSet create(OpenNvml nvml) throws NvmlException {
        NvmlFunction function = NvmlFunction.nvmlEventSetCreate;
        Lease lease = nvml.begin(function, ABOUT);
        try {
            NativeBlock memory = lease.memory();
            nvml.check(nvml.session().api().nvmlEventSetCreate(memory.address()), function, ABOUT);
            OpenEventSet created = new OpenEventSet(nvml, memory.getLong(0));
            nvml.session().keep(created);
            return created;
        } finally {
            lease.release();
        }
    }

    @Override
    public void register(NvmlDevice device, long mask) throws NvmlException {
        NvmlFunction function = NvmlFunction.nvmlDeviceRegisterEvents;
        Lease lease = nvml.begin(function, device);
        try {
            requireOpen();
            nvml.check(
                    nvml.session().api().nvmlDeviceRegisterEvents(device.address(), mask, set),
                    function,
                    device.label());
        } finally {
            lease.release();
        }
    }

    @Override
    public @Nullable NvmlEvent await(Duration timeout) throws NvmlException {
        NvmlFunction function = NvmlFunction.nvmlEventSetWait;
        int millis = Math.clamp(timeout.toMillis(), 0, Integer.MAX_VALUE);
        Lease lease = nvml.begin(function, ABOUT);
        try {
            requireOpen();
            NativeBlock memory = lease.memory();
            // The first version of the call leaves these two as they are.
            memory.putInt(nvmlEventData_t.gpuInstanceId, -1);
            memory.putInt(nvmlEventData_t.computeInstanceId, -1);
            int code = nvml.session().api().nvmlEventSetWait(set, memory.address(), millis);
            if (code == NvmlReturn.TIMEOUT.code()) {
                return null;
            }
            nvml.check(code, function, ABOUT);
            return new NvmlEvent(
                    memory.getLong(nvmlEventData_t.device),
                    memory.getLong(nvmlEventData_t.eventType),
                    memory.getLong(nvmlEventData_t.eventData),
                    memory.getInt(nvmlEventData_t.gpuInstanceId),
                    memory.getInt(nvmlEventData_t.computeInstanceId));
        } finally {
            lease.release();
        }
    }

    private void requireOpen() {
        if (!nvml.session().isKept(this)) {
            throw new IllegalStateException("the NVML event set is closed");
        }
    }

    @Override
    public void close() throws NvmlException {
        Lease lease = nvml.session().lease();
        if (lease == null) {
            // The session is on its way down and frees what is left.
            return;
        }
        try {
            if (nvml.session().forget(this)) {
                nvml.check(nvml.session().api().nvmlEventSetFree(set), NvmlFunction.nvmlEventSetFree, ABOUT);
            }
        } finally {
            lease.release();
        }
    }

    @Override
    public void free(NvmlApi api) {
        api.nvmlEventSetFree(set);
    }
}
