package io.gpunode.agent.os;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** {@link CommandRunner} over the machine's own processes. */
public final class SystemCommandRunner implements CommandRunner {
    private static final String PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    /** What a killed program's last output may take to arrive. */
    private static final Duration LAST_OUTPUT = Duration.ofSeconds(1);

    @Override
    public Result run(
            List<String> command, Map<String, String> variables, Path directory, Duration limit, int outputLimit)
            throws IOException, InterruptedException {
        ProcessBuilder builder =
                new ProcessBuilder(command).directory(directory.toFile()).redirectInput(new File("/dev/null"));
        plainEnvironment(builder.environment());
        builder.environment().putAll(variables);
        Process process = builder.start();
        Output output = new Output(process.getInputStream(), outputLimit);
        Output error = new Output(process.getErrorStream(), outputLimit);
        boolean ended;
        try {
            ended = process.waitFor(limit.toNanos(), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            kill(process);
            throw e;
        }
        if (!ended) {
            kill(process);
            if (!process.waitFor(LAST_OUTPUT.toNanos(), TimeUnit.NANOSECONDS)) {
                throw new StuckException(command.getFirst() + " does not end, not even when it is killed");
            }
        }
        // A child that outlives the program may hold the pipes open; what came until then is the output.
        output.await(LAST_OUTPUT);
        error.await(LAST_OUTPUT);
        return new Result(
                process.exitValue(), output.text(), error.text(), !ended, output.truncated() || error.truncated());
    }

    /** PATH and an English locale: settings of the agent's own library path are none of another program's business. */
    static void plainEnvironment(Map<String, String> environment) {
        environment.clear();
        environment.put("PATH", PATH);
        environment.put("LC_ALL", "C");
    }

    private static void kill(Process process) {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
    }

    /** Reads a pipe to its end on a thread of its own, so that no program waits for its output to be read. */
    private static final class Output {
        private final InputStream in;
        private final byte[] kept;
        private final Thread reader;
        private int length;
        private boolean more;
        private @Nullable IOException failure;

        Output(InputStream in, int limit) {
            this.in = in;
            this.kept = new byte[limit];
            this.reader = Thread.ofVirtual().name("command-output").start(this::read);
        }

        private void read() {
            byte[] buffer = new byte[8_192];
            try (in) {
                for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
                    keep(buffer, count);
                }
            } catch (IOException e) {
                synchronized (this) {
                    failure = e;
                }
            }
        }

        private synchronized void keep(byte[] buffer, int count) {
            int room = Math.min(count, kept.length - length);
            System.arraycopy(buffer, 0, kept, length, room);
            length += room;
            more |= room < count;
        }

        void await(Duration limit) throws InterruptedException {
            if (!reader.join(limit)) {
                synchronized (this) {
                    more = true;
                }
            }
        }

        synchronized String text() {
            return new String(kept, 0, length, StandardCharsets.UTF_8);
        }

        synchronized boolean truncated() {
            return more || failure != null;
        }
    }
}
