package io.gpunode.agent.labels;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.time.ManualTime;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(10)
class FeatureFileSinkTest {
    private static final Path PATH = Path.of("/etc/kubernetes/node-feature-discovery/features.d/gfd");
    private static final SortedMap<String, String> EIGHT =
            new TreeMap<>(Map.of("nvidia.com/gpu.count", "8", "nvidia.com/gpu.product", "NVIDIA-H100-80GB-HBM3"));
    private static final SortedMap<String, String> SEVEN = new TreeMap<>(Map.of("nvidia.com/gpu.count", "7"));
    private static final SortedMap<String, String> NONE = new TreeMap<>();

    @TempDir
    private Path root = Path.of("");

    private final ManualTime time = new ManualTime();
    private Path file = Path.of("");

    @BeforeEach
    void place() throws IOException {
        file = root.resolve(PATH.toString().substring(1));
        Files.createDirectories(file.getParent());
    }

    private FeatureFileSink sink() {
        return new FeatureFileSink(new SystemHostFiles(root), PATH, time, Meters.NONE);
    }

    @Test
    void labelsAreLinesInOrderThatEverybodyMayRead() throws IOException {
        // When
        sink().want(EIGHT);

        // Then
        assertThat(file).hasContent("nvidia.com/gpu.count=8\nnvidia.com/gpu.product=NVIDIA-H100-80GB-HBM3\n");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                .isEqualTo("rw-r--r--");
    }

    @Test
    void theSameLabelsAreNotWrittenAgain() {
        // Given
        FaultyFiles files = new FaultyFiles(root);
        FeatureFileSink sink = new FeatureFileSink(files, PATH, time, Meters.NONE);
        sink.want(EIGHT);

        // When
        sink.want(new TreeMap<>(EIGHT));

        // Then
        assertThat(files.replaced).isEqualTo(1);
    }

    @Test
    void theNextProcessFindsItsLabelsAndWritesNothing() {
        // Given
        sink().want(EIGHT);
        FaultyFiles files = new FaultyFiles(root);
        FeatureFileSink next = new FeatureFileSink(files, PATH, time, Meters.NONE);

        // When
        next.want(EIGHT);

        // Then
        assertThat(files.replaced).isZero();
        assertThat(next.standing().current()).isTrue();
        assertThat(next.standing().written()).isEmpty();
    }

    @Test
    void whatWasThereBeforeIsReplacedWhoeverWroteIt() throws IOException {
        // Given
        Files.writeString(file, "nvidia.com/gpu.product=Tesla-T4\nnvidia.com/gpu.count=1\n");

        // When
        sink().want(SEVEN);

        // Then
        assertThat(file).hasContent("nvidia.com/gpu.count=7\n");
    }

    @Test
    void aLinkIsReplacedAndNotFollowed() throws IOException {
        // Given
        Path elsewhere = Files.writeString(root.resolve("elsewhere"), "untouched");
        Files.createSymbolicLink(file, elsewhere);

        // When
        sink().want(SEVEN);

        // Then
        assertThat(elsewhere).hasContent("untouched");
        assertThat(file).isRegularFile().hasContent("nvidia.com/gpu.count=7\n");
        assertThat(Files.isSymbolicLink(file)).isFalse();
    }

    @Test
    void whatAKilledProcessLeftUnfinishedIsRemoved() throws IOException {
        // Given
        Path unfinished = Files.writeString(file.resolveSibling(".gfd.4711-1.tmp"), "nvidia.com/gpu.co");
        Path others = Files.writeString(file.resolveSibling(".nic.12-1.tmp"), "a=");

        // When
        sink().want(EIGHT);

        // Then
        assertThat(unfinished).doesNotExist();
        assertThat(others).exists();
    }

    @Test
    void noLabelsTakeTheOwnFileAway() {
        // Given
        FeatureFileSink sink = sink();
        sink.want(EIGHT);

        // When
        sink.want(NONE);

        // Then
        assertThat(file).doesNotExist();
        assertThat(sink.standing().current()).isTrue();
    }

    @Test
    void noLabelsLeaveAFileThatThisProcessHasNotWritten() throws IOException {
        // Given
        Files.writeString(file, "nvidia.com/gpu.count=1\n");

        // When
        sink().want(NONE);

        // Then
        assertThat(file).hasContent("nvidia.com/gpu.count=1\n");
    }

    @Test
    void noLabelsLeaveAFileThatSomebodyElseHasWrittenSince() throws IOException {
        // Given
        FeatureFileSink sink = sink();
        sink.want(EIGHT);
        Files.writeString(file, "nvidia.com/gpu.count=1\n");

        // When
        sink.want(NONE);

        // Then
        assertThat(file).hasContent("nvidia.com/gpu.count=1\n");
    }

    @Test
    void aFullDiskLeavesTheOldFileAndSaysSo() {
        // Given
        FaultyFiles files = new FaultyFiles(root);
        FeatureFileSink sink = new FeatureFileSink(files, PATH, time, Meters.NONE);
        sink.want(EIGHT);
        files.refusal = "No space left on device";

        // When
        sink.want(SEVEN);

        // Then
        assertThat(file).content().contains("gpu.count=8");
        assertThat(sink.standing().current()).isFalse();
        assertThat(sink.standing().problem())
                .startsWith("cannot write " + PATH + ": ")
                .contains("No space left on device")
                .endsWith("or set flags.gfd.outputFile or labels.sink");
    }

    @Test
    void roomOnTheDiskHealsIt() {
        // Given
        FaultyFiles files = new FaultyFiles(root);
        FeatureFileSink sink = new FeatureFileSink(files, PATH, time, Meters.NONE);
        files.refusal = "No space left on device";
        sink.want(EIGHT);
        files.refusal = "";
        time.advance(Duration.ofSeconds(1));

        // When
        sink.want(EIGHT);

        // Then
        assertThat(sink.standing().problem()).isEmpty();
        assertThat(sink.standing().written()).contains(time.now());
        assertThat(file).exists();
    }

    @Test
    void aDirectoryInThePlaceOfTheFileIsToldAndLeft() throws IOException {
        // Given
        Files.createDirectories(file.resolve("kept"));
        FeatureFileSink sink = sink();

        // When
        sink.want(EIGHT);

        // Then
        assertThat(sink.standing().problem()).contains(PATH.toString()).contains("directory");
        assertThat(file.resolve("kept")).isDirectory();
        try (Stream<Path> files = Files.list(file.getParent())) {
            assertThat(files).containsExactly(file);
        }
    }

    @Test
    void aFileWhereTheDirectoryShouldBeIsTold() throws IOException {
        // Given
        Files.delete(file.getParent());
        Files.writeString(file.getParent(), "in the way");
        FeatureFileSink sink = sink();

        // When
        sink.want(EIGHT);

        // Then
        assertThat(sink.standing().problem()).startsWith("cannot write " + PATH);
    }

    @Test
    void aFileOfAnySizeIsReplaced() throws IOException {
        // Given
        Files.write(file, new byte[2 << 20]);

        // When
        sink().want(SEVEN);

        // Then
        assertThat(file).hasContent("nvidia.com/gpu.count=7\n");
    }

    @Test
    void itIsOfferedWhereItsDirectoryIs() throws IOException {
        // Given
        FeatureFileSink sink = sink();
        LabelSink.Offer with = sink.offer(() -> {});
        Files.delete(file.getParent());

        // When
        LabelSink.Offer without = sink.offer(() -> {});

        // Then
        assertThat(with).isEqualTo(LabelSink.Offer.YES);
        assertThat(without).isEqualTo(LabelSink.Offer.NO);
    }
}
