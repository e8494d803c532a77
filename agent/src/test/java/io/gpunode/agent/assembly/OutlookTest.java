package io.gpunode.agent.assembly;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.cdi.CdiStatus;
import io.gpunode.agent.gpu.NvmlWaits;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.model.Topology;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class OutlookTest {
    private static final CdiStatus NO_FILES =
            new CdiStatus(Path.of("/var/run/cdi/nvidia.json"), -1, Set.of(), List.of(), "", List.of());

    private static NodeSnapshot picture(NvmlState nvml) {
        return new NodeSnapshot(1, 1, Instant.EPOCH, nvml, List.of(), Topology.EMPTY);
    }

    @ParameterizedTest
    @CsvSource({"true, NONE", "false, COMING"})
    void gpusThatAreWithdrawnComeWhenNobodyKeepsThemAway(boolean suspended, Outlook expected) {
        // Given
        NodeSnapshot picture = picture(new NvmlState.Withdrawn("the driver is being made ready", Instant.EPOCH));

        // When
        Outlook outlook = Outlook.of(picture, NO_FILES, suspended);

        // Then
        assertThat(outlook).isEqualTo(expected);
    }

    @Test
    void gpusAreComingWhileNvmlIsOpened() {
        // When
        Outlook outlook = Outlook.of(picture(NvmlWaits.starting(Instant.EPOCH)), NO_FILES, false);

        // Then
        assertThat(outlook).isEqualTo(Outlook.COMING);
    }
}
