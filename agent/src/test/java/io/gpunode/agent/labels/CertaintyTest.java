package io.gpunode.agent.labels;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.gpu.NvmlWaits;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.model.Reading;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.nvml.NvmlOpenException;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

@Timeout(10)
class CertaintyTest {
    private static Certainty certainty(NvmlState state) {
        return Certainty.of(Snapshots.h100x8().nvml(state).build(), HostFacts.NONE);
    }

    @Test
    void gpusThatAreInThePictureAreKnown() {
        // When
        Certainty certainty = Certainty.of(Snapshots.h100x8().build(), HostFacts.NONE);

        // Then
        assertThat(certainty).isEqualTo(Certainty.KNOWN);
    }

    static Stream<Reading<Boolean>> untold() {
        return Stream.of(new Reading.Failed<>("UNKNOWN"), new Reading.NotRead<>());
    }

    @ParameterizedTest
    @MethodSource("untold")
    void aGpuThatHasNotSaidWhetherItIsInMigModeLeavesThePictureIncomplete(Reading<Boolean> mode) {
        // When
        Certainty certainty = Certainty.of(Snapshots.h100x8().migMode(3, mode).build(), HostFacts.NONE);

        // Then
        assertThat(certainty).isEqualTo(Certainty.INCOMPLETE);
    }

    @Test
    void aGpuWithoutMigHasSaidSo() {
        // When
        Certainty certainty = Certainty.of(
                Snapshots.t4()
                        .migMode(0, new Reading.Unsupported<>("NOT_SUPPORTED"))
                        .build(),
                HostFacts.NONE);

        // Then
        assertThat(certainty).isEqualTo(Certainty.KNOWN);
    }

    @Test
    void aGpuThatHasNotSaidWhoItIsLeavesThePictureIncomplete() {
        // When
        Certainty certainty = Certainty.of(Snapshots.h100x8().unidentified(1).build(), HostFacts.NONE);

        // Then
        assertThat(certainty).isEqualTo(Certainty.INCOMPLETE);
    }

    @ParameterizedTest
    @CsvSource({"true, INCOMPLETE", "false, KNOWN"})
    void aPictureWithoutAGpuIsCompleteWhereTheBusHasNone(boolean onBus, Certainty expected) {
        // Given
        HostFacts facts = new HostFacts("", Reading.of(onBus), new Reading.NotRead<>());

        // When
        Certainty certainty = Certainty.of(Snapshots.noGpus().build(), facts);

        // Then
        assertThat(certainty).isEqualTo(expected);
    }

    @Test
    void gpusThatWereLetGoOfAreNotUnderstoodToBeGone() {
        // When
        Certainty certainty = Certainty.of(Snapshots.h100x8().withdrawn().build(), HostFacts.NONE);

        // Then
        assertThat(certainty).isEqualTo(Certainty.UNKNOWN);
    }

    @ParameterizedTest
    @MethodSource("troubles")
    void aDriverThatDoesNotAnswerSaysNothing(NvmlState.Waiting trouble) {
        // When
        Certainty certainty = certainty(trouble);

        // Then
        assertThat(certainty).isEqualTo(Certainty.UNKNOWN);
    }

    static Stream<NvmlState.Waiting> troubles() {
        return Stream.of(
                NvmlWaits.starting(Snapshots.AT),
                NvmlWaits.openHangs(Snapshots.AT),
                NvmlWaits.driverGone("DRIVER_NOT_LOADED", Snapshots.AT),
                NvmlWaits.unresponsive("nvmlDeviceGetCount", Snapshots.AT));
    }

    @ParameterizedTest
    @EnumSource(NvmlOpenException.Reason.class)
    void onlyALibraryOrModuleThatIsMissingIsNoDriver(NvmlOpenException.Reason reason) {
        // Given
        boolean missing = reason == NvmlOpenException.Reason.LIBRARY_NOT_FOUND
                || reason == NvmlOpenException.Reason.DRIVER_NOT_LOADED;

        // When
        Certainty certainty =
                certainty(NvmlWaits.failed(new NvmlOpenException(reason, null, 0, "refused", null), Snapshots.AT));

        // Then
        assertThat(certainty).isEqualTo(missing ? Certainty.NO_DRIVER : Certainty.UNKNOWN);
    }
}
