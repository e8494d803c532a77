package io.gpunode.agent.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import java.time.Instant;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(10)
class XidCountsTest {
    private static final GpuId GPU = new GpuId("GPU-6f1e2a30-8b00-4c1d-9a7e-000000000000");

    @Test
    void theSameAgainIsCounted() {
        // When
        XidCounts counts = XidCounts.NONE.plus(xid(31)).plus(xid(31)).plus(xid(43));

        // Then
        assertThat(counts.entries())
                .extracting(XidCounts.Entry::xid, XidCounts.Entry::count)
                .containsExactly(tuple(31L, 2L), tuple(43L, 1L));
    }

    @Test
    void anInstanceHasCountsOfItsOwnThatEndWithIt() {
        // Given
        XidCounts counts = XidCounts.NONE.plus(xid(13)).plus(xidOf(13, 7)).plus(xidOf(13, 9));

        // When
        XidCounts left = counts.without((instance, _) -> instance.equals(OptionalInt.of(7)));

        // Then
        assertThat(left).isEqualTo(XidCounts.NONE.plus(xid(13)).plus(xidOf(13, 9)));
    }

    @Test
    void theLastOfAPlaceStaysWhateverComesElsewhere() {
        // When
        XidCounts counts = XidCounts.NONE.plus(xidOf(43, 1)).plus(xidOf(31, 1)).plus(xidOf(13, 2));

        // Then
        assertThat(counts.latest()).containsExactly(xidOf(31, 1), xidOf(13, 2));
        assertThat(counts.last()).isEqualTo(Reading.of(xidOf(13, 2)));
        assertThat(counts.without((instance, _) -> instance.equals(OptionalInt.of(2)))
                        .last())
                .isEqualTo(Reading.of(xidOf(31, 1)));
    }

    @Test
    void theyAreBounded() {
        // When
        XidCounts counts = XidCounts.NONE;
        for (int number = 0; number < 2 * XidCounts.LIMIT; number++) {
            counts = counts.plus(xid(number));
        }

        // Then
        assertThat(counts.entries()).hasSize(XidCounts.LIMIT);
        assertThat(counts.entries().getLast().xid()).isEqualTo(2 * XidCounts.LIMIT - 1);
    }

    private static XidEvent xid(long number) {
        return new XidEvent(GPU, number, Instant.EPOCH, OptionalInt.empty(), OptionalInt.empty());
    }

    private static XidEvent xidOf(long number, int instance) {
        return new XidEvent(GPU, number, Instant.EPOCH, OptionalInt.of(instance), OptionalInt.of(0));
    }
}
