package io.gpunode.agent.os;

import static org.junit.jupiter.api.Assumptions.abort;

import io.gpunode.agent.time.SystemTime;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A mount namespace of its own, kept by a process that a test can end: what is mounted there is seen by nobody else and goes with it. Needs root. */
public final class MountPlace implements AutoCloseable {
    private final Process keeper;

    private MountPlace(Process keeper) {
        this.keeper = keeper;
    }

    /** Makes one; aborts the test with the reason where that is not allowed. */
    public static MountPlace open() throws IOException {
        Process keeper = new ProcessBuilder(
                        "unshare", "--mount", "--propagation", "private", "sh", "-c", "echo here; exec cat")
                .redirectErrorStream(true)
                .start();
        BufferedReader reader = keeper.inputReader(StandardCharsets.UTF_8);
        String line = reader.readLine();
        if (!"here".equals(line)) {
            keeper.destroyForcibly();
            abort("no mount namespace can be made here: " + line);
        }
        return new MountPlace(keeper);
    }

    /** The process that keeps it. */
    public int pid() {
        return (int) keeper.pid();
    }

    /** Mounts as an agent elsewhere sees to them there. */
    public Mounts mounts() {
        HostFiles own = new SystemHostFiles(Path.of("/"));
        return new SystemMounts(new SystemCommandRunner(), own, own, new HostNamespace(own, pid()));
    }

    /** Files as they are there. */
    public HostFiles files() {
        return new SystemHostFiles(Path.of("/proc/" + pid() + "/root"));
    }

    /** Processes as an agent elsewhere sees to them there. */
    public HostProcesses processes() {
        HostFiles own = new SystemHostFiles(Path.of("/"));
        return new SystemHostProcesses(own, files(), new HostNamespace(own, pid()), SystemTime.monotonic());
    }

    /** Runs a command there, to its end. */
    public void run(String... command) throws IOException, InterruptedException {
        List<String> whole = new java.util.ArrayList<>(List.of("nsenter", "--mount=/proc/" + pid() + "/ns/mnt", "--"));
        whole.addAll(List.of(command));
        Process process = new ProcessBuilder(whole).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (process.waitFor() != 0) {
            throw new IOException(String.join(" ", command) + ": " + output);
        }
    }

    @Override
    public void close() {
        keeper.destroyForcibly();
        try {
            keeper.waitFor(10, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
