package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gpunode.agent.driver.DriverManifest.Kind;
import io.gpunode.agent.model.DriverVersion;
import io.gpunode.agent.os.OwnerLock;
import io.gpunode.agent.os.SystemHostFiles;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(20)
class DriverStoreTest {
    private static final DriverVersion VERSION = new DriverVersion("535.261.03");

    @TempDir
    Path host;

    private SystemHostFiles files;
    private DriverStore store;

    @BeforeEach
    void makeStore() {
        files = new SystemHostFiles(host);
        store = new DriverStore(files, DriverStore.DIRECTORY);
    }

    @Test
    void whatWasPutIsFoundWithAllThatALoadNeeds() throws Exception {
        // Given
        String tree = putTree("libcuda");
        String key = putModules("6.1.0-1-amd64", "code", tree);

        // When
        StagedDriver driver = store.find(key).orElseThrow();

        // Then
        assertThat(driver.version()).isEqualTo(VERSION);
        assertThat(driver.type()).isEqualTo(ModuleType.OPEN);
        assertThat(driver.kernel()).isEqualTo("6.1.0-1-amd64");
        assertThat(driver.modules()).extracting(StagedModule::name).containsExactly("nvidia", "nvidia_uvm");
        assertThat(driver.modules().getLast().depends()).containsExactly("nvidia");
        assertThat(files.readText(driver.modules().getFirst().path(), 100)).hasValue("code");
        assertThat(driver.userspaceRoot())
                .isEqualTo(DriverStore.DIRECTORY.resolve("trees").resolve(tree).resolve("root"));
        assertThat(driver.firmware()).hasValue(driver.userspaceRoot().resolve("lib/firmware"));
        assertThat(store.problems(driver)).isEmpty();
        assertThat(store.allProblems(driver)).isEmpty();
    }

    @Test
    void theSameContentHasOneAddressAndIsThereOnce() throws Exception {
        // Given
        String first = putModules("6.1.0-1-amd64", "code", "");

        // When
        String second = putModules("6.1.0-1-amd64", "code", "");

        // Then
        assertThat(second).isEqualTo(first);
        assertThat(store.list()).hasSize(1);
    }

    @Test
    void anotherContentHasAnotherAddress() throws Exception {
        // Given
        String first = putModules("6.1.0-1-amd64", "code", "");

        // When
        String second = putModules("6.1.0-1-amd64", "c0de", "");

        // Then
        assertThat(second).isNotEqualTo(first);
        assertThat(store.list()).hasSize(2);
    }

    @Test
    void anAlteredModuleOfTheSameSizeIsSeenByTheQuickLook() throws Exception {
        // Given
        StagedDriver driver =
                store.find(putModules("6.1.0-1-amd64", "code", "")).orElseThrow();
        Files.writeString(files.resolve(driver.modules().getFirst().path()), "c0de");

        // When
        List<String> problems = store.problems(driver);

        // Then
        assertThat(problems).singleElement().asString().contains("nvidia.ko is altered");
    }

    @Test
    void aShortenedLibraryIsSeenByTheQuickLook() throws Exception {
        // Given
        String tree = putTree("libcuda");
        StagedDriver driver =
                store.find(putModules("6.1.0-1-amd64", "code", tree)).orElseThrow();
        Files.writeString(files.resolve(driver.userspaceRoot().resolve("usr/lib/libcuda.so.1")), "lib");

        // When
        List<String> problems = store.problems(driver);

        // Then
        assertThat(problems).singleElement().asString().contains("libcuda.so.1 has 3 bytes and had 7");
    }

    @Test
    void anAlteredLibraryIsSeenByTheThoroughLook() throws Exception {
        // Given
        String tree = putTree("libcuda");
        StagedDriver driver =
                store.find(putModules("6.1.0-1-amd64", "code", tree)).orElseThrow();
        Files.writeString(files.resolve(driver.userspaceRoot().resolve("usr/lib/libcuda.so.1")), "l1bcuda");

        // When
        List<String> problems = store.allProblems(driver);

        // Then
        assertThat(problems).singleElement().asString().contains("libcuda.so.1 is altered");
    }

    @Test
    void aCopiedDriverThatIsWholeIsReadOnce() throws Exception {
        // Given
        StagedDriver driver = driverWithATree();
        Path library = library(driver);
        Path manifest = manifestOfTheTree(driver);
        touch(library);
        FileTime since = Files.getLastModifiedTime(manifest);

        // When
        List<String> problems = store.problems(driver);

        // Then
        assertThat(problems).isEmpty();
        assertThat(changed(manifest)).as("from now on it counts as untouched").isGreaterThan(changed(library));
        assertThat(Files.getLastModifiedTime(manifest)).as("when it was put").isEqualTo(since);
        assertThat(store.allProblems(driver)).isEmpty();
        assertThat(files.list(DriverStore.DIRECTORY.resolve("drafts"))).isEmpty();
    }

    @Test
    void aCopiedDriverIsNotTakenForWholeWhenItIsNot() throws Exception {
        // Given
        StagedDriver driver = driverWithATree();
        Path library = library(driver);
        Files.writeString(library, "l1bcuda");
        touch(library);

        // When
        List<List<String>> looks = List.of(store.problems(driver), store.problems(driver));

        // Then
        assertThat(looks)
                .allSatisfy(problems ->
                        assertThat(problems).singleElement().asString().contains("libcuda.so.1 is altered"));
    }

    @Test
    void whatIsAlteredAfterACopyWasFoundWholeIsSeenByTheQuickLook() throws Exception {
        // Given
        StagedDriver driver = driverWithATree();
        Path library = library(driver);
        touch(library);
        store.problems(driver);

        // When
        Files.writeString(library, "l1bcuda");
        touch(library);

        // Then
        assertThat(store.problems(driver)).singleElement().asString().contains("libcuda.so.1 is altered");
    }

    @Test
    void aCopiedDriverIsLookedAtWhileAnotherChangesTheStore() throws Exception {
        // Given
        StagedDriver driver = driverWithATree();
        Path manifest = manifestOfTheTree(driver);
        touch(library(driver));
        FileTime before = changed(manifest);

        // When
        List<String> problems;
        try (DriverStore.Change _ = store.change()) {
            problems = store.problems(driver);
        }

        // Then
        assertThat(problems).isEmpty();
        assertThat(changed(manifest)).isEqualTo(before);
    }

    private StagedDriver driverWithATree() throws Exception {
        return store.find(putModules("6.1.0-1-amd64", "code", putTree("libcuda")))
                .orElseThrow();
    }

    private Path library(StagedDriver driver) {
        return files.resolve(driver.userspaceRoot().resolve("usr/lib/libcuda.so.1"));
    }

    private Path manifestOfTheTree(StagedDriver driver) {
        return files.resolve(driver.userspaceRoot().resolveSibling("manifest"));
    }

    private static FileTime changed(Path file) throws IOException {
        return (FileTime) Files.getAttribute(file, "unix:ctime");
    }

    /** As by copying or relabelling; the kernel's clock for files has gone on when it returns. */
    private void touch(Path file) throws IOException {
        Files.setLastModifiedTime(file, FileTime.fromMillis(0));
        Path clock = host.resolve("clock");
        do {
            Files.writeString(clock, "");
            Files.setLastModifiedTime(clock, FileTime.fromMillis(0));
        } while (changed(clock).compareTo(changed(file)) <= 0);
    }

    @Test
    void aDamagedObjectIsReplacedByPuttingItAgain() throws Exception {
        // Given
        StagedDriver driver =
                store.find(putModules("6.1.0-1-amd64", "code", "")).orElseThrow();
        Files.writeString(files.resolve(driver.modules().getFirst().path()), "c0de");

        // When
        String again = putModules("6.1.0-1-amd64", "code", "");

        // Then
        assertThat(again).isEqualTo(driver.key());
        assertThat(store.allProblems(driver)).isEmpty();
    }

    @Test
    void anObjectWithADamagedManifestIsNoDriver() throws Exception {
        // Given
        String key = putModules("6.1.0-1-amd64", "code", "");
        Path manifest = files.resolve(
                DriverStore.DIRECTORY.resolve("modules").resolve(key).resolve("manifest"));
        Files.writeString(manifest, Files.readString(manifest).replace("535", "536"));

        // When
        Optional<StagedDriver> found = store.find(key);

        // Then
        assertThat(found).isEmpty();
        assertThat(store.list()).isEmpty();
    }

    @Test
    void modulesWithoutTheirLibrariesAreNoDriver() throws Exception {
        // Given
        String key = putModules("6.1.0-1-amd64", "code", "0".repeat(64));

        // When
        Optional<StagedDriver> found = store.find(key);

        // Then
        assertThat(found).isEmpty();
    }

    @Test
    void aDraftThatNobodyFinishedIsGoneWithTheNextChange() throws Exception {
        // Given: a process that died without closing
        Path left = files.resolve(DriverStore.DIRECTORY.resolve("drafts/d0/usr"));
        Files.createDirectories(left);
        Files.writeString(left.resolve("half"), "half");

        // When
        try (DriverStore.Change change = store.change()) {
            Path draft = change.draft();

            // Then
            assertThat(files.list(draft)).isEmpty();
            assertThat(files.list(DriverStore.DIRECTORY.resolve("drafts"))).containsExactly("d0");
        }
        assertThat(store.list()).isEmpty();
    }

    @Test
    void theStoreIsChangedByOneAtATime() throws Exception {
        // Given
        try (DriverStore.Change _ = store.change()) {
            // When
            Throwable refusal = catchRefusal();

            // Then
            assertThat(refusal)
                    .isInstanceOf(DriverSourceException.class)
                    .hasMessageContaining("process " + ProcessHandle.current().pid());
        }
        try (DriverStore.Change again = store.change()) {
            assertThat(again).isNotNull();
        }
    }

    private Throwable catchRefusal() {
        return org.assertj.core.api.Assertions.catchThrowable(
                () -> store.change().close());
    }

    @Test
    void pruningKeepsThePinnedTheNewestAndWhatTheyNeed() throws Exception {
        // Given
        String usedTree = putTree("used");
        String lostTree = putTree("lost");
        List<String> keys = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            String key = putModules("6.1.0-" + i + "-amd64", "code", i == 1 ? lostTree : usedTree);
            keys.add(key);
            Files.setLastModifiedTime(
                    files.resolve(DriverStore.DIRECTORY
                            .resolve("modules")
                            .resolve(key)
                            .resolve("manifest")),
                    FileTime.fromMillis(1_000_000L * (i + 1)));
        }
        store.pin(new DriverStore.Pins(keys.get(0), Set.of(keys.get(2))));

        // When
        List<StagedDriver> removed;
        try (DriverStore.Change change = store.change()) {
            removed = change.prune(1);
        }

        // Then
        assertThat(removed).extracting(StagedDriver::key).containsExactly(keys.get(3), keys.get(1));
        assertThat(store.list()).extracting(StagedDriver::key).containsExactly(keys.get(4), keys.get(2), keys.get(0));
        assertThat(store.objects(Kind.TREE)).extracting(DriverStore.Stored::key).containsExactly(usedTree);
    }

    @Test
    void whatWouldBePrunedIsToldAndStays() throws Exception {
        // Given
        putModules("6.1.0-1-amd64", "code", "");
        putModules("6.1.0-2-amd64", "code", "");

        // When
        List<StagedDriver> removed = store.prunable(1);

        // Then
        assertThat(removed).hasSize(1);
        assertThat(store.list()).hasSize(2);
    }

    @Test
    void pinsOutliveTheProcess() throws Exception {
        // Given
        store.pin(new DriverStore.Pins("a".repeat(64), Set.of("b".repeat(64), "c".repeat(64))));

        // When
        DriverStore.Pins pins = new DriverStore(files, DriverStore.DIRECTORY).pins();

        // Then
        assertThat(pins).isEqualTo(new DriverStore.Pins("a".repeat(64), Set.of("b".repeat(64), "c".repeat(64))));
    }

    @Test
    void aLinkThatLeadsOutIsNotStored() throws Exception {
        // Given
        try (DriverStore.Change change = store.change()) {
            Path draft = change.draft();
            Files.createDirectories(files.resolve(draft.resolve("root")));
            Files.createSymbolicLink(files.resolve(draft).resolve("root/escape"), Path.of("../../../../etc/shadow"));

            // When
            assertThatThrownBy(() -> change.put(draft, tree(), Progress.NONE))
                    // Then
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("leads out of the archive");
        }
        assertThat(store.objects(Kind.TREE)).isEmpty();
    }

    @Test
    void aStoreThatCannotBeWrittenSaysSo() throws Exception {
        // Given
        Path parent = host.resolve("var/lib/gpu-node-agent");
        Files.createDirectories(parent);
        Files.writeString(parent.resolve("drivers"), "a file");

        // When
        assertThatThrownBy(() -> store.change().close())
                // Then
                .isInstanceOf(DriverSourceException.class)
                .hasMessageContaining("/var/lib/gpu-node-agent/drivers cannot be written");
    }

    @Test
    void theLockFileStays() throws Exception {
        // Given
        store.change().close();

        // When
        Optional<OwnerLock> taken = OwnerLock.take(files, DriverStore.DIRECTORY.resolve("lock"));

        // Then
        assertThat(taken).isPresent();
        taken.get().close();
    }

    private String putTree(String library) throws Exception {
        try (DriverStore.Change change = store.change()) {
            Path draft = change.draft();
            Path root = files.resolve(draft).resolve("root");
            Files.createDirectories(root.resolve("usr/lib"));
            Files.createDirectories(root.resolve("lib/firmware/nvidia/" + VERSION));
            Files.writeString(root.resolve("usr/lib/libcuda.so.1"), library, StandardCharsets.UTF_8);
            Files.createSymbolicLink(root.resolve("usr/lib/libcuda.so"), Path.of("libcuda.so.1"));
            Files.writeString(root.resolve("lib/firmware/nvidia/" + VERSION + "/gsp_ga10x.bin"), "firmware");
            return change.put(draft, tree(), Progress.NONE).key();
        }
    }

    private static DriverStore.Description tree() {
        return new DriverStore.Description(
                Kind.TREE, VERSION, "x86_64", Optional.empty(), "", "", "", "test", List.of());
    }

    private String putModules(String kernel, String content, String tree) throws Exception {
        try (DriverStore.Change change = store.change()) {
            Path draft = change.draft();
            Files.writeString(files.resolve(draft).resolve("nvidia.ko"), content);
            Files.writeString(files.resolve(draft).resolve("nvidia-uvm.ko"), "uvm");
            return change.put(
                            draft,
                            new DriverStore.Description(
                                    Kind.MODULES,
                                    VERSION,
                                    "x86_64",
                                    Optional.of(ModuleType.OPEN),
                                    kernel,
                                    "",
                                    tree,
                                    "",
                                    List.of(
                                            new DriverManifest.Module("nvidia", "nvidia.ko", List.of(), List.of()),
                                            new DriverManifest.Module(
                                                    "nvidia_uvm", "nvidia-uvm.ko", List.of("nvidia"), List.of()))),
                            Progress.NONE)
                    .key();
        }
    }
}
