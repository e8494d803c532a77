package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.driver.DriverSourceException.Kind;
import io.gpunode.agent.net.Download;
import io.gpunode.agent.os.BootSecurity;
import io.gpunode.agent.os.BootSecurity.SecureBoot;
import io.gpunode.agent.os.CommandRunner;
import io.gpunode.agent.os.FileTrees;
import io.gpunode.agent.os.KernelHeaders;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.testing.Configs;
import io.gpunode.agent.testing.KernelObject;
import io.gpunode.agent.time.SystemTime;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** From a source to a driver that lies ready, over a folder as the host's root; the compiler is a stand-in. */
@Timeout(30)
class DriverSourcesTest {
    private static final String KERNEL = "6.1.0-18-amd64";
    private static final String MACHINE = "x86_64";
    private static final Path RUN = Path.of("/opt/driver.run");

    @TempDir
    Path host;

    private final FakeTools tools = new FakeTools();
    private final FakeJobs jobs = new FakeJobs();
    private final List<String> told = new ArrayList<>();
    private SystemHostFiles files;
    private DriverStore store;
    private DriverSources sources;

    @BeforeEach
    void makeHost() throws IOException {
        files = new SystemHostFiles(host);
        store = new DriverStore(files, DriverStore.DIRECTORY);
        sources = new DriverSources(
                files, tools, jobs, store, new Download(SystemTime.monotonic(), Map.of()), SystemTime.monotonic());
        for (String program : List.of("make", "ld", "gcc-12", "strip", "apt-get")) {
            write("/usr/bin/" + program, "");
        }
        write("/etc/os-release", "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n");
        tools.says("gcc-12 --version", "gcc-12 (Debian 12.2.0-14) 12.2.0\n").says("strip ", "");
    }

    // ---- NVIDIA's file

    @Test
    void theRunfileIsUnpackedLaidOutCompiledAndStored() throws Exception {
        // Given
        run(Runfiles.driver());

        // When
        StagedDriver driver = stage(runfile(), facts());

        // Then
        assertThat(driver.version().text()).isEqualTo(Runfiles.VERSION);
        assertThat(driver.type()).isEqualTo(ModuleType.OPEN);
        assertThat(driver.modules())
                .extracting(StagedModule::name)
                .containsExactly("nvidia", "nvidia_modeset", "nvidia_drm", "nvidia_uvm");
        Path root = files.resolve(driver.userspaceRoot());
        Path libraries = root.resolve("usr/lib/x86_64-linux-gnu");
        assertThat(libraries.resolve("libnvidia-ml.so.1")).isSymbolicLink().hasContent("nvml");
        assertThat(root.resolve("usr/lib/i386-linux-gnu/libcuda.so." + Runfiles.VERSION))
                .hasContent("cuda32");
        assertThat(root.resolve("usr/bin/nvidia-smi")).isExecutable();
        assertThat(root.resolve("usr/bin/nvidia-modprobe")).isRegularFile();
        assertThat(root.resolve("lib/firmware/nvidia/" + Runfiles.VERSION + "/gsp_ga10x.bin"))
                .hasContent("gsp");
        assertThat(driver.firmware()).hasValue(driver.userspaceRoot().resolve("lib/firmware"));
        assertThat(root.resolve("usr/src/nvidia-" + Runfiles.VERSION + "/kernel-open/Kbuild"))
                .isRegularFile();
        assertThat(root.resolve("usr/share/doc")).doesNotExist();
        assertThat(Path.of("/run-must-never-be-started")).doesNotExist();
        assertThat(store.allProblems(driver)).isEmpty();
        assertThat(files.list(DriverStore.DIRECTORY.resolve("drafts"))).isEmpty();
        assertThat(told).contains("checking", "unpacking", "building", "storing");
        assertThat(jobs.commands.getFirst())
                .contains("modules", "KERNEL_UNAME=" + KERNEL, "CC=gcc-12", "SYSOUT=/lib/modules/" + KERNEL + "/build");
    }

    @Test
    void whatWasMadeReadyOnceNeedsNoCompilerAgain() throws Exception {
        // Given
        run(Runfiles.driver());
        StagedDriver first = stage(runfile(), facts());

        // When
        StagedDriver second = stage(runfile(), facts());

        // Then
        assertThat(second).isEqualTo(first);
        assertThat(jobs.commands).hasSize(1);
    }

    @Test
    void aRunfileThatIsReplacedIsReadAgain() throws Exception {
        // Given
        run(Runfiles.driver());
        StagedDriver first = stage(runfile(), facts());
        run(Runfiles.driver().file("nvidia-debugdump", "0755", "UTILITY_BINARY MODULE:nvml", "other"));

        // When
        StagedDriver second = stage(runfile(), facts());

        // Then
        assertThat(second.version()).isEqualTo(first.version());
        assertThat(second.userspaceRoot()).isNotEqualTo(first.userspaceRoot());
        assertThat(files.resolve(second.userspaceRoot()).resolve("usr/bin/nvidia-debugdump"))
                .isRegularFile();
    }

    @Test
    void aRunfileWhoseContentIsAlteredIsNoticedAlthoughItsHeadIsTheSame() throws Exception {
        // Given
        run(Runfiles.driver());
        stage(runfile(), facts());
        byte[] bytes = Files.readAllBytes(at(RUN));
        bytes[bytes.length - 20] ^= 1;
        Files.write(at(RUN), bytes);

        // When
        assertRefused(() -> stage(runfile(), facts()), Kind.DAMAGED, RUN.toString(), "altered");
    }

    @Test
    void aRunfileThatIsOnlyTouchedIsNotUnpackedAgain() throws Exception {
        // Given
        run(Runfiles.driver());
        StagedDriver first = stage(runfile(), facts());
        run(Runfiles.driver());
        told.clear();

        // When
        StagedDriver second = stage(runfile(), facts());

        // Then
        assertThat(second).isEqualTo(first);
        assertThat(told).containsOnly("checking");
    }

    @Test
    void whichBuildAModuleIsOfIsTold() throws Exception {
        // Given
        run(Runfiles.driver());

        // When
        StagedDriver driver = stage(runfile(), facts());

        // Then
        assertThat(driver.modules()).extracting(StagedModule::sourceVersion).containsOnly(jobs.sourceVersion);
    }

    @Test
    void anotherKernelSharesTheLibraries() throws Exception {
        // Given
        run(Runfiles.driver());
        StagedDriver first = stage(runfile(), facts());
        jobs.kernel = "6.1.0-19-amd64";

        // When
        StagedDriver second = stage(runfile(), facts("6.1.0-19-amd64", BootSecurity.NONE));

        // Then
        assertThat(second.userspaceRoot()).isEqualTo(first.userspaceRoot());
        assertThat(second.key()).isNotEqualTo(first.key());
    }

    @Test
    void aDamagedModuleInTheStoreIsCompiledAgain() throws Exception {
        // Given
        run(Runfiles.driver());
        StagedDriver first = stage(runfile(), facts());
        Files.writeString(files.resolve(first.modules().getFirst().path()), "rot");

        // When
        StagedDriver second = stage(runfile(), facts());

        // Then
        assertThat(second.key()).isEqualTo(first.key());
        assertThat(jobs.commands).hasSize(2);
        assertThat(store.allProblems(second)).isEmpty();
    }

    @Test
    void anAlteredRunfileIsRefused() throws Exception {
        // Given
        byte[] bytes = Runfiles.driver().bytes();
        bytes[bytes.length - 20] ^= 1;
        Files.write(at(RUN), bytes);

        // When
        assertRefused(() -> stage(runfile(), facts()), Kind.DAMAGED, "/opt/driver.run", "cut short or altered");
    }

    @Test
    void aRunfileThatIsCutShortIsRefused() throws Exception {
        // Given
        byte[] bytes = Runfiles.driver().bytes();
        Files.write(at(RUN), Arrays.copyOf(bytes, bytes.length - 100));

        // When
        assertRefused(() -> stage(runfile(), facts()), Kind.DAMAGED, "cut short or altered");
    }

    @Test
    void aRunfileOfAnotherMachineIsRefused() throws Exception {
        // Given
        run(Runfiles.driver().machine("aarch64"));

        // When
        assertRefused(
                () -> stage(runfile(), facts()),
                Kind.UNUSABLE,
                "is for aarch64 and this machine is x86_64; take the file for this machine");
    }

    @Test
    void aRunfileOfAnotherVersionIsRefused() throws Exception {
        // Given
        run(Runfiles.driver());

        // When
        assertRefused(
                () -> stage(
                        wish(
                                "GPU_NODE_AGENT_DRIVER_SOURCE=runfile",
                                "GPU_NODE_AGENT_DRIVER_RUNFILE_FILE=" + RUN,
                                "GPU_NODE_AGENT_DRIVER_VERSION=580"),
                        facts()),
                Kind.UNUSABLE,
                "has driver " + Runfiles.VERSION + ", and driver.version wants 580; set driver.version to it");
    }

    @Test
    void aWrongSha256IsRefused() throws Exception {
        // Given
        run(Runfiles.driver());

        // When
        assertRefused(
                () -> stage(
                        wish(
                                "GPU_NODE_AGENT_DRIVER_SOURCE=runfile",
                                "GPU_NODE_AGENT_DRIVER_RUNFILE_FILE=" + RUN,
                                "GPU_NODE_AGENT_DRIVER_RUNFILE_SHA256=" + "0".repeat(64)),
                        facts()),
                Kind.DAMAGED,
                "its SHA-256 is ",
                "0".repeat(64));
    }

    @Test
    void aFileThatIsNamedAndMissingInTheArchiveIsTold() throws Exception {
        // Given
        run(Runfiles.driver().line("libgone.so.1 0755 UTILITY_LIB NATIVE MODULE:nvml"));

        // When
        assertRefused(() -> stage(runfile(), facts()), Kind.DAMAGED, "names libgone.so.1, which is not in it");
    }

    @Test
    void aManifestThatLeadsOutIsRefused() throws Exception {
        // Given
        run(Runfiles.driver().file("evil", "0644", "EXPLICIT_PATH ../../../etc MODULE:x", "x"));

        // When
        assertRefused(() -> stage(runfile(), facts()), Kind.DAMAGED, "\"../../../etc/evil\", which has \"..\"");
    }

    // ---- compiling

    @Test
    void missingHeadersNameThePlacesAndThePackage() throws Exception {
        // Given
        run(Runfiles.driver());
        KernelHeaders none = new KernelHeaders(
                KERNEL,
                Optional.empty(),
                List.of(Path.of("/lib/modules/x/build"), Path.of("/usr/src/x")),
                List.of(),
                "",
                "");

        // When
        assertRefused(
                () -> stage(runfile(), new KernelFacts(KERNEL, MACHINE, none, BootSecurity.NONE)),
                Kind.TOOLS,
                "in none of /lib/modules/x/build, /usr/src/x",
                "apt-get install linux-headers-" + KERNEL);
    }

    @Test
    void headersOfAnotherKernelAreRefused() throws Exception {
        // Given
        run(Runfiles.driver());
        KernelHeaders other = new KernelHeaders(
                KERNEL, Optional.of(Path.of("/usr/src/h")), List.of(), List.of(), "6.1.0-17-amd64", "");

        // When
        assertRefused(
                () -> stage(runfile(), new KernelFacts(KERNEL, MACHINE, other, BootSecurity.NONE)),
                Kind.TOOLS,
                "the headers in /usr/src/h are of kernel 6.1.0-17-amd64");
    }

    @Test
    void theCompilerWritesWhatItNeedsForAWhileWhereTheRoomWasLookedAt() throws Exception {
        // Given
        run(Runfiles.driver());

        // When
        stage(runfile(), facts());

        // Then
        assertThat(jobs.environment.get("TMPDIR")).startsWith(DriverStore.DIRECTORY + "/drafts/");
    }

    @ParameterizedTest
    @CsvSource({"ld.lld-17, LLVM=-17", "ld.lld, LLVM=1"})
    void aKernelOfClangIsBuiltForWithTheToolsThatThereAre(String linker, String wanted) throws Exception {
        // Given
        run(Runfiles.driver());
        write("/usr/bin/clang-17", "");
        write("/usr/bin/" + linker, "");
        tools.says("clang-17 --version", "Debian clang version 17.0.6 (5)\n");
        KernelFacts facts = facts();
        KernelHeaders headers = facts.headers();
        KernelHeaders clang = new KernelHeaders(
                headers.kernel(),
                headers.directory(),
                headers.tried(),
                headers.missing(),
                headers.release(),
                "Debian clang version 17.0.6 (5)");

        // When
        stage(runfile(), new KernelFacts(facts.release(), facts.machine(), clang, facts.security()));

        // Then
        assertThat(jobs.commands.getFirst()).contains("CC=clang-17", wanted);
    }

    @Test
    void aMissingCompilerIsNamed() throws Exception {
        // Given
        run(Runfiles.driver());
        Files.delete(host.resolve("usr/bin/gcc-12"));

        // When
        assertRefused(() -> stage(runfile(), facts()), Kind.TOOLS, "there is no compiler", "install gcc-12");
    }

    @Test
    void aCompilerThatFailsIsToldWithItsLines() throws Exception {
        // Given
        run(Runfiles.driver());
        jobs.failure = List.of(
                "  CC [M]  nvidia/nv.o",
                "nvidia/nv.c:12:5: error: 'struct vm_area_struct' has no member named 'vm_flags'",
                "make[2]: *** [nv.o] Error 1");
        jobs.status = 2;

        // When
        assertRefused(
                () -> stage(runfile(), facts()),
                Kind.FAILED,
                "status 2",
                "has no member named 'vm_flags'",
                "/var/lib/gpu-node-agent/drivers/logs/build-" + Runfiles.VERSION + "-" + KERNEL + ".log");
        assertThat(store.list()).isEmpty();
        assertThat(files.list(DriverStore.DIRECTORY.resolve("drafts"))).isEmpty();
    }

    @Test
    void aFullDiskWhileCompilingIsCalledThat() throws Exception {
        // Given
        run(Runfiles.driver());
        jobs.failure = List.of("as: nv.o: No space left on device");
        jobs.status = 2;

        // When
        assertRefused(() -> stage(runfile(), facts()), Kind.STORAGE, "is full", "No space left on device");
    }

    @Test
    void aCompilationThatDoesNotEndIsEnded() throws Exception {
        // Given
        run(Runfiles.driver());
        jobs.timedOut = true;
        jobs.status = 137;

        // When
        assertRefused(
                () -> stage(runfile(), facts()),
                Kind.FAILED,
                "did not end in 3600 seconds",
                "raise driver.build.timeLimit");
    }

    @Test
    void modulesOfAnotherKernelAreNotStored() throws Exception {
        // Given
        run(Runfiles.driver());
        jobs.kernel = "5.10.0-1-amd64";

        // When
        assertRefused(() -> stage(runfile(), facts()), Kind.DAMAGED, "\"5.10.0-1-amd64\" and not for " + KERNEL);
        assertThat(store.list()).isEmpty();
    }

    @Test
    void compilingThatIsNotAllowedIsNotDone() throws Exception {
        // Given
        run(Runfiles.driver());

        // When
        assertRefused(
                () -> stage(
                        wish(
                                "GPU_NODE_AGENT_DRIVER_SOURCE=runfile",
                                "GPU_NODE_AGENT_DRIVER_RUNFILE_FILE=" + RUN,
                                "GPU_NODE_AGENT_DRIVER_BUILD_COMPILE=false"),
                        facts()),
                Kind.UNUSABLE,
                "driver.build.compile");
    }

    @Test
    void unsignedModulesAreRefusedBeforeAnythingIsDoneWhereTheKernelRefusesThem() throws Exception {
        // Given
        run(Runfiles.driver());
        BootSecurity locked = new BootSecurity(BootSecurity.SecureBoot.ON, "integrity", false, List.of(), true);

        // When
        assertRefused(
                () -> stage(runfile(), facts(KERNEL, locked)),
                Kind.UNUSABLE,
                "lockdown is integrity, Secure Boot is on",
                "driver.signing.key");
        assertThat(files.exists(DriverStore.DIRECTORY)).isFalse();
    }

    @Test
    void thePlanTellsEachStepAndDoesNothing() throws Exception {
        // Given
        run(Runfiles.driver());

        // When
        List<String> plan = sources.plan(runfile(), facts());

        // Then
        assertThat(plan).hasSize(4);
        assertThat(plan.getFirst()).isEqualTo("check and unpack " + RUN);
        assertThat(plan.get(1)).contains("with gcc-12", KERNEL);
        assertThat(plan.get(2)).isEqualTo("leave them unsigned");
        assertThat(files.exists(DriverStore.DIRECTORY)).isFalse();
    }

    @Test
    void aPlanThatLacksItsFileSaysSo() {
        // When
        ThrowingCallable ofFile = () -> sources.plan(runfile(), facts());
        ThrowingCallable ofBundle = () -> sources.plan(bundle("/nope.tar"), facts());

        // Then
        assertRefused(ofFile, Kind.UNUSABLE, "there is no file " + RUN, "--runfile");
        assertRefused(ofBundle, Kind.UNUSABLE, "the bundle /nope.tar is not there", "--bundle");
    }

    @Test
    void aPlanOfADirectoryThatIsNoBundleSaysSo() throws Exception {
        // Given
        write("/opt/bundle/readme", "x");

        // When
        ThrowingCallable plan = () -> sources.plan(bundle("/opt/bundle"), facts());

        // Then
        assertRefused(plan, Kind.DAMAGED, "it is no bundle of drivers");
    }

    @Test
    void modulesOfABundleThatNobodyHasSignedAreRefusedWhereTheKernelRefusesThem() throws Exception {
        // Given
        bundleDirectory();
        BootSecurity enforced = new BootSecurity(BootSecurity.SecureBoot.ON, "integrity", true, List.of(), false);

        // When
        ThrowingCallable staging = () -> stage(bundle("/opt/bundle"), facts(KERNEL, enforced));

        // Then
        assertRefused(staging, Kind.UNUSABLE, "is not signed", "driver.signing.key", "nothing was changed");
    }

    // ---- bundles

    @Test
    void aBundleOfOneNodeIsADriverOnAnother() throws Exception {
        // Given
        run(Runfiles.driver());
        StagedDriver made = stage(runfile(), facts());
        tools.does("tar ", words -> tools.really(words.stream().map(this::seen).toList()));
        sources.writeBundle(List.of(made.key()), Path.of("/opt/bundle.tar.gz"));
        Files.move(host.resolve("var/lib/gpu-node-agent/drivers"), host.resolve("former"));

        // When
        StagedDriver taken = stage(bundle("/opt/bundle.tar.gz"), facts());

        // Then
        assertThat(taken).isEqualTo(made);
        assertThat(store.allProblems(taken)).isEmpty();
        assertThat(jobs.commands).hasSize(1);
    }

    /** The host's paths as this process sees them. */
    private String seen(String word) {
        return word.startsWith("/") ? host + word : word;
    }

    @Test
    void aBundleThatIsADirectoryStaysAsItIs() throws Exception {
        // Given
        Path bundle = bundleDirectory();

        // When
        StagedDriver taken = stage(bundle("/opt/bundle"), facts());

        // Then
        assertThat(taken.version().text()).isEqualTo(Runfiles.VERSION);
        assertThat(bundle.resolve("gpu-node-agent-bundle")).isRegularFile();
        assertThat(bundle.resolve("modules")).isNotEmptyDirectory();
    }

    @Test
    void anAlteredFileOfABundleIsNamed() throws Exception {
        // Given
        Path bundle = bundleDirectory();
        try (Stream<Path> all = Files.walk(bundle)) {
            Path module =
                    all.filter(path -> path.endsWith("nvidia.ko")).findFirst().orElseThrow();
            byte[] bytes = Files.readAllBytes(module);
            bytes[70] ^= 1;
            Files.write(module, bytes);
        }

        // When
        assertRefused(() -> stage(bundle("/opt/bundle"), facts()), Kind.DAMAGED, "/opt/bundle", "nvidia.ko is altered");
        assertThat(store.list()).isEmpty();
    }

    @Test
    void aFileThatNoManifestListsIsRefused() throws Exception {
        // Given
        Path bundle = bundleDirectory();
        try (Stream<Path> all = Files.walk(bundle)) {
            Path module =
                    all.filter(path -> path.endsWith("nvidia.ko")).findFirst().orElseThrow();
            Files.writeString(module.resolveSibling("extra.ko"), "x");
        }

        // When
        assertRefused(() -> stage(bundle("/opt/bundle"), facts()), Kind.DAMAGED, "extra.ko is not listed");
    }

    @Test
    void anAlteredManifestOfABundleIsRefused() throws Exception {
        // Given
        Path bundle = bundleDirectory();
        try (Stream<Path> all = Files.walk(bundle)) {
            Path manifest = all.filter(
                            path -> path.endsWith("manifest") && path.toString().contains("/modules/"))
                    .findFirst()
                    .orElseThrow();
            Files.writeString(manifest, Files.readString(manifest).replace("open", "proprietary"));
        }

        // When
        assertRefused(() -> stage(bundle("/opt/bundle"), facts()), Kind.DAMAGED, "missing or altered");
    }

    @Test
    void aDirectoryThatIsNoBundleIsToldApart() throws Exception {
        // Given
        write("/opt/bundle/readme", "x");

        // When
        assertRefused(() -> stage(bundle("/opt/bundle"), facts()), Kind.DAMAGED, "it is no bundle of drivers");
    }

    @Test
    void aBundleWithoutModulesForThisKernelIsCompiledHere() throws Exception {
        // Given
        bundleDirectory();
        jobs.kernel = "6.1.0-99-amd64";
        int before = jobs.commands.size();

        // When
        StagedDriver driver = stage(bundle("/opt/bundle"), facts("6.1.0-99-amd64", BootSecurity.NONE));

        // Then
        assertThat(driver.kernel()).isEqualTo("6.1.0-99-amd64");
        assertThat(jobs.commands).hasSize(before + 1);
    }

    @Test
    void aBundleThatIsReplacedByAnotherVersionIsTaken() throws Exception {
        // Given
        String newer = archive("580.95.05", "/opt/newer.tar");
        String older = archive(Runfiles.VERSION, "/opt/older.tar");
        Files.copy(host.resolve("opt/newer.tar"), host.resolve("opt/bundle.tar"));
        assertThat(stage(bundle("/opt/bundle.tar"), facts()).key()).isEqualTo(newer);

        // When
        Files.move(host.resolve("opt/older.tar"), host.resolve("opt/bundle.tar"), StandardCopyOption.REPLACE_EXISTING);
        StagedDriver taken = stage(bundle("/opt/bundle.tar"), facts());

        // Then
        assertThat(taken.key()).isEqualTo(older);
        assertThat(store.list()).hasSize(2);
    }

    @Test
    void aBundleThatWasTakenIsNotReadAgainAndNotNeededAgain() throws Exception {
        // Given
        String key = archive(Runfiles.VERSION, "/opt/bundle.tar");
        stage(bundle("/opt/bundle.tar"), facts());
        told.clear();

        // When
        StagedDriver again = stage(bundle("/opt/bundle.tar"), facts());
        Files.delete(host.resolve("opt/bundle.tar"));
        StagedDriver without = stage(bundle("/opt/bundle.tar"), facts());

        // Then
        assertThat(told).isEmpty();
        assertThat(again.key()).isEqualTo(key);
        assertThat(without).isEqualTo(again);
    }

    @Test
    void anUnchangedBundleThatWasCopiedAnewIsCheckedAndNotUnpacked() throws Exception {
        // Given
        String key = archive(Runfiles.VERSION, "/opt/bundle.tar");
        DriverWish checked = bundle("/opt/bundle.tar", sha256("/opt/bundle.tar"));
        stage(checked, facts());
        told.clear();
        Files.copy(host.resolve("opt/bundle.tar"), host.resolve("opt/copy.tar"));
        Files.move(host.resolve("opt/copy.tar"), host.resolve("opt/bundle.tar"), StandardCopyOption.REPLACE_EXISTING);

        // When
        StagedDriver again = stage(checked, facts());
        List<String> onceMore = List.copyOf(told);
        told.clear();
        stage(checked, facts());

        // Then
        assertThat(again.key()).isEqualTo(key);
        assertThat(onceMore).contains("checking").doesNotContain("unpacking", "storing");
        assertThat(told).as("it is known as it lies there now").isEmpty();
    }

    @Test
    void anUnchangedBundleThatWasCopiedAnewPutsADamagedDriverRight() throws Exception {
        // Given
        archive(Runfiles.VERSION, "/opt/bundle.tar");
        DriverWish checked = bundle("/opt/bundle.tar", sha256("/opt/bundle.tar"));
        stage(checked, facts());
        Files.copy(host.resolve("opt/bundle.tar"), host.resolve("opt/copy.tar"));
        Files.move(host.resolve("opt/copy.tar"), host.resolve("opt/bundle.tar"), StandardCopyOption.REPLACE_EXISTING);
        damage("nvidia-smi", "cut");

        // When
        StagedDriver again = stage(checked, facts());

        // Then
        assertThat(store.allProblems(again)).isEmpty();
    }

    @Test
    void aBundleThatIsGoneAndWasNeverNotedIsWhatLiesInTheStore() throws Exception {
        // Given
        String key = archive(Runfiles.VERSION, "/opt/bundle.tar");
        stage(bundle("/opt/bundle.tar"), facts());
        Files.delete(files.resolve(DriverStore.DIRECTORY.resolve("taken")));
        Files.delete(host.resolve("opt/bundle.tar"));

        // When
        StagedDriver without = stage(bundle("/opt/bundle.tar"), facts());

        // Then
        assertThat(without.key()).isEqualTo(key);
    }

    @Test
    void aBundleThatIsNotThereIsNotTheDriverOfAnother() throws Exception {
        // Given
        archive(Runfiles.VERSION, "/opt/bundle.tar");
        stage(bundle("/opt/bundle.tar"), facts());

        // When
        assertRefused(() -> stage(bundle("/opt/bunlde.tar"), facts()), Kind.UNUSABLE, "/opt/bunlde.tar is not there");
    }

    @Test
    void aBundleWhoseSha256IsAskedForLaterIsReadAgain() throws Exception {
        // Given
        archive(Runfiles.VERSION, "/opt/bundle.tar");
        stage(bundle("/opt/bundle.tar"), facts());
        DriverWish checked = bundle("/opt/bundle.tar", "a".repeat(64));

        // When
        assertRefused(() -> stage(checked, facts()), Kind.DAMAGED, "driver.bundle.sha256 is aaaa");
    }

    @Test
    void aBundleThatHasOnlyTheOtherTypeOfModulesIsTaken() throws Exception {
        // Given
        jobs.licence = "NVIDIA";
        run(Runfiles.driver().withoutOpenModules());
        StagedDriver made = stage(runfile(), facts());
        pack(made, "/opt/bundle.tar");

        // When
        StagedDriver taken = stage(bundle("/opt/bundle.tar"), facts());

        // Then
        assertThat(taken.key()).isEqualTo(made.key());
        assertThat(taken.type()).isEqualTo(ModuleType.PROPRIETARY);
    }

    @Test
    void modulesThatTheGpusDoNotWorkWithAreNotTakenForWantOfOthers() throws Exception {
        // Given
        run(Runfiles.driver().withoutOpenModules());
        DriverWish blackwell = new DriverWish(runfile().settings(), List.of("2901"));

        // When
        assertRefused(() -> stage(blackwell, facts()), Kind.UNUSABLE, "has neither open kernel modules");
    }

    /** Each a file of a damaged driver, and whether the bundle that it came from is there still. */
    @ParameterizedTest
    @CsvSource({
        "libnvidia-ml.so.570.86.15, cut",
        "libnvidia-ml.so.570.86.15, altered",
        "nvidia-smi, removed",
        "libnvidia-ml.so.1, removed",
        "nvidia.ko, altered",
        "manifest, altered"
    })
    void aDamagedDriverIsPutRightFromItsBundleWhereItLies(String name, String how) throws Exception {
        // Given
        archive(Runfiles.VERSION, "/opt/bundle.tar");
        StagedDriver driver = stage(bundle("/opt/bundle.tar"), facts());
        Object directory = Files.getAttribute(files.resolve(driver.userspaceRoot()), "unix:ino");
        damage(name, how);

        // When
        StagedDriver again = stage(bundle("/opt/bundle.tar"), facts());

        // Then
        assertThat(again).isEqualTo(driver);
        assertThat(store.allProblems(again)).isEmpty();
        assertThat(Files.getAttribute(files.resolve(driver.userspaceRoot()), "unix:ino"))
                .as("it may be mounted")
                .isEqualTo(directory);
    }

    @Test
    void aDamagedDriverWhoseSourceIsGoneIsToldWithItsFile() throws Exception {
        // Given
        archive(Runfiles.VERSION, "/opt/bundle.tar");
        stage(bundle("/opt/bundle.tar"), facts());
        Files.delete(host.resolve("opt/bundle.tar"));
        damage("nvidia-smi", "cut");

        // When
        assertRefused(
                () -> stage(bundle("/opt/bundle.tar"), facts()),
                Kind.UNUSABLE,
                "root/usr/bin/nvidia-smi has 1 bytes and had 10",
                "/opt/bundle.tar is not there",
                "gpu-node-agent driver install");
    }

    private void damage(String name, String how) throws IOException {
        List<Path> found;
        try (Stream<Path> all = Files.walk(host.resolve("var/lib/gpu-node-agent/drivers"))) {
            found = all.filter(path -> path.endsWith(name)).toList();
        }
        assertThat(found).isNotEmpty();
        Path file = found.getFirst();
        switch (how) {
            case "cut" -> Files.write(file, new byte[] {1});
            case "removed" -> Files.delete(file);
            default -> {
                byte[] bytes = Files.readAllBytes(file);
                bytes[bytes.length / 2] ^= 1;
                Files.write(file, bytes);
            }
        }
    }

    /** An archive with one driver, from a node of its own. */
    private String archive(String version, String name) throws Exception {
        jobs.version = version;
        run(Runfiles.driver().version(version));
        StagedDriver made = stage(runfile(), facts());
        pack(made, name);
        return made.key();
    }

    private void pack(StagedDriver made, String name) throws Exception {
        tools.does("tar ", words -> tools.really(words.stream().map(this::seen).toList()));
        sources.writeBundle(List.of(made.key()), Path.of(name));
        FileTrees.delete(host.resolve("var/lib/gpu-node-agent/drivers"));
    }

    private Path bundleDirectory() throws Exception {
        run(Runfiles.driver());
        StagedDriver made = stage(runfile(), facts());
        String tree = String.valueOf(made.userspaceRoot().getName(5));
        Path bundle = host.resolve("opt/bundle");
        Files.createDirectories(bundle);
        Path drivers = host.resolve("var/lib/gpu-node-agent/drivers");
        Files.move(drivers.resolve("trees"), bundle.resolve("trees"));
        Files.move(drivers.resolve("modules"), bundle.resolve("modules"));
        Files.writeString(
                bundle.resolve("gpu-node-agent-bundle"),
                "gpu-node-agent-bundle 1\nmodules/" + made.key() + "\ntrees/" + tree + "\n");
        return bundle;
    }

    // ---- packages

    @Test
    void packagesAreFetchedInTheWantedVersionAndUnpackedIntoTheStore() throws Exception {
        // Given
        tools.says("apt-get", "");
        List<String> fetched = repository("nvidia-open-kernel-dkms", "libnvidia-ml1", "firmware-nvidia-gsp");

        // When
        StagedDriver driver = stage(packages570(), facts());

        // Then
        assertThat(driver.version().text()).isEqualTo("570.86.15");
        assertThat(fetched)
                .containsExactly(
                        "nvidia-open-kernel-dkms=570.86.15-1",
                        "libnvidia-ml1=570.86.15-1",
                        "firmware-nvidia-gsp=570.86.15-1");
        Path root = files.resolve(driver.userspaceRoot());
        assertThat(root.resolve("usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1"))
                .isSymbolicLink()
                .hasContent("nvml");
        assertThat(root.resolve("usr/share/doc")).doesNotExist();
        assertThat(tools.commands).noneMatch(command -> command.contains(" install"));
    }

    private static DriverWish packages570() {
        return wish("GPU_NODE_AGENT_DRIVER_SOURCE=package", "GPU_NODE_AGENT_DRIVER_VERSION=570");
    }

    /** Packages that a repository has in two versions, and what is fetched of them, in order. */
    private List<String> repository(String... names) {
        for (String name : names) {
            tools.says("apt-cache madison " + name, """
                    %1$s | 580.65.06-1 | http://mirror bookworm/non-free amd64 Packages
                    %1$s | 570.86.15-1 | http://mirror bookworm/non-free amd64 Packages
                    """.indent(1).formatted(name));
        }
        tools.says("apt-cache madison", "").says("apt-cache policy", "  Candidate: 580.65.06-1\n");
        List<String> fetched = new ArrayList<>();
        tools.does("env --chdir=", words -> {
            String directory = words.get(1).substring("--chdir=".length());
            write(directory + "/" + words.getLast().replace('=', '_') + ".deb", "x");
            fetched.add(words.getLast());
            return new CommandRunner.Result(0, "", "", false, false);
        });
        tools.does("dpkg-deb -x", words -> {
            unpack(words.get(2), words.getLast());
            return new CommandRunner.Result(0, "", "", false, false);
        });
        return fetched;
    }

    private void unpack(String file, String into) throws IOException {
        if (file.contains("kernel")) {
            write(into + "/usr/src/nvidia-open-570.86.15/Kbuild", "x");
            write(into + "/usr/src/nvidia-open-570.86.15/Makefile", "x");
            write(into + "/usr/src/nvidia-open-570.86.15/nvidia/nv.c", "MODULE_LICENSE(\"Dual MIT/GPL\");");
        } else if (file.contains("firmware")) {
            write(into + "/lib/firmware/nvidia/570.86.15/gsp_ga10x.bin", "x");
        } else {
            write(into + "/usr/lib/x86_64-linux-gnu/nvidia/current/libnvidia-ml.so.1", "nvml");
            write(into + "/usr/share/doc/x/changelog", "x");
        }
    }

    @Test
    void aRepositoryThatCannotBeReadIsNoReasonToGoWithoutADriverThatAnotherHas() throws Exception {
        // Given
        tools.fails("apt-get", 100, "E: The repository 'https://other stable Release' is not signed.");
        repository("nvidia-open-kernel-dkms", "libnvidia-ml1", "firmware-nvidia-gsp");

        // When
        StagedDriver driver = stage(packages570(), facts());

        // Then
        assertThat(driver.version().text()).isEqualTo("570.86.15");
    }

    @Test
    void ubuntusFirmwareWhoseNameHasTheVersionIsFetched() throws Exception {
        // Given
        write("/etc/os-release", "ID=ubuntu\nPRETTY_NAME=\"Ubuntu 24.04\"\n");
        tools.says("apt-get", "");
        List<String> fetched = repository(
                "nvidia-kernel-source-570-server-open",
                "libnvidia-compute-570-server",
                "nvidia-firmware-570-server-570.86.15");

        // When
        stage(packages570(), facts());

        // Then
        assertThat(fetched).last().isEqualTo("nvidia-firmware-570-server-570.86.15=570.86.15-1");
    }

    @Test
    void packagesOfNvidiasRepositoryWhoseNamesHaveNoBranchAreFetched() throws Exception {
        // Given
        write("/etc/os-release", "ID=ubuntu\nPRETTY_NAME=\"Ubuntu 24.04\"\n");
        tools.says("apt-get", "");
        List<String> fetched = repository("nvidia-kernel-source-open", "libnvidia-compute", "nvidia-firmware");

        // When
        stage(packages570(), facts());

        // Then
        assertThat(fetched)
                .containsExactly(
                        "nvidia-kernel-source-open=570.86.15-1",
                        "libnvidia-compute=570.86.15-1",
                        "nvidia-firmware=570.86.15-1");
    }

    @Test
    void openModulesWhoseFirmwareNobodyHasAreRefused() {
        // Given
        tools.says("apt-get", "");
        repository("nvidia-open-kernel-dkms", "libnvidia-ml1");

        // When
        assertRefused(
                () -> stage(packages570(), facts()), Kind.UNUSABLE, "no firmware (lib/firmware/nvidia/570.86.15)");
    }

    @Test
    void modulesThatADistributionHasSignedNeedNoRepositoryAtTheNextBootWithSecureBoot() throws Exception {
        // Given
        tools.says("apt-get", "");
        repository("nvidia-open-kernel-dkms", "libnvidia-ml1", "firmware-nvidia-gsp");
        tools.does("dpkg-deb -x", words -> {
            unpack(words.get(2), words.getLast());
            if (words.get(2).contains("kernel")) {
                Path module = at(Path.of(words.getLast() + "/lib/modules/" + KERNEL + "/updates/nvidia.ko"));
                Files.write(
                        module, signed("license=Dual MIT/GPL", "version=570.86.15", "vermagic=" + KERNEL + " SMP "));
            }
            return new CommandRunner.Result(0, "", "", false, false);
        });
        KernelFacts locked = facts(KERNEL, new BootSecurity(SecureBoot.ON, "integrity", false, List.of(), true));
        StagedDriver first = stage(packages570(), locked);
        tools.fails("apt-get", 100, "E: Could not resolve 'mirror'")
                .fails("env --chdir=", 100, "E: Could not resolve 'mirror'");

        // When
        StagedDriver next = stage(packages570(), locked);

        // Then
        assertThat(next.key()).isEqualTo(first.key());
    }

    /** A module with a signature behind it that says nothing of who has signed. */
    private static byte[] signed(String... fields) {
        byte[] module = KernelObject.with(fields);
        byte[] magic = "~Module signature appended~\n".getBytes(StandardCharsets.US_ASCII);
        byte[] signed = Arrays.copyOf(module, module.length + 12 + magic.length);
        System.arraycopy(magic, 0, signed, module.length + 12, magic.length);
        return signed;
    }

    @Test
    void packagesWithoutNvmlAreRefused() {
        // Given
        tools.says("apt-get", "");
        repository("nvidia-open-kernel-dkms", "firmware-nvidia-gsp");

        // When
        assertRefused(() -> stage(packages570(), facts()), Kind.UNUSABLE, "570.86.15 have no libnvidia-ml.so.1");
    }

    @Test
    void noPackageIsWrittenThroughALinkOfAnother() throws Exception {
        // Given
        tools.says("apt-get", "");
        repository("nvidia-open-kernel-dkms", "libnvidia-ml1", "firmware-nvidia-gsp");
        Path outside = Files.createDirectories(host.resolve("etc/outside"));
        tools.does("dpkg-deb -x", words -> {
            if (words.get(2).contains("firmware")) {
                Files.createSymbolicLink(
                        host.resolve(words.getLast().substring(1)).resolve("lib"),
                        Path.of("../../../../../../../etc/outside"));
            } else {
                write(words.getLast() + "/lib/file", "x");
            }
            return new CommandRunner.Result(0, "", "", false, false);
        });

        // When
        assertRefused(() -> stage(packages570(), facts()), Kind.DAMAGED, "its link lib to ", "leads out");

        // Then
        assertThat(outside).isEmptyDirectory();
    }

    @Test
    void nothingOfTheHostsIsRemovedThroughALinkOfAPackage() throws Exception {
        // Given: a package that has a directory of manuals removed through a link to the host's
        tools.says("apt-get", "");
        repository("nvidia-open-kernel-dkms", "libnvidia-ml1", "firmware-nvidia-gsp");
        write("/usr/share/doc/of-the-host", "x");
        tools.does("dpkg-deb -x", words -> {
            if (words.get(2).contains("libnvidia-ml1")) {
                write(words.getLast() + "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1", "nvml");
                Files.createSymbolicLink(
                        host.resolve(words.getLast().substring(1)).resolve("usr/share"),
                        host.resolve("usr/share").toAbsolutePath());
            } else {
                unpack(words.get(2), words.getLast());
            }
            return new CommandRunner.Result(0, "", "", false, false);
        });

        // When
        StagedDriver driver = stage(packages570(), facts());

        // Then
        assertThat(driver.version().text()).isEqualTo("570.86.15");
        assertThat(host.resolve("usr/share/doc/of-the-host")).exists();
    }

    @Test
    void aVersionThatNoRepositoryHasIsToldWithThoseThatThereAre() throws Exception {
        // Given
        tools.says("apt-get", "")
                .says(
                        "apt-cache madison",
                        " nvidia-open-kernel-dkms | 535.261.03-1 | http://mirror bookworm amd64 Packages\n");

        // When
        assertRefused(
                () -> stage(
                        wish("GPU_NODE_AGENT_DRIVER_SOURCE=package", "GPU_NODE_AGENT_DRIVER_VERSION=580.65.06"),
                        facts()),
                Kind.UNUSABLE,
                "no repository of Debian GNU/Linux 12 (bookworm) has nvidia-open-kernel-dkms or nvidia-kernel-open-dkms"
                        + " of version 580.65.06",
                "535.261.03-1");
    }

    @Test
    void aRepositoryThatDoesNotAnswerIsPassing() throws Exception {
        // Given
        tools.fails("apt-get", 100, "E: Could not resolve 'mirror'");

        // When
        assertRefused(
                () -> stage(wish("GPU_NODE_AGENT_DRIVER_SOURCE=package"), facts()),
                Kind.UNREACHABLE,
                "Could not resolve 'mirror'");
    }

    @Test
    void anUnknownDistributionIsRefusedByName() throws Exception {
        // Given
        write("/etc/os-release", "ID=gentoo\nPRETTY_NAME=Gentoo\n");

        // When
        assertRefused(
                () -> stage(wish("GPU_NODE_AGENT_DRIVER_SOURCE=package"), facts()),
                Kind.UNUSABLE,
                "this is Gentoo",
                "use host, runfile or bundle");
    }

    // ---- what the host has

    @Test
    void theHostsDriverIsAdopted() throws Exception {
        // Given
        hostModules("580.65.06", KERNEL);
        write("/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.580.65.06", "");

        // When
        StagedDriver driver = stage(wish(), facts());

        // Then
        assertThat(driver.version().text()).isEqualTo("580.65.06");
        assertThat(driver.type()).isEqualTo(ModuleType.OPEN);
        assertThat(driver.modules()).extracting(StagedModule::name).containsExactly("nvidia", "nvidia_uvm");
        assertThat(driver.modules().getFirst().path())
                .isEqualTo(Path.of("/lib/modules/" + KERNEL + "/updates/dkms/nvidia.ko"));
        assertThat(driver.userspaceRoot()).isEqualTo(Path.of("/"));
        assertThat(driver.key()).isEmpty();
        assertThat(files.exists(DriverStore.DIRECTORY)).isFalse();
    }

    @Test
    void librariesOfAnotherVersionThanTheModulesAreTold() throws Exception {
        // Given
        hostModules("580.65.06", KERNEL);
        write("/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.575.57.08", "");

        // When
        assertRefused(
                () -> stage(wish(), facts()),
                Kind.UNUSABLE,
                "modules are of driver 580.65.06 and its libraries of 575.57.08");
    }

    @Test
    void aHostWithoutADriverForThisKernelIsTold() throws Exception {
        // Given
        write("/lib/modules/" + KERNEL + "/modules.dep", "kernel/drivers/net/e1000.ko:\n");

        // When
        assertRefused(
                () -> stage(wish(), facts()), Kind.UNUSABLE, "no NVIDIA driver is installed for kernel " + KERNEL);
    }

    @Test
    void aDriverOfTheHostThatWasReplacedOrRemovedIsToldAsWrong() throws Exception {
        // Given
        hostModules("580.65.06", KERNEL);
        write("/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.580.65.06", "");
        StagedDriver driver = stage(wish(), facts());
        List<String> asItWas = sources.problems(driver);
        hostModules("590.10.01", KERNEL);

        // When
        List<String> replaced = sources.problems(driver);

        // Then
        write("/lib/modules/" + KERNEL + "/modules.dep", "");
        assertThat(asItWas).isEmpty();
        assertThat(replaced).containsExactly("590.10.01 (open) is installed");
        assertThat(sources.problems(driver)).containsExactly("no NVIDIA driver is installed for kernel " + KERNEL);
    }

    private void hostModules(String version, String kernel) throws IOException {
        write("/lib/modules/" + kernel + "/modules.dep", """
                updates/dkms/nvidia-uvm.ko: updates/dkms/nvidia.ko
                updates/dkms/nvidia.ko: kernel/drivers/gpu/drm/drm.ko
                kernel/drivers/platform/x86/nvidia-wmi-ec-backlight.ko:
                """);
        for (String module : List.of("nvidia", "nvidia-uvm")) {
            Path file = at(Path.of("/lib/modules/" + kernel + "/updates/dkms/" + module + ".ko"));
            Files.write(
                    file,
                    KernelObject.with(
                            "license=Dual MIT/GPL",
                            "version=" + version,
                            "depends=" + (module.equals("nvidia") ? "drm" : "nvidia"),
                            "vermagic=" + kernel + " SMP "));
        }
    }

    // ---- helpers

    private StagedDriver stage(DriverWish wish, KernelFacts facts) throws Exception {
        return sources.stage(wish, facts, new Progress() {
            @Override
            public void begins(Phase phase, String what) {
                told.add(phase.text());
            }

            @Override
            public void at(Phase phase, long done, long total, long perSecond) {}
        });
    }

    private static void assertRefused(ThrowingCallable call, Kind kind, String... said) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        DriverSourceException.class,
                        refusal -> assertThat(refusal.kind()).isEqualTo(kind))
                .hasMessageContainingAll(said);
    }

    private static DriverWish wish(String... variables) {
        AgentConfig config = Configs.of(variables);
        return new DriverWish(config.driver(), List.of("2330"));
    }

    private static DriverWish runfile() {
        return wish("GPU_NODE_AGENT_DRIVER_SOURCE=runfile", "GPU_NODE_AGENT_DRIVER_RUNFILE_FILE=" + RUN);
    }

    private static DriverWish bundle(String path) {
        return wish("GPU_NODE_AGENT_DRIVER_SOURCE=bundle", "GPU_NODE_AGENT_DRIVER_BUNDLE_PATH=" + path);
    }

    private static DriverWish bundle(String path, String sha256) {
        return wish(
                "GPU_NODE_AGENT_DRIVER_SOURCE=bundle",
                "GPU_NODE_AGENT_DRIVER_BUNDLE_PATH=" + path,
                "GPU_NODE_AGENT_DRIVER_BUNDLE_SHA256=" + sha256);
    }

    private String sha256(String path) throws IOException {
        return HexFormat.of()
                .formatHex(DriverManifest.sha256().digest(Files.readAllBytes(host.resolve(path.substring(1)))));
    }

    private static KernelFacts facts() {
        return facts(KERNEL, BootSecurity.NONE);
    }

    private static KernelFacts facts(String kernel, BootSecurity security) {
        Path build = Path.of("/lib/modules/" + kernel + "/build");
        return new KernelFacts(
                kernel,
                MACHINE,
                new KernelHeaders(
                        kernel,
                        Optional.of(build),
                        List.of(build),
                        List.of(),
                        kernel,
                        "gcc-12 (Debian 12.2.0-14) 12.2.0"),
                security);
    }

    private void run(Runfiles runfile) throws IOException {
        Files.write(at(RUN), runfile.bytes());
    }

    private void write(String path, String text) throws IOException {
        Files.writeString(at(Path.of(path)), text, StandardCharsets.UTF_8);
    }

    private Path at(Path path) throws IOException {
        Path file = host.resolve(Path.of("/").relativize(path));
        Files.createDirectories(Objects.requireNonNull(file.getParent()));
        return file;
    }

    @Test
    void theSha256OfARunfileIsWhatSha256sumSays() throws Exception {
        // Given
        byte[] bytes = Runfiles.driver().bytes();
        Files.write(at(RUN), bytes);
        String sha256 = HexFormat.of().formatHex(DriverManifest.sha256().digest(bytes));

        // When
        StagedDriver driver = stage(
                wish(
                        "GPU_NODE_AGENT_DRIVER_SOURCE=runfile",
                        "GPU_NODE_AGENT_DRIVER_RUNFILE_FILE=" + RUN,
                        "GPU_NODE_AGENT_DRIVER_RUNFILE_SHA256=" + sha256),
                facts());

        // Then
        assertThat(driver.key()).hasSize(64);
    }
}
