package io.gpunode.agent.driver;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.model.DriverVersion;
import io.gpunode.agent.os.CommandRunner;
import io.gpunode.agent.os.FileTrees;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.JobRunner;
import io.gpunode.agent.os.KernelHeaders;
import io.gpunode.agent.os.WriteFailure;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Compiles NVIDIA's kernel modules from their sources for one kernel: headers and compiler are looked at first, then {@code make modules} runs in a copy of the
 * sources with the wanted limits, then debug information is taken out and the modules are signed. The output is kept in a file, of which a failure tells the
 * lines that matter. One thread.
 */
final class DriverBuild {
    private static final String SCRATCH = ".tmp";
    private static final int MEMORY_PER_JOB_MEBIBYTES = 512;
    private static final int MOST_JOBS = 32;
    private static final long LOG_LIMIT = 16 << 20;
    private static final int TOLD_LINES = 6;
    private static final int SMALL = 4_096;
    private static final int MEMINFO_LIMIT = 64 << 10;
    private static final Duration STRIP_LIMIT = Duration.ofMinutes(2);
    private static final Duration TELL_EACH = Duration.ofMillis(500);
    /** Sources, what the compiler makes of them, and the modules; the sources with their binary part are the greater part. */
    private static final int ROOM_FACTOR = 3;

    private final HostFiles files;
    private final CommandRunner commands;
    private final JobRunner jobs;
    private final MonotonicClock clock;
    private final HostCommands host;

    DriverBuild(HostFiles files, CommandRunner commands, JobRunner jobs, MonotonicClock clock) {
        this.files = files;
        this.commands = commands;
        this.jobs = jobs;
        this.clock = clock;
        this.host = new HostCommands(files);
    }

    /**
     * What is to be built.
     *
     * @param sources directory with {@code Kbuild} and {@code Makefile}, as the host sees it
     * @param version that the modules must say they are of
     * @param kernel for which
     * @param settings of the configuration
     * @param signing empty to leave them unsigned
     * @param work an empty directory for the compilation, as the host sees it
     * @param out an empty directory for the modules, as the host sees it
     * @param log file for the output, as the host sees it
     */
    record Order(
            Path sources,
            DriverVersion version,
            KernelFacts kernel,
            AgentConfig.Driver.Build settings,
            Optional<ModuleSigning> signing,
            Path work,
            Path out,
            Path log) {}

    /** What a build would do, looked at without doing it. */
    record Tools(Path headers, KernelCompiler compiler, int jobs) {}

    /**
     * Looks whether a build is possible.
     *
     * @throws DriverSourceException when headers, compiler or programs are missing; the message says which, and how to get them
     */
    Tools tools(KernelFacts kernel, AgentConfig.Driver.Build settings)
            throws DriverSourceException, InterruptedException {
        if (!settings.compile()) {
            throw new DriverSourceException(
                    DriverSourceException.Kind.UNUSABLE,
                    "there are no modules for kernel " + kernel.release()
                            + ", and driver.build.compile does not allow to compile them here");
        }
        Path headers = headers(kernel);
        for (String program : List.of("make", "ld")) {
            if (!host.has(program)) {
                throw new DriverSourceException(
                        DriverSourceException.Kind.TOOLS,
                        "kernel modules cannot be compiled: the host has no " + program
                                + "; install make and binutils, or bring modules that are built elsewhere as a bundle");
            }
        }
        KernelCompiler compiler = KernelCompiler.find(kernel.headers().compiler(), host, commands);
        return new Tools(headers, compiler, jobs(settings));
    }

    private Path headers(KernelFacts kernel) throws DriverSourceException {
        KernelHeaders headers = kernel.headers();
        if (headers.usable()) {
            return headers.directory().orElseThrow();
        }
        StringBuilder message = new StringBuilder("kernel modules for ")
                .append(kernel.release())
                .append(" cannot be compiled: ");
        if (headers.directory().isEmpty()) {
            message.append("its headers are in none of ").append(paths(headers.tried()));
        } else if (!headers.missing().isEmpty()) {
            message.append("its headers in ")
                    .append(headers.directory().get())
                    .append(" lack ")
                    .append(String.join(", ", headers.missing()));
        } else {
            message.append("the headers in ")
                    .append(headers.directory().get())
                    .append(" are of kernel ")
                    .append(headers.release());
        }
        try {
            String command = Distribution.read(files).headersCommand(kernel.release());
            message.append("; install them")
                    .append(command.isEmpty() ? "" : " (" + command + ")")
                    .append(
                            ", name their place in driver.build.headers, or bring modules that are built elsewhere as a bundle");
        } catch (IOException e) {
            message.append("; install them");
        }
        throw new DriverSourceException(DriverSourceException.Kind.TOOLS, message.toString());
    }

    private static String paths(List<Path> paths) {
        return String.join(", ", paths.stream().map(Path::toString).toList());
    }

    /** As many as there are CPUs and memory for, 32 at most: more only fight for the disk. */
    private int jobs(AgentConfig.Driver.Build settings) {
        if (settings.jobs() > 0) {
            return settings.jobs();
        }
        long memory = settings.memory() > 0 ? settings.memory() : availableMebibytes();
        int fit = Math.clamp(memory / MEMORY_PER_JOB_MEBIBYTES, 1, MOST_JOBS);
        int processors = processors();
        int allowed = settings.cpu() > 0 ? Math.max(1, (settings.cpu() + 99) / 100) : processors;
        return Math.min(Math.min(processors, allowed), fit);
    }

    /** Not the JVM's count, which its own limits lower. */
    private int processors() {
        try {
            String online = files.readText(Path.of("/sys/devices/system/cpu/online"), SMALL)
                    .orElse("")
                    .strip();
            int count = 0;
            for (String range : online.split(",", -1)) {
                String[] ends = range.split("-", -1);
                count += Integer.parseInt(ends[ends.length - 1]) - Integer.parseInt(ends[0]) + 1;
            }
            return Math.max(1, count);
        } catch (IOException | NumberFormatException e) {
            return Runtime.getRuntime().availableProcessors();
        }
    }

    private long availableMebibytes() {
        try {
            for (String line : files.readText(Path.of("/proc/meminfo"), MEMINFO_LIMIT)
                    .orElse("")
                    .split("\n", -1)) {
                if (line.startsWith("MemAvailable:")) {
                    return Long.parseLong(line.replaceAll("[^0-9]", "")) / 1_024;
                }
            }
        } catch (IOException | NumberFormatException e) {
            // As if there were enough.
        }
        return (long) MOST_JOBS * MEMORY_PER_JOB_MEBIBYTES;
    }

    /**
     * Builds.
     *
     * @return the modules that now lie in {@link Order#out}, in an order in which each comes after those that it needs
     */
    List<DriverManifest.Module> build(Order order, Progress progress)
            throws DriverSourceException, InterruptedException {
        Tools tools = tools(order.kernel, order.settings);
        try {
            copy(order);
            progress.begins(
                    Progress.Phase.BUILDING,
                    "driver " + order.version + " for kernel " + order.kernel.release() + " with "
                            + tools.compiler.program()
                            + (tools.compiler.exact() ? "" : ", which is not the kernel's compiler,")
                            + " in " + tools.jobs + (tools.jobs == 1 ? " job" : " jobs"));
            compile(order, tools, progress);
            return collect(order, tools, progress);
        } catch (IOException e) {
            throw storage("compiling driver " + order.version + " for kernel " + order.kernel.release(), order.work, e);
        }
    }

    /** What the disk had against it. */
    private DriverSourceException storage(String what, Path where, IOException e) {
        return StorageFailure.of(files, what, where, e);
    }

    private void copy(Order order) throws IOException, DriverSourceException {
        Path from = files.resolve(order.sources);
        Path to = files.resolve(order.work);
        long size = size(from);
        StorageFailure.checkRoom(files, order.work, size * ROOM_FACTOR, "compiling the kernel modules");
        Files.walkFileTree(from, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult preVisitDirectory(Path directory, BasicFileAttributes attributes)
                    throws IOException {
                Files.createDirectories(to.resolve(from.relativize(directory)));
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                Files.copy(
                        file,
                        to.resolve(from.relativize(file)),
                        StandardCopyOption.COPY_ATTRIBUTES,
                        LinkOption.NOFOLLOW_LINKS);
                return FileVisitResult.CONTINUE;
            }
        });
    }

    private static long size(Path tree) throws IOException {
        long size = 0;
        for (Path path : FileTrees.all(tree)) {
            if (Files.isRegularFile(path)) {
                size += Files.size(path);
            }
        }
        return size;
    }

    private void compile(Order order, Tools tools, Progress progress)
            throws DriverSourceException, IOException, InterruptedException {
        Path log = files.resolve(order.log);
        Files.createDirectories(Objects.requireNonNull(log.getParent()));
        Files.deleteIfExists(log);
        // Not /tmp: it may be full, small, or one where nothing may be run, and the room was looked at here.
        Path scratch = order.work.resolve(SCRATCH);
        Files.createDirectories(files.resolve(scratch));
        Output output = new Output(clock, progress, sources(files.resolve(order.work)));
        JobRunner.Limits limits =
                new JobRunner.Limits(order.settings.timeLimit(), order.settings.memory(), order.settings.cpu());
        JobRunner.Outcome outcome = jobs.run(
                new JobRunner.Job(
                        host.command(make(order, tools)),
                        Map.of("HOME", "/", "KBUILD_BUILD_USER", "gpu-node-agent", "TMPDIR", scratch.toString()),
                        files.resolve(order.work),
                        log,
                        LOG_LIMIT,
                        limits),
                output::line);
        if (outcome.timedOut()) {
            throw new DriverSourceException(
                    DriverSourceException.Kind.FAILED,
                    "compiling driver " + order.version + " for kernel " + order.kernel.release() + " did not end in "
                            + order.settings.timeLimit().toSeconds()
                            + " seconds and was ended: raise driver.build.timeLimit or driver.build.jobs, and look whether the machine is busy;"
                            + " its output is in " + order.log);
        }
        if (!outcome.ok()) {
            boolean full = output.full;
            throw new DriverSourceException(
                    full ? DriverSourceException.Kind.STORAGE : DriverSourceException.Kind.FAILED,
                    "compiling driver " + order.version + " for kernel " + order.kernel.release() + " failed (status "
                            + outcome.status() + ")"
                            + (full ? ": the disk of " + order.work + " is full" : "")
                            + (output.killed
                                    ? ": the kernel ended the compiler for want of memory; lower driver.build.jobs, or give"
                                            + " more in driver.build.memory"
                                    : "")
                            + "; its output is in " + order.log
                            + (output.failures.isEmpty() ? "" : ":\n  " + String.join("\n  ", output.failures)));
        }
    }

    private List<String> make(Order order, Tools tools) {
        Path modules = Path.of("/lib/modules").resolve(order.kernel.release());
        Path source = modules.resolve("source");
        boolean standard = files.realPath(tools.headers).equals(files.realPath(modules.resolve("build")));
        boolean apart =
                standard && files.exists(source) && !files.realPath(source).equals(files.realPath(tools.headers));
        List<String> make = new ArrayList<>(List.of(
                "make",
                "-C",
                order.work.toString(),
                "-j" + tools.jobs,
                "modules",
                "KERNEL_UNAME=" + order.kernel.release(),
                "SYSSRC=" + (apart ? source : tools.headers),
                "SYSOUT=" + tools.headers,
                "CC=" + tools.compiler.program(),
                // Whether another version does was decided by who chose the compiler.
                "IGNORE_CC_MISMATCH=1"));
        if (tools.compiler.clang()) {
            make.add("LLVM=" + llvm(tools.compiler.program()));
        }
        return make;
    }

    /** The linker and its like are called as the compiler is: with its version where the host has them so only. */
    private String llvm(String compiler) {
        int dash = compiler.lastIndexOf("clang-");
        String suffix = dash < 0 ? "" : compiler.substring(dash + "clang".length());
        return !suffix.isEmpty() && !host.has("ld.lld") && host.has("ld.lld" + suffix) ? suffix : "1";
    }

    private static int sources(Path work) throws IOException {
        int sources = 0;
        for (Path path : FileTrees.all(work)) {
            sources += path.toString().endsWith(".c") ? 1 : 0;
        }
        return sources;
    }

    /** Watches what the compilation writes. */
    private static final class Output {
        private final MonotonicClock clock;
        private final Progress progress;
        private final int sources;
        private final Tick began;
        private final List<String> failures = new ArrayList<>();
        private Tick told;
        private int probed;
        private int compiled;
        private boolean full;
        private boolean killed;

        Output(MonotonicClock clock, Progress progress, int sources) {
            this.clock = clock;
            this.progress = progress;
            this.sources = sources;
            this.began = clock.now();
            this.told = began;
        }

        void line(String line) {
            String text = line.strip();
            full |= WriteFailure.isFull(text);
            killed |= text.contains("Killed signal")
                    || text.contains("cannot allocate memory")
                    || text.contains("virtual memory exhausted");
            if (failures.size() < TOLD_LINES && isFailure(text)) {
                failures.add(text);
            }
            if (text.startsWith("CONFTEST:")) {
                // NVIDIA's sources first find out what this kernel is like, by hundreds of small compilations.
                if (probed++ == 0) {
                    progress.begins(Progress.Phase.BUILDING, "probes of the kernel's features");
                }
                tell(probed, 0);
            } else if (text.startsWith("CC [M]")) {
                if (compiled++ == 0) {
                    progress.begins(Progress.Phase.BUILDING, "the modules");
                }
                tell(Math.min(compiled, sources), sources);
            }
        }

        private void tell(int done, int total) {
            Tick now = clock.now();
            if (now.since(told).compareTo(TELL_EACH) >= 0) {
                told = now;
                progress.at(
                        Progress.Phase.BUILDING,
                        done,
                        total,
                        done / Math.max(1, now.since(began).toSeconds()));
            }
        }

        private static boolean isFailure(String line) {
            String small = line.toLowerCase(Locale.ROOT);
            return small.contains("error:")
                    || small.startsWith("error ")
                    || line.contains("***")
                    || small.contains("undefined reference")
                    || small.contains("no space left on device")
                    || small.contains("command not found")
                    || small.contains("killed");
        }
    }

    // ---- what came of it

    private List<DriverManifest.Module> collect(Order order, Tools tools, Progress progress)
            throws DriverSourceException, IOException, InterruptedException {
        List<Path> made = new ArrayList<>();
        try (Stream<Path> all = Files.list(files.resolve(order.work))) {
            all.filter(path -> path.toString().endsWith(".ko")).sorted().forEach(made::add);
        }
        if (made.isEmpty()) {
            throw new DriverSourceException(
                    DriverSourceException.Kind.FAILED,
                    "compiling driver " + order.version
                            + " ended without an error and made no module; its output is in " + order.log);
        }
        boolean strip = host.has("strip");
        for (Path module : made) {
            Path name = Objects.requireNonNull(module.getFileName());
            Path at = order.work.resolve(name);
            if (strip) {
                strip(at);
            }
            if (order.signing.isPresent()) {
                progress.begins(Progress.Phase.SIGNING, name.toString());
                order.signing.get().sign(at, tools.headers);
            }
            Files.move(module, files.resolve(order.out).resolve(name));
        }
        List<DriverManifest.Module> modules =
                BuiltModules.describe(files, commands, order.out, order.version, order.kernel);
        FileTrees.delete(files.resolve(order.work));
        return modules;
    }

    /** The kernel needs no debug information, and it is nine tenths of NVIDIA's modules. Before signing: a signature is of all bytes. */
    private void strip(Path module) throws DriverSourceException, IOException, InterruptedException {
        CommandRunner.Result result =
                commands.run(host.command(List.of("strip", "--strip-debug", module.toString())), STRIP_LIMIT, SMALL);
        if (!result.ok()) {
            throw new DriverSourceException(
                    DriverSourceException.Kind.FAILED,
                    "debug information cannot be taken out of " + module.getFileName() + ": "
                            + result.error().strip());
        }
    }
}
