package io.gpunode.agent.os;

import io.gpunode.agent.os.LoadedModule.Phase;
import io.gpunode.agent.os.ModuleFaults.Restrictions;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * {@link KernelModules} of the machine: looks into procfs and sysfs, and lets {@code modprobe}, {@code insmod} and {@code rmmod} make the changes, each as a process of its own: a
 * module's start or exit may hang in the kernel, and takes that process with it and not the agent. Where the host's files are under another root, the
 * host's own programs are used there (chroot).
 */
public final class SystemKernelModules implements KernelModules {
    /** Opens the kernel's log at its end. */
    @FunctionalInterface
    public interface LogSource {
        /** @throws IOException when it may not be read: then outcomes carry no lines of it */
        KernelLog open() throws IOException;
    }

    private static final Path MODULES = Path.of("/proc/modules");
    private static final Path SYSFS = Path.of("/sys/module");
    private static final int LIST_LIMIT = 1 << 20;
    private static final int FILE_LIMIT = 64 << 10;
    private static final int OUTPUT_LIMIT = 16 << 10;
    /** Lines of the log that are read for one change, at most: of a flood the newest are kept. */
    private static final int MOST_LINES_READ = 4_096;
    /** The kernel tells of a module's end of starting in no way that could be waited for with a limit: it is looked at. */
    private static final long LOOK_MILLIS = 20;
    /** In CapEff of {@code /proc/self/status}: capability(7). */
    private static final int CAP_SYS_MODULE = 16;

    private final HostFiles files;
    private final HostFiles own;
    private final CommandRunner commands;
    private final LogSource log;
    private final MonotonicClock clock;

    /**
     * @param files the host's files
     * @param own the files as this process sees them, for what is about itself
     */
    public SystemKernelModules(
            HostFiles files, HostFiles own, CommandRunner commands, LogSource log, MonotonicClock clock) {
        this.files = files;
        this.own = own;
        this.commands = commands;
        this.log = log;
        this.clock = clock;
    }

    @Override
    public List<LoadedModule> loaded() throws IOException {
        List<LoadedModule> modules = new ArrayList<>();
        for (LoadedModule module : list()) {
            modules.add(new LoadedModule(
                    module.name(),
                    module.size(),
                    module.references(),
                    module.holders(),
                    module.phase(),
                    text(module.name(), "version"),
                    text(module.name(), "srcversion"),
                    module.taint()));
        }
        return modules;
    }

    private List<LoadedModule> list() throws IOException {
        return ModuleList.parse(files.readText(MODULES, LIST_LIMIT).orElse(""));
    }

    /** A small file of a module; a module may go at any time, and then has none. */
    private String text(String module, String file) {
        try {
            return files.readText(SYSFS.resolve(module).resolve(file), FILE_LIMIT)
                    .orElse("")
                    .strip();
        } catch (IOException e) {
            return "";
        }
    }

    @Override
    public Map<String, String> parameters(String module) throws IOException {
        Path directory = SYSFS.resolve(plain(module)).resolve("parameters");
        Map<String, String> parameters = new TreeMap<>();
        for (String name : files.list(directory)) {
            try {
                files.readText(directory.resolve(name), FILE_LIMIT).ifPresent(value -> parameters.put(name, value));
            } catch (IOException e) {
                // Write-only, or of a module that is going.
            }
        }
        return parameters;
    }

    @Override
    public ModuleOutcome load(ModuleToLoad module, Duration limit) throws InterruptedException {
        Tick deadline = clock.now().plus(limit);
        String name = plain(module.name());
        Optional<LoadedModule> before;
        try {
            before = settled(name, deadline);
        } catch (IOException e) {
            return unreadable(e);
        }
        if (before.isPresent()) {
            return before.get().phase() == Phase.LIVE
                    ? new ModuleOutcome.AlreadyThere()
                    : stillChanging(before.get(), limit, List.of());
        }
        List<String> command = new ArrayList<>();
        module.file()
                .ifPresentOrElse(
                        file -> command.addAll(List.of("insmod", file.toString())),
                        () -> command.addAll(List.of("modprobe", "--", name)));
        module.parameters().forEach((key, value) -> command.add(key + "=" + quoted(value)));
        return change(command, name, true, deadline, limit);
    }

    @Override
    public ModuleOutcome unload(String module, Duration limit) throws InterruptedException {
        Tick deadline = clock.now().plus(limit);
        String name = plain(module);
        Optional<LoadedModule> before;
        try {
            before = settled(name, deadline);
        } catch (IOException e) {
            return unreadable(e);
        }
        if (before.isEmpty()) {
            return new ModuleOutcome.AlreadyGone();
        }
        if (before.get().phase() != Phase.LIVE) {
            return stillChanging(before.get(), limit, List.of());
        }
        return change(List.of("rmmod", name), name, false, deadline, limit);
    }

    /** The module once it is neither coming nor going, or at the deadline as it is then; empty when it is not there. */
    private Optional<LoadedModule> settled(String name, Tick deadline) throws IOException, InterruptedException {
        CountDownLatch never = new CountDownLatch(1);
        while (true) {
            Optional<LoadedModule> module = find(name);
            if (module.isEmpty()
                    || module.get().phase() == Phase.LIVE
                    || clock.now().reached(deadline)
                    || never.await(LOOK_MILLIS, TimeUnit.MILLISECONDS)) {
                return module;
            }
        }
    }

    private Optional<LoadedModule> find(String name) throws IOException {
        for (LoadedModule module : list()) {
            if (module.name().equals(name)) {
                return Optional.of(module);
            }
        }
        return Optional.empty();
    }

    private ModuleOutcome change(List<String> command, String name, boolean load, Tick deadline, Duration limit)
            throws InterruptedException {
        Tick begin = clock.now();
        Lines lines = new Lines();
        try (lines) {
            CommandRunner.Result result = commands.run(onHost(command), positive(deadline.since(begin)), OUTPUT_LIMIT);
            if (result.timedOut()) {
                return timedOut(name, limit, lines.read());
            }
            if (result.ok()) {
                return succeeded(name, load, clock.now().since(begin), lines.read());
            }
            return refused(name, load, said(result), lines.read());
        } catch (CommandRunner.StuckException e) {
            return new ModuleOutcome.TimedOut(
                    limit,
                    true,
                    command.getFirst() + " hangs in the kernel with module " + name
                            + " and cannot be killed: when it does not end by itself, only a reboot frees it",
                    lines.read());
        } catch (IOException e) {
            return new ModuleOutcome.Refused(ModuleFault.NO_PROGRAM, String.valueOf(e.getMessage()), List.of());
        }
    }

    private List<String> onHost(List<String> command) {
        Path root = files.resolve(Path.of("/"));
        if (root.getNameCount() == 0) {
            return command;
        }
        List<String> entered = new ArrayList<>(List.of("chroot", root.toString()));
        entered.addAll(command);
        return entered;
    }

    /** The program says that all is well; the kernel has the last word. */
    private ModuleOutcome succeeded(String name, boolean load, Duration took, List<String> kernelLog) {
        try {
            boolean there = find(name).isPresent() || (load && files.exists(SYSFS.resolve(name)));
            if (there == load) {
                return new ModuleOutcome.Done(took);
            }
        } catch (IOException e) {
            return unreadable(e);
        }
        return load
                ? new ModuleOutcome.Refused(
                        ModuleFault.REPLACED, "modprobe ended well and module " + name + " is not loaded", kernelLog)
                : new ModuleOutcome.Refused(
                        ModuleFault.IN_USE, "rmmod ended well and module " + name + " is still loaded", kernelLog);
    }

    private ModuleOutcome refused(String name, boolean load, String said, List<String> kernelLog) {
        Optional<LoadedModule> now;
        try {
            now = find(name);
        } catch (IOException e) {
            return unreadable(e);
        }
        Restrictions restrictions = restrictions(name);
        if (load) {
            ModuleFault fault = ModuleFaults.ofLoading(said, kernelLog, restrictions);
            // Somebody else was faster.
            return fault == ModuleFault.ALREADY_LOADED
                            && now.isPresent()
                            && now.get().phase() == Phase.LIVE
                    ? new ModuleOutcome.AlreadyThere()
                    : new ModuleOutcome.Refused(fault, said, kernelLog);
        }
        if (now.isEmpty()) {
            return new ModuleOutcome.AlreadyGone();
        }
        return new ModuleOutcome.Refused(
                ModuleFaults.ofUnloading(
                        said, kernelLog, restrictions, !now.get().holders().isEmpty(), hasExit(name)),
                said,
                kernelLog);
    }

    private ModuleOutcome timedOut(String name, Duration limit, List<String> kernelLog) {
        try {
            Optional<LoadedModule> now = find(name);
            return now.isPresent() && now.get().phase() != Phase.LIVE
                    ? stillChanging(now.get(), limit, kernelLog)
                    : new ModuleOutcome.TimedOut(
                            limit,
                            false,
                            "the program was killed; module " + name
                                    + (now.isPresent() ? " is loaded" : " is not loaded"),
                            kernelLog);
        } catch (IOException e) {
            return unreadable(e);
        }
    }

    private static ModuleOutcome stillChanging(LoadedModule module, Duration limit, List<String> kernelLog) {
        String what = module.phase() == Phase.COMING ? "starting" : "on its way out";
        return new ModuleOutcome.TimedOut(
                limit,
                true,
                "module " + module.name() + " is still " + what
                        + ": its code hangs in the kernel, and when it does not end by itself, only a reboot frees it",
                kernelLog);
    }

    private static ModuleOutcome unreadable(IOException e) {
        return new ModuleOutcome.Refused(
                ModuleFault.UNEXPLAINED, "the kernel's modules cannot be read: " + e, List.of());
    }

    /** {@code rmmod} tells everything on one line, kmod's library more on lines before it. */
    private static String said(CommandRunner.Result result) {
        String text = (result.error() + "\n" + result.output()).strip().replaceAll("\\s*\\R\\s*", "; ");
        return text.isEmpty() ? "it ended with status " + result.status() : text;
    }

    private boolean hasExit(String name) {
        try {
            for (String line : files.readText(MODULES, LIST_LIMIT).orElse("").split("\n", -1)) {
                if (line.startsWith(name + " ")) {
                    return !line.contains("[permanent]");
                }
            }
        } catch (IOException e) {
            // As if it had one.
        }
        return true;
    }

    private Restrictions restrictions(String name) {
        String lockdown = SystemBootSecurity.lockdown(files);
        return new Restrictions(
                capable(),
                small(Path.of("/proc/sys/kernel/modules_disabled")).equals("1"),
                KernelCommandLine.of(files).values("module_blacklist").contains(name),
                lockdown);
    }

    private boolean capable() {
        try {
            for (String line : own.readText(Path.of("/proc/self/status"), FILE_LIMIT)
                    .orElse("")
                    .split("\n", -1)) {
                if (line.startsWith("CapEff:")) {
                    long effective = Long.parseUnsignedLong(
                            line.substring(line.indexOf(':') + 1).strip(), 16);
                    return ((effective >> CAP_SYS_MODULE) & 1) != 0;
                }
            }
        } catch (IOException | NumberFormatException e) {
            // As if it were.
        }
        return true;
    }

    private String small(Path path) {
        try {
            return files.readText(path, FILE_LIMIT).orElse("").strip();
        } catch (IOException e) {
            return "";
        }
    }

    /** The kernel splits what it is given at blanks, except in quotation marks (kernel/params.c). */
    private static String quoted(String value) {
        return value.indexOf(' ') < 0 ? value : '"' + value + '"';
    }

    private static String plain(String name) {
        String plain = name.replace('-', '_');
        if (plain.isEmpty() || plain.indexOf('/') >= 0 || plain.startsWith(".") || plain.indexOf('=') >= 0) {
            throw new IllegalArgumentException("\"" + name + "\" is no name of a kernel module");
        }
        return plain;
    }

    private static Duration positive(Duration left) {
        return left.isPositive() ? left : Duration.ofMillis(1);
    }

    /** What the kernel logs from its making on. */
    private final class Lines implements AutoCloseable {
        private final Optional<KernelLog> source;

        Lines() {
            Optional<KernelLog> opened;
            try {
                opened = Optional.of(log.open());
            } catch (IOException e) {
                opened = Optional.empty();
            }
            this.source = opened;
        }

        /** The kernel has written them before the call returned. */
        List<String> read() {
            Deque<String> lines = new ArrayDeque<>();
            if (source.isPresent()) {
                try {
                    String line = source.get().next(Duration.ZERO);
                    for (int i = 0; line != null && i < MOST_LINES_READ; i++) {
                        if (lines.size() == MOST_LOG_LINES) {
                            lines.removeFirst();
                        }
                        lines.addLast(line);
                        line = source.get().next(Duration.ZERO);
                    }
                } catch (IOException e) {
                    // Evidence is good to have, and not needed.
                }
            }
            return List.copyOf(lines);
        }

        @Override
        public void close() {
            source.ifPresent(KernelLog::close);
        }
    }
}
