package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.gpunode.agent.driver.DriverManifest.MalformedException;
import io.gpunode.agent.os.FileTrees;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Whatever an archive of a driver holds, it is read or refused with a reason, and leads nowhere out of its directory. */
@Timeout(value = 10, unit = TimeUnit.MINUTES)
class DriverArchivesFuzzTest {
    private static final long SIZE_LIMIT = 1 << 20;
    private static final int BLOCK = 512;
    private static final int FILE = 0100000;

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
        // When
        Path into = unpacked(bytes);

        // Then
        assertInside(into);
    }

    /** A search would find few archives with a right checksum by itself, and none with two. */
    @FuzzTest
    void anyArchiveWithRightChecksumsStaysInItsDirectory(byte[] bytes) throws IOException, InterruptedException {
        // Given
        byte[] archive = withChecksums(bytes);

        // When
        Path into = unpacked(archive);

        // Then
        assertInside(into);
    }

    private static byte[] withChecksums(byte[] bytes) {
        byte[] archive = bytes.clone();
        long at = 0;
        while (at + BLOCK <= archive.length) {
            int header = (int) at;
            Arrays.fill(archive, header + 148, header + 156, (byte) ' ');
            int sum = 0;
            for (int i = header; i < header + BLOCK; i++) {
                sum += archive[i] & 0xff;
            }
            byte[] digits = String.format("%06o", sum).getBytes(StandardCharsets.US_ASCII);
            System.arraycopy(digits, 0, archive, header + 148, digits.length);
            archive[header + 154] = 0;
            at += BLOCK + content(archive, header);
        }
        return archive;
    }

    /** What follows a header, in whole blocks. */
    private static long content(byte[] archive, int header) {
        String digits = new String(archive, header + 124, 11, StandardCharsets.US_ASCII).strip();
        return digits.matches("[0-7]{1,11}") ? (Long.parseLong(digits, 8) + BLOCK - 1) / BLOCK * BLOCK : 0;
    }

    private Path unpacked(byte[] archive) throws IOException, InterruptedException {
        Path into = Files.createTempDirectory(folder, "in");
        try {
            TarUnpacker.unpack(new ByteArrayInputStream(archive), into, SIZE_LIMIT, _ -> {});
        } catch (DamagedArchiveException e) {
            assertThat(e).message().isNotEmpty();
        }
        return into;
    }

    private void assertInside(Path into) throws IOException {
        try (Stream<Path> beside = Files.list(folder)) {
            assertThat(beside)
                    .allSatisfy(
                            path -> assertThat(path.getFileName().toString()).startsWith("in"));
        }
        long size = 0;
        try (Stream<Path> inside = Files.walk(into)) {
            for (Path path : (Iterable<Path>) inside::iterator) {
                if (Files.isSymbolicLink(path)) {
                    Path target = Files.readSymbolicLink(path);
                    assertThat(path.resolveSibling(target).normalize()).startsWithRaw(into);
                } else if (Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS)) {
                    assertThat(Files.getAttribute(path, "unix:mode")).isIn(FILE | 0755, FILE | 0644);
                    // Another name of a file takes no room.
                    size += Files.size(path) / (int) Files.getAttribute(path, "unix:nlink");
                } else {
                    assertThat(Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS))
                            .isTrue();
                }
            }
        }
        FileTrees.delete(into);
        assertThat(size).isLessThanOrEqualTo(SIZE_LIMIT);
    }
}
