package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.gpunode.agent.model.DriverVersion;
import io.gpunode.agent.os.OwnerLock;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.time.SystemTime;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The store on disks that are full or cannot be written, and in processes that are killed. Mounting needs root; without it these are skipped. */
@Timeout(60)
class DriverStoreIT {
    private static final int KILLS = 8;

    @TempDir
    Path host;

    private boolean mounted;

    @AfterEach
    void unmount() throws Exception {
        if (mounted) {
            run("umount", host.resolve("var").toString());
        }
    }

    @Test
    void whateverMomentAProcessIsKilledAtTheStoreIsWhole() throws Exception {
        // Given
        SystemHostFiles files = new SystemHostFiles(host);
        DriverStore store = new DriverStore(files, DriverStore.DIRECTORY);
        Random random = new Random(42);
        for (int i = 0; i < KILLS; i++) {
            Process putter = new ProcessBuilder(
                            Path.of(System.getProperty("java.home"), "bin", "java")
                                    .toString(),
                            "-XX:TieredStopAtLevel=1",
                            "--enable-native-access=ALL-UNNAMED",
                            "-cp",
                            System.getProperty("java.class.path"),
                            StorePutter.class.getName(),
                            host.toString())
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            try (BufferedReader lines = putter.inputReader(StandardCharsets.UTF_8)) {
                assertThat(lines.readLine()).isEqualTo("put");
                // Some way into a later one.
                for (int more = random.nextInt(3); more > 0; more--) {
                    assertThat(lines.readLine()).isEqualTo("put");
                }
                putter.waitFor(random.nextInt(15), TimeUnit.MILLISECONDS);

                // When
                putter.destroyForcibly();
                assertThat(putter.waitFor(10, TimeUnit.SECONDS)).isTrue();
            }

            // Then
            assertThat(store.list()).isNotEmpty();
            for (StagedDriver driver : store.list()) {
                assertThat(store.allProblems(driver)).isEmpty();
            }
        }
        try (DriverStore.Change change = store.change()) {
            change.draft();
            assertThat(files.list(DriverStore.DIRECTORY.resolve("drafts"))).containsExactly("d0");
        }
    }

    @Test
    void aFullDiskLeavesNothingBehind() throws Exception {
        // Given
        mount("size=2m");
        SystemHostFiles files = new SystemHostFiles(host);
        DriverStore store = new DriverStore(files, DriverStore.DIRECTORY);

        // When
        assertThatThrownBy(() -> {
                    try (DriverStore.Change change = store.change()) {
                        Path draft = change.draft();
                        Files.writeString(files.resolve(draft).resolve("nvidia.ko"), "x".repeat(1_900_000));
                        Files.writeString(files.resolve(draft).resolve("nvidia-uvm.ko"), "x".repeat(1_900_000));
                        put(change, draft);
                    }
                })
                // Then
                .isInstanceOf(IOException.class)
                .hasMessageContaining("No space left on device");
        assertThat(store.list()).isEmpty();
        assertThat(files.list(DriverStore.DIRECTORY.resolve("drafts"))).isEmpty();
        try (DriverStore.Change change = store.change()) {
            Path draft = change.draft();
            Files.writeString(files.resolve(draft).resolve("nvidia.ko"), "small");
            put(change, draft);
        }
        assertThat(store.list()).hasSize(1);
    }

    @Test
    void aFullDiskIsMadeFreeByPruning() throws Exception {
        // Given: a file system on which a directory takes room, as on a disk
        mountDisk();
        SystemHostFiles files = new SystemHostFiles(host);
        DriverStore store = new DriverStore(files, DriverStore.DIRECTORY);
        for (String content : List.of("1", "2")) {
            try (DriverStore.Change change = store.change()) {
                Path draft = change.draft();
                Files.writeString(files.resolve(draft).resolve("nvidia.ko"), content.repeat(1_000_000));
                put(change, draft);
            }
        }
        fill(files.resolve(DriverStore.DIRECTORY).resolve("downloads"));
        assertThatThrownBy(() -> Files.createDirectory(host.resolve("var/one-more")))
                .hasMessageContaining("No space left on device");

        // When
        List<StagedDriver> removed;
        try (DriverStore.Change change = store.change()) {
            removed = change.prune(1);
        }

        // Then
        assertThat(removed).hasSize(1);
        assertThat(store.list()).hasSize(1);
        assertThat(Files.getFileStore(host.resolve("var")).getUsableSpace()).isGreaterThan(2_000_000);
    }

    @ParameterizedTest
    @ValueSource(strings = {"1.0.1", "2.0.2"})
    void aBootWithAFullDiskLoadsTheDriverThatRanLastAndAnotherOne(String version) throws Exception {
        // Given
        mountDisk();
        SystemHostFiles files = new SystemHostFiles(host);
        FakeDriverNode node = new FakeDriverNode();
        node.keeper = HostDriverOperationsTest.keeper(files);
        DriverTransaction transaction = new DriverTransaction(
                files, DriverTransaction.STATE_DIRECTORY, node, (_, _) -> {}, SystemTime.monotonic());
        assertThat(transaction.change(FakeDriverNode.target("1.0.1", Map.of()), false))
                .isInstanceOf(DriverOutcome.Done.class);
        assertThat(new DriverStore(files, DriverStore.DIRECTORY).pins().current())
                .isNotEmpty();
        node.reboot();
        fill(host.resolve("var/full"));
        DriverTarget driver = FakeDriverNode.target(version, Map.of());

        // When
        DriverOutcome outcome = transaction.complete(driver, false);

        // Then
        assertThat(outcome)
                .isInstanceOfSatisfying(
                        DriverOutcome.Done.class,
                        done -> assertThat(done.notes()).last().asString().contains("No space left on device"));
        assertThat(DriverPlanner.hasModules(node.observe(), driver)).isTrue();
    }

    @Test
    void theLockIsTakenOnAFullDisk() throws Exception {
        // Given
        mountDisk();
        SystemHostFiles files = new SystemHostFiles(host);
        Path file = Path.of("/var/driver.lock");
        Files.createFile(files.resolve(file));
        fill(host.resolve("var/full"));

        // When
        Optional<OwnerLock> lock = OwnerLock.take(files, file);

        // Then
        assertThat(lock).isPresent();
        lock.get().close();
    }

    @Test
    void aDiskThatIsTooSmallIsToldBeforeItIsFull() throws Exception {
        // Given
        mount("size=2m");
        Path place = Files.createDirectories(host.resolve("var/x"));

        // When
        assertThatThrownBy(() -> StorageFailure.checkRoom(
                        new SystemHostFiles(host), Path.of("/var/x"), 100L << 20, "unpacking driver.run"))
                // Then
                .isInstanceOf(DriverSourceException.class)
                .hasMessageContainingAll("unpacking driver.run takes about 100 MiB", "2 MiB are free", "driver prune");
        assertThat(place).isEmptyDirectory();
    }

    @Test
    void aDiskThatCannotBeWrittenIsCalledThat() throws Exception {
        // Given
        mount("size=2m,ro");
        DriverStore store = new DriverStore(new SystemHostFiles(host), DriverStore.DIRECTORY);

        // When
        assertThatThrownBy(() -> store.change().close())
                // Then
                .isInstanceOf(DriverSourceException.class)
                .hasMessageContainingAll("cannot be written", "Read-only file system");
        assertThat(store.list()).isEmpty();
    }

    private static void put(DriverStore.Change change, Path draft) throws IOException {
        change.put(
                draft,
                new DriverStore.Description(
                        DriverManifest.Kind.MODULES,
                        new DriverVersion("570.86.15"),
                        "x86_64",
                        Optional.of(ModuleType.OPEN),
                        "6.1",
                        "",
                        "",
                        "",
                        List.of(new DriverManifest.Module("nvidia", "nvidia.ko", List.of(), List.of()))),
                Progress.NONE);
    }

    /** A small file system as disks have one, with nothing kept back for root. */
    private void mountDisk() throws Exception {
        Files.createDirectories(host.resolve("var"));
        Path disk = host.resolve("disk");
        try (RandomAccessFile file = new RandomAccessFile(disk.toFile(), "rw")) {
            file.setLength(8 << 20);
        }
        try {
            mounted = run("mkfs.ext4", "-q", "-m", "0", disk.toString()) == 0
                    && run(
                                    "mount",
                                    "-o",
                                    "loop",
                                    disk.toString(),
                                    host.resolve("var").toString())
                            == 0;
        } catch (IOException e) {
            assumeTrue(false, "there is no mkfs.ext4: " + e.getMessage());
        }
        assumeTrue(mounted, "a file system cannot be mounted here");
    }

    /** Until not even a directory has room. */
    private static void fill(Path directory) throws IOException {
        Files.createDirectories(directory);
        for (int size = 1 << 20, number = 0; size > 0; number++) {
            try {
                Files.write(directory.resolve("f" + number), new byte[size]);
            } catch (IOException e) {
                size /= 2;
            }
        }
    }

    private void mount(String options) throws Exception {
        Files.createDirectories(host.resolve("var"));
        mounted = run(
                        "mount",
                        "-t",
                        "tmpfs",
                        "-o",
                        options,
                        "none",
                        host.resolve("var").toString())
                == 0;
        assumeTrue(mounted, "a file system cannot be mounted here");
    }

    private static int run(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        assertThat(process.waitFor(10, TimeUnit.SECONDS)).isTrue();
        return process.exitValue();
    }
}
