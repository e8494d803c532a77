package io.gpunode.agent.metrics;

import io.gpunode.agent.model.Quantity;
import java.util.EnumSet;
import java.util.Set;

/**
 * The rows of the catalogue that collectors of their own work out: dcgm-exporter's metrics under {@code DCGM_EXP_}. Columns as in {@link FieldTable};
 * the source says what they are worked out from.
 */
final class DerivedFields {
    static final String XID_ERRORS_COUNT = "DCGM_EXP_XID_ERRORS_COUNT";
    static final String XID_ERRORS_TOTAL = "DCGM_EXP_XID_ERRORS_TOTAL";
    static final String CLOCK_EVENTS_COUNT = "DCGM_EXP_CLOCK_EVENTS_COUNT";
    static final String CLOCK_EVENTS_TOTAL = "DCGM_EXP_CLOCK_EVENTS_TOTAL";
    static final String GPU_HEALTH_STATUS = "DCGM_EXP_GPU_HEALTH_STATUS";
    static final String P2P_STATUS = "DCGM_EXP_P2P_STATUS";

    static final String ROWS = """
              DCGM_EXP_XID_ERRORS_COUNT | 9001 | gauge | instance | from XIDs | | | XIDs within the window, by number; the series without a number is always 0.
              DCGM_EXP_CLOCK_EVENTS_COUNT | 9002 | gauge | board | from the reasons of the clocks | | | Samplings within the window in which the clocks were held down for this reason.
              DCGM_EXP_GPU_HEALTH_STATUS | 9003 | gauge | board | from readings and XIDs | | | What DCGM's health rules say: 0 healthy, 10 warning, 20 failure.
              DCGM_EXP_P2P_STATUS | 9004 | gauge | board | from nvmlDeviceGetP2PStatus | | | Whether the GPU reaches the other one over NVLink: 0 when it does, else NVML's reason.
              DCGM_EXP_XID_ERRORS_TOTAL | 0 | counter | instance | from XIDs | | | XIDs since the agent was started, by number; the series without a number is always 0.
              DCGM_EXP_CLOCK_EVENTS_TOTAL | 0 | counter | board | from the reasons of the clocks | | | Times that the clocks began to be held down for this reason, as far as samplings show.
            """;

    private DerivedFields() {}

    /** What has to be read for what a row is worked out from. */
    static Set<Quantity> reads(String from) {
        return switch (from) {
            case "the reasons of the clocks" -> EnumSet.of(Quantity.CLOCKS_EVENT_REASONS);
            case "readings and XIDs" -> HealthStatusCollector.READS;
            default -> Set.of();
        };
    }
}
