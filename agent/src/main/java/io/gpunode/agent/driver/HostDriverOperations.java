package io.gpunode.agent.driver;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.os.KernelModules;
import io.gpunode.agent.os.KernelValues;
import io.gpunode.agent.os.LoadedModule;
import io.gpunode.agent.os.ModuleFault;
import io.gpunode.agent.os.ModuleOutcome;
import io.gpunode.agent.os.ModuleToLoad;
import io.gpunode.agent.os.WriteFailure;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** {@link DriverOperations} on this machine. Each operation has a bound of the configuration. */
final class HostDriverOperations implements DriverOperations {
    private static final Log LOG = Log.of(HostDriverOperations.class);
    /** Documentation/driver-api/firmware/fw_search_path.rst. */
    private static final Path FIRMWARE_PATH = Path.of("/sys/module/firmware_class/parameters/path");

    private static final String OWN_PREFIX = "NVreg_";
    private static final int MOST_EVIDENCE = 20;

    private final Parts parts;
    private final AgentConfig.Driver settings;
    private final DriverDoor door;
    private final @Nullable PodDrain pods;
    private final ClusterTurn turn;

    /** What it is composed of. */
    record Parts(
            DriverObserver observer,
            HolderScan scan,
            KernelModules modules,
            KernelValues values,
            NouveauRelease nouveau,
            Daemons daemons,
            DriverRoot root,
            ValidatorFiles validator,
            DriverStore store) {}

    /** @param pods how the node is freed of pods; null where that is not possible */
    HostDriverOperations(
            Parts parts, AgentConfig.Driver settings, DriverDoor door, @Nullable PodDrain pods, ClusterTurn turn) {
        this.parts = parts;
        this.settings = settings;
        this.door = door;
        this.pods = pods;
        this.turn = turn;
    }

    @Override
    public DriverPicture observe() throws InterruptedException {
        return picture(parts.daemons.observe());
    }

    @Override
    public DriverPicture observeModules() throws InterruptedException {
        return picture(List.of());
    }

    private DriverPicture picture(List<DaemonStatus> daemons) throws InterruptedException {
        ObservedDriver observed = parts.observer.observe();
        Set<DaemonKind> needed = EnumSet.noneOf(DaemonKind.class);
        Set<DaemonKind> running = EnumSet.noneOf(DaemonKind.class);
        Set<DaemonKind> down = EnumSet.noneOf(DaemonKind.class);
        Map<DaemonKind, String> failed = new EnumMap<>(DaemonKind.class);
        for (DaemonStatus status : daemons) {
            if (status.needed()) {
                needed.add(status.kind());
            }
            if (status.runs()) {
                running.add(status.kind());
            } else if (observed.loaded() && (status.needed() || status.state() == DaemonStatus.State.STARTING)) {
                switch (status.state()) {
                    case STOPPED -> down.add(status.kind());
                    case FAILED, STARTING, UNKNOWN -> failed.put(status.kind(), status.text());
                    case READY, NOT_INSTALLED, IDLE -> {}
                }
            }
        }
        return new DriverPicture(
                observed.kernel(),
                observed.bootId(),
                observed.modules(),
                observed.running(),
                parameters(observed),
                running,
                needed,
                down,
                failed,
                parts.root.observe().state(),
                firmwarePath(),
                new DriverPicture.Blockers(observed.nouveau().inTheWay()));
    }

    private Map<String, Map<String, String>> parameters(ObservedDriver observed) {
        Map<String, Map<String, String>> all = new HashMap<>();
        for (LoadedModule module : observed.modules().modules()) {
            Map<String, String> inForce = new LinkedHashMap<>();
            try {
                inForce.putAll(parts.modules.parameters(module.name()));
            } catch (IOException e) {
                LOG.debug("the parameters of a module cannot be read", "module", module.name(), "error", e);
            }
            if (module.name().equals(ModuleGraph.CORE)) {
                // The driver shows them without their prefix, and under names that it has changed since: only equal
                // ones count.
                observed.parameters().forEach((name, value) -> inForce.putIfAbsent(OWN_PREFIX + name, value));
            }
            all.put(module.name(), inForce);
        }
        return all;
    }

    private String firmwarePath() {
        try {
            return parts.values.read(FIRMWARE_PATH);
        } catch (IOException e) {
            return "";
        }
    }

    @Override
    public HolderTable holders() throws InterruptedException {
        HolderTable table = scan();
        if (table.holders().stream().anyMatch(holder -> holder.through() == Holder.Through.KERNEL)) {
            // One that ended between the kernel's count and its turn in the look seems to be in the kernel, once.
            table = scan();
        }
        table = table.without(Math.toIntExact(ProcessHandle.current().pid()));
        for (DaemonStatus daemon : parts.daemons.observe()) {
            // One in a container is not stopped for a change.
            if (daemon.process().isPresent() && daemon.keeper() != DaemonStatus.Keeper.CONTAINER) {
                table = table.without(daemon.process().get().pid());
            }
        }
        return table;
    }

    /** By what the kernel counts now. */
    private HolderTable scan() throws InterruptedException {
        ModuleGraph modules = parts.observer.observe().modules();
        // The kernel counts every open file, also one of which only a mapping is left.
        return modules.isUnused()
                ? new HolderTable(List.of(), List.of(), List.of(), 0, 0, Duration.ZERO)
                : parts.scan.scan(modules);
    }

    @Override
    public void keep(DriverTarget current, List<DriverTarget> others) throws DriverStepException {
        Set<String> keys = new HashSet<>();
        others.forEach(other -> keys.add(key(other)));
        try {
            DriverStore.Pins pins = new DriverStore.Pins(key(current), keys);
            if (!parts.store.pins().equals(pins)) {
                parts.store.pin(pins);
            }
        } catch (IOException e) {
            throw new DriverStepException("the store of drivers cannot be written: " + WriteFailure.text(e), e);
        }
    }

    private static String key(DriverTarget target) {
        return target.driver().map(StagedDriver::key).orElse("");
    }

    @Override
    public void retryDaemons() {
        parts.daemons.retry();
    }

    @Override
    public boolean canDrain() {
        return pods != null;
    }

    @Override
    public void drain(boolean inTurn) throws DriverStepException, InterruptedException {
        if (pods == null) {
            return;
        }
        if (inTurn) {
            turn.tell(ClusterTurn.State.DRAINING);
        }
        pods.drain();
        if (inTurn) {
            turn.tell(ClusterTurn.State.EXCHANGING);
        }
    }

    @Override
    public void takeTurn() throws DriverStepException, InterruptedException {
        turn.take();
    }

    @Override
    public ClusterTurn.Asked endTurn(ClusterTurn.Asked asked, ClusterTurn.State state) throws InterruptedException {
        return turn.end(asked, state);
    }

    @Override
    public ClusterTurn.Asked asks() {
        return turn.asks();
    }

    @Override
    public boolean settleLabel() throws InterruptedException {
        return turn.settle();
    }

    @Override
    public boolean undrain(boolean sure) throws InterruptedException {
        return pods == null || pods.undrain(sure);
    }

    @Override
    public List<String> perform(DriverStep step) throws DriverStepException, InterruptedException {
        return switch (step) {
            case DriverStep.Withdraw _ -> withdraw();
            case DriverStep.StopDaemon(DaemonKind kind) ->
                done(parts.daemons.stop(kind, settings.limits().stop()), true);
            case DriverStep.DetachRoot _ -> done(parts.root.detach());
            case DriverStep.UnloadModule(String name) -> unload(name);
            case DriverStep.ReleaseNouveau _ ->
                parts.nouveau.release(
                        parts.observer.observe().nouveau(), settings.limits().unload());
            case DriverStep.SetFirmwarePath(String path) -> firmwarePath(path);
            case DriverStep.LoadDependency(String name, boolean required) -> dependency(name, required);
            case DriverStep.LoadModule load -> load(load);
            case DriverStep.AttachRoot(StagedDriver driver) -> attach(driver);
            case DriverStep.StartDaemon start -> start(start);
            case DriverStep.Announce(DriverTarget target) -> announce(target);
        };
    }

    private List<String> start(DriverStep.StartDaemon step) throws DriverStepException, InterruptedException {
        DaemonKind kind = step.kind();
        Duration limit = settings.limits().daemon();
        if (!step.again()) {
            return done(parts.daemons.start(kind, step.driver(), limit), isRequired(kind));
        }
        DaemonOutcome outcome = parts.daemons.startAgain(kind, step.driver(), limit);
        if (outcome instanceof DaemonOutcome.NotNeeded left && kind.unit().isPresent()) {
            // The subnet manager aside: its fabric manager's unit starts it.
            return List.of(kind.program() + " ran before and was not started again: " + left.reason()
                    + "; start it where it was started");
        }
        return done(outcome, isRequired(kind));
    }

    /** Without it GPUs cannot be used; the others only make something better. */
    private static boolean isRequired(DaemonKind kind) {
        return switch (kind) {
            case FABRIC_MANAGER, SUBNET_MANAGER -> true;
            case PERSISTENCED, IMEX -> false;
        };
    }

    private List<String> withdraw() throws DriverStepException, InterruptedException {
        if (settings.root().validatorFiles()) {
            try {
                parts.validator.withdraw();
            } catch (IOException e) {
                throw new DriverStepException("the validator's files cannot be removed: " + e.getMessage(), e);
            }
        }
        door.letGo();
        return List.of();
    }

    private List<String> announce(DriverTarget target) throws DriverStepException, InterruptedException {
        if (settings.root().validatorFiles() && target.driver().isPresent()) {
            StagedDriver driver = target.driver().get();
            Path root = driver.userspaceRoot().getNameCount() > 0 && target.attach()
                    ? DriverRoot.POINT
                    : driver.userspaceRoot();
            Set<String> loaded = new HashSet<>();
            parts.observer.observe().modules().modules().forEach(module -> loaded.add(module.name()));
            try {
                parts.validator.ready(root, Path.of("/"), loaded);
            } catch (IOException e) {
                throw new DriverStepException("the validator's files cannot be written: " + WriteFailure.text(e), e);
            }
        }
        if (target.isNone()) {
            return forgetFirmwarePath();
        }
        // Without a driver NVML stays closed: opening it could load one behind everybody's back.
        door.takeUp();
        return List.of();
    }

    /** Nothing is left of a driver that has gone: the kernel asks in this place for every device's firmware. One that somebody else has set stays. */
    private List<String> forgetFirmwarePath() {
        Path own = parts.store.directory();
        String now = firmwarePath();
        if (now.isEmpty() || !Path.of(now).startsWith(own)) {
            return List.of();
        }
        try {
            parts.values.write(FIRMWARE_PATH, "");
            return List.of();
        } catch (IOException e) {
            return List.of(FIRMWARE_PATH + " still names " + now + ": " + e.getMessage());
        }
    }

    private List<String> attach(StagedDriver driver) throws DriverStepException, InterruptedException {
        if (settings.root().validatorFiles()) {
            try {
                parts.validator.starting();
            } catch (IOException e) {
                throw new DriverStepException("the validator's files cannot be written: " + WriteFailure.text(e), e);
            }
        }
        return done(parts.root.attach(driver));
    }

    private List<String> unload(String name) throws DriverStepException, InterruptedException {
        ModuleOutcome outcome = parts.modules.unload(name, settings.limits().unload());
        if (outcome instanceof ModuleOutcome.Refused refused && refused.fault() == ModuleFault.IN_USE) {
            HolderTable table = holders();
            List<String> evidence = new ArrayList<>();
            table.holders().stream()
                    .limit(MOST_EVIDENCE)
                    .forEach(holder -> evidence.add(holder.module() + " " + holder.device() + " pid " + holder.pid()
                            + " " + holder.executable() + " " + holder.place().text()));
            table.suspects().stream()
                    .limit(MOST_EVIDENCE)
                    .forEach(suspect -> evidence.add(
                            "maybe pid " + suspect.pid() + " " + suspect.executable() + ": " + suspect.why()));
            throw new DriverStepException(
                    refused.fault().sentence()
                            + (evidence.isEmpty() ? "" : ": " + String.join("; ", evidence.subList(0, 1)))
                            + "; see who: gpu-node-agent driver holders",
                    true,
                    evidence);
        }
        if (outcome instanceof ModuleOutcome.Refused refused && refused.fault() == ModuleFault.HELD_BY_MODULES) {
            // One that came after the plan was made.
            throw new DriverStepException(text(outcome), true, evidence(outcome));
        }
        return done(outcome);
    }

    private List<String> firmwarePath(String path) throws DriverStepException {
        try {
            parts.values.write(FIRMWARE_PATH, path);
            return List.of();
        } catch (IOException e) {
            throw new DriverStepException(FIRMWARE_PATH + " cannot be written: " + WriteFailure.text(e), e);
        }
    }

    private List<String> dependency(String name, boolean required) throws DriverStepException, InterruptedException {
        ModuleOutcome outcome =
                parts.modules.load(ModuleToLoad.named(name), settings.limits().load());
        if (outcome.ok() || !required) {
            return outcome.ok() ? List.of() : List.of(name + " is not loaded: " + text(outcome));
        }
        return done(outcome);
    }

    private List<String> load(DriverStep.LoadModule load) throws DriverStepException, InterruptedException {
        return done(parts.modules.load(
                new ModuleToLoad(load.name(), load.file().map(StagedModule::path), load.parameters()),
                settings.limits().load()));
    }

    // ---- what the parts answer

    private static List<String> done(ModuleOutcome outcome) throws DriverStepException {
        if (outcome.ok()) {
            return List.of();
        }
        throw new DriverStepException(text(outcome), false, evidence(outcome));
    }

    private static String text(ModuleOutcome outcome) {
        return switch (outcome) {
            case ModuleOutcome.Done _, ModuleOutcome.AlreadyThere _, ModuleOutcome.AlreadyGone _ -> "";
            case ModuleOutcome.Refused refused ->
                refused.fault().sentence() + inBrackets(refused) + ". Next: "
                        + refused.fault().remedy();
            case ModuleOutcome.TimedOut late ->
                "it did not end within " + late.limit().toSeconds() + " s: " + late.state()
                        + (late.stuck()
                                ? ""
                                : ". Next: dmesg; then the command again, with a longer limit in driver.limits.load or"
                                        + " driver.limits.unload when the module is merely slow");
        };
    }

    private static String inBrackets(ModuleOutcome.Refused refused) {
        String driver = refused.driverSaid();
        if (!driver.isEmpty()) {
            return " (the driver: \"" + driver + "\")";
        }
        return refused.said().isEmpty() ? "" : " (" + refused.said() + ")";
    }

    private static List<String> evidence(ModuleOutcome outcome) {
        return switch (outcome) {
            case ModuleOutcome.Refused refused -> refused.kernelLog();
            case ModuleOutcome.TimedOut late -> late.kernelLog();
            default -> List.of();
        };
    }

    private static List<String> done(DaemonOutcome outcome, boolean required) throws DriverStepException {
        return switch (outcome) {
            case DaemonOutcome.Ready _, DaemonOutcome.NotNeeded _ -> List.of();
            case DaemonOutcome.Gone gone ->
                gone.killed() ? List.of("a daemon ended only when it was killed") : List.of();
            case DaemonOutcome.Failed failed -> {
                if (required) {
                    throw new DriverStepException(
                            failed.line() + ". Next: " + failed.fault().remedy(),
                            failed.fault() == DaemonFault.ANOTHERS,
                            failed.evidence());
                }
                yield List.of(failed.line());
            }
        };
    }

    private static List<String> done(RootOutcome outcome) throws DriverStepException {
        return switch (outcome) {
            case RootOutcome.Attached attached -> attached.notes();
            case RootOutcome.Detached detached ->
                detached.users().isEmpty()
                        ? List.of()
                        : List.of(
                                "files of the driver before are still used by " + String.join(", ", detached.users()));
            case RootOutcome.Refused refused ->
                throw new DriverStepException(
                        refused.line() + ". Next: " + refused.fault().remedy(), false, List.of());
        };
    }
}
