/*
 * Readings that more than one function gives: UNSUPPORTED where the GPU has none. All locked.
 */
#ifndef NVMLSIM_TELEMETRY_H
#define NVMLSIM_TELEMETRY_H

#include "sim.h"

long long read_clock(const struct gpu *g, unsigned type);          /* MHz */
long long read_max_clock(const struct gpu *g, unsigned type);
long long read_memory_temperature(const struct gpu *g);            /* degrees Celsius */
long long read_threshold(const struct gpu *g, unsigned threshold);
long long read_utilization(const struct gpu *g, enum property pinned, enum channel c); /* percent; none with MIG on */
unsigned long long read_reasons(const struct gpu *g);
long long read_violation_ns(const struct gpu *g, unsigned policy);
long long read_pcie_kilobytes(const struct gpu *g, bool received); /* per second */
long long read_pcie_bytes_counted(const struct gpu *g, bool received);
long long read_ecc(const struct gpu *g, unsigned error_type, unsigned counter_type);
long long read_link_error(const struct gpu *g, unsigned counter);
long long read_power_limit(const struct gpu *g, enum property limit); /* mW */
bool link_exists(const struct gpu *g, unsigned link);
bool link_active(const struct gpu *g, unsigned link);
bool mig_enabled(const struct gpu *g);

#endif
