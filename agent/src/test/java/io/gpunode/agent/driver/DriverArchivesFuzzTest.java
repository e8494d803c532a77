package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.gpunode.agent.driver.DriverManifest.MalformedException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Whatever an archive of a driver holds, it is read or refused with a reason, and leads nowhere out of its directory. */
@Timeout(value = 10, unit = TimeUnit.MINUTES)
class DriverArchivesFuzzTest {
    @TempDir
    Path folder;

    @FuzzTest
    void anyHeadIsThatOfARunfileOrRefused(byte[] bytes) {
        try {
            // When
            RunfileHeader header = RunfileHeader.parse(bytes);

            // Then
            assertThat(header.payload()).isBetween(header.decompressor(), bytes.length);
            assertThat(header.decompressor() + header.decompressorSize()).isLessThanOrEqualTo(header.payload());
            assertThat(header.checkedFrom()).isBetween(0, header.payload());
        } catch (DamagedArchiveException e) {
            assertThat(e).hasMessageStartingWith("it is");
        }
    }

    @FuzzTest
    void anyListPutsFilesBelowTheRootOrIsRefused(byte[] bytes) {
        String text = new String(bytes, StandardCharsets.ISO_8859_1);
        try {
            // When
            RunfileManifest manifest = RunfileManifest.parse(text, "x86_64");

            // Then
            assertThat(manifest.places().values())
                    .allSatisfy(place -> assertThat(ManifestPath.problem(place)).isEmpty());
            assertThat(manifest.places().keySet())
                    .allSatisfy(file -> assertThat(ManifestPath.problem(file)).isEmpty());
            manifest.links()
                    .forEach((path, target) ->
                            assertThat(ManifestPath.linkProblem(path, target)).isEmpty());
        } catch (DamagedArchiveException e) {
            assertThat(e).hasMessageContaining(RunfileManifest.NAME);
        }
    }

    @FuzzTest
    void aManifestThatIsReadIsWrittenBackAsItWas(byte[] bytes) {
        String text = new String(bytes, StandardCharsets.UTF_8);
        try {
            // When
            DriverManifest manifest = DriverManifest.parse(text);

            // Then
            assertThat(manifest.text()).isEqualTo(text);
            assertThat(manifest.files().keySet())
                    .allSatisfy(path -> assertThat(ManifestPath.problem(path)).isEmpty());
        } catch (MalformedException e) {
            assertThat(e).message().isNotEmpty();
        }
    }

    @FuzzTest
    void anyIndexOfABundleListsKeysOrIsRefused(byte[] bytes) {
        try {
            // When
            var objects = BundleSource.parse(new String(bytes, StandardCharsets.UTF_8));

            // Then
            assertThat(objects).allSatisfy(object -> assertThat(object).matches("(trees|modules)/[0-9a-f]{64}"));
        } catch (DamagedArchiveException e) {
            assertThat(e).hasMessageContaining("its list");
        }
    }

    @FuzzTest
    void anyArchiveStaysInItsDirectory(byte[] bytes) throws IOException, InterruptedException {
        Path into = Files.createTempDirectory(folder, "in");
        try {
            // When
            TarUnpacker.unpack(new ByteArrayInputStream(bytes), into, 1 << 20, _ -> {});
        } catch (DamagedArchiveException e) {
            assertThat(e).message().isNotEmpty();
        }

        // Then
        try (Stream<Path> beside = Files.list(folder)) {
            assertThat(beside)
                    .allSatisfy(
                            path -> assertThat(path.getFileName().toString()).startsWith("in"));
        }
    }
}
