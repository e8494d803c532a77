package io.gpunode.agent.inventory;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.HealthVerdict;
import io.gpunode.agent.model.XidCounts;
import io.gpunode.agent.model.XidEvent;
import java.nio.file.Path;
import java.time.Instant;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The picture counts XIDs: none is lost between two pictures, and none outlives its instance. */
@Timeout(30)
class XidCountsOnNodeTest {
    @TempDir
    Path directory;

    @Test
    void aBurstIsCountedToTheLast() throws Exception {
        // Given
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4").started()) {
            GpuId gpu = node.inventory().current().gpus().get(1).id();

            // When
            for (int i = 0; i < 500; i++) {
                report(node, gpu, 31, OptionalInt.empty());
            }

            // Then
            node.awaitGpu(1, "all of them", candidate -> counted(candidate.xidCounts(), 31) == 500);
            assertThat(node.inventory().current().gpus().get(0).xidCounts()).isEqualTo(XidCounts.NONE);
        }
    }

    @Test
    void theCountsOfAnInstanceEndWithIt() throws Exception {
        // Given
        try (SimulatedNode node = new SimulatedNode(directory, "8xa100-80gb-mig").started()) {
            GpuId gpu = node.inventory().current().gpus().get(0).id();
            report(node, gpu, 13, OptionalInt.of(9));
            report(node, gpu, 43, OptionalInt.empty());
            node.awaitGpu(
                    0, "both", candidate -> candidate.xidCounts().entries().size() == 2);

            // When
            node.simulator().apply("mig gpu=0 destroy=9");

            // Then
            XidCounts left = node.awaitGpu(
                            0,
                            "one less",
                            candidate -> candidate.xidCounts().entries().size() == 1)
                    .xidCounts();
            assertThat(counted(left, 43)).isEqualTo(1);
        }
    }

    private static void report(SimulatedNode node, GpuId gpu, long xid, OptionalInt instance) {
        XidEvent event = new XidEvent(gpu, xid, Instant.EPOCH, instance, OptionalInt.empty());
        node.inventory().xid(event, HealthVerdict.clean(gpu));
    }

    private static long counted(XidCounts counts, long xid) {
        return counts.entries().stream()
                .filter(entry -> entry.xid() == xid)
                .mapToLong(XidCounts.Entry::count)
                .sum();
    }
}
