package io.gpunode.nvml.typed;

import io.gpunode.nvml.NvmlDevice;
import io.gpunode.nvml.NvmlQuery;
import io.gpunode.nvml.NvmlReturn;
import io.gpunode.nvml.NvmlSampler;
import io.gpunode.nvml.session.Lease;
import java.util.Arrays;
import java.util.List;

/**
 * A compiled list of queries: the fields in one batch, the rest as one step per NVML call. Made of arrays and native memory that live as long
 * as the sampler, so that reading allocates nothing.
 */
final class OpenSampler implements NvmlSampler {
    private final OpenNvml nvml;
    private final FieldBatch fields;
    private final SamplingStep[] steps;
    private final int size;

    private final int firstField;

    private volatile boolean reading;
    private volatile int inFlight = -1;
    private volatile boolean closed;

    OpenSampler(OpenNvml nvml, List<NvmlQuery> queries) {
        this.nvml = nvml;
        this.size = queries.size();
        this.fields = new FieldBatch(queries);
        this.steps = SamplingStep.compile(queries);
        int field = 0;
        while (field < size && !(queries.get(field) instanceof NvmlQuery.Field)) {
            field++;
        }
        this.firstField = field < size ? field : -1;
    }

    @Override
    public int size() {
        return size;
    }

    @Override
    public void read(NvmlDevice device, long[] values, int[] codes) {
        boolean usable = !closed && device.generation() == nvml.session().generation();
        Lease lease = usable ? nvml.session().lease() : null;
        if (lease == null) {
            NvmlReturn reason =
                    usable && !nvml.session().isClosed() ? NvmlReturn.INSUFFICIENT_RESOURCES : NvmlReturn.UNINITIALIZED;
            Arrays.fill(codes, 0, size, reason.code());
            return;
        }
        reading = true;
        try {
            inFlight = firstField;
            fields.read(nvml.session(), device.address(), values, codes);
            for (SamplingStep step : steps) {
                inFlight = step.firstPlace();
                // A close that is waiting for this batch shall not wait for all of it.
                if (nvml.session().isClosed()) {
                    step.fail(NvmlReturn.UNINITIALIZED.code(), codes);
                } else {
                    step.read(nvml, device.address(), lease.memory(), values, codes);
                }
            }
        } finally {
            inFlight = -1;
            reading = false;
            lease.release();
        }
    }

    @Override
    public boolean isDouble(int query) {
        return fields.isDouble(query);
    }

    @Override
    public boolean isNarrow(int query) {
        return fields.isNarrow(query);
    }

    @Override
    public int inFlight() {
        return inFlight;
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        // A read that hangs in the driver may still write to the memory: better to lose it than to free it then.
        if (!reading) {
            fields.close();
        }
    }
}
