/*
 * GPM: two samples of what the workload has counted, and rates from their difference.
 */
#include <string.h>

#include "telemetry.h"

struct sample {
    bool open, taken;
    void *handle;
    unsigned gpu;
    double when;
    double counted[CHANNEL_COUNT];
    double pcie_rate, link_rate; /* bytes per second at full capacity */
    unsigned links;
    bool c2c;
    double clock_hz;
};

static struct sample samples[MAX_SAMPLES];
static unsigned open_samples, highest_sample; /* no slot above has been used */

unsigned samples_open(void)
{
    return open_samples;
}

void samples_forget_all(void)
{
    for (unsigned i = 0; i < highest_sample; i++)
        samples[i].open = false;
    open_samples = 0;
}

static struct sample *sample_of(const struct call *call, nvmlGpmSample_t handle)
{
    const struct handle *found = handle_lookup(handle, call->function);
    return found && found->kind == HANDLE_SAMPLE ? &samples[found->slot] : NULL;
}

nvmlReturn_t nvmlGpmQueryDeviceSupport(nvmlDevice_t device, nvmlGpmSupport_t *gpmSupport)
{
    ENTER_DEVICE(nvmlGpmQueryDeviceSupport, device, ACCEPT_GPU | ACCEPT_MIG);
    if (!gpmSupport)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (gpmSupport->version != 1)
        LEAVE(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    gpmSupport->isSupportedDevice = call.gpu->number[P_GPM] == 1;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlGpmQueryIfStreamingEnabled(nvmlDevice_t device, unsigned *state)
{
    ENTER_DEVICE(nvmlGpmQueryIfStreamingEnabled, device, ACCEPT_GPU);
    if (!state)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (call.gpu->number[P_GPM] != 1)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    *state = 0;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlGpmSetStreamingEnabled(nvmlDevice_t device, unsigned state)
{
    ENTER_DEVICE(nvmlGpmSetStreamingEnabled, device, ACCEPT_GPU);
    LEAVE(state > 1 ? NVML_ERROR_INVALID_ARGUMENT : call.gpu->number[P_GPM] == 1 && state == 0 ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED);
}

nvmlReturn_t nvmlGpmSampleAlloc(nvmlGpmSample_t *gpmSample)
{
    ENTER(nvmlGpmSampleAlloc);
    if (!gpmSample)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    for (unsigned i = 0; i < MAX_SAMPLES; i++) {
        if (samples[i].open)
            continue;
        void *handle = handle_new(HANDLE_SAMPLE, i);
        if (!handle)
            break;
        samples[i] = (struct sample){.open = true, .handle = handle};
        open_samples++;
        highest_sample = i >= highest_sample ? i + 1 : highest_sample;
        *gpmSample = handle;
        LEAVE(NVML_SUCCESS);
    }
    LEAVE(NVML_ERROR_MEMORY);
}

nvmlReturn_t nvmlGpmSampleFree(nvmlGpmSample_t gpmSample)
{
    ENTER(nvmlGpmSampleFree);
    struct sample *sample = gpmSample ? sample_of(&call, gpmSample) : NULL;
    if (!sample)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    handle_retire(sample->handle);
    sample->open = false;
    open_samples--;
    LEAVE(NVML_SUCCESS);
}

static nvmlReturn_t take(const struct call *call, int mig, nvmlGpmSample_t handle)
{
    struct sample *sample = sample_of(call, handle);
    const struct gpu *g = call->gpu;
    if (!sample)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (g->number[P_GPM] != 1)
        return NVML_ERROR_NOT_SUPPORTED;
    sample->taken = true;
    sample->gpu = gpu_slot(g);
    sample->when = virtual_seconds();
    for (int c = 0; c < CHANNEL_COUNT; c++)
        sample->counted[c] = mig < 0 ? gpu_integral(g, (enum channel) c) : activity_integral(&g->mig[mig].activity, (enum channel) c, sample->when);
    sample->pcie_rate = pcie_bytes_per_second(g);
    sample->link_rate = mig < 0 ? link_bytes_per_second(g) : 0;
    sample->links = mig < 0 && g->number[P_LINKS] > 0 ? (unsigned) g->number[P_LINKS] : 0;
    sample->c2c = mig < 0 && g->number[P_C2C] == 1;
    sample->clock_hz = (double) g->number[P_SM_CLOCK_MAX] * 1e6;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlGpmSampleGet(nvmlDevice_t device, nvmlGpmSample_t gpmSample)
{
    ENTER_DEVICE(nvmlGpmSampleGet, device, ACCEPT_GPU | ACCEPT_MIG);
    LEAVE(take(&call, call.mig, gpmSample));
}

nvmlReturn_t nvmlGpmMigSampleGet(nvmlDevice_t device, unsigned gpuInstanceId, nvmlGpmSample_t gpmSample)
{
    ENTER_DEVICE(nvmlGpmMigSampleGet, device, ACCEPT_GPU);
    for (int m = 0; m < MAX_MIG_DEVICES; m++)
        if (call.gpu->mig[m].present && call.gpu->mig[m].gpu_instance == gpuInstanceId)
            LEAVE(take(&call, m, gpmSample));
    LEAVE(NVML_ERROR_INVALID_ARGUMENT);
}

static const struct {
    unsigned id;
    int channel; /* -1: always zero */
    const char *short_name, *long_name;
} percentages[] = {
    {1, CH_SM, "GR_ENGINE_ACTIVE", "Graphics engine active"}, {2, CH_SM, "SM_ACTIVE", "SM active"},
    {3, CH_OCCUPANCY, "SM_OCCUPANCY", "SM occupancy"}, {4, CH_INTEGER, "INTEGER_ACTIVE", "Integer pipe active"},
    {5, CH_TENSOR, "TENSOR_ACTIVE", "Any tensor pipe active"}, {6, -1, "DFMA_ACTIVE", "DFMA tensor pipe active"},
    {7, CH_TENSOR, "HMMA_ACTIVE", "HMMA tensor pipe active"}, {8, -1, "DMMA_ACTIVE", "DMMA tensor pipe active"},
    {9, -1, "IMMA_ACTIVE", "IMMA tensor pipe active"}, {10, CH_MEMORY, "DRAM_ACTIVE", "Memory interface active"},
    {166, CH_ENCODER, "NVENC_0_ACTIVE", "NVENC 0 active"}, {11, CH_FP64, "FP64_ACTIVE", "FP64 pipe active"}, {12, CH_FP32, "FP32_ACTIVE", "FP32 pipe active"},
    {13, CH_FP16, "FP16_ACTIVE", "FP16 pipe active"},
};

/* One metric from two samples; NOT_SUPPORTED for what is not modelled. */
static nvmlReturn_t metric(nvmlGpmMetric_t *to, const struct sample *a, const struct sample *b)
{
    double seconds = b->when - a->when;
    unsigned id = to->metricId;
    to->metricInfo.unit = (char *) "%";
    for (size_t i = 0; i < sizeof percentages / sizeof percentages[0]; i++)
        if (percentages[i].id == id) {
            int c = percentages[i].channel;
            to->metricInfo.shortName = (char *) percentages[i].short_name;
            to->metricInfo.longName = (char *) percentages[i].long_name;
            double share = c < 0 ? 0 : (b->counted[c] - a->counted[c]) / seconds;
            to->value = 100 * (share < 0 ? 0 : share > 1 ? 1 : share);
            return NVML_SUCCESS;
        }
    if (id >= 30 && id <= 37) {
        to->metricInfo.shortName = to->metricInfo.longName = (char *) "NVDEC_ACTIVE";
        to->value = 100 * (b->counted[CH_DECODER] - a->counted[CH_DECODER]) / seconds;
        return NVML_SUCCESS;
    }
    if ((id >= 40 && id <= 47) || id == 50 || id == 51) {
        to->metricInfo.shortName = to->metricInfo.longName = (char *) (id < 50 ? "NVJPG_ACTIVE" : "NVOFA_ACTIVE");
        to->value = 0;
        return NVML_SUCCESS;
    }
    to->metricInfo.unit = (char *) "MiB/s";
    if (id == 20 || id == 21) {
        enum channel c = id == 20 ? CH_PCIE_TX : CH_PCIE_RX;
        to->metricInfo.shortName = to->metricInfo.longName = (char *) (id == 20 ? "PCIE_TX_PER_SEC" : "PCIE_RX_PER_SEC");
        to->value = (b->counted[c] - a->counted[c]) * b->pcie_rate / seconds / (double) MIB;
        return NVML_SUCCESS;
    }
    if ((id >= 60 && id < 62 + 2 * 18) || (id >= 212 && id < 212 + 2 * 18)) {
        bool total = id < 62, transmit = total ? id == 61 : id % 2 == 1;
        unsigned link = total ? 0 : id < 212 ? (id - 62) / 2 : 18 + (id - 212) / 2;
        enum channel c = transmit ? CH_LINK_TX : CH_LINK_RX;
        if (b->links == 0 || link >= b->links)
            return NVML_ERROR_NOT_SUPPORTED;
        to->metricInfo.shortName = to->metricInfo.longName = (char *) (transmit ? "NVLINK_TX_PER_SEC" : "NVLINK_RX_PER_SEC");
        to->value = (b->counted[c] - a->counted[c]) * b->link_rate / (total ? 1 : b->links) / seconds / (double) MIB;
        return NVML_SUCCESS;
    }
    if (id >= 100 && id <= 103) {
        enum channel c = id % 2 == 0 ? CH_PCIE_TX : CH_PCIE_RX;
        if (!b->c2c)
            return NVML_ERROR_NOT_SUPPORTED;
        to->metricInfo.shortName = to->metricInfo.longName = (char *) "C2C_PER_SEC";
        to->value = (b->counted[c] - a->counted[c]) * b->pcie_rate / seconds / (double) MIB;
        return NVML_SUCCESS;
    }
    if (world.branch >= 590 && id >= 261 && id < 261 + 2 * 36) {
        bool transmit = id % 2 == 0;
        if ((id - 261) / 2 >= b->links)
            return NVML_ERROR_NOT_SUPPORTED;
        to->metricInfo.unit = (char *) "bytes";
        to->metricInfo.shortName = to->metricInfo.longName = (char *) (transmit ? "NVLINK_TX" : "NVLINK_RX");
        to->value = b->counted[transmit ? CH_LINK_TX : CH_LINK_RX] * b->link_rate / b->links;
        return NVML_SUCCESS;
    }
    to->metricInfo.unit = (char *) "cycles";
    static const int cycles[] = {-2, CH_SM, CH_TENSOR, -1, CH_TENSOR, -1, -1, -1, -1, CH_INTEGER, CH_FP64, CH_FP32, CH_FP16};
    if (world.branch >= 590 && id >= 248 && id <= 260 && id != 255 && id != 256) {
        int c = cycles[id - 248];
        to->metricInfo.shortName = to->metricInfo.longName = (char *) "CYCLES";
        to->value = b->clock_hz * (c == -2 ? b->when : c < 0 ? 0 : b->counted[c]);
        return NVML_SUCCESS;
    }
    if (world.branch >= 590 && (id == 255 || id == 256)) {
        to->metricInfo.unit = (char *) "bytes";
        to->metricInfo.shortName = to->metricInfo.longName = (char *) (id == 255 ? "PCIE_TX" : "PCIE_RX");
        to->value = b->counted[id == 255 ? CH_PCIE_TX : CH_PCIE_RX] * b->pcie_rate;
        return NVML_SUCCESS;
    }
    return NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t nvmlGpmMetricsGet(nvmlGpmMetricsGet_t *metricsGet)
{
    ENTER(nvmlGpmMetricsGet);
    if (!metricsGet || metricsGet->numMetrics > NVML_GPM_METRIC_MAX)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (metricsGet->version != 1)
        LEAVE(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    const struct sample *a = sample_of(&call, metricsGet->sample1), *b = sample_of(&call, metricsGet->sample2);
    if (!a || !b || !a->taken || !b->taken || a->gpu != b->gpu || b->when <= a->when)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    for (unsigned i = 0; i < metricsGet->numMetrics; i++) {
        nvmlGpmMetric_t *to = &metricsGet->metrics[i];
        to->value = 0;
        to->metricInfo.shortName = to->metricInfo.longName = to->metricInfo.unit = NULL;
        to->nvmlReturn = metric(to, a, b);
    }
    LEAVE(NVML_SUCCESS);
}
