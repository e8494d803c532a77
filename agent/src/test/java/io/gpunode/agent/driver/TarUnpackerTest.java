package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

@Timeout(20)
class TarUnpackerTest {
    private static final long LIMIT = 1_000_000;

    @TempDir
    Path directory;

    @Test
    void filesDirectoriesAndLinksAreUnpacked() throws Exception {
        // Given
        byte[] tar = new Tars()
                .directory("./")
                .directory("./lib/")
                .file("./lib/libcuda.so.1", "code".getBytes(StandardCharsets.UTF_8), 04755)
                .link("./lib/libcuda.so", "libcuda.so.1")
                .hardLink("lib/again", "./lib/libcuda.so.1")
                .longName("a/" + "b".repeat(120) + "/c", "long")
                .paxName("p/" + "q".repeat(120) + "/r", "posix")
                .bytes();

        // When
        long bytes = unpack(tar, LIMIT);

        // Then
        assertThat(bytes).isEqualTo(13);
        assertThat(directory.resolve("in/lib/libcuda.so.1")).hasContent("code").isExecutable();
        assertThat(Files.readSymbolicLink(directory.resolve("in/lib/libcuda.so"))
                        .toString())
                .isEqualTo("libcuda.so.1");
        assertThat(directory.resolve("in/lib/again")).hasContent("code");
        assertThat(directory.resolve("in/a/" + "b".repeat(120) + "/c")).hasContent("long");
        assertThat(directory.resolve("in/p/" + "q".repeat(120) + "/r")).hasContent("posix");
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("hostile")
    void whatLeadsOutOrIsNoFileIsRefused(String what, byte[] tar, String said) throws Exception {
        // When
        assertThatThrownBy(() -> unpack(tar, LIMIT))
                // Then
                .isInstanceOf(DamagedArchiveException.class)
                .hasMessageContaining(said);
        try (Stream<Path> beside = Files.list(directory)) {
            assertThat(beside.map(path -> path.getFileName().toString())).containsExactly("in");
        }
    }

    static Stream<Arguments> hostile() {
        return Stream.of(
                Arguments.of("climbs", new Tars().file("../evil", "x").bytes(), "\"../evil\" in it has \"..\""),
                Arguments.of("climbs late", new Tars().file("a/../../evil", "x").bytes(), "has \"..\""),
                Arguments.of("absolute", new Tars().file("/etc/evil", "x").bytes(), "is absolute"),
                Arguments.of(
                        "climbs by a long name",
                        new Tars().longName("../evil", "x").bytes(),
                        "has \"..\""),
                Arguments.of(
                        "climbs by a POSIX name",
                        new Tars().paxName("../evil", "x").bytes(),
                        "has \"..\""),
                Arguments.of(
                        "absolute link", new Tars().link("a", "/etc/shadow").bytes(), "is absolute"),
                Arguments.of(
                        "link that climbs", new Tars().link("a/b", "../../x").bytes(), "leads out"),
                Arguments.of(
                        "below a link",
                        new Tars().link("a", "b").file("a/evil", "x").bytes(),
                        "other things are below"),
                Arguments.of(
                        "link below a link",
                        new Tars().link("a", "b").link("a/c/evil", "x").bytes(),
                        "other things are below"),
                Arguments.of(
                        "link through a link",
                        new Tars()
                                .link("x/y/z", "../..")
                                .link("p", "x/y/z/../../..")
                                .bytes(),
                        "goes back after a name"),
                Arguments.of(
                        "below a file",
                        new Tars().file("a", "x").file("a/b", "x").bytes(),
                        "other things are below"),
                Arguments.of("twice", new Tars().file("a", "x").file("a", "y").bytes(), "a is in it twice"),
                Arguments.of(
                        "hard link to outside",
                        new Tars().hardLink("a", "../../etc/shadow").bytes(),
                        "leads to no file"),
                Arguments.of(
                        "hard link to a link",
                        new Tars().link("a", "b").hardLink("c", "a").bytes(),
                        "leads to no file"),
                Arguments.of(
                        "device",
                        new Tars().entry("a", '3', "", new byte[0], 0600).bytes(),
                        "is a device or a pipe"),
                Arguments.of(
                        "pipe",
                        new Tars().entry("a", '6', "", new byte[0], 0600).bytes(),
                        "is a device or a pipe"),
                Arguments.of(
                        "unknown kind",
                        new Tars().entry("a", 'Z', "", new byte[0], 0600).bytes(),
                        "unknown kind"),
                Arguments.of("control characters", new Tars().file("a\nb", "x").bytes(), "printable ASCII"),
                Arguments.of("too large", new Tars().promise("a", 2_000_000).bytes(), "more than 1000000 bytes"),
                Arguments.of(
                        "cut short in a file", new Tars().promise("a", 4_096).cutBytes(), "cut short"),
                Arguments.of(
                        "cut short between files", new Tars().file("a", "x").cutBytes(), "cut short"),
                Arguments.of(
                        "no archive",
                        "this is no archive".repeat(100).getBytes(StandardCharsets.UTF_8),
                        "no tar archive"),
                Arguments.of("empty", new byte[0], "cut short"));
    }

    @Test
    void anAlteredHeaderIsSeen() {
        // Given
        byte[] tar = new Tars().file("a", "x").file("b", "y").bytes();
        tar[1_024 + 3] = 'q';

        // When
        assertThatThrownBy(() -> unpack(tar, LIMIT))
                // Then
                .isInstanceOf(DamagedArchiveException.class)
                .hasMessageContaining("damaged after entry 1");
    }

    @Test
    void anInterruptionEndsIt() {
        // Given
        byte[] tar = new Tars().file("a", "x").bytes();
        Thread.currentThread().interrupt();

        // When
        assertThatThrownBy(() -> unpack(tar, LIMIT))
                // Then
                .isInstanceOf(InterruptedException.class);
    }

    private long unpack(byte[] tar, long limit) throws Exception {
        Path into = directory.resolve("in");
        Files.createDirectories(into);
        return TarUnpacker.unpack(new ByteArrayInputStream(tar), into, limit, _ -> {});
    }

    @Test
    void whatSystemsTarWritesIsRead() throws Exception {
        // Given
        Path source = Files.createDirectories(directory.resolve("source/deep"));
        Files.writeString(source.resolve("file"), "content");
        Files.createSymbolicLink(source.resolve("link"), Path.of("file"));
        Path archive = directory.resolve("archive.tar");
        Process process = new ProcessBuilder(
                        List.of("tar", "-C", directory.resolve("source").toString(), "-cf", archive.toString(), "."))
                .inheritIO()
                .start();
        assertThat(process.waitFor(10, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).isZero();

        // When
        unpack(Files.readAllBytes(archive), LIMIT);

        // Then
        assertThat(directory.resolve("in/deep/link")).hasContent("content");
    }
}
