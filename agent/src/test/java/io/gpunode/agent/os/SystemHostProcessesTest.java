package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.time.SystemTime;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SystemHostProcessesTest extends HostProcessesContract {
    private static final Duration LONG = Duration.ofSeconds(10);

    @TempDir
    Path root;

    private final List<Process> children = new ArrayList<>();

    private final HostFiles own = new SystemHostFiles(Path.of("/"));

    @AfterEach
    void endChildren() throws InterruptedException {
        for (Process child : children) {
            child.destroyForcibly();
            child.waitFor();
        }
    }

    @Override
    protected SystemHostProcesses processes() {
        return new SystemHostProcesses(own, own, SystemTime.monotonic());
    }

    @Override
    protected ProcessIdentity willing() throws Exception {
        return started("exec sleep 60", "sleep");
    }

    @Override
    protected ProcessIdentity stubborn() throws Exception {
        return started("trap '' TERM; exec sleep 60", "sleep");
    }

    @Override
    protected void end(ProcessIdentity process) throws Exception {
        for (Process child : children) {
            if (child.pid() == process.pid()) {
                child.destroyForcibly();
                child.waitFor();
            }
        }
    }

    /** A child of this test, when it has become its program. */
    private ProcessIdentity started(String script, String program) throws Exception {
        Process child = new ProcessBuilder("sh", "-c", script).start();
        children.add(child);
        while (true) {
            ProcessIdentity now = processes().identify((int) child.pid()).orElseThrow();
            if (now.program().equals(program)) {
                return now;
            }
            child.waitFor(5, java.util.concurrent.TimeUnit.MILLISECONDS);
        }
    }

    @Test
    void whatIsLeftOfAProcessThatNobodyWaitsForHasEnded() throws Exception {
        // Given: the shell becomes a program that does not wait for its child, which has ended
        Process child = new ProcessBuilder("sh", "-c", "sleep 0 & echo $!; exec sleep 60").start();
        children.add(child);
        int zombie = Integer.parseInt(child.inputReader().readLine());
        String state;
        do {
            child.waitFor(5, java.util.concurrent.TimeUnit.MILLISECONDS);
            state = Files.readString(Path.of("/proc/" + zombie + "/stat"));
        } while (!state.contains(") Z "));

        // When
        var found = processes().identify(zombie);

        // Then
        assertThat(found).isEmpty();
    }

    @Test
    void aProgramThatWasReplacedOnDiskIsStillKnownByItsName() throws Exception {
        // Given
        Path copy = root.resolve("nvidia-standin");
        Files.copy(Path.of("/usr/bin/sleep"), copy, StandardCopyOption.COPY_ATTRIBUTES);
        Process child = new ProcessBuilder(copy.toString(), "60").start();
        children.add(child);
        Files.delete(copy);

        // When
        List<ProcessIdentity> running = new SystemHostProcesses(own, new SystemHostFiles(root), SystemTime.monotonic())
                .running("nvidia-standin");

        // Then
        assertThat(running).extracting(ProcessIdentity::pid).containsExactly((int) child.pid());
    }

    @Test
    void aHostBelowADirectoryHasTheProcessesOfItsPrograms() throws Exception {
        // Given
        ProcessIdentity elsewhere = willing();

        // When
        List<ProcessIdentity> running = new SystemHostProcesses(own, new SystemHostFiles(root), SystemTime.monotonic())
                .running(elsewhere.program());

        // Then
        assertThat(running).isEmpty();
    }

    @Test
    void whoHasLockedAFileIsKnown() throws Exception {
        // Given
        Path file = root.resolve("run/nvidia-persistenced.pid");
        Files.createDirectories(file.getParent());
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                var lock = channel.lock()) {
            // When
            OptionalInt owner = processes().lockOwner(file);

            // Then
            assertThat(lock.isValid()).isTrue();
            assertThat(owner).hasValue((int) ProcessHandle.current().pid());
        }
    }

    @Test
    void aFileThatIsNotThereIsLockedByNobody() throws Exception {
        // When
        OptionalInt owner = processes().lockOwner(Path.of("/run/none.pid"));

        // Then
        assertThat(owner).isEmpty();
    }

    @Test
    void aStartedProgramHasASessionOfItsOwnAndWritesToItsFile() throws Exception {
        // When
        StartedProgram program = processes()
                .start(
                        List.of(
                                "/bin/sh",
                                "-c",
                                "echo told; echo failed >&2; cut -d' ' -f6 /proc/$$/stat; echo $$ $GREETING"),
                        Map.of("GREETING", "hello"),
                        root.resolve("run/agent/x.out"));

        // Then
        assertThat(program.awaitExit(LONG)).hasValue(0);
        assertThat(root.resolve("run/agent/x.out"))
                .hasContent("told\nfailed\n" + program.pid() + "\n" + program.pid() + " hello\n");
    }

    @Test
    void aProgramThatIsNotThereEndsAsAShellSaysIt() throws Exception {
        // When
        StartedProgram program = processes().start(List.of("/nowhere/nvlsm"), Map.of(), root.resolve("run/x.out"));

        // Then
        assertThat(program.awaitExit(LONG)).hasValue(127);
        assertThat(Files.readString(root.resolve("run/x.out"))).contains("/nowhere/nvlsm");
    }
}
