package io.gpunode.agent.process;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.HttpURLConnection;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The packaged agent as a process of its own: the jars of {@code target/dist/lib} on this JDK, in a heap as small as the launcher's, with real
 * signals; or, where the environment variable {@code GPU_NODE_AGENT_LAUNCHER} names one, the launcher of a runnable folder. Its log lines come through a queue, so a test waits for what the agent says instead of sleeping. The launcher with its own runtime is
 * tested by {@code packaging/smoke-test.sh}.
 */
final class AgentProcess implements AutoCloseable {
    private static final Pattern HTTP = Pattern.compile("http=(\\S+)");

    private final Process process;
    private final LinkedBlockingQueue<String> lines = new LinkedBlockingQueue<>(100_000);
    private final List<String> seen = new ArrayList<>();
    private final Thread reader;

    private AgentProcess(Process process) {
        this.process = process;
        this.reader = Thread.ofPlatform().daemon().name("agent-output").start(this::read);
    }

    static AgentProcess start(List<String> arguments) throws IOException {
        return start(arguments, Map.of());
    }

    /** The same with variables beside those of this process. */
    static AgentProcess start(List<String> arguments, Map<String, String> environment) throws IOException {
        List<String> command = new ArrayList<>(command());
        command.addAll(arguments);
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().putAll(environment);
        return new AgentProcess(builder.start());
    }

    private static List<String> command() throws IOException {
        String launcher = System.getenv("GPU_NODE_AGENT_LAUNCHER");
        if (launcher != null) {
            return List.of(launcher);
        }
        Path libraries = Path.of("target", "dist", "lib").toAbsolutePath();
        Path jar;
        try (var files = Files.list(libraries)) {
            jar = files.filter(file -> file.getFileName().toString().matches("gpu-node-agent-.*\\.jar"))
                    .findFirst()
                    .orElseThrow(() -> new IllegalStateException("no agent jar in " + libraries + ": run mvn package"));
        }
        return List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:+UseSerialGC",
                "-Xmx24m",
                "-Xss256k",
                "-XX:TieredStopAtLevel=1",
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "-Dio.netty.noUnsafe=false",
                "-jar",
                jar.toString());
    }

    long pid() {
        return process.pid();
    }

    /** Memory that it has for itself, and its share of what it has with others (PSS), MiB. */
    double proportionalMebibytes() throws IOException {
        return Files.readAllLines(Path.of("/proc/" + pid() + "/smaps_rollup")).stream()
                        .filter(line -> line.startsWith("Pss:"))
                        .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                        .sum()
                / 1024.0;
    }

    boolean alive() {
        return process.isAlive();
    }

    /** Waits until it has started and gives {@code host:port} of its HTTP listener. */
    String awaitAddress() throws InterruptedException {
        Matcher matcher = HTTP.matcher(awaitLine(": started ", 30));
        if (!matcher.find()) {
            throw new AssertionError("the agent does not say where it listens:\n" + String.join("\n", output()));
        }
        return matcher.group(1).replace("localhost", "127.0.0.1");
    }

    /** Waits until the agent at this address is ready; fails with what it says is missing. */
    static void awaitReady(String address, Duration limit) throws Exception {
        Eventually.within(limit, () -> {
            Answer answer = get(address, "/readyz");
            return answer.status() == 200 ? "" : answer.body();
        });
    }

    /** Waits for a line that contains the text. Lines before it are consumed. */
    String awaitLine(String text, int seconds) throws InterruptedException {
        return awaitLine(line -> line.contains(text), "\"" + text + "\"", seconds);
    }

    String awaitLine(Predicate<String> wanted, String description, int seconds) throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        while (true) {
            String line = lines.poll(Math.max(0, deadline - System.nanoTime()), TimeUnit.NANOSECONDS);
            if (line == null) {
                throw new AssertionError("no line with " + description + " within " + seconds + " s; the agent "
                        + (process.isAlive() ? "is alive" : "ended with " + process.exitValue()) + " and said:\n"
                        + String.join("\n", output()));
            }
            if (wanted.test(line)) {
                return line;
            }
        }
    }

    /** All that it has said so far. */
    List<String> output() {
        synchronized (seen) {
            return List.copyOf(seen);
        }
    }

    /** Sends SIGTERM. */
    void terminate() {
        process.destroy();
    }

    /** Sends SIGKILL. */
    void kill() {
        process.destroyForcibly();
    }

    /** Sends another signal by name, for example {@code HUP}. */
    void signal(String name) throws IOException, InterruptedException {
        int status = new ProcessBuilder("kill", "-" + name, Long.toString(process.pid()))
                .inheritIO()
                .start()
                .waitFor();
        if (status != 0) {
            throw new AssertionError("kill -" + name + " ended with " + status);
        }
    }

    /** Waits for its end and gives the exit status. */
    int awaitExit(int seconds) throws InterruptedException {
        if (!process.waitFor(seconds, TimeUnit.SECONDS)) {
            throw new AssertionError(
                    "the agent did not end within " + seconds + " s; it said:\n" + String.join("\n", output()));
        }
        reader.join(TimeUnit.SECONDS.toMillis(5));
        return process.exitValue();
    }

    /** Asks its HTTP listener; gives status and body whatever the status is. */
    static Answer get(String address, String path) throws IOException {
        HttpURLConnection connection = (HttpURLConnection)
                URI.create("http://" + address + path).toURL().openConnection();
        connection.setConnectTimeout(2_000);
        connection.setReadTimeout(10_000);
        try {
            int status = connection.getResponseCode();
            var stream = status < 400 ? connection.getInputStream() : connection.getErrorStream();
            String body = stream == null ? "" : new String(stream.readAllBytes(), StandardCharsets.UTF_8);
            return new Answer(status, body);
        } finally {
            connection.disconnect();
        }
    }

    /** An HTTP answer. */
    record Answer(int status, String body) {}

    @Override
    public void close() {
        process.destroyForcibly();
    }

    private void read() {
        try (BufferedReader output =
                new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
            @Nullable String line;
            while ((line = output.readLine()) != null) {
                synchronized (seen) {
                    seen.add(Objects.requireNonNull(line));
                }
                if (!lines.offer(line)) {
                    throw new IllegalStateException("the agent writes more than a test can read");
                }
            }
        } catch (IOException e) {
            synchronized (seen) {
                seen.add("(output ended: " + e.getMessage() + ")");
            }
        }
    }
}
