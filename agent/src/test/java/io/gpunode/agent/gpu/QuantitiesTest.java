package io.gpunode.agent.gpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.model.LinkQuantity;
import io.gpunode.agent.model.Quantity;
import io.gpunode.nvml.NvmlQuery;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(10)
class QuantitiesTest {
    /** Computed from readings of others. */
    private static final Set<Quantity> COMPUTED = EnumSet.of(
            Quantity.NVLINK_BANDWIDTH_MEGABYTES_PER_SECOND,
            Quantity.NVLINK_SENT_MEGABYTES_PER_SECOND,
            Quantity.NVLINK_RECEIVED_MEGABYTES_PER_SECOND,
            Quantity.NVLINK_ACTIVE_LINKS,
            Quantity.NVLINK_DATA_LINK_CRC_ERRORS,
            Quantity.NVLINK_DATA_LINK_RECOVERIES,
            Quantity.NVLINK_DATA_LINK_REPLAYS,
            Quantity.MEMORY_USED_RATIO);

    @Test
    void everyQuantityHasOneSource() {
        // Given
        List<Quantity> sourced = new ArrayList<>(COMPUTED);

        // When
        sourced.addAll(asked());
        ProfilingMetrics.all().forEach(source -> sourced.add(source.quantity()));

        // Then
        assertThat(sourced).containsExactlyInAnyOrder(Quantity.values());
    }

    @Test
    void noCallGivesAFraction() {
        assertThat(asked()).isNotEmpty().noneMatch(Quantity::isFraction);
    }

    @Test
    void everyQueryNamesItsFunction() {
        assertThat(asked()).allSatisfy(quantity -> {
            NvmlQuery query = Quantities.ofGpu(quantity);
            assertThat(query).isNotNull();
            if (query != null) {
                assertThat(Quantities.functionOf(query)).matches("nvml(Device|System)Get\\w+");
            }
        });
    }

    @Test
    void noTwoQuantitiesAskTheSame() {
        // When
        List<NvmlQuery> queries = new ArrayList<>();
        for (Quantity quantity : asked()) {
            queries.add(Quantities.ofGpu(quantity));
        }

        // Then
        assertThat(queries).doesNotHaveDuplicates();
    }

    @Test
    void errorsOfALinkAreAFieldOfItsOwnAsLongAsThereAreFields() {
        assertThat(Quantities.ofLink(LinkQuantity.CRC_FLIT_ERRORS, 5)).isEqualTo(new NvmlQuery.Field(37, 0));
        assertThat(Quantities.ofLink(LinkQuantity.CRC_FLIT_ERRORS, 6)).isEqualTo(new NvmlQuery.Field(96, 0));
        assertThat(Quantities.ofLink(LinkQuantity.RECOVERY_ERRORS, 11)).isEqualTo(new NvmlQuery.Field(119, 0));
        assertThat(Quantities.ofLink(LinkQuantity.RECOVERY_ERRORS, 12)).isEqualTo(new NvmlQuery.NvLinkErrors(12, 1));
        assertThat(Quantities.ofLink(LinkQuantity.CRC_DATA_ERRORS, 17)).isEqualTo(new NvmlQuery.NvLinkErrors(17, 3));
    }

    private static List<Quantity> asked() {
        List<Quantity> asked = new ArrayList<>();
        for (Quantity quantity : Quantity.values()) {
            if (Quantities.ofGpu(quantity) != null) {
                asked.add(quantity);
            }
        }
        return asked;
    }
}
