/*
 * nvmlDeviceGetFieldValues: many readings by number in one call, each with its own result.
 */
#include "telemetry.h"

#define ALL_LINKS 0xFFFFFFFFu

static void set_u64(nvmlFieldValue_t *entry, long long value)
{
    entry->valueType = NVML_VALUE_TYPE_UNSIGNED_LONG_LONG;
    entry->nvmlReturn = value == UNSUPPORTED ? NVML_ERROR_NOT_SUPPORTED : NVML_SUCCESS;
    entry->value.ullVal = value == UNSUPPORTED ? 0 : (unsigned long long) value;
}

static void set_u32(nvmlFieldValue_t *entry, long long value)
{
    entry->valueType = NVML_VALUE_TYPE_UNSIGNED_INT;
    entry->nvmlReturn = value == UNSUPPORTED ? NVML_ERROR_NOT_SUPPORTED : NVML_SUCCESS;
    entry->value.ullVal = 0;
    entry->value.uiVal = value == UNSUPPORTED ? 0 : (unsigned) value;
}

static void set_i32(nvmlFieldValue_t *entry, long long value)
{
    set_u32(entry, value);
    entry->valueType = NVML_VALUE_TYPE_SIGNED_INT;
}

long long read_link_error(const struct gpu *g, unsigned counter)
{
    static const enum property properties[] = {P_LINK_REPLAYS, P_LINK_RECOVERIES, P_LINK_CRC_FLIT, P_LINK_CRC_DATA, P_LINK_ECC_DATA};
    return g->number[P_LINKS] > 0 && counter < NVML_NVLINK_ERROR_COUNT ? g->number[properties[counter]] : UNSUPPORTED;
}

/* Link errors are kept in total and said to have happened on link 0. */
static long long on_link(long long total, unsigned link)
{
    return total == UNSUPPORTED ? UNSUPPORTED : link == 0 || link == ALL_LINKS ? total : 0;
}

static long long link_kibibytes(const struct gpu *g, enum channel c, unsigned scope, double overhead)
{
    if (g->number[P_LINKS] <= 0)
        return UNSUPPORTED;
    double bytes = gpu_integral(g, c) * link_bytes_per_second(g) * overhead;
    return (long long) ((scope == ALL_LINKS ? bytes : bytes / (double) g->number[P_LINKS]) / 1024);
}

/* How many field ids a driver of that branch knows. */
static unsigned field_limit(unsigned branch)
{
    static const struct { unsigned branch, limit; } limits[] = {{455, 147}, {460, 148}, {470, 161}, {520, 167}, {525, 170}, {530, 173},
        {535, 197}, {550, 200}, {555, 223}, {560, 230}, {570, 269}, {575, 274}, {590, 289}, {595, 303}};
    unsigned limit = limits[0].limit;
    for (unsigned i = 0; i < sizeof limits / sizeof limits[0]; i++)
        if (branch >= limits[i].branch)
            limit = limits[i].limit;
    return limit;
}

static bool per_link_error(nvmlFieldValue_t *entry, const struct gpu *g)
{
    /* first id of links 0-5 (and the total behind them), first id of links 6-11, counter */
    static const unsigned ranges[][3] = {{32, 96, NVML_NVLINK_ERROR_CRC_FLIT}, {39, 102, NVML_NVLINK_ERROR_CRC_DATA},
        {46, 108, NVML_NVLINK_ERROR_REPLAY}, {53, 114, NVML_NVLINK_ERROR_RECOVERY}};
    for (int i = 0; i < 4; i++) {
        unsigned low = ranges[i][0], high = ranges[i][1], id = entry->fieldId;
        if (id >= low && id <= low + 6) {
            unsigned link = id == low + 6 ? ALL_LINKS : id - low;
            set_u64(entry, link == ALL_LINKS || link_exists(g, link) ? on_link(read_link_error(g, ranges[i][2]), link) : UNSUPPORTED);
            return true;
        }
        if (id >= high && id < high + 6) {
            unsigned link = 6 + id - high;
            set_u64(entry, link_exists(g, link) ? on_link(read_link_error(g, ranges[i][2]), link) : UNSUPPORTED);
            return true;
        }
    }
    if (entry->fieldId >= 148 && entry->fieldId <= 160) {
        unsigned link = entry->fieldId == 160 ? ALL_LINKS : entry->fieldId - 148;
        set_u64(entry, link == ALL_LINKS || link_exists(g, link) ? on_link(read_link_error(g, NVML_NVLINK_ERROR_ECC_DATA), link) : UNSUPPORTED);
        return true;
    }
    return false;
}

static long long ecc_by_location(const struct gpu *g, unsigned id)
{
    /* 7..17 volatile, 18..28 aggregate; single and double alternate over L1, L2, device memory, registers, texture; then CBU */
    bool aggregate = id >= 18;
    unsigned at = id - (aggregate ? 18 : 7), location = at / 2, type = at == 10 ? 1 : at % 2;
    long long total = read_ecc(g, type, aggregate);
    if (total == UNSUPPORTED || (g->number[P_ARCHITECTURE] >= NVML_ARCH_AMPERE && location != 2))
        return UNSUPPORTED;
    return location == 2 ? total : 0;
}

static void read_field(nvmlFieldValue_t *entry, const struct gpu *g)
{
    const long long *number = g->number;
    unsigned id = entry->fieldId, scope = entry->scopeId;
    if (per_link_error(entry, g))
        return;
    if (id >= 7 && id <= 28) {
        set_u64(entry, ecc_by_location(g, id));
        return;
    }
    switch (id) {
    case 1:
        set_u32(entry, number[P_ECC]);
        return;
    case 2:
        set_u32(entry, number[P_ECC_PENDING]);
        return;
    case 3: case 4: case 5: case 6:
        set_u64(entry, read_ecc(g, (id - 3) % 2, (id - 3) / 2));
        return;
    case 29:
        set_u64(entry, number[P_RETIRED_SINGLE]);
        return;
    case 30:
        set_u64(entry, number[P_RETIRED_DOUBLE]);
        return;
    case 31:
        set_u32(entry, number[P_RETIRED_PENDING]);
        return;
    case 74: case 75: case 76: case 77: case 78: case 79:
        set_u64(entry, read_violation_ns(g, id - 74));
        return;
    case 80: case 81:
        set_u64(entry, read_violation_ns(g, id - 80 + NVML_POLICY_TOTAL_APP_CLOCKS));
        return;
    case 82:
        set_u32(entry, read_memory_temperature(g));
        return;
    case 83: case 191:
        set_u64(entry, number[P_ENERGY] == UNSUPPORTED ? UNSUPPORTED : (long long) gpu_energy_mj(g, virtual_seconds()));
        return;
    case 84: case 85: case 86: case 87: case 88: case 89:
        set_u32(entry, link_exists(g, id - 84) ? number[P_LINK_SPEED] : UNSUPPORTED);
        return;
    case 90:
        set_u32(entry, number[P_LINKS] > 0 ? number[P_LINK_SPEED] : UNSUPPORTED);
        return;
    case 91:
        set_u32(entry, number[P_LINKS] > 0 ? number[P_LINKS] : UNSUPPORTED);
        return;
    case 92: case 93:
        set_u32(entry, number[P_RETIRED_PENDING]);
        return;
    case 94:
        set_u32(entry, number[P_PCIE_REPLAYS]);
        return;
    case 95:
        set_u32(entry, number[P_PCIE_REPLAYS] == UNSUPPORTED ? UNSUPPORTED : 0);
        return;
    case 132: case 133: case 134: case 135: case 136: case 137:
        set_u32(entry, link_exists(g, id - 132 + 6) ? number[P_LINK_SPEED] : UNSUPPORTED);
        return;
    case 138: case 139:
        set_u64(entry, scope == ALL_LINKS || link_exists(g, scope) ? link_kibibytes(g, id == 138 ? CH_LINK_TX : CH_LINK_RX, scope, 1) : UNSUPPORTED);
        return;
    case 140: case 141: /* with the protocol's overhead */
        set_u64(entry, scope == ALL_LINKS || link_exists(g, scope) ? link_kibibytes(g, id == 140 ? CH_LINK_TX : CH_LINK_RX, scope, 1.125) : UNSUPPORTED);
        return;
    case 142:
        set_u32(entry, number[P_REMAPPED_CORRECTABLE]);
        return;
    case 143:
        set_u32(entry, number[P_REMAPPED_UNCORRECTABLE]);
        return;
    case 144:
        set_u32(entry, number[P_REMAP_PENDING]);
        return;
    case 145:
        set_u32(entry, number[P_REMAP_FAILURE]);
        return;
    case 146:
        set_u32(entry, link_exists(g, scope) ? (long long) scope : UNSUPPORTED);
        return;
    case 147:
        set_u32(entry, number[P_LINK_REMOTE] == NVML_NVLINK_DEVICE_SWITCH ? number[P_LINKS] : UNSUPPORTED);
        return;
    case 161: case 162: case 163:
        if (number[P_ARCHITECTURE] < NVML_ARCH_HOPPER || !(scope == ALL_LINKS || link_exists(g, scope)))
            set_u64(entry, UNSUPPORTED);
        else
            set_u64(entry, on_link(read_link_error(g, id == 161 ? NVML_NVLINK_ERROR_REPLAY : id == 162 ? NVML_NVLINK_ERROR_RECOVERY
                : NVML_NVLINK_ERROR_CRC_FLIT), scope));
        return;
    case 164:
        set_u32(entry, link_exists(g, scope) ? number[P_LINK_SPEED] : UNSUPPORTED);
        return;
    case 165:
        set_u32(entry, link_exists(g, scope) ? link_active(g, scope) : UNSUPPORTED);
        return;
    case 166:
        set_u32(entry, link_exists(g, scope) ? number[P_LINK_VERSION] : UNSUPPORTED);
        return;
    case 169: case 174: case 175: case 176: case 177: case 178: case 179: case 180: case 181: case 182: case 183:
        set_u32(entry, number[P_PCIE_CORRECTABLE] == UNSUPPORTED ? UNSUPPORTED : 0);
        return;
    case 170:
        set_u32(entry, number[P_C2C] == 1 ? 2 : UNSUPPORTED);
        return;
    case 171:
        set_u32(entry, number[P_C2C] == 1 && scope < 2 ? 1 : UNSUPPORTED);
        return;
    case 172:
        set_u32(entry, number[P_C2C] == 1 && scope < 2 ? 225000 : UNSUPPORTED);
        return;
    case 173:
        set_u32(entry, number[P_PCIE_CORRECTABLE]);
        return;
    case 184:
        set_u32(entry, gpu_mig_table(g) ? number[P_ARCHITECTURE] >= NVML_ARCH_HOPPER : UNSUPPORTED);
        return;
    case 185: case 186:
        set_u32(entry, number[P_POWER] == UNSUPPORTED || scope != 0 ? UNSUPPORTED : (long long) gpu_power_mw(g));
        return;
    case 187:
        set_u32(entry, read_power_limit(g, P_POWER_LIMIT_MIN));
        return;
    case 188:
        set_u32(entry, read_power_limit(g, P_POWER_LIMIT_MAX));
        return;
    case 189:
        set_u32(entry, read_power_limit(g, P_POWER_LIMIT_DEFAULT));
        return;
    case 190: case 192:
        set_u32(entry, scope == 0 ? read_power_limit(g, P_POWER_LIMIT) : UNSUPPORTED);
        return;
    case 193: case 194: case 195: case 196: { /* degrees below the limit at which it happens; negative is above */
        static const unsigned thresholds[] = {NVML_THRESHOLD_SHUTDOWN, NVML_THRESHOLD_SLOWDOWN, NVML_THRESHOLD_MEM_MAX, NVML_THRESHOLD_GPU_MAX};
        long long at = read_threshold(g, thresholds[id - 193]), base = read_threshold(g, NVML_THRESHOLD_GPU_MAX);
        set_i32(entry, at == UNSUPPORTED || base == UNSUPPORTED || number[P_ARCHITECTURE] < NVML_ARCH_ADA ? UNSUPPORTED : base - at);
        return;
    }
    case 197: case 198:
        set_u64(entry, read_pcie_bytes_counted(g, id == 198));
        return;
    case 199:
        set_u32(entry, gpu_mig_table(g) ? 1 : UNSUPPORTED);
        return;
    case 201: case 202: case 203: case 204: {
        bool packets = id % 2 == 1;
        long long kibibytes = number[P_LINK_VERSION] >= 5 && (scope == ALL_LINKS || link_exists(g, scope))
            ? link_kibibytes(g, id < 203 ? CH_LINK_TX : CH_LINK_RX, scope, 1) : UNSUPPORTED;
        set_u64(entry, kibibytes == UNSUPPORTED ? UNSUPPORTED : packets ? kibibytes * 4 : kibibytes * 1024);
        return;
    }
    case 205: case 206: case 207: case 208: case 209: case 210: case 211: case 212: case 216: case 217: case 218: case 219: case 220:
    case 221: case 222:
        set_u64(entry, number[P_LINK_VERSION] >= 5 && (scope == ALL_LINKS || link_exists(g, scope)) ? 0 : UNSUPPORTED);
        return;
    case 213: case 214: case 215:
        if (number[P_LINK_VERSION] < 5 || !(scope == ALL_LINKS || link_exists(g, scope)))
            set_u64(entry, UNSUPPORTED);
        else
            set_u64(entry, on_link(id == 213 ? number[P_LINK_RECOVERY_SUCCESSES] : id == 214 ? number[P_LINK_RECOVERY_FAILURES]
                : number[P_LINK_RECOVERY_SUCCESSES] + number[P_LINK_RECOVERY_FAILURES], scope));
        return;
    case 226: case 227:
        set_u32(entry, 0);
        return;
    case 230:
        set_u32(entry, number[P_RECOVERY_ACTION]);
        return;
    case 231: case 232: case 233: case 234:
        set_u32(entry, number[P_C2C] == 1 ? 0 : UNSUPPORTED);
        return;
    case 235: case 236: case 237: case 238: case 239: case 240: case 241: case 242: case 243: case 244: case 245: case 246: case 247:
    case 248: case 249: case 250:
        set_u64(entry, number[P_LINK_VERSION] >= 5 && (scope == ALL_LINKS || link_exists(g, scope)) ? 0 : UNSUPPORTED);
        return;
    case 269:
        set_u64(entry, number[P_VIOLATION_THERMAL]);
        return;
    case 270: case 271:
        set_u64(entry, number[P_VIOLATION_THERMAL] == UNSUPPORTED ? UNSUPPORTED : 0);
        return;
    case 301: case 302:
        set_u32(entry, number[P_REMAPPED_CORRECTABLE] == UNSUPPORTED ? UNSUPPORTED : 0);
        return;
    default:
        set_u32(entry, UNSUPPORTED);
    }
}

nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int valuesCount, nvmlFieldValue_t *values)
{
    ENTER_DEVICE(nvmlDeviceGetFieldValues, device, ACCEPT_GPU | ACCEPT_MIG);
    if (!values || valuesCount < 1)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    long long now = virtual_epoch_microseconds();
    unsigned limit = field_limit(world.branch);
    for (int i = 0; i < valuesCount; i++) {
        nvmlFieldValue_t *entry = &values[i];
        entry->timestamp = now;
        entry->latencyUsec = 0;
        entry->value.ullVal = 0;
        entry->valueType = NVML_VALUE_TYPE_UNSIGNED_INT;
        const struct fault *fault = fault_for_field(&call, entry->fieldId);
        if (fault && fault->result_count > 0 && fault_result((struct fault *) fault) != NVML_SUCCESS) {
            entry->nvmlReturn = fault_result((struct fault *) fault);
            continue;
        }
        if (entry->fieldId == 0 || entry->fieldId >= limit) {
            entry->nvmlReturn = NVML_ERROR_INVALID_ARGUMENT;
            continue;
        }
        if (call.mig >= 0) {
            entry->nvmlReturn = NVML_ERROR_NOT_SUPPORTED;
            continue;
        }
        read_field(entry, call.gpu);
        const struct fault *value_fault = fault ? fault : call.fault;
        if (entry->nvmlReturn == NVML_SUCCESS && value_fault && value_fault->value != VALUE_NONE) {
            struct call with = call;
            with.fault = value_fault;
            if (entry->valueType == NVML_VALUE_TYPE_UNSIGNED_LONG_LONG)
                out_u64(&with, &entry->value.ullVal, entry->value.ullVal);
            else
                out_u32(&with, &entry->value.uiVal, entry->value.uiVal);
        }
    }
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceClearFieldValues(nvmlDevice_t device, int valuesCount, nvmlFieldValue_t *values)
{
    ENTER_DEVICE(nvmlDeviceClearFieldValues, device, ACCEPT_GPU);
    if (!values || valuesCount < 1)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    for (int i = 0; i < valuesCount; i++)
        values[i].nvmlReturn = NVML_ERROR_NOT_SUPPORTED;
    LEAVE(NVML_SUCCESS);
}
