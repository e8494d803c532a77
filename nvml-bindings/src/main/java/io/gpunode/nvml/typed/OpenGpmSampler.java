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

/**
 * Two GPM samples that take turns: one holds the last reading, the other receives the next. All metrics are computed in one call. The
 * structure is allocated in its full size, as libraries with a smaller array only touch the first entries.
 */
final class OpenGpmSampler implements NvmlGpmSampler, NvmlSession.Resource {
    private static final int MOST_METRICS =
            (nvmlGpmMetricsGet_t.sizeof - nvmlGpmMetricsGet_t.metrics) / nvmlGpmMetric_t.sizeof;
    private static final int STRUCT_VERSION = 1;

    private final OpenNvml nvml;
    private final NvmlDevice device;
    private final int gpuInstanceId;
    private final int metrics;
    private final NativeBlock request;
    private long previous;
    private long next;
    private boolean hasPrevious;

    private OpenGpmSampler(
            OpenNvml nvml, NvmlDevice device, int gpuInstanceId, int[] metricIds, long previous, long next) {
        this.nvml = nvml;
        this.device = device;
        this.gpuInstanceId = gpuInstanceId;
        this.metrics = metricIds.length;
        this.previous = previous;
        this.next = next;
        this.request = new NativeBlock(nvmlGpmMetricsGet_t.sizeof);
        request.putInt(nvmlGpmMetricsGet_t.version, STRUCT_VERSION);
        request.putInt(nvmlGpmMetricsGet_t.numMetrics, metrics);
        for (int i = 0; i < metrics; i++) {
            request.putInt(offset(i) + nvmlGpmMetric_t.metricId, metricIds[i]);
        }
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
            for (int i = 0; i < metrics; i++) {
                request.putInt(offset(i) + nvmlGpmMetric_t.nvmlReturn, NvmlReturn.UNKNOWN.code());
            }
            nvml.check(api.nvmlGpmMetricsGet(request.address()), NvmlFunction.nvmlGpmMetricsGet, device.label());
            for (int i = 0; i < metrics; i++) {
                codes[i] = request.getInt(offset(i) + nvmlGpmMetric_t.nvmlReturn);
                values[i] = request.getDouble(offset(i) + nvmlGpmMetric_t.value);
            }
            return true;
        } finally {
            lease.release();
        }
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
