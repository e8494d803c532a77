package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gpunode.agent.os.LoadedModule.Phase;
import io.gpunode.agent.time.SystemTime;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The real implementation over files and programs that behave like a kernel's; over a real kernel it is tested in the virtual machine. */
@Timeout(20)
class SystemKernelModulesTest {
    private static final Duration LIMIT = Duration.ofSeconds(5);
    private static final CommandRunner.Result OK = new CommandRunner.Result(0, "", "", false, false);

    @TempDir
    private Path root;

    private KernelInAFolder kernel;

    @BeforeEach
    void setUp() throws IOException {
        kernel = new KernelInAFolder(root);
    }

    @Nested
    class OverAKernel extends KernelModulesContract {
        @Override
        KernelModules modules() throws IOException {
            kernel.install("base", List.of());
            kernel.install("top", List.of("base"));
            kernel.install("other", List.of());
            return over(kernel);
        }

        @Override
        void hold(String module) throws IOException {
            kernel.hold(module, 1);
        }

        @Override
        void release(String module) throws IOException {
            kernel.hold(module, -1);
        }

        @Override
        void phase(String module, Phase phase) throws IOException {
            kernel.phase(module, phase);
        }

        @Override
        Path file(String module) {
            return Path.of("/lib/modules/test/" + module + ".ko");
        }
    }

    private KernelModules over(CommandRunner commands) {
        SystemHostFiles files = new SystemHostFiles(root);
        return new SystemKernelModules(
                files,
                files,
                commands,
                () -> {
                    throw new FileNotFoundException("/dev/kmsg");
                },
                SystemTime.monotonic());
    }

    private static CommandRunner answering(CommandRunner.Result result) {
        return (_, _, _, _, _) -> result;
    }

    private static CommandRunner.Result error(String text) {
        return new CommandRunner.Result(1, "", text + "\n", false, false);
    }

    @Test
    void aKernelWithoutModulesHasNone() throws IOException {
        // When
        List<LoadedModule> loaded = over(kernel).loaded();

        // Then
        assertThat(loaded).isEmpty();
    }

    @Test
    void theRunningKernelsModulesAreRead() throws IOException {
        // Given
        SystemHostFiles files = new SystemHostFiles(Path.of("/"));

        // When
        List<LoadedModule> loaded = new SystemKernelModules(
                        files,
                        files,
                        new SystemCommandRunner(),
                        () -> KmsgKernelLog.open(files),
                        SystemTime.monotonic())
                .loaded();

        // Then
        assertThat(loaded).allSatisfy(module -> assertThat(module.size()).isPositive());
    }

    @Test
    void theProgramRunsOnTheHostsFiles() throws Exception {
        // Given
        List<String> ran = new ArrayList<>();
        KernelModules modules = over((command, _, _, _, _) -> {
            ran.addAll(command);
            return OK;
        });

        // When
        modules.load(new ModuleToLoad("nvidia-uvm", Optional.empty(), Map.of("a", "b c")), LIMIT);

        // Then
        assertThat(ran).containsExactly("chroot", root.toString(), "modprobe", "--", "nvidia_uvm", "a=\"b c\"");
    }

    @Test
    void theKernelsLinesOfThatTimeAreEvidenceAndTellWhatTheProgramDoesNot() throws Exception {
        // Given
        Path log = Files.createDirectories(root.resolve("dev")).resolve("kmsg");
        Files.writeString(log, "6,1,1,-;before\n");
        SystemHostFiles files = new SystemHostFiles(root);
        KernelModules modules = new SystemKernelModules(
                files,
                files,
                (_, _, _, _, _) -> {
                    Files.writeString(
                            log,
                            Files.readString(log)
                                    + "3,2,2,-;nvidia: version magic '6.1.0-1 SMP' should be '6.1.0-2 SMP'\n");
                    return error("modprobe: ERROR: could not insert 'nvidia': Exec format error");
                },
                () -> KmsgKernelLog.open(files),
                SystemTime.monotonic());

        // When
        ModuleOutcome outcome = modules.load(ModuleToLoad.named("nvidia"), LIMIT);

        // Then
        assertThat(outcome)
                .isEqualTo(new ModuleOutcome.Refused(
                        ModuleFault.OTHER_KERNEL,
                        "modprobe: ERROR: could not insert 'nvidia': Exec format error",
                        List.of("nvidia: version magic '6.1.0-1 SMP' should be '6.1.0-2 SMP'")));
    }

    @Test
    void aProgramThatDidNothingIsNoSuccess() throws Exception {
        // Given an install line that runs /bin/true

        // When
        ModuleOutcome outcome = over(answering(OK)).load(ModuleToLoad.named("nvidia"), LIMIT);

        // Then
        assertThat(outcome)
                .isInstanceOfSatisfying(
                        ModuleOutcome.Refused.class,
                        refused -> assertThat(refused.fault()).isEqualTo(ModuleFault.REPLACED));
    }

    @Test
    void aModuleThatIsBuiltInCountsAsLoaded() throws Exception {
        // Given
        Files.createDirectories(root.resolve("sys/module/nvidia"));

        // When
        ModuleOutcome outcome = over(answering(OK)).load(ModuleToLoad.named("nvidia"), LIMIT);

        // Then
        assertThat(outcome.ok()).isTrue();
    }

    @Test
    void aMissingProgramIsSaid() throws Exception {
        // Given
        CommandRunner none = (command, _, _, _, _) -> {
            throw new IOException("Cannot run program \"" + command.getFirst() + "\"");
        };

        // When
        ModuleOutcome outcome = over(none).load(ModuleToLoad.named("nvidia"), LIMIT);

        // Then
        assertThat(outcome)
                .isInstanceOfSatisfying(
                        ModuleOutcome.Refused.class,
                        refused -> assertThat(refused.fault()).isEqualTo(ModuleFault.NO_PROGRAM));
    }

    @Test
    void aProgramThatHangsIsKilledAndTheModuleLookedAt() throws Exception {
        // Given
        CommandRunner hanging = (_, _, _, _, _) -> {
            kernel.install("nvidia", List.of());
            kernel.insert("nvidia");
            kernel.phase("nvidia", Phase.COMING);
            return new CommandRunner.Result(137, "", "", true, false);
        };

        // When
        ModuleOutcome outcome = over(hanging).load(ModuleToLoad.named("nvidia"), LIMIT);

        // Then
        assertThat(outcome).isInstanceOfSatisfying(ModuleOutcome.TimedOut.class, timedOut -> {
            assertThat(timedOut.stuck()).isTrue();
            assertThat(timedOut.state()).contains("nvidia is still starting").contains("reboot");
        });
    }

    @Test
    void aProgramThatCannotEvenBeKilledHangsInTheKernel() throws Exception {
        // Given
        kernel.install("nvidia_uvm", List.of());
        kernel.insert("nvidia_uvm");
        CommandRunner stuck = (command, _, _, _, _) -> {
            throw new CommandRunner.StuckException(command.getFirst() + " does not end");
        };

        // When
        ModuleOutcome outcome = over(stuck).unload("nvidia_uvm", LIMIT);

        // Then
        assertThat(outcome).isInstanceOfSatisfying(ModuleOutcome.TimedOut.class, timedOut -> {
            assertThat(timedOut.stuck()).isTrue();
            assertThat(timedOut.state()).contains("only a reboot");
        });
    }

    @Test
    void somebodyElseWasFaster() throws Exception {
        // Given
        CommandRunner late = (_, _, _, _, _) -> {
            kernel.install("nvidia", List.of());
            kernel.insert("nvidia");
            return error("insmod: ERROR: could not insert module /x/nvidia.ko: File exists");
        };

        // When
        ModuleOutcome outcome = over(late).load(ModuleToLoad.named("nvidia"), LIMIT);

        // Then
        assertThat(outcome).isEqualTo(new ModuleOutcome.AlreadyThere());
    }

    @Test
    void aModuleWithoutAnExitFunctionIsPermanent() throws Exception {
        // Given
        Files.createDirectories(root.resolve("proc"));
        Files.writeString(root.resolve("proc/modules"), "odd 16384 1 [permanent], Live 0x0000000000000000\n");

        // When
        ModuleOutcome outcome = over(answering(
                        error(
                                "rmmod: ERROR: ../libkmod/libkmod-module.c:856 kmod_module_remove_module() could not remove 'odd': Device or resource busy")))
                .unload("odd", LIMIT);

        // Then
        assertThat(outcome)
                .isInstanceOfSatisfying(
                        ModuleOutcome.Refused.class,
                        refused -> assertThat(refused.fault()).isEqualTo(ModuleFault.PERMANENT));
    }

    @Test
    void whatIsNoModulesNameIsRefusedBeforeAnythingIsRun() {
        for (String name : List.of("", "../x", "a=b", "/etc/passwd")) {
            assertThatThrownBy(() -> over(kernel).load(ModuleToLoad.named(name), LIMIT))
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }
}
