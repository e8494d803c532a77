package io.gpunode.benchmarks;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** The packaged agent as a process of its own, started by its launcher. Its output goes to a file, so that nobody's thread reads it meanwhile. */
final class PackagedAgent implements AutoCloseable {
    private static final int EXIT_SECONDS = 20;

    /** Of the clock in /proc, which has had 100 ticks a second on every architecture for long. */
    private static final long TICK_NANOS = 10_000_000;

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

    long pid() {
        return process.pid();
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

    /** What its memory is of, for people. */
    String memoryParts() throws IOException {
        return ProcessMemory.parts(process.pid());
    }

    /** Processor time of the whole process in nanoseconds, of threads that have ended as well, in steps of a hundredth of a second. */
    long processNanos() throws IOException {
        String text = Files.readString(Path.of("/proc/" + process.pid() + "/stat"), StandardCharsets.UTF_8);
        // The name in parentheses may have blanks; user and system time are the 12th and 13th after it.
        String[] words = text.substring(text.lastIndexOf(')') + 2).split(" ", -1);
        return (Long.parseLong(words[11]) + Long.parseLong(words[12])) * TICK_NANOS;
    }

    /** Processor time in nanoseconds by thread name; threads of one name are added up. */
    Map<String, Long> processorNanosByThread() throws IOException {
        Map<String, Long> threads = new TreeMap<>();
        for (Path thread : threads()) {
            String name = Files.readString(thread.resolve("comm"), StandardCharsets.UTF_8)
                    .strip();
            String text = Files.readString(thread.resolve("schedstat"), StandardCharsets.UTF_8);
            threads.merge(name, Long.parseLong(text.substring(0, text.indexOf(' '))), Long::sum);
        }
        return threads;
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
