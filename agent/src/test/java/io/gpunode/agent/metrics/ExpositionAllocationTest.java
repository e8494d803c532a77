package io.gpunode.agent.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import io.gpunode.agent.testing.Snapshots;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class ExpositionAllocationTest {
    private static final int PAGES = 1_000;

    /** The scrape's own record, its iterators and boxes; next to the 180 kB of the page it is nothing. */
    private static final long LIMIT_BYTES_PER_PAGE = 4_096;

    @Test
    void rendersAPageWithoutAllocatingForItsSeries() {
        // Given
        Snapshots node = Snapshots.h100x8();
        for (int i = 0; i < 8; i++) {
            node.sample(i, Pages.numbers(i));
        }
        Pages pages = Pages.of(node.build())
                .fields(FieldCatalogue.fields().stream().map(Field::name).toList());
        for (int i = 0; i < 8; i++) {
            pages.holder(Snapshots.uuid(i), "ml", "job-" + i, "train");
        }
        MetricsExposition exposition = pages.exposition();
        for (int i = 0; i < PAGES; i++) {
            exposition.warmUp();
        }
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long before = threads.getCurrentThreadAllocatedBytes();

        // When
        for (int i = 0; i < PAGES; i++) {
            exposition.warmUp();
        }

        // Then
        long perPage = (threads.getCurrentThreadAllocatedBytes() - before) / PAGES;
        assertThat(perPage).isLessThan(LIMIT_BYTES_PER_PAGE);
    }
}
