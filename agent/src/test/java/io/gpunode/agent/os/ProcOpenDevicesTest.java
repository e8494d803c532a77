package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.gpunode.agent.os.OpenDevices.DeviceHolder;
import io.gpunode.agent.os.OpenDevices.Look;
import io.gpunode.agent.os.OpenDevices.OpenDevice;
import io.gpunode.agent.os.OpenDevices.Suspect;
import io.gpunode.agent.time.SystemTime;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Real processes hold the devices "full" (1:7) and "zero" (1:5) under other names; this machine's procfs tells of them. */
@Timeout(30)
class ProcOpenDevicesTest {
    private static final int MAJOR = 1;
    private static final int ZERO = 5;
    private static final int FULL = 7;

    @TempDir
    private static Path folder;

    private static HolderProgram program;

    private Path node;

    @BeforeAll
    static void compile() throws Exception {
        program = HolderProgram.compile(folder);
        assumeTrue(
                HolderProgram.makeNode(folder.resolve("probe"), MAJOR, ZERO),
                "device nodes cannot be made or opened here: run as root, on a file system that is not mounted nodev");
    }

    @AfterAll
    static void end() {
        program.close();
    }

    @BeforeEach
    void makeNode() throws IOException {
        node = Files.createTempDirectory(folder, "dev").resolve("nvidia0");
    }

    private static OpenDevices over(Path root) {
        return new ProcOpenDevices(new SystemHostFiles(root), SystemTime.monotonic());
    }

    private Look look(int minor) throws IOException {
        return over(Path.of("/")).look((major, found) -> major == MAJOR && found == minor);
    }

    private static Optional<DeviceHolder> of(Look look, int pid) {
        return look.holders().stream()
                .filter(holder -> holder.process().pid() == pid)
                .findFirst();
    }

    @ParameterizedTest
    @CsvSource({
        "fd, 7, false",
        "deleted, 7, false",
        "thread, 7, false",
        "leaderless, 7, false",
        "map, 5, true",
        "both, 5, false",
    })
    void aHolderIsFoundHoweverItHoldsTheDevice(String way, int minor, boolean mapped) throws IOException {
        // Given
        HolderProgram.makeNode(node, MAJOR, minor);
        int pid = program.hold(way, node);

        // When
        Look look = look(minor);

        // Then
        assertThat(of(look, pid)).hasValueSatisfying(holder -> {
            assertThat(holder.devices()).containsExactly(new OpenDevice(MAJOR, minor, mapped, 1));
            assertThat(holder.process().startedMillis()).isPositive();
            assertThat(holder.process().state()).isNotEmpty();
        });
        assertThat(look.processes()).isPositive();
        assertThat(look.descriptors()).isPositive();
    }

    @Test
    void aHolderIsNamedByItsProgram() throws IOException {
        // Given
        HolderProgram.makeNode(node, MAJOR, FULL);
        int pid = program.hold("fd", node);

        // When
        Look look = look(FULL);

        // Then
        assertThat(of(look, pid).orElseThrow().process().executable())
                .isEqualTo(program.path().toRealPath().toString());
    }

    @Test
    void aHolderInAnotherMountNamespaceIsFoundThoughItsNodeIsNotToBeSeenHere() throws Exception {
        // Given
        HolderProgram.makeNode(node, MAJOR, FULL);
        Path elsewhere = Files.createDirectory(node.resolveSibling("elsewhere"));
        String script = "mount -t tmpfs tmpfs \"$1\" && mknod \"$1/gpu\" c 1 7 && exec \"$2\" fd \"$1/gpu\"";
        int pid;
        try {
            pid = program.start(List.of(
                    "unshare",
                    "-m",
                    "sh",
                    "-c",
                    script,
                    "sh",
                    elsewhere.toString(),
                    program.path().toString()));
        } catch (IOException e) {
            assumeTrue(false, "no mount namespaces here: " + e.getMessage());
            return;
        }

        // When
        Look look = look(FULL);

        // Then
        assertThat(Files.exists(elsewhere.resolve("gpu"))).isFalse();
        assertThat(of(look, pid)).isPresent();
    }

    @Test
    void whoHoldsNothingIsNoHolder() throws IOException {
        // Given
        HolderProgram.makeNode(node, MAJOR, FULL);
        int pid = program.hold("fd", node);

        // When
        Look look = over(Path.of("/")).look((_, _) -> false);

        // Then
        assertThat(of(look, pid)).isEmpty();
        assertThat(look.holders()).isEmpty();
    }

    @Test
    void aZombieIsASuspectAndNoHolder() throws IOException {
        // Given
        int parent = program.hold("zombie", Path.of("/dev/null"));

        // When
        List<Suspect> suspects = over(Path.of("/")).suspects();

        // Then
        int child = child(parent);
        assertThat(suspects)
                .filteredOn(suspect -> suspect.process().pid() == child)
                .singleElement()
                .satisfies(suspect -> {
                    assertThat(suspect.why()).contains("zombie");
                    assertThat(suspect.process().state()).isEqualTo("Z");
                    assertThat(suspect.process().executable()).isEqualTo("holder");
                });
    }

    @Test
    void aHolderInUninterruptibleSleepIsAHolderAndTellsWhereItSleeps() throws IOException {
        // Given
        HolderProgram.makeNode(node, MAJOR, FULL);
        int pid = program.hold("sleeping", node);

        // When
        Look look = look(FULL);
        List<Suspect> suspects = over(Path.of("/")).suspects();

        // Then
        assertThat(of(look, pid).orElseThrow().process().state()).isEqualTo("D");
        assertThat(suspects)
                .filteredOn(suspect -> suspect.process().pid() == pid)
                .singleElement()
                .satisfies(suspect -> assertThat(suspect.why()).startsWith("it is in uninterruptible sleep"));
    }

    @Test
    void whoHasAnIoUringIsASuspect() throws IOException {
        // Given
        int pid;
        try {
            pid = program.hold("ring", Path.of("/dev/null"));
        } catch (IOException e) {
            assumeTrue(
                    !String.valueOf(e.getMessage()).endsWith("no io_uring"),
                    "this kernel or container has no io_uring");
            throw e;
        }

        // When
        List<Suspect> suspects = over(Path.of("/")).suspects();

        // Then
        assertThat(suspects)
                .filteredOn(suspect -> suspect.process().pid() == pid)
                .extracting(Suspect::why)
                .containsExactly("it has an io_uring, in which files can be registered");
    }

    @ParameterizedTest
    @CsvSource({
        "'exp_name:\tnvidia\n', ' of nvidia'",
        "'pos:\t0\n', ''",
    })
    void whoSharesABufferIsASuspectWithTheDriverThatGaveIt(String details, String of) throws IOException {
        // Given the links that a kernel shows: no device here gives such a buffer
        Path root = Files.createTempDirectory(folder, "root");
        Path process = Files.createDirectories(root.resolve("proc/9"));
        Files.createDirectories(process.resolve("fd"));
        Files.createDirectories(process.resolve("fdinfo"));
        Files.createSymbolicLink(process.resolve("fd/5"), Path.of("/dmabuf:"));
        Files.writeString(process.resolve("fdinfo/5"), details.translateEscapes());
        Files.writeString(
                process.resolve("stat"),
                "9 (trainer) S 1 9 9 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0"
                        + " 0 0 0 0 0 0 0\n");

        // When
        List<Suspect> suspects = over(root).suspects();

        // Then
        assertThat(suspects).extracting(Suspect::why).containsExactly("it has a shared buffer (dma-buf)" + of);
    }

    private static int child(int parent) {
        return (int) ProcessHandle.of(parent)
                .orElseThrow()
                .children()
                .findFirst()
                .orElseThrow()
                .pid();
    }

    @Test
    void whatVanishesOrIsMissingIsPassedOver() throws Exception {
        // Given
        Path root = fake();

        // When
        Look look = over(root).look((_, _) -> true);

        // Then
        assertThat(look.processes()).isEqualTo(2);
        assertThat(look.holders()).isEmpty();
        assertThat(look.blind()).isEmpty();
    }

    /** Processes that vanish while they are looked at, and files that older kernels do not have. */
    private static Path fake() throws IOException {
        Path root = Files.createTempDirectory(folder, "root");
        Files.createDirectories(root.resolve("proc/7/task/7"));
        Files.createDirectories(root.resolve("proc/8/task/8/fd"));
        Files.createSymbolicLink(root.resolve("proc/8/task/8/fd/0"), Path.of("socket:[12]"));
        Files.writeString(root.resolve("proc/8/maps"), "nonsense\n/\n-- / nvidia\n");
        Files.createDirectories(root.resolve("proc/sys"));
        return root;
    }

    @Test
    void aStuckProcessIsPassedOverAndNamed() throws Exception {
        // Given a mapping file whose reader is held up, as one of a process that hangs in the kernel
        Path root = fake();
        Path pipe = root.resolve("proc/7/maps");
        new SystemCommandRunner().run(List.of("mkfifo", pipe.toString()), Duration.ofSeconds(10), 1_000);

        // When
        Look look = over(root).look((_, _) -> true);

        // Then
        assertThat(look.blind())
                .singleElement()
                .satisfies(blind -> assertThat(blind).contains("process 7"));
        assertThat(look.processes()).isEqualTo(2);
        // Who waits for a writer goes on.
        Files.newOutputStream(pipe).close();
    }

    @Test
    void aProcFsThatCannotBeListedIsSaidToBe() {
        // When
        Look look = over(folder.resolve("nowhere")).look((_, _) -> true);

        // Then
        assertThat(look.blind()).isNotEmpty();
        assertThat(look.holders()).isEmpty();
    }
}
