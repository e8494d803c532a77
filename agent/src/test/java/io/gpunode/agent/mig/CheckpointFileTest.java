package io.gpunode.agent.mig;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.Problem;
import io.gpunode.agent.config.Report;
import io.gpunode.agent.mig.CheckpointFile.Instance;
import io.gpunode.agent.mig.CheckpointFile.OfGpu;
import io.gpunode.agent.mig.CheckpointFile.Part;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.MigPlacement;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

@Timeout(60)
class CheckpointFileTest {
    private final Report report = new Report(true);

    @TempDir
    private Path root = Path.of("");

    @Test
    void aFileOfMigPartedIsRead() {
        // When
        Optional<CheckpointFile> file = CheckpointFile.read("checkpoint.json", """
                {"Version":"v1","MigState":{"Devices":[
                {"UUID":"GPU-1","MigMode":0,"GpuInstances":null},
                {"UUID":"GPU-2","MigMode":1,"GpuInstances":[{"ProfileID":2,"Placement":{"Start":4,"Size":4},
                "ComputeInstances":[{"ProfileID":0,"EngProfileID":0},{"ProfileID":1,"EngProfileID":0}]},
                {"ProfileID":7,"Placement":{"Start":0,"Size":1},"ComputeInstances":null}]}]}}""", report);

        // Then
        assertThat(report.problems()).isEmpty();
        assertThat(file)
                .contains(new CheckpointFile(List.of(
                        new OfGpu(new GpuId("GPU-1"), false, List.of()),
                        new OfGpu(
                                new GpuId("GPU-2"),
                                true,
                                List.of(
                                        new Instance(
                                                2,
                                                new MigPlacement(4, 4),
                                                List.of(new Part(0, Optional.empty()), new Part(1, Optional.empty()))),
                                        new Instance(7, new MigPlacement(0, 1), List.of()))))));
    }

    @Test
    void whatIsWrittenIsReadBack() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.named(root, "8xa100-80gb-mig")) {
            CheckpointFile written = CheckpointFile.of(node.read());

            // When
            Optional<CheckpointFile> file = CheckpointFile.read("checkpoint.json", written.json(), report);

            // Then
            assertThat(report.problems()).isEmpty();
            assertThat(file).contains(written);
            assertThat(written.gpus()).hasSize(8);
            assertThat(written.gpus().get(4).instances())
                    .extracting(Instance::constant)
                    .containsExactly(0, 0, 1, 2);
        }
    }

    @Test
    void whatIsEmptyIsNullAsMigPartedComparesIt() {
        // When
        String json = new CheckpointFile(List.of(
                        new OfGpu(new GpuId("GPU-1"), true, List.of()),
                        new OfGpu(
                                new GpuId("GPU-2"), true, List.of(new Instance(0, new MigPlacement(0, 1), List.of())))))
                .json();

        // Then
        assertThat(json)
                .contains("\"GpuInstances\": null", "\"ComputeInstances\": null")
                .doesNotContain("[]");
        assertThat(new CheckpointFile(List.of()).json()).contains("\"Devices\": null");
    }

    static Stream<Arguments> wrongFiles() {
        String head = "{Version: v1, MigState: {Devices: [";
        return Stream.of(
                Arguments.of("", ":1:1: the file is empty"),
                Arguments.of("[]", ":1:1: an empty list stands where keys are expected"),
                Arguments.of("{Version: v2, MigState: {}}", ":1:11: Version: \"v2\" is not a version"),
                Arguments.of("{Version: v1}", ":1:1: MigState: is missing"),
                Arguments.of(
                        "{Version: v1, MigState: {Device: []}}",
                        "MigState.Device: unknown key; did you mean \"Devices\"?"),
                Arguments.of(
                        "{Version: v1, MigState: {Devices: {}}}", "MigState.Devices: an empty block is not a list"),
                Arguments.of(head + "{MigMode: 0}]}}", "MigState.Devices.UUID: is missing"),
                Arguments.of(
                        head + "{UUID: 7, MigMode: 0}]}}", "MigState.Devices.UUID: \"7\" is not the UUID of a GPU"),
                Arguments.of(head + "{UUID: MIG-7, MigMode: 0}]}}", "UUID: \"MIG-7\" is not the UUID of a GPU"),
                Arguments.of(head + "{UUID: GPU-7}]}}", "MigState.Devices.MigMode: is missing"),
                Arguments.of(head + "{UUID: GPU-7, MigMode: 2}]}}", "MigMode: \"2\" is not a whole number from 0 to 1"),
                Arguments.of(
                        head
                                + "{UUID: GPU-7, MigMode: 0, GpuInstances: [{ProfileID: 0, Placement: {Start: 0, Size: 1}}]}]}}",
                        "GpuInstances: there can be none while MigMode is 0"),
                Arguments.of(
                        head + "{UUID: GPU-7, MigMode: 1, GpuInstances: [{ProfileID: 0}]}]}}",
                        "MigState.Devices.GpuInstances.Placement: is missing"),
                Arguments.of(
                        head
                                + "{UUID: GPU-7, MigMode: 1, GpuInstances: [{ProfileID: 0, Placement: {Start: 0, Size: 0}}]}]}}",
                        "Placement: not a placement: start 0 size 0"),
                Arguments.of(
                        head + "{UUID: GPU-7, MigMode: 1, GpuInstances: [{ProfileID: 0, Placement: {Start: 0, Size: 1},"
                                + " ComputeInstances: [{ProfileID: 0, EngProfileID: 1}]}]}]}}",
                        "ComputeInstances.EngProfileID: \"1\" is not a whole number from 0 to 0"));
    }

    @ParameterizedTest
    @MethodSource("wrongFiles")
    void aWrongFileIsRefusedWithItsPlace(String text, String problem) {
        // When
        Optional<CheckpointFile> file = CheckpointFile.read("checkpoint.json", text, report);

        // Then
        assertThat(file).isEmpty();
        assertThat(report.problems())
                .singleElement()
                .extracting(Problem::toString)
                .asString()
                .startsWith("checkpoint.json:1:")
                .contains(problem);
    }
}
