package io.gpunode.agent.gpu;

import io.gpunode.agent.model.LinkQuantity;
import io.gpunode.agent.model.Quantity;
import io.gpunode.nvml.NvmlQuery;
import org.jspecify.annotations.Nullable;

/** Where numbers come from, in a few words, for generated documents. */
public final class QuantitySources {
    private QuantitySources() {}

    /** Of a quantity of a GPU. */
    public static String of(Quantity quantity) {
        for (ProfilingMetrics.Source source : ProfilingMetrics.all()) {
            if (source.quantity() == quantity) {
                return "GPM metric " + source.metricId();
            }
        }
        return switch (quantity) {
            case MEMORY_USED_RATIO -> "computed from `nvmlDeviceGetMemoryInfo`";
            case NVLINK_BANDWIDTH_MEGABYTES_PER_SECOND -> "growth of fields 138 and 139";
            case NVLINK_SENT_MEGABYTES_PER_SECOND -> "growth of field 138";
            case NVLINK_RECEIVED_MEGABYTES_PER_SECOND -> "growth of field 139";
            case NVLINK_DATA_LINK_CRC_ERRORS -> "sum of field 163 over the links";
            case NVLINK_DATA_LINK_RECOVERIES -> "sum of field 162 over the links";
            case NVLINK_DATA_LINK_REPLAYS -> "sum of field 161 over the links";
            default -> query(Quantities.ofGpu(quantity));
        };
    }

    /** Of a quantity of an NVLink. */
    public static String of(LinkQuantity quantity) {
        for (ProfilingMetrics.LinkSource source : ProfilingMetrics.ofLinks()) {
            if (source.quantity() == quantity) {
                return "GPM metric " + source.metricId(0) + " and those of further links, from link 18 on "
                        + source.metricId(18);
            }
        }
        return switch (quantity) {
            case SENT_MEGABYTES_PER_SECOND, SENT_BYTES_PER_SECOND -> "growth of field 138 of the link";
            case RECEIVED_MEGABYTES_PER_SECOND, RECEIVED_BYTES_PER_SECOND -> "growth of field 139 of the link";
            case MEGABYTES_PER_SECOND -> "growth of fields 138 and 139 of the link";
            case CRC_FLIT_ERRORS, CRC_DATA_ERRORS, REPLAY_ERRORS, RECOVERY_ERRORS ->
                query(Quantities.ofLink(quantity, 0)) + " and those of further links, from link 12 on "
                        + query(Quantities.ofLink(quantity, 12));
            default -> query(Quantities.ofLink(quantity, 0)) + " of the link";
        };
    }

    private static String query(@Nullable NvmlQuery query) {
        if (query == null) {
            throw new IllegalArgumentException("nobody asks for this");
        }
        return query instanceof NvmlQuery.Field field
                ? "field " + field.fieldId()
                : "`" + Quantities.functionOf(query) + "`";
    }
}
