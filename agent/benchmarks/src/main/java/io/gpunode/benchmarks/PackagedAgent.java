package io.gpunode.benchmarks;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** The packaged agent as a process of its own, started by its launcher. Its output goes to a file, so that nobody's thread reads it meanwhile. */
final class PackagedAgent implements AutoCloseable {
    private static final int EXIT_SECONDS = 20;

    private final Process process;
    private final Path log;
    private final long startedAt;

    private PackagedAgent(Process process, Path log, long startedAt) {
        this.process = process;
        this.log = log;
        this.startedAt = startedAt;
    }

    /**
     * Starts it.
     *
     * @param javaOptions added after the launcher's own; a later one wins
     * @param environment added to this process's
     */
    static PackagedAgent start(
            Path launcher, Path config, Path log, String javaOptions, Map<String, String> environment)
            throws IOException {
        ProcessBuilder builder = new ProcessBuilder(List.of(launcher.toString(), "run", "--config", config.toString()))
                .redirectErrorStream(true)
                .redirectOutput(log.toFile());
        builder.environment().put("GPU_NODE_AGENT_JAVA_OPTS", javaOptions);
        builder.environment().putAll(environment);
        long startedAt = System.nanoTime();
        return new PackagedAgent(builder.start(), log, startedAt);
    }

    /** Just before the launcher was started, on the monotonic clock. */
    long startedAt() {
        return startedAt;
    }

    ProcessMemory memory() throws IOException {
        return ProcessMemory.of(process.pid());
    }

    /** Processor time of all threads that live, in nanoseconds, from the scheduler. */
    long processorNanos() throws IOException {
        long sum = 0;
        for (Path thread : threads()) {
            String text = Files.readString(thread.resolve("schedstat"), StandardCharsets.UTF_8);
            sum += Long.parseLong(text.substring(0, text.indexOf(' ')));
        }
        return sum;
    }

    int threadCount() throws IOException {
        return threads().size();
    }

    /** Calls back when it has ended. */
    void onExit(Runnable callback) {
        var _ = process.onExit().thenRun(callback);
    }

    /** Sends SIGTERM and waits for the end. Nanoseconds between the two. */
    long terminate() throws IOException, InterruptedException {
        long before = System.nanoTime();
        process.destroy();
        if (!process.waitFor(EXIT_SECONDS, TimeUnit.SECONDS)) {
            throw new IOException(
                    "the agent did not end within " + EXIT_SECONDS + " s of SIGTERM; it said:\n" + output());
        }
        return System.nanoTime() - before;
    }

    /** All that it has said. */
    String output() {
        try {
            return Files.readString(log, StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read the agent's output " + log, e);
        }
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }

    private List<Path> threads() throws IOException {
        try (Stream<Path> files = Files.list(Path.of("/proc/" + process.pid() + "/task"))) {
            return files.toList();
        }
    }
}
