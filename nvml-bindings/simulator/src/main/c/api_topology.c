/*
 * How GPUs are connected: NUMA, PCIe, peer access, NVLink, fabric.
 */
#include <stdio.h>
#include <string.h>

#include "telemetry.h"

static const struct gpu *other_gpu(struct call *call, nvmlDevice_t device)
{
    const struct handle *handle = handle_lookup(device, call->function);
    return handle && handle->kind == HANDLE_GPU ? &world.gpu[handle->gpu] : NULL;
}

/* ---- NUMA */

nvmlReturn_t nvmlDeviceGetNumaNodeId(nvmlDevice_t device, unsigned *node)
{
    ENTER_DEVICE(nvmlDeviceGetNumaNodeId, device, ACCEPT_GPU);
    LEAVE(node ? out_property(&call, node, call.gpu->number[P_MEMORY_NUMA]) : NVML_ERROR_INVALID_ARGUMENT);
}

static nvmlReturn_t fill_set(const struct call *call, unsigned size, unsigned long *set, unsigned first, unsigned count)
{
    unsigned bits = 8 * (unsigned) sizeof *set;
    memset(set, 0, size * sizeof *set);
    for (unsigned i = first; i < first + count; i++)
        if (i / bits < size)
            set[i / bits] |= 1ul << i % bits;
    (void) call;
    return NVML_SUCCESS;
}

static nvmlReturn_t cpu_affinity(enum function_id function, nvmlDevice_t device, unsigned size, unsigned long *set)
{
    struct call call;
    if (!gate_enter_device(&call, function, device, ACCEPT_GPU))
        return call.result;
    if (!set || size == 0)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    unsigned per_node = world.processors / world.numa_nodes;
    long long node = call.gpu->number[P_NUMA];
    if (node < 0 || node >= world.numa_nodes)
        LEAVE(fill_set(&call, size, set, 0, world.processors));
    LEAVE(fill_set(&call, size, set, (unsigned) node * per_node, per_node));
}

nvmlReturn_t nvmlDeviceGetCpuAffinity(nvmlDevice_t device, unsigned cpuSetSize, unsigned long *cpuSet)
{
    return cpu_affinity(FN_nvmlDeviceGetCpuAffinity, device, cpuSetSize, cpuSet);
}

nvmlReturn_t nvmlDeviceGetCpuAffinityWithinScope(nvmlDevice_t device, unsigned cpuSetSize, unsigned long *cpuSet, unsigned scope)
{
    (void) scope; /* one node, one socket */
    return cpu_affinity(FN_nvmlDeviceGetCpuAffinityWithinScope, device, cpuSetSize, cpuSet);
}

nvmlReturn_t nvmlDeviceGetMemoryAffinity(nvmlDevice_t device, unsigned nodeSetSize, unsigned long *nodeSet, unsigned scope)
{
    ENTER_DEVICE(nvmlDeviceGetMemoryAffinity, device, ACCEPT_GPU);
    if (!nodeSet || nodeSetSize == 0 || scope > 1)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    long long node = call.gpu->number[P_NUMA];
    if (node < 0)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    LEAVE(fill_set(&call, nodeSetSize, nodeSet, (unsigned) node, 1));
}

/* ---- PCIe and peers */

static unsigned distance(const struct gpu *a, const struct gpu *b)
{
    if (a == b || a->number[P_BOARD] == b->number[P_BOARD])
        return NVML_TOPOLOGY_INTERNAL;
    if (a->number[P_PCIE_SWITCH] != UNSUPPORTED && a->number[P_PCIE_SWITCH] == b->number[P_PCIE_SWITCH])
        return NVML_TOPOLOGY_SINGLE;
    return a->number[P_NUMA] == b->number[P_NUMA] ? NVML_TOPOLOGY_NODE : NVML_TOPOLOGY_SYSTEM;
}

nvmlReturn_t nvmlDeviceGetTopologyCommonAncestor(nvmlDevice_t device1, nvmlDevice_t device2, unsigned *pathInfo)
{
    ENTER_DEVICE(nvmlDeviceGetTopologyCommonAncestor, device1, ACCEPT_GPU);
    const struct gpu *other = other_gpu(&call, device2);
    if (!other || !pathInfo)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    out_u32(&call, pathInfo, distance(call.gpu, other));
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetTopologyNearestGpus(nvmlDevice_t device, unsigned level, unsigned *count, nvmlDevice_t *deviceArray)
{
    ENTER_DEVICE(nvmlDeviceGetTopologyNearestGpus, device, ACCEPT_GPU);
    if (!count || level > NVML_TOPOLOGY_SYSTEM || level % 10 != 0)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    unsigned found[MAX_GPUS], number = 0;
    for (unsigned i = 0; i < world.gpus; i++) {
        const struct gpu *other = &world.gpu[world.order[i]];
        if (other != call.gpu && !other->removed && distance(call.gpu, other) == level)
            found[number++] = world.order[i];
    }
    nvmlReturn_t result = out_list(&call, count, number, deviceArray);
    for (unsigned i = 0; result == NVML_SUCCESS && i < number; i++)
        deviceArray[i] = handle_for(HANDLE_GPU, found[i], 0);
    LEAVE(result);
}

nvmlReturn_t nvmlDeviceGetP2PStatus(nvmlDevice_t device1, nvmlDevice_t device2, unsigned p2pIndex, unsigned *p2pStatus)
{
    ENTER_DEVICE(nvmlDeviceGetP2PStatus, device1, ACCEPT_GPU);
    const struct gpu *other = other_gpu(&call, device2);
    if (!other || !p2pStatus || p2pIndex >= NVML_P2P_INDEX_UNKNOWN || other == call.gpu)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    bool linked = call.gpu->number[P_LINKS] > 0 && other->number[P_LINKS] > 0;
    bool all_down = linked && (call.gpu->number[P_LINKS_DOWN] == (1ll << call.gpu->number[P_LINKS]) - 1);
    unsigned status = NVML_P2P_OK;
    if (mig_enabled(call.gpu) || mig_enabled(other))
        status = NVML_P2P_GPU_NOT_SUPPORTED;
    else if (p2pIndex == NVML_P2P_INDEX_NVLINK || p2pIndex == NVML_P2P_INDEX_ATOMICS)
        status = linked && !all_down ? NVML_P2P_OK : NVML_P2P_NOT_SUPPORTED;
    else if (!linked && call.gpu->number[P_NUMA] != other->number[P_NUMA])
        status = NVML_P2P_CHIPSET_NOT_SUPPORTED;
    out_u32(&call, p2pStatus, status);
    LEAVE(NVML_SUCCESS);
}

/* ---- NVLink */

bool link_exists(const struct gpu *g, unsigned link)
{
    return g->number[P_LINKS] > 0 && link < g->number[P_LINKS];
}

bool link_active(const struct gpu *g, unsigned link)
{
    return link_exists(g, link) && g->number[P_LINKS_DOWN] != UNSUPPORTED && !(g->number[P_LINKS_DOWN] >> link & 1);
}

static nvmlReturn_t check_link(const struct gpu *g, unsigned link)
{
    return link >= NVML_NVLINK_MAX_LINKS ? NVML_ERROR_INVALID_ARGUMENT : link_exists(g, link) ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t nvmlDeviceGetNvLinkState(nvmlDevice_t device, unsigned link, nvmlEnableState_t *isActive)
{
    ENTER_DEVICE(nvmlDeviceGetNvLinkState, device, ACCEPT_GPU);
    nvmlReturn_t result = isActive ? check_link(call.gpu, link) : NVML_ERROR_INVALID_ARGUMENT;
    if (result == NVML_SUCCESS)
        out_u32(&call, isActive, link_active(call.gpu, link));
    LEAVE(result);
}

nvmlReturn_t nvmlDeviceGetNvLinkVersion(nvmlDevice_t device, unsigned link, unsigned *version)
{
    ENTER_DEVICE(nvmlDeviceGetNvLinkVersion, device, ACCEPT_GPU);
    nvmlReturn_t result = version ? check_link(call.gpu, link) : NVML_ERROR_INVALID_ARGUMENT;
    /* the number is an enumeration: 1.0, 2.0, 2.2, 3.0, 3.1, 4.0, 5.0 are 1, 2, 3, 4, 5, 6, 7 */
    static const unsigned codes[] = {0, 1, 2, 4, 6, 7};
    long long major = call.gpu->number[P_LINK_VERSION];
    if (result == NVML_SUCCESS)
        out_u32(&call, version, major >= 1 && major <= 5 ? codes[major] : 0xff);
    LEAVE(result);
}

nvmlReturn_t nvmlDeviceGetNvLinkCapability(nvmlDevice_t device, unsigned link, unsigned capability, unsigned *capResult)
{
    ENTER_DEVICE(nvmlDeviceGetNvLinkCapability, device, ACCEPT_GPU);
    nvmlReturn_t result = capResult && capability < NVML_NVLINK_CAP_COUNT ? check_link(call.gpu, link) : NVML_ERROR_INVALID_ARGUMENT;
    if (result == NVML_SUCCESS) /* all but the SLI bridge */
        out_u32(&call, capResult, capability != 4);
    LEAVE(result);
}

static void remote_of(const struct gpu *g, unsigned link, unsigned *domain, unsigned *bus, unsigned *slot, unsigned *id)
{
    unsigned count = present_gpus();
    if (g->number[P_LINK_REMOTE] == NVML_NVLINK_DEVICE_SWITCH && world.switches > 0) {
        unsigned n = link % world.switches;
        *domain = world.nvswitch[n].domain;
        *bus = world.nvswitch[n].bus;
        *slot = world.nvswitch[n].device;
        *id = 0x22A310DE;
    } else if (g->number[P_LINK_REMOTE] == NVML_NVLINK_DEVICE_GPU && count > 1) {
        unsigned index = (unsigned) gpu_index(g), peer = (index + 1 + link % (count - 1)) % count, at = 0;
        for (unsigned i = 0; i < world.gpus; i++) {
            const struct gpu *other = &world.gpu[world.order[i]];
            if (other->removed || at++ != peer)
                continue;
            *domain = other->domain;
            *bus = other->bus;
            *slot = other->device;
            *id = (unsigned) other->number[P_DEVICE_ID];
        }
    } else { /* a switch outside the node */
        *domain = *bus = *slot = 0;
        *id = 0;
    }
}

static nvmlReturn_t remote_pci(enum function_id function, nvmlDevice_t device, unsigned link, nvmlPciInfo_t *pci, bool with_long_address)
{
    struct call call;
    if (!gate_enter_device(&call, function, device, ACCEPT_GPU))
        return call.result;
    nvmlReturn_t result = pci ? check_link(call.gpu, link) : NVML_ERROR_INVALID_ARGUMENT;
    if (result != NVML_SUCCESS)
        LEAVE(result);
    remote_of(call.gpu, link, &pci->domain, &pci->bus, &pci->device, &pci->pciDeviceId);
    pci->pciSubSystemId = 0;
    snprintf(pci->busIdLegacy, sizeof pci->busIdLegacy, "%04X:%02X:%02X.0", pci->domain & 0xffff, pci->bus & 0xff, pci->device & 0xff);
    if (with_long_address)
        snprintf(pci->busId, sizeof pci->busId, "%08X:%02X:%02X.0", pci->domain, pci->bus & 0xff, pci->device & 0xff);
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetNvLinkRemotePciInfo(nvmlDevice_t device, unsigned link, nvmlPciInfo_t *pci)
{
    return remote_pci(FN_nvmlDeviceGetNvLinkRemotePciInfo, device, link, pci, false);
}

nvmlReturn_t nvmlDeviceGetNvLinkRemotePciInfo_v2(nvmlDevice_t device, unsigned link, nvmlPciInfo_t *pci)
{
    return remote_pci(FN_nvmlDeviceGetNvLinkRemotePciInfo_v2, device, link, pci, true);
}

nvmlReturn_t nvmlDeviceGetNvLinkRemoteDeviceType(nvmlDevice_t device, unsigned link, unsigned *type)
{
    ENTER_DEVICE(nvmlDeviceGetNvLinkRemoteDeviceType, device, ACCEPT_GPU);
    nvmlReturn_t result = type ? check_link(call.gpu, link) : NVML_ERROR_INVALID_ARGUMENT;
    if (result == NVML_SUCCESS)
        out_u32(&call, type, (unsigned) call.gpu->number[P_LINK_REMOTE]);
    LEAVE(result);
}

nvmlReturn_t nvmlDeviceGetNvLinkErrorCounter(nvmlDevice_t device, unsigned link, unsigned counter, unsigned long long *counterValue)
{
    ENTER_DEVICE(nvmlDeviceGetNvLinkErrorCounter, device, ACCEPT_GPU);
    nvmlReturn_t result = counterValue && counter < NVML_NVLINK_ERROR_COUNT ? check_link(call.gpu, link) : NVML_ERROR_INVALID_ARGUMENT;
    if (result == NVML_SUCCESS)
        out_u64(&call, counterValue, link == 0 ? (unsigned long long) read_link_error(call.gpu, counter) : 0);
    LEAVE(result);
}

nvmlReturn_t nvmlDeviceResetNvLinkErrorCounters(nvmlDevice_t device, unsigned link)
{
    ENTER_DEVICE(nvmlDeviceResetNvLinkErrorCounters, device, ACCEPT_GPU);
    nvmlReturn_t result = check_link(call.gpu, link);
    if (result == NVML_SUCCESS && link == 0)
        call.gpu->number[P_LINK_REPLAYS] = call.gpu->number[P_LINK_RECOVERIES] = call.gpu->number[P_LINK_CRC_FLIT]
            = call.gpu->number[P_LINK_CRC_DATA] = call.gpu->number[P_LINK_ECC_DATA] = 0;
    LEAVE(result);
}

nvmlReturn_t nvmlDeviceGetC2cModeInfoV(nvmlDevice_t device, nvmlC2cModeInfo_v1_t *c2cModeInfo)
{
    ENTER_DEVICE(nvmlDeviceGetC2cModeInfoV, device, ACCEPT_GPU);
    LEAVE(c2cModeInfo ? out_property(&call, &c2cModeInfo->isC2cEnabled, call.gpu->number[P_C2C]) : NVML_ERROR_INVALID_ARGUMENT);
}

/* ---- fabric */

static bool parse_uuid(const char *text, unsigned char to[16])
{
    unsigned byte, at = 0;
    memset(to, 0, 16);
    for (; *text && at < 16; text++) {
        if (*text == '-')
            continue;
        if (sscanf(text, "%2x", &byte) != 1)
            return false;
        to[at++] = (unsigned char) byte;
        text++;
    }
    return at == 16;
}

static void fabric(const struct gpu *g, unsigned char uuid[16], unsigned *status, unsigned *clique, unsigned char *state)
{
    bool present = g->number[P_FABRIC_STATE] != UNSUPPORTED;
    parse_uuid(g->text[T_CLUSTER_UUID].bytes, uuid);
    *state = present ? (unsigned char) g->number[P_FABRIC_STATE] : 0;
    *status = present ? (unsigned) g->number[P_FABRIC_STATUS] : 0;
    *clique = present ? (unsigned) g->number[P_FABRIC_CLIQUE] : 0;
}

nvmlReturn_t nvmlDeviceGetGpuFabricInfo(nvmlDevice_t device, nvmlGpuFabricInfo_t *info)
{
    ENTER_DEVICE(nvmlDeviceGetGpuFabricInfo, device, ACCEPT_GPU);
    if (!info)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (call.gpu->number[P_ARCHITECTURE] < NVML_ARCH_HOPPER)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    fabric(call.gpu, info->clusterUuid, &info->status, &info->cliqueId, &info->state);
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetGpuFabricInfoV(nvmlDevice_t device, nvmlGpuFabricInfo_v3_t *info)
{
    ENTER_DEVICE(nvmlDeviceGetGpuFabricInfoV, device, ACCEPT_GPU);
    if (!info)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    bool v3 = info->version == NVML_VERSION_WORD(nvmlGpuFabricInfo_v3_t, 3);
    if ((!v3 && info->version != NVML_VERSION_WORD(nvmlGpuFabricInfo_v2_t, 2)) || (v3 && world.branch < 580))
        LEAVE(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    if (call.gpu->number[P_ARCHITECTURE] < NVML_ARCH_HOPPER)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    fabric(call.gpu, info->clusterUuid, &info->status, &info->cliqueId, &info->state);
    info->healthMask = (unsigned) call.gpu->number[P_FABRIC_HEALTH_MASK];
    if (v3)
        info->healthSummary = (unsigned char) call.gpu->number[P_FABRIC_HEALTH_SUMMARY];
    LEAVE(NVML_SUCCESS);
}
