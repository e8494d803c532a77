package io.gpunode.agent.metrics;

import java.util.List;

/** The parts of a GPU that DCGM's health rules watch; the names are values of label {@code health_watch}. */
enum HealthWatch {
    PCIE,
    NVLINK,
    PMU,
    MCU,
    MEM,
    SM,
    INFOROM,
    THERMAL,
    POWER,
    DRIVER,
    ALL;

    static final List<HealthWatch> EVERY = List.of(values());
}
