package io.gpunode.agent.os;

import io.gpunode.agent.time.ManualTime;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Processes that are not there. Programs do what a test has told; one that it has not told of cannot be started. Short waits move the time; a watch for longer takes real time. */
public final class FakeHostProcesses implements HostProcesses {
    /** What a program does when it is started. */
    @FunctionalInterface
    public interface Program {
        /**
         * @return its exit status when it ends at once, as one does that goes on in the background; empty when it stays
         */
        OptionalInt run(FakeHostProcesses host, List<String> command, int pid) throws IOException;
    }

    private static final class Entry {
        final ProcessIdentity identity;
        boolean ignoresTerm;
        boolean ignoresKill;
        boolean untouchable;
        boolean ended;
        int status;
        String container = "";
        List<Path> open = List.of();

        Entry(ProcessIdentity identity) {
            this.identity = identity;
        }
    }

    /** What polls for something wait for at most. */
    private static final Duration SHORT = Duration.ofMillis(500);

    private final ManualTime time;
    private final Map<Integer, Entry> entries = new TreeMap<>();
    private final Map<String, Program> programs = new HashMap<>();
    private final Map<Path, Integer> locks = new HashMap<>();
    private final List<List<String>> started = new ArrayList<>();
    private final List<ProcessIdentity> stopped = new ArrayList<>();
    private int nextPid = 4_000;
    private @Nullable String blind;

    public FakeHostProcesses(ManualTime time) {
        this.time = time;
    }

    /** Somebody has started it. */
    public synchronized ProcessIdentity add(String executable) {
        return add(nextPid++, executable);
    }

    /** The same with an id, which another may have had. */
    public synchronized ProcessIdentity add(int pid, String executable) {
        ProcessIdentity identity =
                new ProcessIdentity(pid, time.now().nanos() / 1_000_000 + entries.size(), executable);
        entries.put(pid, new Entry(identity));
        return identity;
    }

    /** It ends without anybody's asking. */
    public synchronized void end(int pid, int status) {
        Entry entry = entries.get(pid);
        if (entry != null) {
            entry.ended = true;
            entry.status = status;
            locks.values().removeIf(owner -> owner == pid);
            notifyAll();
        }
    }

    /** It ends only when it is killed. */
    public synchronized void ignoreTerm(int pid) {
        entry(pid).ignoresTerm = true;
    }

    /** It does not end at all: it waits in the kernel. */
    public synchronized void ignoreKill(int pid) {
        entry(pid).ignoresTerm = true;
        entry(pid).ignoresKill = true;
    }

    /** This process may not signal it. */
    public synchronized void protect(int pid) {
        entry(pid).untouchable = true;
    }

    /** It runs in a container. */
    public synchronized void inContainer(int pid, String id) {
        entry(pid).container = id;
    }

    /** It has files open. */
    public synchronized void open(int pid, String... paths) {
        entry(pid).open = List.of(paths).stream().map(Path::of).toList();
    }

    /** It has locked a file. */
    public synchronized void lock(Path hostPath, int pid) {
        locks.put(hostPath, pid);
    }

    /** Nothing can be seen from now on. */
    public synchronized void blind(String why) {
        blind = why;
    }

    /** What a program does, by its file name. */
    public synchronized FakeHostProcesses program(String name, Program program) {
        programs.put(name, program);
        return this;
    }

    /** The commands that were started. */
    public synchronized List<List<String>> started() {
        return List.copyOf(started);
    }

    /** The processes that were asked to end. */
    public synchronized List<ProcessIdentity> stopped() {
        return List.copyOf(stopped);
    }

    @Override
    public synchronized Optional<ProcessIdentity> identify(int pid) {
        return Optional.ofNullable(entries.get(pid))
                .filter(entry -> !entry.ended)
                .map(entry -> entry.identity);
    }

    @Override
    public synchronized List<ProcessIdentity> running(String program) throws IOException {
        if (blind != null) {
            throw new IOException(blind);
        }
        return entries.values().stream()
                .filter(entry -> !entry.ended)
                .map(entry -> entry.identity)
                .filter(identity -> identity.program().equals(program))
                .toList();
    }

    @Override
    public synchronized Set<String> present(Set<String> programs) throws IOException {
        if (blind != null) {
            throw new IOException(blind);
        }
        return entries.values().stream()
                .filter(entry -> !entry.ended)
                .map(entry -> entry.identity.program())
                .filter(programs::contains)
                .collect(Collectors.toSet());
    }

    @Override
    public synchronized String container(int pid) {
        Entry entry = entries.get(pid);
        return entry == null || entry.ended ? "" : entry.container;
    }

    @Override
    public synchronized List<Path> openFiles(int pid, Path hostDirectory) {
        Entry entry = entries.get(pid);
        return entry == null || entry.ended
                ? List.of()
                : entry.open.stream()
                        .filter(path -> path.startsWith(hostDirectory))
                        .sorted()
                        .toList();
    }

    @Override
    public synchronized OptionalInt lockOwner(Path hostPath) {
        Integer owner = locks.get(hostPath);
        return owner == null ? OptionalInt.empty() : OptionalInt.of(owner);
    }

    @Override
    public StartedProgram start(List<String> command, Map<String, String> environment, Path output) throws IOException {
        String name = Path.of(command.getFirst()).getFileName().toString();
        Program program;
        int pid;
        synchronized (this) {
            program = programs.get(name);
            if (program == null) {
                throw new IOException(
                        "Cannot run program \"" + command.getFirst() + "\": error=2, No such file or directory");
            }
            started.add(List.copyOf(command));
            pid = add(command.getFirst()).pid();
        }
        program.run(this, command, pid).ifPresent(status -> end(pid, status));
        return new StartedProgram() {
            @Override
            public int pid() {
                return pid;
            }

            @Override
            public OptionalInt awaitExit(Duration limit) {
                synchronized (FakeHostProcesses.this) {
                    Entry entry = entry(pid);
                    if (entry.ended) {
                        return OptionalInt.of(entry.status);
                    }
                }
                time.advance(limit);
                synchronized (FakeHostProcesses.this) {
                    Entry entry = entry(pid);
                    return entry.ended ? OptionalInt.of(entry.status) : OptionalInt.empty();
                }
            }
        };
    }

    @Override
    public synchronized Optional<ProcessWatch> watch(ProcessIdentity process) throws IOException {
        if (blind != null) {
            throw new IOException(blind);
        }
        Entry entry = entries.get(process.pid());
        if (entry == null || entry.ended || !isSame(entry.identity, process)) {
            return Optional.empty();
        }
        return Optional.of(new Watch(entry));
    }

    private static boolean isSame(ProcessIdentity now, ProcessIdentity meant) {
        return now.startedMillis() == meant.startedMillis() && now.program().equals(meant.program());
    }

    private final class Watch implements ProcessWatch {
        private final Entry entry;
        private boolean woken;

        Watch(Entry entry) {
            this.entry = entry;
        }

        @Override
        public boolean awaitEnd(Duration limit) {
            synchronized (FakeHostProcesses.this) {
                if (limit.compareTo(SHORT) <= 0) {
                    if (!entry.ended) {
                        time.advance(limit);
                    }
                    return entry.ended;
                }
                long left = limit.toNanos();
                while (!entry.ended && !woken && left > 0) {
                    long before = System.nanoTime();
                    try {
                        FakeHostProcesses.this.wait(Math.max(1, left / 1_000_000));
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                        return entry.ended;
                    }
                    left -= System.nanoTime() - before;
                }
                return entry.ended;
            }
        }

        @Override
        public void wake() {
            synchronized (FakeHostProcesses.this) {
                woken = true;
                FakeHostProcesses.this.notifyAll();
            }
        }

        @Override
        public void close() {
            wake();
        }
    }

    @Override
    public StopOutcome stop(ProcessIdentity process, Duration grace, Duration afterKill) {
        synchronized (this) {
            Entry entry = entries.get(process.pid());
            if (entry == null || entry.ended || !isSame(entry.identity, process)) {
                return new StopOutcome.NotThere();
            }
            if (entry.untouchable) {
                return new StopOutcome.NotPermitted("Operation not permitted");
            }
            stopped.add(process);
            if (!entry.ignoresTerm) {
                end(process.pid(), 143);
                return new StopOutcome.Ended(false, Duration.ZERO);
            }
        }
        time.advance(grace);
        synchronized (this) {
            if (!entry(process.pid()).ignoresKill) {
                end(process.pid(), 137);
                return new StopOutcome.Ended(true, grace);
            }
        }
        time.advance(afterKill);
        return new StopOutcome.StillThere(
                "D (disk sleep)", "os_acquire_semaphore", List.of("[<0>] nv_close_device+0x1"));
    }

    private Entry entry(int pid) {
        return Objects.requireNonNull(entries.get(pid), () -> "there is no process " + pid);
    }
}
