package io.gpunode.agent.labels;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.NodeLabels;
import io.gpunode.agent.labels.LabelSink.Offer;
import io.gpunode.agent.labels.LabelStatus.State;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.model.Reading;
import io.gpunode.agent.testing.Configs;
import io.gpunode.agent.testing.FakeSnapshotSource;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.ManualTime;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(10)
class LabelPublisherTest {
    private static final String COUNT = "nvidia.com/gpu.count";
    private static final String SINK = "GPU_NODE_AGENT_LABELS_SINK=";
    private static final String OPERATOR = "GPU_NODE_AGENT_LABELS_OPERATOR_LABELS=true";
    private static final String PRESENT = "nvidia.com/gpu.present";
    private static final String PLUGIN = "nvidia.com/gpu.deploy.device-plugin";

    @TempDir
    private Path root = Path.of("");

    private final ManualTime time = new ManualTime();
    private final Snapshots node = Snapshots.h100x8();
    private final FakeSnapshotSource source = new FakeSnapshotSource(node.build());
    private final FakeLabelSink feature = new FakeLabelSink("nodefeatures/nvidia-features-for-node-a");
    private final FakeLabelSink object = new FakeLabelSink("nodes/node-a");
    private final FakeNodeLabels nodeLabels = new FakeNodeLabels();
    private AgentConfig config = Configs.defaults();
    private FaultyFiles files = new FaultyFiles(Path.of("/"));
    private Path file = Path.of("");

    @BeforeEach
    void host() throws IOException {
        files = new FaultyFiles(root);
        file = root.resolve("etc/kubernetes/node-feature-discovery/features.d/gfd");
        Files.createDirectories(file.getParent());
    }

    private LabelPublisher publisher(String... settings) {
        config = Configs.of(settings);
        return new LabelPublisher(
                source,
                () -> config,
                files,
                Optional.of(feature),
                Optional.of(object),
                nodeLabels,
                time,
                time.wall(),
                new SplittableRandom(1),
                new Heartbeats(time),
                Meters.NONE);
    }

    private LabelPublisher withoutApiServer(String... settings) {
        config = Configs.of(settings);
        return new LabelPublisher(
                source,
                () -> config,
                files,
                Optional.empty(),
                Optional.empty(),
                NodeLabels.NONE,
                time,
                time.wall(),
                new SplittableRandom(1),
                new Heartbeats(time),
                Meters.NONE);
    }

    // --- what is written, and when

    @Test
    void thePictureIsWrittenToTheFeatureFile() {
        // Given
        LabelPublisher publisher = publisher();

        // When
        publisher.turn();

        // Then
        assertThat(file).content().contains(COUNT + "=8\n");
        assertThat(publisher.status().state()).isEqualTo(State.CURRENT);
        assertThat(publisher.status().sink()).isEqualTo("file");
        assertThat(publisher.status().labels()).containsEntry(COUNT, "8");
    }

    @Test
    void anotherLayoutChangesTheFile() {
        // Given
        LabelPublisher publisher = publisher("MIG_STRATEGY=single");
        publisher.turn();
        for (int gpu = 0; gpu < 8; gpu++) {
            node.partition(gpu, "3g.40gb", "3g.40gb");
        }
        source.publish(node.build());
        publisher.turn();
        time.advance(LabelPublisher.SETTLED);

        // When
        publisher.turn();

        // Then
        assertThat(file).content().contains(COUNT + "=16\n").contains("-MIG-3g.40gb\n");
    }

    @Test
    void aLayoutThatSomebodyKnowsToBeWholeIsLabelledAtOnce() {
        // Given
        LabelPublisher publisher = publisher("MIG_STRATEGY=single");
        publisher.turn();
        for (int gpu = 0; gpu < 8; gpu++) {
            node.partition(gpu, "3g.40gb", "3g.40gb");
        }
        source.publish(node.build());
        publisher.turn();
        assertThat(file).content().contains(COUNT + "=8\n");

        // When
        publisher.layoutIsWhole();
        publisher.turn();

        // Then
        assertThat(file).content().contains(COUNT + "=16\n");
    }

    @Test
    void aLayoutThatIsBeingMadeIsNotLabelled() {
        // Given
        LabelPublisher publisher = publisher("MIG_STRATEGY=single");
        publisher.turn();
        source.publish(node.partition(0, "3g.40gb").build());
        publisher.turn();
        time.advance(Duration.ofSeconds(2));
        source.publish(node.partition(1, "3g.40gb").build());
        publisher.turn();
        time.advance(Duration.ofSeconds(2));

        // When
        Duration pause = publisher.turn();

        // Then
        assertThat(file).content().contains(COUNT + "=8\n").doesNotContain("MIG-INVALID");
        assertThat(pause).isEqualTo(Duration.ofSeconds(1));
    }

    @Test
    void aLayoutThatNeverRestsIsLabelledAfterHalfAMinute() {
        // Given
        LabelPublisher publisher = publisher("MIG_STRATEGY=single");
        publisher.turn();
        for (int i = 0; i < 15; i++) {
            source.publish(node.partition(0, i % 2 == 0 ? "3g.40gb" : "1g.10gb").build());
            publisher.turn();
            time.advance(Duration.ofSeconds(2));
        }
        source.publish(node.partition(0, "7g.80gb").build());

        // When
        publisher.turn();

        // Then
        assertThat(file).content().contains("MIG-INVALID");
    }

    @Test
    void newsThatChangeNoLabelWriteNothing() {
        // Given
        LabelPublisher publisher = publisher();
        publisher.turn();
        source.publish(node.unhealthy(3).build());

        // When
        publisher.turn();

        // Then
        assertThat(files.replaced).isEqualTo(1);
    }

    @Test
    void atRestItLooksEveryTwoMinutes() {
        // Given
        LabelPublisher publisher = publisher();

        // When
        Duration pause = publisher.turn();

        // Then
        assertThat(pause).isEqualTo(LabelPublisher.RECHECK);
    }

    @Test
    void theTimestampIsThatOfTheConfiguration() {
        // Given
        LabelPublisher publisher = publisher();
        publisher.turn();
        long first = time.instant().getEpochSecond();
        time.advance(Duration.ofHours(1));
        source.publish(node.partition(0, "7g.80gb").build());

        // When
        publisher.turn();

        // Then
        assertThat(publisher.status().labels()).containsEntry("nvidia.com/gfd.timestamp", String.valueOf(first));
    }

    @Test
    void anotherConfigurationIsAnotherTimestamp() {
        // Given
        LabelPublisher publisher = publisher();
        publisher.turn();
        time.advance(Duration.ofHours(1));
        config = Configs.of("MIG_STRATEGY=mixed");

        // When
        publisher.turn();

        // Then
        assertThat(publisher.status().labels())
                .containsEntry("nvidia.com/mig.strategy", "mixed")
                .containsEntry(
                        "nvidia.com/gfd.timestamp",
                        String.valueOf(time.instant().getEpochSecond()));
    }

    @Test
    void theMachineIsReadAgainAfterAWhile() throws IOException {
        // Given
        Path machine = root.resolve("sys/class/dmi/id/product_name");
        Files.createDirectories(machine.getParent());
        LabelPublisher publisher = publisher();
        publisher.turn();
        Files.writeString(machine, "DGX H100\n");
        time.advance(LabelPublisher.RECHECK);

        // When
        publisher.turn();

        // Then
        assertThat(file).content().contains("nvidia.com/gpu.machine=DGX-H100\n");
    }

    @Test
    void aFileThatSomebodyTookAwayComesBack() throws IOException {
        // Given
        LabelPublisher publisher = publisher();
        publisher.turn();
        Files.delete(file);

        // When
        publisher.turn();

        // Then
        assertThat(file).exists();
    }

    // --- while the GPUs are away

    @Test
    void beforeTheFirstPictureTheFileOfAnEarlierLifeStays() throws IOException {
        // Given
        Files.writeString(file, COUNT + "=8\n");
        source.publish(node.nvml(new NvmlState.Waiting(NvmlState.Waiting.STARTING, "", "", Snapshots.AT))
                .build());
        LabelPublisher publisher = publisher();

        // When
        publisher.turn();

        // Then
        assertThat(file).hasContent(COUNT + "=8\n");
        assertThat(publisher.status().state()).isEqualTo(State.WAITING);
    }

    @Test
    void aDriverReloadChangesNoLabel() {
        // Given
        LabelPublisher publisher = publisher();
        publisher.turn();
        source.publish(node.withdrawn().build());
        time.advance(Duration.ofHours(1));

        // When
        publisher.turn();

        // Then
        assertThat(file).content().contains(COUNT + "=8\n");
    }

    @Test
    void aDriverThatIsAwayForAWhileChangesNoLabel() {
        // Given
        LabelPublisher publisher = publisher();
        publisher.turn();
        source.publish(node.waiting().build());

        // When
        Duration pause = publisher.turn();

        // Then
        assertThat(file).content().contains(COUNT + "=8\n");
        assertThat(pause).isLessThanOrEqualTo(Certainty.DRIVER_PATIENCE);
    }

    @Test
    void aDriverThatDoesNotComeBackTakesItsLabelsAway() {
        // Given
        LabelPublisher publisher = publisher();
        publisher.turn();
        source.publish(node.waiting().build());
        publisher.turn();
        time.advance(Certainty.DRIVER_PATIENCE);

        // When
        publisher.turn();

        // Then
        assertThat(file).content().doesNotContain(COUNT).contains("nvidia.com/gfd.timestamp=");
    }

    @Test
    void aDriverThatComesBackBeginsItsTimeAnew() {
        // Given
        LabelPublisher publisher = publisher();
        publisher.turn();
        source.publish(node.waiting().build());
        publisher.turn();
        source.publish(node.reopened(2).build());
        time.advance(Certainty.DRIVER_PATIENCE);
        publisher.turn();
        source.publish(node.waiting().build());

        // When
        publisher.turn();

        // Then
        assertThat(file).content().contains(COUNT + "=8\n");
    }

    // --- while a picture is not complete

    @Test
    void oneMigModeThatCouldNotBeReadChangesNoLabel() {
        // Given
        LabelPublisher publisher = publisher("MIG_STRATEGY=single");
        for (int gpu = 0; gpu < 8; gpu++) {
            node.partition(gpu, "7g.80gb");
        }
        source.publish(node.build());
        publisher.turn();
        source.publish(node.migMode(5, new Reading.Failed<>("UNKNOWN")).build());

        // When
        publisher.turn();

        // Then
        assertThat(file).content().contains(COUNT + "=8\n").doesNotContain("INVALID");
    }

    @Test
    void aGpuThatIsLateAtARestartLeavesTheCountOfTheEarlierLife() throws IOException {
        // Given
        Files.writeString(file, COUNT + "=9\n");
        LabelPublisher publisher = publisher();
        source.publish(node.unidentified(1).build());

        // When
        publisher.turn();

        // Then
        assertThat(file).hasContent(COUNT + "=9\n");
        assertThat(publisher.status().state()).isEqualTo(State.WAITING);
    }

    @Test
    void aPictureThatStaysIncompleteIsTakenAsItIs() {
        // Given
        LabelPublisher publisher = publisher();
        source.publish(node.unidentified(1).build());
        Duration pause = publisher.turn();
        time.advance(Certainty.DRIVER_PATIENCE);

        // When
        publisher.turn();

        // Then
        assertThat(pause).isLessThanOrEqualTo(Certainty.DRIVER_PATIENCE);
        assertThat(file).content().contains(COUNT + "=8\n");
    }

    @Test
    void aPictureWithoutTheGpuThatTheBusHasTakesNoLabelAway() throws IOException {
        // Given
        LabelPublisher publisher = publisher();
        Path device = root.resolve("sys/bus/pci/devices/0000:1b:00.0");
        Files.createDirectories(device);
        Files.writeString(device.resolve("vendor"), "0x10de\n");
        Files.writeString(device.resolve("class"), "0x030200\n");
        publisher.turn();
        Snapshots none = Snapshots.noGpus();
        none.build();
        source.publish(none.reopened(2).build());

        // When
        publisher.turn();

        // Then
        assertThat(file).content().contains(COUNT + "=8\n");
    }

    // --- where

    @ParameterizedTest
    @CsvSource({
        "true,  YES,     YES,     file",
        "false, YES,     YES,     node-feature",
        "false, NO,      YES,     node",
        "false, NO,      NO,      undecided",
        "false, UNKNOWN, YES,     undecided",
        "false, NO,      UNKNOWN, undecided"
    })
    void theFirstPlaceThatTakesLabelsIsFound(boolean directory, Offer ofFeature, Offer ofNode, String sink)
            throws IOException {
        // Given
        if (!directory) {
            Files.delete(file.getParent());
        }
        feature.offer = ofFeature;
        object.offer = ofNode;
        LabelPublisher publisher = publisher();

        // When
        publisher.turn();

        // Then
        assertThat(publisher.status().sink()).isEqualTo(sink);
    }

    @Test
    void whatWasFoundStaysWhileTheApiServerIsAway() throws IOException {
        // Given
        Files.delete(file.getParent());
        LabelPublisher publisher = publisher();
        publisher.turn();
        feature.offer = Offer.UNKNOWN;

        // When
        publisher.turn();

        // Then
        assertThat(publisher.status().sink()).isEqualTo("node-feature");
        assertThat(feature.label(COUNT)).isEqualTo("8");
    }

    @Test
    void theOthersKeepWhatTheyHaveUntilTheFileCanHaveBeenRead() {
        // Given
        LabelPublisher publisher = publisher();
        publisher.turn();
        time.advance(LabelPublisher.FILE_IS_READ_WITHIN.minusSeconds(1));

        // When
        publisher.turn();

        // Then
        assertThat(feature.wanted).isNull();
        assertThat(object.wanted).isNull();
        assertThat(object.left).isNull();
    }

    @Test
    void theOthersAreLeftWhenTheFileCanHaveBeenRead() {
        // Given
        LabelPublisher publisher = publisher();
        publisher.turn();
        time.advance(LabelPublisher.FILE_IS_READ_WITHIN);

        // When
        publisher.turn();

        // Then
        assertThat(feature.left).containsEntry(COUNT, "8");
        assertThat(object.left).containsEntry(COUNT, "8");
    }

    @ParameterizedTest
    @CsvSource({"false, ''", "true, 'the API server forbids it'"})
    void anOldPlaceKeepsItsLabelsWhileTheNewOneHasNone(boolean current, String problem) {
        // Given
        LabelPublisher publisher = publisher();
        publisher.turn();
        feature.current = current;
        feature.problem = problem;
        config = Configs.of(SINK + "node-feature");

        // When
        publisher.turn();

        // Then
        assertThat(feature.label(COUNT)).isEqualTo("8");
        assertThat(file).content().contains(COUNT + "=8\n");
        assertThat(object.left).isNull();
    }

    @Test
    void anOldPlaceIsKeptRightWhileTheNewOneHasNoLabels() {
        // Given
        LabelPublisher publisher = publisher(SINK + "node");
        publisher.turn();
        feature.problem = "the API server forbids it";
        config = Configs.of(SINK + "node-feature", "MIG_STRATEGY=mixed");

        // When
        publisher.turn();

        // Then
        assertThat(object.label("nvidia.com/mig.strategy")).isEqualTo("mixed");
    }

    @Test
    void anOldPlaceIsLeftWhenTheNewOneHasTheLabels() {
        // Given
        LabelPublisher publisher = publisher(SINK + "node");
        publisher.turn();
        feature.current = false;
        config = Configs.of(SINK + "node-feature");
        publisher.turn();
        feature.current = true;

        // When
        publisher.turn();

        // Then
        assertThat(object.left).containsEntry(COUNT, "8");
    }

    @Test
    void nobodyIsToldAnythingWhileThePlaceIsNotKnown() throws IOException {
        // Given
        Files.delete(file.getParent());
        feature.offer = Offer.UNKNOWN;
        LabelPublisher publisher = publisher();

        // When
        publisher.turn();

        // Then
        assertThat(feature.wanted).isNull();
        assertThat(object.wanted).isNull();
    }

    @Test
    void aDirectoryThatAppearsLaterIsTaken() throws IOException {
        // Given
        Files.delete(file.getParent());
        LabelPublisher publisher = publisher();
        publisher.turn();
        Files.createDirectory(file.getParent());

        // When
        publisher.turn();

        // Then
        assertThat(file).exists();
        assertThat(publisher.status().sink()).isEqualTo("file");
    }

    @Test
    void anotherSinkTakesTheFileAway() {
        // Given
        LabelPublisher publisher = publisher();
        publisher.turn();
        config = Configs.of(SINK + "node");

        // When
        publisher.turn();

        // Then
        assertThat(file).doesNotExist();
        assertThat(object.label(COUNT)).isEqualTo("8");
        assertThat(publisher.status().place()).isEqualTo("nodes/node-a");
    }

    @Test
    void switchedOffTheLabelsGoEverywhere() {
        // Given
        LabelPublisher publisher = publisher();
        publisher.turn();
        config = Configs.of(SINK + "off");

        // When
        publisher.turn();

        // Then
        assertThat(file).doesNotExist();
        assertThat(object.wanted).isEmpty();
        assertThat(publisher.status().state()).isEqualTo(State.OFF);
    }

    @Test
    void switchedOffFromTheStartNothingOfOthersIsTouched() throws IOException {
        // Given
        Files.writeString(file, COUNT + "=8\n");
        LabelPublisher publisher = publisher(SINK + "off");

        // When
        publisher.turn();

        // Then
        assertThat(file).hasContent(COUNT + "=8\n");
        assertThat(publisher.status().labels()).containsEntry(COUNT, "8");
    }

    @Test
    void aFileOfAnotherNameTakesTheOldOneAway() throws IOException {
        // Given
        LabelPublisher publisher = publisher();
        publisher.turn();
        config = Configs.of("GFD_OUTPUT_FILE=/run/features.d/gpu");
        Files.createDirectories(root.resolve("run/features.d"));

        // When
        publisher.turn();

        // Then
        assertThat(file).doesNotExist();
        assertThat(root.resolve("run/features.d/gpu")).exists();
    }

    @Test
    void aFileThatIsNamedHasItsDirectoryMade() throws IOException {
        // Given
        Files.delete(file.getParent());
        LabelPublisher publisher = publisher(SINK + "file");

        // When
        publisher.turn();

        // Then
        assertThat(file).exists();
    }

    @Test
    void aSinkThatNeedsTheApiServerSaysSoWithoutOne() {
        // Given
        LabelPublisher publisher = withoutApiServer(SINK + "node");

        // When
        publisher.turn();

        // Then
        assertThat(publisher.status().state()).isEqualTo(State.WAITING);
        assertThat(publisher.status().reason())
                .isEqualTo("labels.sink is node, and kubernetes.api is off; set it to auto");
    }

    @Test
    void aNodeWithoutAnyPlaceSaysWhatIsMissing() throws IOException {
        // Given
        Files.delete(file.getParent());
        LabelPublisher publisher = withoutApiServer();

        // When
        publisher.turn();

        // Then
        assertThat(publisher.status().reason())
                .isEqualTo(
                        "there is no directory /etc/kubernetes/node-feature-discovery/features.d and no API server that"
                                + " takes labels; install node-feature-discovery, or set labels.sink");
    }

    // --- what fails

    @Test
    void aFullDiskIsTriedAgainMoreAndMoreSeldom() {
        // Given
        LabelPublisher publisher = publisher();
        files.refusal = "No space left on device";
        Duration first = publisher.turn();

        // When
        Duration second = publisher.turn();

        // Then
        assertThat(first).isLessThanOrEqualTo(Duration.ofSeconds(1));
        assertThat(second).isGreaterThan(first);
        assertThat(publisher.status().state()).isEqualTo(State.FAILED);
        assertThat(publisher.status().reason()).contains("No space left on device");
    }

    @Test
    void roomOnTheDiskEndsTheFailure() {
        // Given
        LabelPublisher publisher = publisher();
        files.refusal = "No space left on device";
        publisher.turn();
        files.refusal = "";

        // When
        Duration pause = publisher.turn();

        // Then
        assertThat(pause).isEqualTo(LabelPublisher.RECHECK);
        assertThat(publisher.status().state()).isEqualTo(State.CURRENT);
        assertThat(publisher.status().lastWritten()).contains(Duration.ZERO);
    }

    @Test
    void labelsOnTheirWayArePending() {
        // Given
        object.current = false;
        LabelPublisher publisher = publisher(SINK + "node");

        // When
        publisher.turn();

        // Then
        assertThat(publisher.status().state()).isEqualTo(State.PENDING);
    }

    @Test
    void theReasonOfAPlaceThatRefusesIsTold() {
        // Given
        object.problem = "the API server forbids it";
        LabelPublisher publisher = publisher(SINK + "node");

        // When
        publisher.turn();

        // Then
        assertThat(publisher.status().state()).isEqualTo(State.FAILED);
        assertThat(publisher.status().reason()).isEqualTo("the API server forbids it");
    }

    // --- as a service

    @Test
    void itEndsWithoutTakingLabelsAway() throws Exception {
        // Given
        LabelPublisher publisher = publisher();
        publisher.turn();
        publisher.start();

        // When
        publisher.stop(Duration.ofSeconds(5));

        // Then
        assertThat(file).exists();
        assertThat(source.subscriptions()).isZero();
    }

    // --- labels of NVIDIA's operator

    @Test
    void theOperatorsLabelsYieldToWhatTheNodeHas() {
        // Given
        LabelPublisher publisher = publisher(SINK + "node", OPERATOR);
        nodeLabels.set(PLUGIN, "false");

        // When
        publisher.turn();

        // Then
        assertThat(object.label(PLUGIN)).isEqualTo("none");
        assertThat(object.label(PRESENT)).isEqualTo("true");
        assertThat(object.label("nvidia.com/gpu.deploy.dcgm")).isEqualTo("true");
    }

    @Test
    void aPersonsWordOfALaterTimeIsHeardAtTheNextTurn() {
        // Given
        LabelPublisher publisher = publisher(SINK + "node", OPERATOR);
        nodeLabels.set(PLUGIN, "true");
        publisher.turn();
        nodeLabels.set("nvidia.com/gpu.deploy.operands", "false");

        // When
        publisher.turn();

        // Then
        assertThat(object.label(PLUGIN)).isEqualTo("none");
        assertThat(object.label(COUNT)).isEqualTo("8");
    }

    @Test
    void theOperatorsLabelsWaitForTheNodeToBeRead() {
        // Given: an earlier life has written them, and who takes them away now would put them back a moment later
        LabelPublisher publisher = publisher(SINK + "node", OPERATOR);

        // When
        publisher.turn();

        // Then
        assertThat(object.wanted).isNull();
    }

    @Test
    void nodeFeatureDiscoveryIsNotGivenWhatItWouldForceOnTheNode() {
        // Given
        LabelPublisher publisher = publisher(SINK + "file", OPERATOR);
        nodeLabels.set(COUNT, "8");

        // When
        publisher.turn();

        // Then
        assertThat(file).content().contains(PRESENT + "=true\n").doesNotContain("gpu.deploy");
    }
}
