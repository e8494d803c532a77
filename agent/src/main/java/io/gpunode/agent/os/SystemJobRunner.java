package io.gpunode.agent.os;

import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * {@link JobRunner} over the machine's own processes: under systemd a job is a scope of its own, whose memory and CPU time the kernel limits; elsewhere each
 * process's address space is limited, and CPU time is not. {@code nice} gives way to everybody else; {@code setpriv --pdeathsig} ends the job when
 * this process dies, where the system has it.
 */
public final class SystemJobRunner implements JobRunner {
    private static final Path SYSTEMD = Path.of("/run/systemd/system");
    private static final List<Path> PROGRAMS = List.of(Path.of("/usr/bin"), Path.of("/bin"));
    private static final int LINE_LIMIT = 1_000;
    private static final int QUEUE_LIMIT = 4_096;
    private static final Duration LOOK = Duration.ofSeconds(1);
    private static final Duration SHORT = Duration.ofMillis(20);
    private static final Duration END = Duration.ofSeconds(10);

    private final HostFiles files;
    private final MonotonicClock clock;

    /** @param files of this process's own root */
    public SystemJobRunner(HostFiles files, MonotonicClock clock) {
        this.files = files;
        this.clock = clock;
    }

    @Override
    public Outcome run(Job job, Consumer<String> lines) throws IOException, InterruptedException {
        ProcessBuilder builder = new ProcessBuilder(command(job))
                .directory(job.directory().toFile())
                .redirectInput(new File("/dev/null"))
                .redirectErrorStream(true);
        SystemCommandRunner.plainEnvironment(builder.environment());
        builder.environment().putAll(job.environment());
        try (OutputStream log =
                Files.newOutputStream(job.log(), StandardOpenOption.CREATE, StandardOpenOption.APPEND)) {
            Process process = builder.start();
            try {
                Reader reader = new Reader(process.getInputStream(), log, job.logLimit());
                Thread thread = Thread.ofVirtual().name("job-output").start(reader);
                boolean timedOut = !awaitEnd(process, reader, job.limits().time(), lines);
                if (timedOut || reader.failure != null) {
                    // Not of one that has ended by itself: that would throw away what it wrote last.
                    kill(process);
                }
                if (!process.waitFor(END.toMillis(), TimeUnit.MILLISECONDS)) {
                    throw new IOException(job.command().getFirst() + " does not end, not even when it is killed");
                }
                // A process that outlives the job may hold the pipe.
                Tick end = clock.now().plus(END);
                while (thread.isAlive() && !clock.now().reached(end)) {
                    reader.rest(lines);
                    thread.join(SHORT);
                }
                reader.rest(lines);
                IOException failure = reader.failure;
                if (failure != null && !timedOut) {
                    throw new IOException(
                            "the log " + job.log() + " cannot be written: " + failure.getMessage(), failure);
                }
                return new Outcome(process.exitValue(), timedOut);
            } finally {
                kill(process);
            }
        }
    }

    /** False when the time is over, or the log cannot be written. */
    private boolean awaitEnd(Process process, Reader reader, Duration limit, Consumer<String> lines)
            throws InterruptedException {
        Tick deadline = clock.now().plus(limit);
        while (process.isAlive()) {
            String line = reader.lines.poll(LOOK.toMillis(), TimeUnit.MILLISECONDS);
            if (line != null) {
                lines.accept(line);
            }
            if (reader.failure != null) {
                return true;
            }
            if (clock.now().reached(deadline)) {
                return false;
            }
        }
        return true;
    }

    @Override
    public String withoutLimits(Limits limits) {
        if (scopes() || (limits.memoryMebibytes() == 0 && limits.cpuPercent() == 0)) {
            return "";
        }
        return limits.cpuPercent() > 0
                ? "no systemd runs here: CPU time is not limited, and memory by process"
                : "no systemd runs here: memory is limited by process";
    }

    private boolean scopes() {
        return files.exists(SYSTEMD) && has("systemd-run");
    }

    private boolean has(String program) {
        return PROGRAMS.stream().anyMatch(directory -> files.exists(directory.resolve(program)));
    }

    private List<String> command(Job job) {
        Limits limits = job.limits();
        List<String> command = new ArrayList<>();
        if (has("setpriv")) {
            command.addAll(List.of("setpriv", "--pdeathsig", "KILL"));
        }
        boolean limited = limits.memoryMebibytes() > 0 || limits.cpuPercent() > 0;
        if (limited && scopes()) {
            command.addAll(List.of("systemd-run", "--scope", "--quiet", "--collect"));
            command.addAll(List.of("-p", "RuntimeMaxSec=" + (limits.time().toSeconds() + END.toSeconds())));
            if (limits.memoryMebibytes() > 0) {
                command.addAll(List.of("-p", "MemoryMax=" + limits.memoryMebibytes() + "M", "-p", "MemorySwapMax=0"));
            }
            if (limits.cpuPercent() > 0) {
                command.addAll(List.of("-p", "CPUQuota=" + limits.cpuPercent() + "%"));
            }
        } else if (limits.memoryMebibytes() > 0 && has("prlimit")) {
            command.addAll(List.of("prlimit", "--as=" + ((long) limits.memoryMebibytes() << 20), "--"));
        }
        if (has("nice")) {
            command.addAll(List.of("nice", "-n", "19"));
        }
        command.addAll(job.command());
        return command;
    }

    private static void kill(Process process) {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
    }

    /** Takes what a job writes to its log, and hands on the lines. */
    private static final class Reader implements Runnable {
        private final InputStream in;
        private final OutputStream log;
        private final LinkedBlockingQueue<String> lines = new LinkedBlockingQueue<>(QUEUE_LIMIT);
        private final StringBuilder line = new StringBuilder();
        private long left;
        private volatile @Nullable IOException failure;

        Reader(InputStream in, OutputStream log, long logLimit) {
            this.in = in;
            this.log = log;
            this.left = logLimit;
        }

        @Override
        public void run() {
            byte[] buffer = new byte[8_192];
            try (in) {
                for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
                    int written = (int) Math.min(count, left);
                    log.write(buffer, 0, written);
                    left -= written;
                    split(buffer, count);
                }
            } catch (IOException e) {
                failure = e;
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }

        private void split(byte[] buffer, int count) throws InterruptedException {
            String text = new String(buffer, 0, count, StandardCharsets.ISO_8859_1);
            for (int i = 0; i < text.length(); i++) {
                char c = text.charAt(i);
                if (c == '\n') {
                    // The job waits while nobody takes them: it is no faster than its reader.
                    lines.put(line.toString());
                    line.setLength(0);
                } else if (line.length() < LINE_LIMIT) {
                    line.append(c < ' ' || c > '~' ? '?' : c);
                }
            }
        }

        void rest(Consumer<String> to) {
            for (String last = lines.poll(); last != null; last = lines.poll()) {
                to.accept(last);
            }
        }
    }
}
