package io.gpunode.agent.metrics;

import java.util.List;

/** Why clocks are lower than they could be: the bits of NVML's clocks event reasons, and what dcgm-exporter calls them. */
enum ClockEvent {
    GPU_IDLE(0x1, "gpu_idle"),
    CLOCKS_SETTING(0x2, "clocks_setting"),
    POWER_CAP(0x4, "power_cap"),
    HW_SLOWDOWN(0x8, "hw_slowdown"),
    SYNC_BOOST(0x10, "sync_boost"),
    SW_THERMAL(0x20, "sw_thermal"),
    HW_THERMAL(0x40, "hw_thermal"),
    HW_POWER_BRAKE(0x80, "hw_power_brake"),
    DISPLAY_CLOCKS(0x100, "display_clocks");

    static final List<ClockEvent> ALL = List.of(values());

    private final long bit;
    private final String text;

    ClockEvent(long bit, String text) {
        this.bit = bit;
        this.text = text;
    }

    /** Whether a mask of reasons has it. */
    boolean isIn(long reasons) {
        return (reasons & bit) != 0;
    }

    /** The value of label {@code clock_event}. */
    String text() {
        return text;
    }
}
