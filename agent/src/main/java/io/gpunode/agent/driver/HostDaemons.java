package io.gpunode.agent.driver;

import io.gpunode.agent.config.AgentConfig.Driver;
import io.gpunode.agent.config.AgentConfig.Driver.DaemonKeeping;
import io.gpunode.agent.driver.DaemonRecipe.CannotException;
import io.gpunode.agent.driver.DaemonRecipe.Command;
import io.gpunode.agent.driver.DaemonRecipe.Need;
import io.gpunode.agent.driver.DaemonStatus.Keeper;
import io.gpunode.agent.driver.DaemonStatus.State;
import io.gpunode.agent.lifecycle.Backoff;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.os.CommandRunner;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.HostProcesses;
import io.gpunode.agent.os.ProcessIdentity;
import io.gpunode.agent.os.ProcessWatch;
import io.gpunode.agent.os.StartedProgram;
import io.gpunode.agent.os.StopOutcome;
import io.gpunode.agent.os.Systemd;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * {@link Daemons} of the host. What the agent starts it puts where it outlives it, and notes in {@code /run} which process that is: the next agent finds it
 * there, and by start time and program, and does not start a second one. One thread at a time; a thread for each child that is kept.
 */
public final class HostDaemons implements Daemons, AutoCloseable {
    private static final Path CORE = Path.of("/sys/module", ModuleGraph.CORE);
    private static final Path ROOT = Path.of("/");
    /** How often it is looked whether a daemon is ready. */
    private static final Duration LOOK = Duration.ofMillis(20);

    private static final Duration AFTER_KILL = Duration.ofSeconds(5);
    /** For what a start that failed has left. */
    private static final Duration TIDY_GRACE = Duration.ofSeconds(2);
    /** What systemd may take beyond the daemon's own time. */
    private static final Duration SYSTEMD = Duration.ofSeconds(10);

    /** Between tries to start what does not come up, by whoever looks whether it runs. */
    private static final Duration FIRST_REST = Duration.ofSeconds(30);

    private static final Duration LONGEST_REST = Duration.ofHours(1);
    private static final Duration FIRST_PAUSE = Duration.ofSeconds(1);
    private static final Duration LONGEST_PAUSE = Duration.ofMinutes(1);
    private static final int EVIDENCE = 12;
    /** Somebody who starts it again each time that it is stopped is not fought with for ever. */
    private static final int STOP_TRIES = 3;

    /** Exit statuses of a shell, and of setsid(1) and nsenter(1), for a program that is not there or cannot be run. */
    private static final int NOT_EXECUTABLE = 126;

    private static final int NOT_FOUND = 127;

    private static final Log LOG = Log.of(HostDaemons.class);

    private final DaemonHost host;
    private final Systemd systemd;
    private final MonotonicClock clock;
    private final Duration startLimit;
    private final boolean keep;
    private final Duration firstPause;
    private final Map<DaemonKind, DaemonRecipe> recipes = new EnumMap<>(DaemonKind.class);
    private final Map<DaemonKind, KeptDaemon> kept = new EnumMap<>(DaemonKind.class);
    private final Map<DaemonKind, Rest> resting = new EnumMap<>(DaemonKind.class);

    /** After a start that came to nothing. */
    private static final class Rest {
        private final Backoff backoff = new Backoff(FIRST_REST, LONGEST_REST, RandomGenerator.getDefault());
        private Tick until;
        private String text = "";
        /** Whether it has failed; else it has said that there is nothing to do for it, and is not asked again by itself. */
        private boolean failed;

        Rest(Tick now) {
            until = now;
        }

        boolean isOver(Tick now) {
            return failed && now.reached(until);
        }
    }

    /**
     * @param files where host paths are seen
     * @param settings which daemons are wanted, and who starts them
     * @param startLimit how long a child that ended by itself may take until it is ready again
     * @param keep whether children that end are started again; a command that ends soon does not
     */
    public HostDaemons(
            HostFiles files,
            HostProcesses processes,
            Systemd systemd,
            CommandRunner commands,
            Driver.Daemons settings,
            Duration startLimit,
            boolean keep,
            MonotonicClock clock) {
        this(new DaemonHost(files, processes, commands, settings), systemd, startLimit, keep, FIRST_PAUSE, clock);
    }

    HostDaemons(
            DaemonHost host,
            Systemd systemd,
            Duration startLimit,
            boolean keep,
            Duration firstPause,
            MonotonicClock clock) {
        this.host = host;
        this.systemd = systemd;
        this.startLimit = startLimit;
        this.keep = keep;
        this.firstPause = firstPause;
        this.clock = clock;
        NvLinkFabric fabric = new NvLinkFabric(host.files());
        recipes.put(DaemonKind.PERSISTENCED, new PersistencedRecipe(host));
        recipes.put(DaemonKind.SUBNET_MANAGER, new SubnetManagerRecipe(host, fabric));
        recipes.put(DaemonKind.FABRIC_MANAGER, new FabricManagerRecipe(host, fabric));
        recipes.put(DaemonKind.IMEX, new ImexRecipe(host));
    }

    private DaemonRecipe recipe(DaemonKind kind) {
        DaemonRecipe recipe = recipes.get(kind);
        if (recipe == null) {
            throw new IllegalStateException("no recipe for " + kind);
        }
        return recipe;
    }

    // ---- observe

    @Override
    public List<DaemonStatus> observe() throws InterruptedException {
        List<DaemonStatus> all = new ArrayList<>();
        Set<String> present = present();
        for (DaemonRecipe recipe : recipes.values()) {
            Need need = new Need(false, "");
            try {
                need = need(recipe);
                all.add(look(recipe, need, present));
            } catch (IOException e) {
                all.add(new DaemonStatus(
                        recipe.kind(),
                        need.needed(),
                        need.reason(),
                        State.UNKNOWN,
                        Keeper.NOBODY,
                        Optional.empty(),
                        0,
                        String.valueOf(e.getMessage())));
            }
        }
        return all;
    }

    /** Programs of daemons that have a process; all of them where that cannot be seen, so that each is looked for by itself. */
    private Set<String> present() {
        Set<String> programs = new HashSet<>();
        recipes.keySet().forEach(kind -> programs.add(kind.program()));
        try {
            return host.processes().present(programs);
        } catch (IOException e) {
            return programs;
        }
    }

    /** As the recipe has it, unless somebody has stopped it by hand since the machine was started. */
    private Need need(DaemonRecipe recipe) throws IOException {
        return isStoppedByHand(recipe.kind())
                ? new Need(false, "it was stopped by hand; start it with: gpu-node-agent persistenced start")
                : recipe.need();
    }

    @Override
    public void retry() {
        resting.clear();
        for (DaemonKind kind : DaemonKind.values()) {
            KeptDaemon keeper = kept.get(kind);
            if (keeper != null && keeper.givenUp()) {
                close(kind);
            }
        }
    }

    /** Takes down what came of a start, so that nobody who looks again and again tries it each time. */
    private DaemonOutcome noted(DaemonKind kind, DaemonOutcome outcome) {
        if (outcome instanceof DaemonOutcome.Failed || outcome instanceof DaemonOutcome.NotNeeded) {
            Rest rest = resting.computeIfAbsent(kind, _ -> new Rest(clock.now()));
            rest.failed = outcome instanceof DaemonOutcome.Failed;
            rest.text = switch (outcome) {
                case DaemonOutcome.Failed failed -> failed.line();
                case DaemonOutcome.NotNeeded unneeded -> unneeded.reason();
                default -> "";
            };
            rest.until = clock.now().plus(rest.backoff.next());
        } else {
            resting.remove(kind);
        }
        return outcome;
    }

    private static Path mark(DaemonKind kind) {
        return DaemonHost.DIRECTORY.resolve(kind.program() + ".stopped");
    }

    /** Whether it is to stay stopped whoever wants it to run. */
    boolean isStoppedByHand(DaemonKind kind) {
        return host.files().exists(mark(kind));
    }

    /** Whether it is to stay stopped, until the machine starts anew; heard by the agent, too, which would start it again. */
    void stopByHand(DaemonKind kind, boolean stopped) throws IOException {
        if (stopped) {
            host.files().replace(mark(kind), new byte[0], "rw-r--r--");
        } else {
            host.files().delete(mark(kind));
        }
    }

    private DaemonStatus look(DaemonRecipe recipe, Need need, Set<String> present)
            throws IOException, InterruptedException {
        DaemonKind kind = recipe.kind();
        Optional<DaemonRecord> record = live(kind);
        Optional<ProcessIdentity> process = record.isPresent()
                ? record.map(DaemonRecord::process)
                : present.contains(kind.program()) ? recipe.find() : Optional.empty();
        KeptDaemon keeper = kept.get(kind);
        if (record.isPresent() && keep && keeper == null) {
            keeper = keep(recipe, record.get());
        }
        int restarts = keeper == null ? 0 : keeper.restarts();
        if (process.isEmpty()) {
            return down(recipe, need, keeper, restarts);
        }
        String container = host.processes().container(process.get().pid());
        Keeper owner = container.isEmpty() ? Keeper.SOMEBODY : Keeper.CONTAINER;
        String text = container.isEmpty() ? "" : "it runs in container " + container;
        if (record.isPresent() || (keeper != null && keeper.isAtWork())) {
            owner = Keeper.AGENT;
        } else if (container.isEmpty()) {
            try {
                owner = unit(kind).filter(Systemd.Unit::isActive).isPresent() ? Keeper.SYSTEMD : Keeper.SOMEBODY;
            } catch (Systemd.UnansweredException e) {
                text = String.valueOf(e.getMessage());
            }
        }
        if (text.isEmpty()) {
            text = recipe.remark(process.get());
        }
        boolean ready = recipe.isReady(process.get());
        if (ready) {
            // Whoever started it: what failed before says nothing about its end.
            resting.remove(kind);
        }
        return new DaemonStatus(
                kind,
                need.needed(),
                need.reason(),
                ready ? State.READY : State.STARTING,
                owner,
                process,
                restarts,
                text);
    }

    private DaemonStatus down(DaemonRecipe recipe, Need need, @Nullable KeptDaemon keeper, int restarts)
            throws InterruptedException {
        DaemonKind kind = recipe.kind();
        State state = recipe.program(ROOT).isPresent()
                        || recipe.program(DriverRoot.POINT).isPresent()
                ? State.STOPPED
                : State.NOT_INSTALLED;
        String text = "";
        Rest rest = resting.get(kind);
        if (rest != null && !rest.failed) {
            return new DaemonStatus(
                    kind,
                    need.needed(),
                    need.reason(),
                    State.IDLE,
                    Keeper.NOBODY,
                    Optional.empty(),
                    restarts,
                    rest.text);
        }
        if (rest != null && need.needed() && state == State.STOPPED && !rest.isOver(clock.now())) {
            state = State.FAILED;
            text = rest.text;
        } else if (keeper != null && keeper.isAtWork() && !keeper.givenUp()) {
            state = State.STARTING;
            text = "it has ended by itself and is started again";
        } else if (keeper != null && keeper.givenUp()) {
            state = State.FAILED;
            text = "it ended " + KeptDaemon.ENDS_LIMIT + " times in " + KeptDaemon.WINDOW.toMinutes() + " minutes"
                    + (keeper.lastWords().isEmpty() ? "" : "; it said: " + keeper.lastWords());
        } else if (need.needed()) {
            try {
                Optional<Systemd.Unit> unit = unit(kind).filter(Systemd.Unit::loaded);
                if (unit.isPresent() && unit.get().active().equals("failed")) {
                    state = State.FAILED;
                    text = unit.get().name() + " has failed: " + unit.get().result();
                }
            } catch (Systemd.UnansweredException e) {
                text = String.valueOf(e.getMessage());
            }
        }
        return new DaemonStatus(
                kind, need.needed(), need.reason(), state, Keeper.NOBODY, Optional.empty(), restarts, text);
    }

    /** What is noted of a child that lives; a note of one that has ended is of no use. */
    private Optional<DaemonRecord> live(DaemonKind kind) throws IOException {
        return DaemonRecord.read(host.files(), kind)
                .filter(record -> host.processes()
                        .identify(record.process().pid())
                        .filter(now -> now.equals(record.process()))
                        .isPresent());
    }

    /** Its unit, or that of the one that starts it; empty where there is none or no systemd. */
    private Optional<Systemd.Unit> unit(DaemonKind kind) throws Systemd.UnansweredException, InterruptedException {
        Optional<String> name = kind == DaemonKind.SUBNET_MANAGER ? DaemonKind.FABRIC_MANAGER.unit() : kind.unit();
        if (name.isEmpty() || !systemd.present()) {
            return Optional.empty();
        }
        return Optional.of(systemd.unit(name.get()));
    }

    // ---- start

    @Override
    public DaemonOutcome start(DaemonKind kind, StagedDriver driver, Duration limit) throws InterruptedException {
        return start(kind, driver, false, limit);
    }

    @Override
    public DaemonOutcome startAgain(DaemonKind kind, StagedDriver driver, Duration limit) throws InterruptedException {
        return start(kind, driver, true, limit);
    }

    private DaemonOutcome start(DaemonKind kind, StagedDriver driver, boolean again, Duration limit)
            throws InterruptedException {
        DaemonRecipe recipe = recipe(kind);
        Tick begin = clock.now();
        Tick deadline = begin.plus(limit);
        try {
            Need need = need(recipe);
            if (!need.needed() && (!again || isStoppedByHand(kind))) {
                return new DaemonOutcome.NotNeeded(need.reason());
            }
            Optional<DaemonRecord> record = live(kind);
            Optional<ProcessIdentity> running = record.isPresent() ? record.map(DaemonRecord::process) : recipe.find();
            if (running.isPresent()) {
                return noted(kind, adopt(recipe, record, running.get(), begin, deadline));
            }
            if (!need.needed() && unit(kind).filter(Systemd.Unit::loaded).isEmpty()) {
                return new DaemonOutcome.NotNeeded(need.reason() + ", and no systemd unit starts it");
            }
            if (!need.needed() || byUnit(kind, driver)) {
                return noted(
                        kind,
                        kind == DaemonKind.SUBNET_MANAGER
                                ? new DaemonOutcome.NotNeeded("the fabric manager's unit starts it")
                                : startUnit(recipe, begin, deadline));
            }
            return noted(kind, startChild(recipe, driver, begin, deadline));
        } catch (Systemd.UnansweredException e) {
            return noted(
                    kind, failed(kind, DaemonFault.SYSTEMD_DOES_NOT_ANSWER, String.valueOf(e.getMessage()), List.of()));
        } catch (IOException e) {
            return noted(kind, failed(kind, DaemonFault.UNREADABLE, e.toString(), List.of()));
        }
    }

    /** It runs already: what is left is that it does its work. */
    private DaemonOutcome adopt(
            DaemonRecipe recipe, Optional<DaemonRecord> record, ProcessIdentity process, Tick begin, Tick deadline)
            throws IOException, InterruptedException {
        if (record.isPresent() && keep && !kept.containsKey(recipe.kind())) {
            keep(recipe, record.get());
        }
        if (!awaitReady(recipe, process, deadline)) {
            return failed(
                    recipe.kind(),
                    host.processes().identify(process.pid()).isPresent()
                            ? DaemonFault.NOT_READY_IN_TIME
                            : DaemonFault.EXITED,
                    process + ", which ran already",
                    List.of());
        }
        boolean contained = !host.processes().container(process.pid()).isEmpty();
        Keeper owner = record.isPresent() ? Keeper.AGENT : contained ? Keeper.CONTAINER : Keeper.SOMEBODY;
        if (record.isEmpty() && !contained) {
            try {
                owner = unit(recipe.kind()).filter(Systemd.Unit::isActive).isPresent() ? Keeper.SYSTEMD : owner;
            } catch (Systemd.UnansweredException e) {
                LOG.warn(
                        "systemd does not say whose a daemon is",
                        "daemon",
                        recipe.kind().program(),
                        "error",
                        String.valueOf(e.getMessage()));
            }
        }
        return new DaemonOutcome.Ready(process, owner, true, clock.now().since(begin));
    }

    /** Whether its unit is to start it; the host's unit starts the host's program, hence never that of a root elsewhere. */
    private boolean byUnit(DaemonKind kind, StagedDriver driver)
            throws Systemd.UnansweredException, InterruptedException {
        DaemonKeeping keeping = host.settings().keeping();
        if (keeping == DaemonKeeping.CHILD
                || (keeping == DaemonKeeping.AUTO
                        && (driver.userspaceRoot().getNameCount() > 0 || !systemd.present()))) {
            return false;
        }
        return keeping == DaemonKeeping.UNIT
                || unit(kind).filter(Systemd.Unit::wanted).isPresent();
    }

    private DaemonOutcome startUnit(DaemonRecipe recipe, Tick begin, Tick deadline)
            throws IOException, InterruptedException {
        DaemonKind kind = recipe.kind();
        String name = kind.unit().orElseThrow();
        Optional<DaemonOutput> log = log(recipe);
        systemd.change(name, true, left(deadline));
        Systemd.Unit unit = systemd.unit(name);
        if (!unit.isActive()) {
            List<String> messages = new ArrayList<>(log.map(DaemonOutput::lines).orElse(List.of()));
            messages.addAll(systemd.messages(name, clock.now().since(begin).plusSeconds(1), EVIDENCE));
            if (recipe.nothingToDo(messages)) {
                return new DaemonOutcome.NotNeeded("it says that there is nothing to do");
            }
            DaemonFault fault = unit.loaded() ? recipe.explain(messages) : DaemonFault.NOT_INSTALLED;
            return failed(
                    kind,
                    fault == DaemonFault.EXITED ? DaemonFault.UNIT_FAILED : fault,
                    name + " is " + (unit.loaded() ? unit.active() + " (" + unit.result() + ")" : unit.load()),
                    messages);
        }
        Optional<ProcessIdentity> process = unit.mainPid() > 0
                ? host.processes()
                        .identify(unit.mainPid())
                        .filter(main -> main.program().equals(kind.program()))
                : Optional.empty();
        if (process.isEmpty()) {
            process = recipe.find();
        }
        if (process.isEmpty() || !awaitReady(recipe, process.get(), deadline)) {
            return failed(
                    kind,
                    process.isEmpty() ? DaemonFault.EXITED : DaemonFault.NOT_READY_IN_TIME,
                    name + " is active",
                    systemd.messages(name, clock.now().since(begin).plusSeconds(1), EVIDENCE));
        }
        return new DaemonOutcome.Ready(
                process.get(), Keeper.SYSTEMD, false, clock.now().since(begin));
    }

    private DaemonOutcome startChild(DaemonRecipe recipe, StagedDriver driver, Tick begin, Tick deadline)
            throws IOException, InterruptedException {
        DaemonKind kind = recipe.kind();
        Optional<Path> program = recipe.program(driver.userspaceRoot());
        if (program.isEmpty()) {
            if (recipe instanceof PersistencedRecipe persistenced && persistenced.optional()) {
                return new DaemonOutcome.NotNeeded("the driver has no " + kind.program());
            }
            return failed(kind, DaemonFault.NOT_INSTALLED, "there is none below " + driver.userspaceRoot(), List.of());
        }
        Command command;
        try {
            command = recipe.command(driver, program.get());
        } catch (CannotException e) {
            return failed(kind, e.fault(), String.valueOf(e.getMessage()), List.of());
        }
        close(kind);
        DaemonOutcome outcome = launch(recipe, command, driver.version().text(), begin, deadline);
        if (outcome instanceof DaemonOutcome.Ready && keep) {
            Optional<DaemonRecord> record = live(kind);
            if (record.isPresent()) {
                keep(recipe, record.get());
            }
        }
        return outcome;
    }

    /** Starts a child and waits until it is ready; otherwise there is nothing left of it. */
    private DaemonOutcome launch(DaemonRecipe recipe, Command command, String version, Tick begin, Tick deadline)
            throws InterruptedException {
        DaemonKind kind = recipe.kind();
        try {
            for (Path leftover : recipe.leftovers()) {
                host.files().delete(leftover);
            }
            Path file = outputFile(kind);
            DaemonOutput output = new DaemonOutput(host.files(), file, true);
            Optional<DaemonOutput> log = log(recipe);
            StartedProgram started;
            try {
                started = host.processes().start(command.arguments(), command.environment(), file);
            } catch (IOException e) {
                return failed(kind, DaemonFault.CANNOT_START, String.valueOf(e.getMessage()), List.of());
            }
            OptionalInt status = OptionalInt.empty();
            Optional<ProcessIdentity> process = Optional.empty();
            boolean ready = false;
            try {
                while (!ready && status.isEmpty() && !clock.now().reached(deadline)) {
                    status = started.awaitExit(command.background() ? left(deadline) : LOOK);
                    process = command.background() ? Optional.empty() : child(kind, started);
                    ready = process.isPresent() && recipe.isReady(process.get());
                }
                if (command.background() && status.equals(OptionalInt.of(0))) {
                    process = recipe.find();
                    ready = process.isPresent() && awaitReady(recipe, process.get(), deadline);
                }
                if (ready && process.isPresent()) {
                    new DaemonRecord(process.get(), command, version).write(host.files(), kind);
                    setApart(kind, process.get());
                    return new DaemonOutcome.Ready(
                            process.get(), Keeper.AGENT, false, clock.now().since(begin));
                }
            } catch (InterruptedException | IOException e) {
                remove(recipe, command, started, status, process);
                throw e;
            }
            List<String> messages = new ArrayList<>(output.lines());
            messages.addAll(log.map(DaemonOutput::lines).orElse(List.of()));
            if (command.background()) {
                messages.addAll(systemd.messages(
                        kind.program(), clock.now().since(begin).plusSeconds(1), EVIDENCE));
            }
            String left = remove(recipe, command, started, status, process);
            if (recipe.nothingToDo(messages)) {
                return new DaemonOutcome.NotNeeded("it says that there is nothing to do");
            }
            return ended(recipe, status, process, messages, left);
        } catch (IOException e) {
            return failed(kind, DaemonFault.CANNOT_START, e.toString(), List.of());
        }
    }

    private DaemonOutcome ended(
            DaemonRecipe recipe,
            OptionalInt status,
            Optional<ProcessIdentity> process,
            List<String> messages,
            String left) {
        if (status.isEmpty() || process.isPresent()) {
            return failed(recipe.kind(), DaemonFault.NOT_READY_IN_TIME, left, messages);
        }
        int code = status.getAsInt();
        if (code == NOT_EXECUTABLE || code == NOT_FOUND) {
            return failed(recipe.kind(), DaemonFault.CANNOT_START, "status " + code, messages);
        }
        return failed(
                recipe.kind(),
                recipe.explain(messages),
                code == 0 ? "it went into the background and is gone" : "exit status " + code,
                messages);
    }

    /** The child, when it has become its program. */
    private Optional<ProcessIdentity> child(DaemonKind kind, StartedProgram started) {
        return host.processes()
                .identify(started.pid())
                .filter(process -> process.program().equals(kind.program()));
    }

    /**
     * Ends what a start that failed has left.
     *
     * @return what could not be ended, in words; empty when nothing is left
     */
    private String remove(
            DaemonRecipe recipe,
            Command command,
            StartedProgram started,
            OptionalInt status,
            Optional<ProcessIdentity> process)
            throws InterruptedException {
        boolean interrupted = Thread.interrupted();
        List<ProcessIdentity> left = new ArrayList<>();
        Optional<ProcessIdentity> first = host.processes().identify(started.pid());
        first.ifPresent(left::add);
        process.filter(found -> !left.contains(found)).ifPresent(left::add);
        String text = "";
        if (command.background() && status.isEmpty()) {
            try {
                // Its first process still waits for the one in the background; one that is older is somebody's.
                for (ProcessIdentity found :
                        host.processes().running(recipe.kind().program())) {
                    if (!left.contains(found)
                            && first.isPresent()
                            && found.startedMillis() >= first.get().startedMillis()
                            && host.processes().container(found.pid()).isEmpty()) {
                        left.add(found);
                    }
                }
            } catch (IOException e) {
                text = "what is left of it cannot be seen: " + e.getMessage();
            }
        }
        for (ProcessIdentity each : left) {
            if (host.processes().stop(each, TIDY_GRACE, AFTER_KILL) instanceof StopOutcome.StillThere still) {
                text = each + " is left, in state " + still.state();
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return text;
    }

    private boolean awaitReady(DaemonRecipe recipe, ProcessIdentity process, Tick deadline)
            throws IOException, InterruptedException {
        Optional<ProcessWatch> found = host.processes().watch(process);
        if (found.isEmpty()) {
            return false;
        }
        try (ProcessWatch watch = found.get()) {
            while (true) {
                if (recipe.isReady(process)) {
                    return true;
                }
                if (clock.now().reached(deadline) || watch.awaitEnd(LOOK)) {
                    return false;
                }
                if (Thread.interrupted()) {
                    throw new InterruptedException("while waiting for " + process);
                }
            }
        }
    }

    /** A child in the agent's own unit would end with it: systemd ends all that is left of a unit. */
    private void setApart(DaemonKind kind, ProcessIdentity process) throws InterruptedException {
        if (!systemd.present()) {
            return;
        }
        try {
            systemd.setApart(process.pid(), "gpu-node-agent-" + kind.program(), "NVIDIA " + kind.program());
        } catch (Systemd.UnansweredException e) {
            LOG.warn(
                    "a daemon stays in the unit or session that started it, and ends with it",
                    "daemon",
                    kind.program(),
                    "error",
                    String.valueOf(e.getMessage()));
        }
    }

    private KeptDaemon keep(DaemonRecipe recipe, DaemonRecord record) throws IOException {
        DaemonKind kind = recipe.kind();
        KeptDaemon before = kept.get(kind);
        if (before != null && before.process().equals(record.process())) {
            return before;
        }
        close(kind);
        List<DaemonOutput> outputs = new ArrayList<>();
        outputs.add(new DaemonOutput(host.files(), outputFile(kind), true));
        log(recipe).ifPresent(outputs::add);
        KeptDaemon keeper = new KeptDaemon(
                kind,
                record.process(),
                host.processes(),
                clock,
                new Backoff(firstPause, LONGEST_PAUSE, RandomGenerator.getDefault()),
                outputs,
                () -> !isStoppedByHand(kind),
                () -> again(recipe, record));
        kept.put(kind, keeper);
        keeper.start();
        return keeper;
    }

    /** On the keeper's own thread. */
    private DaemonOutcome again(DaemonRecipe recipe, DaemonRecord record) throws InterruptedException {
        try {
            Optional<ProcessIdentity> anothers = recipe.find();
            if (anothers.isPresent()) {
                LOG.info("somebody else has started a daemon: it is left to them", "daemon", anothers.get());
                return new DaemonOutcome.NotNeeded("somebody else has started it");
            }
            if (host.files().exists(DriverJournal.FILE)) {
                // It was stopped, perhaps by a command without this agent, and would hold the driver that is to go.
                return new DaemonOutcome.NotNeeded("the driver is being changed, and whoever does that starts it");
            }
            if (!host.files().exists(CORE)) {
                // It would have the kernel look for one.
                return new DaemonOutcome.NotNeeded("no driver is loaded");
            }
        } catch (IOException e) {
            return failed(recipe.kind(), DaemonFault.UNREADABLE, e.toString(), List.of());
        }
        Tick now = clock.now();
        return launch(recipe, record.command(), record.version(), now, now.plus(startLimit));
    }

    private void close(DaemonKind kind) {
        KeptDaemon keeper = kept.remove(kind);
        if (keeper != null) {
            keeper.close();
        }
    }

    /** Leaves the children as they are. */
    @Override
    public void close() {
        for (DaemonKind kind : DaemonKind.values()) {
            close(kind);
        }
    }

    // ---- what would be done

    /** What {@link #start} would do, as an order; empty for nothing. */
    public Optional<String> starting(DaemonKind kind, StagedDriver driver) throws IOException, InterruptedException {
        DaemonRecipe recipe = recipe(kind);
        if (!recipe.need().needed() || running(recipe).isPresent()) {
            return Optional.empty();
        }
        if (byUnit(kind, driver)) {
            return Optional.of("systemctl start " + kind.unit().orElse("nvidia-fabricmanager.service"));
        }
        Optional<Path> program = recipe.program(driver.userspaceRoot());
        if (program.isEmpty()) {
            return Optional.empty();
        }
        try {
            return Optional.of(
                    String.join(" ", recipe.command(driver, program.get()).arguments()));
        } catch (CannotException e) {
            return Optional.empty();
        }
    }

    /** What {@link #stop} would do, as an order; empty for nothing. */
    public Optional<String> stopping(DaemonKind kind) throws IOException, InterruptedException {
        Optional<ProcessIdentity> process = running(recipe(kind));
        Optional<Systemd.Unit> unit = activeUnit(kind, live(kind).isPresent(), process.isPresent());
        return unit.isPresent()
                ? unit.map(found -> "systemctl stop " + found.name())
                : process.map(found -> "kill " + found.pid() + " (" + found.executable() + ")");
    }

    private Optional<ProcessIdentity> running(DaemonRecipe recipe) throws IOException {
        Optional<DaemonRecord> record = live(recipe.kind());
        return record.isPresent() ? record.map(DaemonRecord::process) : recipe.find();
    }

    // ---- stop

    @Override
    public DaemonOutcome stop(DaemonKind kind, Duration grace) throws InterruptedException {
        DaemonRecipe recipe = recipe(kind);
        Tick begin = clock.now();
        close(kind);
        try {
            boolean killed = false;
            boolean any = false;
            for (int tries = 0; tries <= STOP_TRIES; tries++) {
                Optional<ProcessIdentity> running = running(recipe);
                Optional<Systemd.Unit> unit = activeUnit(kind, live(kind).isPresent(), running.isPresent());
                if (running.isEmpty() && unit.isEmpty()) {
                    tidy(recipe);
                    return new DaemonOutcome.Gone(!any, killed, clock.now().since(begin));
                }
                if (tries == STOP_TRIES) {
                    break;
                }
                any = true;
                if (unit.isPresent()) {
                    stopUnit(unit.get().name(), grace.plus(SYSTEMD));
                }
                // Of what systemd leaves behind nothing may hold a device.
                Optional<ProcessIdentity> left = running.filter(
                        process -> host.processes().identify(process.pid()).equals(running));
                if (left.isPresent()) {
                    String container = host.processes().container(left.get().pid());
                    if (!container.isEmpty()) {
                        return failed(
                                kind,
                                DaemonFault.ANOTHERS,
                                left.get() + " runs in container " + container + ", which would start it again",
                                List.of());
                    }
                    StopOutcome outcome = host.processes().stop(left.get(), grace, AFTER_KILL);
                    Optional<DaemonOutcome> failure = failure(kind, left.get(), outcome);
                    if (failure.isPresent()) {
                        return failure.get();
                    }
                    killed |= outcome instanceof StopOutcome.Ended ended && ended.killed();
                }
            }
            return failed(
                    kind, DaemonFault.ANOTHERS, "somebody starts it again each time that it is stopped", List.of());
        } catch (Systemd.UnansweredException e) {
            return failed(kind, DaemonFault.SYSTEMD_DOES_NOT_ANSWER, String.valueOf(e.getMessage()), List.of());
        } catch (IOException e) {
            return failed(kind, DaemonFault.UNREADABLE, e.toString(), List.of());
        }
    }

    /** When systemd is at it and has not ended it in time, it does not start it again either: it can be killed then. */
    private void stopUnit(String name, Duration limit) throws Systemd.UnansweredException, InterruptedException {
        try {
            systemd.change(name, false, limit);
        } catch (Systemd.UnansweredException e) {
            if (systemd.unit(name).isActive()) {
                throw e;
            }
        }
    }

    /** The unit that has it, and would start it again. */
    private Optional<Systemd.Unit> activeUnit(DaemonKind kind, boolean own, boolean running)
            throws Systemd.UnansweredException, InterruptedException {
        // The subnet manager's is the fabric manager's, which is stopped before it.
        if (own || kind == DaemonKind.SUBNET_MANAGER) {
            return Optional.empty();
        }
        return unit(kind)
                .filter(Systemd.Unit::loaded)
                .filter(unit -> unit.isActive()
                        || unit.active().equals("activating")
                        || (running && unit.active().equals("deactivating")));
    }

    private static Optional<DaemonOutcome> failure(DaemonKind kind, ProcessIdentity process, StopOutcome outcome) {
        return switch (outcome) {
            case StopOutcome.Ended _, StopOutcome.NotThere _ -> Optional.empty();
            case StopOutcome.NotPermitted refused ->
                Optional.of(failed(kind, DaemonFault.NOT_PERMITTED, process + ": " + refused.reason(), List.of()));
            case StopOutcome.StillThere still ->
                Optional.of(failed(
                        kind,
                        DaemonFault.DOES_NOT_END,
                        process + " is in state " + still.state()
                                + (still.waitsIn().isEmpty() ? "" : ", waiting in " + still.waitsIn()),
                        still.stack()));
        };
    }

    /** What it left would be taken for a sign of life. */
    private void tidy(DaemonRecipe recipe) throws IOException {
        DaemonRecord.remove(host.files(), recipe.kind());
        for (Path leftover : recipe.leftovers()) {
            host.files().delete(leftover);
        }
    }

    // ---- helpers

    private static Path outputFile(DaemonKind kind) {
        return DaemonHost.DIRECTORY.resolve(kind.program() + ".out");
    }

    private Optional<DaemonOutput> log(DaemonRecipe recipe) throws IOException {
        return recipe.log().map(path -> new DaemonOutput(host.files(), path, false));
    }

    private Duration left(Tick deadline) {
        Duration left = deadline.since(clock.now());
        return left.isNegative() ? Duration.ZERO : left;
    }

    private static DaemonOutcome.Failed failed(
            DaemonKind kind, DaemonFault fault, @Nullable String text, List<String> evidence) {
        List<String> last =
                evidence.size() > EVIDENCE ? evidence.subList(evidence.size() - EVIDENCE, evidence.size()) : evidence;
        return new DaemonOutcome.Failed(kind, fault, text == null ? "" : text, last);
    }
}
