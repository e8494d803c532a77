package io.gpunode.agent.os;

import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.io.File;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * {@link HostProcesses} over the machine's own. A signal is sent through a pidfd, and only after it was seen that the process which it holds is the one that
 * is meant. Kernels before 5.3 have none: there the JDK's own check of the start time stands in.
 */
public final class SystemHostProcesses implements HostProcesses {
    private static final String PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    private static final List<Path> SETSID = List.of(Path.of("/usr/bin/setsid"), Path.of("/bin/setsid"));
    private static final Path PROC = Path.of("/proc");
    private static final Path LOCKS = Path.of("/proc/locks");
    private static final int LOCKS_LIMIT = 4 << 20;
    private static final int FILE_LIMIT = 64 << 10;
    private static final int STACK_LINES = 8;
    /** What the kernel puts behind the name of a file that was replaced or removed. */
    private static final String DELETED = " (deleted)";
    /** A wait in the kernel is not cut short by an interrupt of the thread: it is looked for so often. */
    private static final Duration SLICE = Duration.ofMillis(100);

    private final HostFiles own;
    private final HostFiles host;
    private final Processes processes;
    private final HostNamespace namespace;
    private final MonotonicClock clock;
    /** A host below a directory of this process's own place has the processes whose programs lie there. */
    private final String below;

    /**
     * @param own files as this process sees them: {@code /proc} tells of its own PID namespace
     * @param host where it sees host paths
     */
    public SystemHostProcesses(HostFiles own, HostFiles host, MonotonicClock clock) {
        this(own, host, new HostNamespace(own), clock);
    }

    SystemHostProcesses(HostFiles own, HostFiles host, HostNamespace namespace, MonotonicClock clock) {
        this.own = own;
        this.host = host;
        this.processes = new Processes(own);
        this.namespace = namespace;
        this.clock = clock;
        Path root = host.resolve(Path.of("/"));
        this.below = namespace.apart() || root.getNameCount() == 0 ? "/" : root + "/";
    }

    @Override
    public Optional<ProcessIdentity> identify(int pid) {
        OptionalLong started = processes.startedMillisAfterBoot(pid);
        if (started.isEmpty() || hasEnded(pid)) {
            return Optional.empty();
        }
        return Optional.of(new ProcessIdentity(pid, started.getAsLong(), executable(pid)));
    }

    @Override
    public List<ProcessIdentity> running(String program) throws IOException {
        List<ProcessIdentity> running = new ArrayList<>();
        for (String name : own.list(PROC)) {
            int pid = pid(name);
            if (pid > 0 && program(pid).equals(program)) {
                identify(pid).ifPresent(running::add);
            }
        }
        running.sort((first, second) -> Integer.compare(first.pid(), second.pid()));
        return running;
    }

    @Override
    public Set<String> present(Set<String> programs) throws IOException {
        Set<String> present = new HashSet<>();
        for (String name : own.list(PROC)) {
            int pid = pid(name);
            if (pid > 0) {
                String program = program(pid);
                if (programs.contains(program)) {
                    present.add(program);
                }
            }
        }
        return present;
    }

    /** The file name of what a process of this host runs; empty for one of elsewhere. */
    private String program(int pid) {
        String executable = executable(pid);
        return executable.startsWith(below) ? executable.substring(executable.lastIndexOf('/') + 1) : "";
    }

    @Override
    public String container(int pid) {
        String id = processes.container(pid).map(ContainerCgroup::containerId).orElse("");
        // What shares this process's own container was started by it, or by one before it.
        return id.equals(processes.ownContainerId()) ? "" : id;
    }

    @Override
    public List<Path> openFiles(int pid, Path hostDirectory) {
        SortedSet<Path> open = new TreeSet<>();
        Path seen = namespace.apart() ? hostDirectory : host.resolve(hostDirectory);
        try {
            Path descriptors = PROC.resolve(pid + "/fd");
            for (String name : own.list(descriptors)) {
                own.linkTarget(descriptors.resolve(name))
                        .filter(target -> target.startsWith(seen))
                        .ifPresent(target -> open.add(hostDirectory.resolve(seen.relativize(target))));
            }
        } catch (IOException e) {
            // It has ended, or only root may look.
        }
        return List.copyOf(open);
    }

    @Override
    public OptionalInt lockOwner(Path hostPath) throws IOException {
        String file;
        try {
            Map<String, Object> attributes = Files.readAttributes(host.resolve(hostPath), "unix:dev,ino");
            long device = number(attributes, "dev");
            // As makedev(3) has it; procfs writes the two in hexadecimal, and the inode in decimal.
            file = String.format(
                    Locale.ROOT,
                    " %02x:%02x:%d ",
                    ((device >>> 8) & 0xfff) | ((device >>> 32) & 0xfffff000L),
                    (device & 0xff) | ((device >>> 12) & 0xffffff00L),
                    number(attributes, "ino"));
        } catch (NoSuchFileException e) {
            return OptionalInt.empty();
        }
        for (String line : own.readText(LOCKS, LOCKS_LIMIT).orElse("").split("\n", -1)) {
            // Those that wait for a lock are marked with an arrow.
            int at = line.contains("->") ? -1 : line.indexOf(file);
            if (at > 0) {
                int pid = pid(line.substring(line.lastIndexOf(' ', at - 1) + 1, at));
                if (pid > 0) {
                    return OptionalInt.of(pid);
                }
            }
        }
        return OptionalInt.empty();
    }

    @Override
    public StartedProgram start(List<String> command, Map<String, String> variables, Path output) throws IOException {
        Path file = host.resolve(output);
        Path directory = file.getParent();
        if (directory != null) {
            Files.createDirectories(directory);
        }
        List<String> whole = new ArrayList<>();
        // A key at the terminal that an operator starts it from must not reach it.
        SETSID.stream().filter(own::exists).findFirst().ifPresent(setsid -> whole.add(setsid.toString()));
        whole.add(
                namespace.apart()
                        ? command.getFirst()
                        : host.resolve(Path.of(command.getFirst())).toString());
        whole.addAll(command.subList(1, command.size()));
        ProcessBuilder builder = new ProcessBuilder(namespace.enter(whole))
                .directory(new File("/"))
                .redirectInput(new File("/dev/null"))
                .redirectOutput(ProcessBuilder.Redirect.appendTo(file.toFile()))
                .redirectErrorStream(true);
        Map<String, String> environment = builder.environment();
        environment.clear();
        environment.put("PATH", PATH);
        environment.put("LC_ALL", "C");
        environment.putAll(variables);
        return new Started(builder.start());
    }

    private record Started(Process process) implements StartedProgram {
        @Override
        public int pid() {
            return Math.toIntExact(process.pid());
        }

        @Override
        public OptionalInt awaitExit(Duration limit) throws InterruptedException {
            return process.waitFor(limit.toNanos(), TimeUnit.NANOSECONDS)
                    ? OptionalInt.of(process.exitValue())
                    : OptionalInt.empty();
        }
    }

    @Override
    public Optional<ProcessWatch> watch(ProcessIdentity process) throws IOException {
        Optional<? extends ProcessWatch> hold;
        try {
            hold = Pidfd.open(process.pid());
        } catch (Pidfd.UnsupportedException e) {
            hold = ProcessHandle.of(process.pid()).map(HandleWatch::new);
        }
        if (hold.isPresent() && !isStill(process)) {
            hold.get().close();
            return Optional.empty();
        }
        return hold.map(watch -> watch);
    }

    @Override
    public StopOutcome stop(ProcessIdentity process, Duration grace, Duration afterKill) throws InterruptedException {
        Tick begin = clock.now();
        Optional<ProcessWatch> found;
        try {
            found = watch(process);
        } catch (IOException e) {
            return new StopOutcome.NotPermitted(String.valueOf(e.getMessage()));
        }
        if (found.isEmpty()) {
            return new StopOutcome.NotThere();
        }
        try (ProcessWatch watch = found.get()) {
            if (!signal(watch, LibC.SIGTERM) || await(watch, grace)) {
                return new StopOutcome.Ended(false, clock.now().since(begin));
            }
            if (!signal(watch, LibC.SIGKILL) || await(watch, afterKill)) {
                return new StopOutcome.Ended(true, clock.now().since(begin));
            }
        } catch (AccessDeniedException e) {
            return new StopOutcome.NotPermitted(String.valueOf(e.getReason()));
        } catch (IOException e) {
            return new StopOutcome.NotPermitted(String.valueOf(e.getMessage()));
        }
        return new StopOutcome.StillThere(
                state(process.pid()),
                text(process.pid(), "wchan").filter(name -> !name.equals("0")).orElse(""),
                stack(process.pid()));
    }

    /** Whether it was there to get it. */
    private static boolean signal(ProcessWatch watch, int signal) throws IOException {
        return switch (watch) {
            case Pidfd pidfd -> pidfd.signal(signal);
            case HandleWatch handle -> handle.signal(signal);
            default -> throw new IllegalArgumentException("not one of this class's watches: " + watch);
        };
    }

    private boolean await(ProcessWatch watch, Duration limit) throws InterruptedException {
        Tick deadline = clock.now().plus(limit);
        while (true) {
            Duration left = deadline.since(clock.now());
            if (left.isNegative() || left.isZero()) {
                return watch.awaitEnd(Duration.ZERO);
            }
            // Rounded up: what is less than a millisecond is no wait at all.
            if (watch.awaitEnd(left.compareTo(SLICE) < 0 ? left.plusMillis(1) : SLICE)) {
                return true;
            }
            if (Thread.interrupted()) {
                throw new InterruptedException("while waiting for a process to end");
            }
        }
    }

    /** Whether this id is still its own. A process that may not be looked at has no executable; it is then known by its start alone. */
    private boolean isStill(ProcessIdentity process) {
        return identify(process.pid())
                .filter(now -> now.startedMillis() == process.startedMillis())
                .filter(now -> now.program().equals(process.program())
                        || process.executable().isEmpty())
                .isPresent();
    }

    /** Also when nothing is left of it: it may be waited for at any moment. */
    private boolean hasEnded(int pid) {
        String state = state(pid);
        return state.isEmpty() || state.startsWith("Z") || state.startsWith("X");
    }

    /** Such as {@code S (sleeping)}; empty when there is no such process. */
    private String state(int pid) {
        return text(pid, "status")
                .flatMap(text ->
                        text.lines().filter(line -> line.startsWith("State:")).findFirst())
                .map(line -> line.substring("State:".length()).strip())
                .orElse("");
    }

    private List<String> stack(int pid) {
        return text(pid, "stack")
                .map(text -> text.lines().limit(STACK_LINES).toList())
                .orElse(List.of());
    }

    private Optional<String> text(int pid, String file) {
        try {
            return own.readText(PROC.resolve(pid + "/" + file), FILE_LIMIT).filter(text -> !text.isEmpty());
        } catch (IOException e) {
            // It has ended, or only root may look.
            return Optional.empty();
        }
    }

    /** What it runs; empty for a thread of the kernel, for what is left of a process, and for one that may not be looked at. */
    private String executable(int pid) {
        String name =
                own.linkTarget(PROC.resolve(pid + "/exe")).map(Path::toString).orElse("");
        return name.endsWith(DELETED) ? name.substring(0, name.length() - DELETED.length()) : name;
    }

    private static int pid(String text) {
        if (text.isEmpty() || text.length() > 9) {
            return -1;
        }
        int pid = 0;
        for (int i = 0; i < text.length(); i++) {
            char digit = text.charAt(i);
            if (digit < '0' || digit > '9') {
                return -1;
            }
            pid = 10 * pid + digit - '0';
        }
        return pid;
    }

    private static long number(Map<String, Object> attributes, String name) {
        return attributes.get(name) instanceof Number number ? number.longValue() : 0;
    }

    /** For kernels without pidfds. The JDK compares start times before it signals, and looks for the end of a process that is no child now and then. */
    private static final class HandleWatch implements ProcessWatch {
        private final ProcessHandle handle;
        private final CompletableFuture<@Nullable Void> woken = new CompletableFuture<>();
        private final CompletableFuture<Object> either;

        HandleWatch(ProcessHandle handle) {
            this.handle = handle;
            this.either = CompletableFuture.anyOf(handle.onExit(), woken);
        }

        boolean signal(int signal) throws AccessDeniedException {
            boolean sent = signal == LibC.SIGKILL ? handle.destroyForcibly() : handle.destroy();
            if (!sent && handle.isAlive()) {
                throw new AccessDeniedException("signal " + signal, null, "it does not take signals of this process");
            }
            return sent;
        }

        @Override
        public boolean awaitEnd(Duration limit) {
            try {
                either.get(limit.toNanos(), TimeUnit.NANOSECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            } catch (ExecutionException | TimeoutException e) {
                // It is looked at below.
            }
            return !handle.isAlive();
        }

        @Override
        public void wake() {
            woken.complete(null);
        }

        @Override
        public void close() {
            wake();
        }
    }
}
