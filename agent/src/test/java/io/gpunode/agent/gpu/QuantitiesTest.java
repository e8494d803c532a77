package io.gpunode.agent.gpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.model.Quantity;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(10)
class QuantitiesTest {
    /** Computed from two readings of others. */
    private static final Set<Quantity> COMPUTED =
            EnumSet.of(Quantity.NVLINK_BANDWIDTH_MEGABYTES_PER_SECOND, Quantity.NVLINK_ACTIVE_LINKS);

    @Test
    void everyQuantityHasOneSource() {
        // Given
        List<Quantity> sourced = new ArrayList<>(COMPUTED);

        // When
        Quantities.OF_GPU.forEach(source -> sourced.add(source.quantity()));
        ProfilingMetrics.all().forEach(source -> sourced.add(source.quantity()));

        // Then
        assertThat(sourced).containsExactlyInAnyOrder(Quantity.values());
    }

    @Test
    void everyFractionComesFromGpm() {
        // When
        List<Quantity> ofCalls =
                Quantities.OF_GPU.stream().map(Quantities.Source::quantity).toList();

        // Then
        assertThat(ofCalls).noneMatch(Quantity::isFraction);
    }

    @Test
    void everyQueryNamesItsFunction() {
        assertThat(Quantities.OF_GPU)
                .allSatisfy(source ->
                        assertThat(Quantities.functionOf(source.query())).startsWith("nvmlDeviceGet"));
    }

    @Test
    void linkRateIsThousandsOfKibibytesPerSecondWithoutFraction() {
        assertThat(DeviceSampler.linkRate(5_000_000, 5_000_000_000L)).isEqualTo(1000);
        assertThat(DeviceSampler.linkRate(999, 1_000_000_000L)).isZero();
        assertThat(DeviceSampler.linkRate(0, 1_000_000_000L)).isZero();
    }
}
