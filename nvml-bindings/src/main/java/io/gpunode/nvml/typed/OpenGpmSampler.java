package io.gpunode.nvml.typed;

import io.gpunode.nvml.NvmlDevice;
import io.gpunode.nvml.NvmlException;
import io.gpunode.nvml.NvmlGpmSampler;
import io.gpunode.nvml.NvmlReturn;
import io.gpunode.nvml.raw.NativeBlock;
import io.gpunode.nvml.raw.NvmlApi;
import io.gpunode.nvml.raw.NvmlFunction;
import io.gpunode.nvml.raw.NvmlStructs.nvmlGpmMetric_t;
import io.gpunode.nvml.raw.NvmlStructs.nvmlGpmMetricsGet_t;
import io.gpunode.nvml.session.Lease;
import io.gpunode.nvml.session.NvmlSession;
import java.util.stream.IntStream;

/**
 * Two GPM samples that take turns: one holds the last reading, the other receives the next. The metrics are computed in one call, or one for
 * each {@value #BATCH}: the first libraries' structure holds no more. A library that refuses a call as a whole is asked for each metric
 * alone, once; those that it refuses then are not asked for again.
 */
final class OpenGpmSampler implements NvmlGpmSampler, NvmlSession.Resource {
    private static final int MOST_METRICS =
            (nvmlGpmMetricsGet_t.sizeof - nvmlGpmMetricsGet_t.metrics) / nvmlGpmMetric_t.sizeof;
    private static final int STRUCT_VERSION = 1;
    private static final int BATCH = 96;

    private final OpenNvml nvml;
    private final NvmlDevice device;
    private final int gpuInstanceId;
    private final int[] metricIds;
    /** By metric, the return code that it is refused with, or 0. */
    private final int[] refusals;

    private final NativeBlock request;
    /** The metrics that are asked for, as places in the list of all. */
    private int[] asked;

    private long previous;
    private long next;
    private boolean hasPrevious;

    private OpenGpmSampler(
            OpenNvml nvml, NvmlDevice device, int gpuInstanceId, int[] metricIds, long previous, long next) {
        this.nvml = nvml;
        this.device = device;
        this.gpuInstanceId = gpuInstanceId;
        this.metricIds = metricIds.clone();
        this.refusals = new int[metricIds.length];
        this.asked = IntStream.range(0, metricIds.length).toArray();
        this.previous = previous;
        this.next = next;
        this.request = new NativeBlock(nvmlGpmMetricsGet_t.sizeof);
        request.putInt(nvmlGpmMetricsGet_t.version, STRUCT_VERSION);
    }

    static OpenGpmSampler create(OpenNvml nvml, NvmlDevice device, int gpuInstanceId, int[] metricIds)
            throws NvmlException {
        if (metricIds.length == 0 || metricIds.length > MOST_METRICS) {
            throw new IllegalArgumentException(
                    metricIds.length + " GPM metrics were asked for; give 1 to " + MOST_METRICS);
        }
        NvmlFunction function = NvmlFunction.nvmlGpmSampleAlloc;
        for (NvmlFunction needed : new NvmlFunction[] {
            gpuInstanceId < 0 ? NvmlFunction.nvmlGpmSampleGet : NvmlFunction.nvmlGpmMigSampleGet,
            NvmlFunction.nvmlGpmMetricsGet,
            NvmlFunction.nvmlGpmSampleFree
        }) {
            if (!nvml.session().has(needed)) {
                nvml.check(NvmlReturn.FUNCTION_NOT_FOUND.code(), needed, device.label());
            }
        }
        Lease lease = nvml.begin(function, device);
        try {
            NvmlApi api = nvml.session().api();
            NativeBlock memory = lease.memory();
            nvml.check(api.nvmlGpmSampleAlloc(memory.address()), function, device.label());
            long first = memory.getLong(0);
            int code = api.nvmlGpmSampleAlloc(memory.address());
            if (code != 0) {
                api.nvmlGpmSampleFree(first);
                nvml.check(code, function, device.label());
            }
            OpenGpmSampler created =
                    new OpenGpmSampler(nvml, device, gpuInstanceId, metricIds, first, memory.getLong(0));
            nvml.session().keep(created);
            return created;
        } finally {
            lease.release();
        }
    }

    private static int offset(int metric) {
        return nvmlGpmMetricsGet_t.metrics + metric * nvmlGpmMetric_t.sizeof;
    }

    @Override
    public boolean read(double[] values, int[] codes) throws NvmlException {
        NvmlFunction sample = gpuInstanceId < 0 ? NvmlFunction.nvmlGpmSampleGet : NvmlFunction.nvmlGpmMigSampleGet;
        Lease lease = nvml.begin(sample, device);
        try {
            if (!nvml.session().isKept(this)) {
                throw new IllegalStateException("the GPM sampler of " + device.label() + " is closed");
            }
            NvmlApi api = nvml.session().api();
            nvml.check(
                    gpuInstanceId < 0
                            ? api.nvmlGpmSampleGet(device.address(), next)
                            : api.nvmlGpmMigSampleGet(device.address(), gpuInstanceId, next),
                    sample,
                    device.label());
            long older = previous;
            previous = next;
            next = older;
            if (!hasPrevious) {
                hasPrevious = true;
                return false;
            }
            request.putLong(nvmlGpmMetricsGet_t.sample1, older);
            request.putLong(nvmlGpmMetricsGet_t.sample2, previous);
            compute(api, values, codes);
            return true;
        } finally {
            lease.release();
        }
    }

    private void compute(NvmlApi api, double[] values, int[] codes) throws NvmlException {
        boolean refused = false;
        for (int from = 0; from < asked.length; from += BATCH) {
            int count = Math.min(BATCH, asked.length - from);
            int code = ask(api, from, count, values, codes);
            if (count > 1 && isRefusal(code)) {
                code = askOneByOne(api, from, count, code, values, codes);
                refused = true;
            }
            nvml.check(code, NvmlFunction.nvmlGpmMetricsGet, device.label());
        }
        if (refused) {
            asked = IntStream.of(asked).filter(metric -> refusals[metric] == 0).toArray();
        }
        for (int metric = 0; metric < refusals.length; metric++) {
            if (refusals[metric] != 0) {
                codes[metric] = refusals[metric];
                values[metric] = 0;
            }
        }
    }

    /** One call; its own return code. */
    private int ask(NvmlApi api, int from, int count, double[] values, int[] codes) {
        request.putInt(nvmlGpmMetricsGet_t.numMetrics, count);
        for (int i = 0; i < count; i++) {
            request.putInt(offset(i) + nvmlGpmMetric_t.metricId, metricIds[asked[from + i]]);
            request.putInt(offset(i) + nvmlGpmMetric_t.nvmlReturn, NvmlReturn.UNKNOWN.code());
        }
        int code = api.nvmlGpmMetricsGet(request.address());
        if (code == 0) {
            for (int i = 0; i < count; i++) {
                codes[asked[from + i]] = request.getInt(offset(i) + nvmlGpmMetric_t.nvmlReturn);
                values[asked[from + i]] = request.getDouble(offset(i) + nvmlGpmMetric_t.value);
            }
        }
        return code;
    }

    /** 0 when the library answers for one of them at least: the others are what it does not know. Else what it said to all. */
    private int askOneByOne(NvmlApi api, int from, int count, int toAll, double[] values, int[] codes) {
        int[] alone = new int[count];
        boolean answered = false;
        for (int i = 0; i < count; i++) {
            alone[i] = ask(api, from + i, 1, values, codes);
            answered |= alone[i] == 0;
        }
        if (!answered) {
            return toAll;
        }
        for (int i = 0; i < count; i++) {
            refusals[asked[from + i]] = alone[i];
        }
        return 0;
    }

    private static boolean isRefusal(int code) {
        return code == NvmlReturn.INVALID_ARGUMENT.code()
                || code == NvmlReturn.NOT_SUPPORTED.code()
                || code == NvmlReturn.NOT_FOUND.code()
                || code == NvmlReturn.INSUFFICIENT_SIZE.code();
    }

    @Override
    public void close() {
        Lease lease = nvml.session().lease();
        if (lease == null) {
            // The session is on its way down and frees what is left.
            return;
        }
        try {
            if (nvml.session().forget(this)) {
                free(nvml.session().api());
                request.close();
            }
        } finally {
            lease.release();
        }
    }

    @Override
    public void free(NvmlApi api) {
        api.nvmlGpmSampleFree(previous);
        api.nvmlGpmSampleFree(next);
    }
}
