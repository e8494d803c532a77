package io.gpunode.agent.inventory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.HealthVerdict;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.Reading;
import io.gpunode.agent.model.XidCounts;
import io.gpunode.agent.model.XidEvent;
import java.nio.file.Path;
import java.time.Duration;
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

    @Test
    void whatEndedWithItsInstanceDoesNotComeBackWithANewOneAfterTheDriverWas() throws Exception {
        // Given: instance 9 was hit, went and is there again
        try (SimulatedNode node = new SimulatedNode(directory, "8xa100-80gb-mig").started()) {
            GpuId gpu = node.inventory().current().gpus().get(0).id();
            report(node, gpu, 43, OptionalInt.empty());
            report(node, gpu, 13, OptionalInt.of(9));
            node.awaitGpu(
                    0, "both", candidate -> candidate.xidCounts().entries().size() == 2);
            node.simulator().apply("mig gpu=0 destroy=9");
            Gpu without = node.awaitGpu(
                    0, "one less", candidate -> candidate.xidCounts().entries().size() == 1);
            assertThat(without.lastXid())
                    .isEqualTo(
                            Reading.of(new XidEvent(gpu, 43, Instant.EPOCH, OptionalInt.empty(), OptionalInt.empty())));
            node.simulator().apply("mig gpu=0 profile=1g.10gb");

            // When
            node.inventory().suspend("driver", "driver reload", Duration.ofSeconds(5));
            node.inventory().resume("driver");

            // Then
            Gpu back = node.awaitGpu(
                    0, "all seven", candidate -> candidate.migDevices().size() == 7);
            assertThat(back.migDevices()).extracting(MigDevice::gpuInstanceId).contains(9);
            assertThat(back.xidCounts()).isEqualTo(without.xidCounts());
        }
    }

    @Test
    void aComputeInstanceThatGoesTakesItsOwnAlone() throws Exception {
        // Given: a GPU instance with two of them
        try (SimulatedNode node = new SimulatedNode(directory, "8xa100-80gb-mig").started()) {
            node.simulator().apply("mig gpu=6 clear\nmig gpu=6 profile=1c.3g.40gb start=0");
            int instance = node.awaitGpu(
                            6,
                            "one",
                            candidate -> candidate.migDevices().size() == 1
                                    && candidate
                                            .migDevices()
                                            .getFirst()
                                            .profile()
                                            .startsWith("1c."))
                    .migDevices()
                    .getFirst()
                    .gpuInstanceId();
            node.simulator().apply("mig gpu=6 profile=1c.3g.40gb instance=" + instance);
            Gpu both =
                    node.awaitGpu(6, "both", candidate -> candidate.migDevices().size() == 2);
            for (MigDevice device : both.migDevices()) {
                report(node, both.id(), 13, OptionalInt.of(instance), OptionalInt.of(device.computeInstanceId()));
            }
            report(node, both.id(), 31, OptionalInt.of(instance));
            node.awaitGpu(
                    6, "three", candidate -> candidate.xidCounts().entries().size() == 3);
            int gone = both.migDevices().getLast().computeInstanceId();

            // When
            node.simulator().apply("mig gpu=6 destroy=" + instance + "/" + gone);

            // Then
            XidCounts left = node.awaitGpu(
                            6,
                            "one less",
                            candidate -> candidate.migDevices().size() == 1
                                    && candidate.xidCounts().entries().size() < 3)
                    .xidCounts();
            assertThat(left.entries())
                    .extracting(XidCounts.Entry::xid, XidCounts.Entry::computeInstance)
                    .containsExactly(
                            tuple(
                                    13L,
                                    OptionalInt.of(both.migDevices().getFirst().computeInstanceId())),
                            tuple(31L, OptionalInt.empty()));
        }
    }

    @Test
    void whatIsToldOfAGpuBeforeItIsFoundIsCounted() throws Exception {
        // Given: nobody has it while NVML is closed
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4").started()) {
            GpuId gpu = node.inventory().current().gpus().get(2).id();
            node.inventory().suspend("driver", "driver reload", Duration.ofSeconds(5));

            // When
            report(node, gpu, 79, OptionalInt.empty());
            node.inventory().resume("driver");

            // Then
            node.awaitGpu(2, "it", candidate -> counted(candidate.xidCounts(), 79) == 1);
        }
    }

    private static void report(SimulatedNode node, GpuId gpu, long xid, OptionalInt instance) {
        report(node, gpu, xid, instance, OptionalInt.empty());
    }

    private static void report(
            SimulatedNode node, GpuId gpu, long xid, OptionalInt instance, OptionalInt computeInstance) {
        XidEvent event = new XidEvent(gpu, xid, Instant.EPOCH, instance, computeInstance);
        node.inventory().xid(event, HealthVerdict.clean(gpu));
    }

    private static long counted(XidCounts counts, long xid) {
        return counts.entries().stream()
                .filter(entry -> entry.xid() == xid)
                .mapToLong(XidCounts.Entry::count)
                .sum();
    }
}
