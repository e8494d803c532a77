package io.gpunode.agent.inventory;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.model.Finding;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.model.Topology;
import io.gpunode.agent.testing.Snapshots;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(10)
class PicturePublisherTest {
    private final NodeSnapshot last = Snapshots.h100x8().build();

    @Test
    void theSameAgainGrowsTheVersionOnly() {
        // When
        NodeSnapshot next =
                PicturePublisher.next(last, last.takenAt(), last.nvml(), last.gpus(), last.topology(), List.of(), 0);

        // Then
        assertThat(next.version()).isEqualTo(last.version() + 1);
        assertThat(next.structureVersion()).isEqualTo(last.structureVersion());
    }

    @Test
    void anotherStateGrowsTheStructureVersion() {
        // When
        NodeSnapshot next = PicturePublisher.next(
                last,
                last.takenAt(),
                new NvmlState.Withdrawn("driver reload", last.takenAt()),
                List.of(),
                Topology.EMPTY,
                List.of(),
                0);

        // Then
        assertThat(next.structureVersion()).isEqualTo(last.structureVersion() + 1);
    }

    @Test
    void aMissingGpuGrowsTheStructureVersion() {
        // When
        NodeSnapshot next = PicturePublisher.next(
                last, last.takenAt(), last.nvml(), last.gpus().subList(0, 7), last.topology(), List.of(), 0);

        // Then
        assertThat(next.structureVersion()).isEqualTo(last.structureVersion() + 1);
    }

    @Test
    void aFindingAboutTheNodeGrowsTheStructureVersion() {
        // Given
        Finding finding =
                new Finding("nvswitch", Finding.Severity.REMARK, "SXid 20009", "none", "by itself", last.takenAt());

        // When
        NodeSnapshot next = PicturePublisher.next(
                last, last.takenAt(), last.nvml(), last.gpus(), last.topology(), List.of(finding), 0);

        // Then
        assertThat(next.structureVersion()).isEqualTo(last.structureVersion() + 1);
        assertThat(next.findings()).containsExactly(finding);
    }

    @Test
    void aTopologyIsBroughtIntoTheOrderOfThePicture() {
        // Given
        List<GpuId> reversed = last.topology().gpus().reversed();

        // When
        Topology ordered = Topologies.ordered(last.topology(), reversed);

        // Then
        assertThat(ordered.gpus()).isEqualTo(reversed);
        assertThat(ordered.ancestor()[0][1]).isEqualTo(last.topology().ancestor()[7][6]);
        assertThat(ordered.ancestor()[0][7]).isEqualTo(last.topology().ancestor()[7][0]);
    }

    @Test
    void aGpuThatTheTopologyLacksIsUnknown() {
        // Given
        List<GpuId> order = List.of(Snapshots.id(0), new GpuId("GPU-new"));

        // When
        Topology ordered = Topologies.ordered(last.topology(), order);

        // Then
        assertThat(ordered.ancestor()).isDeepEqualTo(new int[][] {{-1, -1}, {-1, -1}});
        assertThat(ordered.nvSwitch()).containsExactly(true, false);
    }
}
