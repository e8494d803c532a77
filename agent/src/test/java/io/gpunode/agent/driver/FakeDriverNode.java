package io.gpunode.agent.driver;

import io.gpunode.agent.model.DriverVersion;
import io.gpunode.agent.os.LoadedModule;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/** A node's driver as far as changes of it are concerned: refuses what a kernel would refuse, notes what no agent should do, and fails where it is told to. */
final class FakeDriverNode implements DriverOperations {
    static final String KERNEL = "6.1.0-test";

    /** Versions and values of parameters with which no module loads. */
    final Set<String> unloadable = new java.util.TreeSet<>();

    /** What happens at a step. */
    enum Fault {
        /** It fails, and nothing of it was made. */
        REFUSES,
        /** It is told to be done, and is not. */
        LIES,
        /** The process ends before it. */
        ENDS_BEFORE,
        /** The process ends after it. */
        ENDS_AFTER
    }

    /** The process has ended. */
    static final class Ended extends Error {
        private static final long serialVersionUID = 1L;
    }

    /** Who keeps drivers in a store. */
    interface Keeper {
        void keep(DriverTarget current, List<DriverTarget> others) throws DriverStepException;
    }

    /** A module in the kernel. */
    record Module(String version, ModuleType type, Map<String, String> parameters) {}

    /** Everything that a change must bring back. */
    record Everything(
            Map<String, Module> modules,
            Set<DaemonKind> daemons,
            boolean attached,
            boolean cordoned,
            boolean withdrawn) {}

    /** What each module of the kernel needs of the others. */
    final Map<String, List<String>> uses = new HashMap<>(Map.of(
            "nvidia_uvm", List.of("nvidia"),
            "nvidia_modeset", List.of("nvidia"),
            "nvidia_drm", List.of("nvidia_modeset")));
    /** Modules on their way out. */
    final Set<String> going = new java.util.TreeSet<>();

    final Map<String, Module> modules = new TreeMap<>();
    /** Which build the kernel has; nothing where it does not say. */
    final Map<String, String> sourceVersions = new HashMap<>();

    final Set<DaemonKind> daemons = EnumSet.noneOf(DaemonKind.class);
    final Set<DaemonKind> needed = EnumSet.noneOf(DaemonKind.class);
    /** Daemons that do not come up. */
    final Set<DaemonKind> broken = EnumSet.noneOf(DaemonKind.class);

    private final Set<DaemonKind> tried = EnumSet.noneOf(DaemonKind.class);
    final Set<String> dependencies = new java.util.TreeSet<>();
    /** Version that modprobe finds by name, its type, and the parameters that it has where none are given. */
    Module host = new Module("535.1.1", ModuleType.PROPRIETARY, Map.of());

    boolean attached;
    /** The note of who has attached it is lost. */
    boolean noteLost;

    boolean withdrawn;
    boolean cordoned;
    boolean nouveau;
    /** Why no module comes into the kernel; empty when they do. */
    String loadRefusal = "";

    String firmwarePath = "";
    String bootId = "boot-1";
    HolderTable holders = nobody();
    boolean drainable;
    boolean podsStay;
    /** Why it is not this node's turn; empty when it is. */
    String notItsTurn = "";
    /** Whether the node has a slot, and what its label says. */
    boolean slot;

    String label = "";
    /** What the cluster is asked for before an exchange, and whether a label can be written. */
    ClusterTurn.Asked asks = new ClusterTurn.Asked(List.of("kube-system"), true);

    boolean labelRefused;
    /** The cluster does not answer, or what it answers is lost. */
    boolean unreachable;

    int labelsRefused;
    /** What was given back, one after the other. */
    final List<ClusterTurn.Asked> givenBack = new ArrayList<>();
    /** The process ends once, when it has just got a slot. */
    boolean endsInTurn;
    /** How the turns ended, with whether pods could come then. */
    final List<String> turns = new ArrayList<>();

    /** Steps so far, and what happens at which of them, from 1. */
    int performed;
    /** The file of a module that the kernel does not take. */
    String refusesModules = "none";
    /** What happens while pods are evicted. */
    Runnable whilePodsLeave = () -> {};
    /** What keeps drivers in a store, beside noting them here. */
    Keeper keeper = (_, _) -> {};
    /** What happens with each step beside it. */
    Runnable atStep = () -> {};

    final Map<Integer, Fault> faults = new HashMap<>();
    final List<DriverStep> log = new ArrayList<>();
    final List<String> violations = new ArrayList<>();
    /** Versions of what is not to be removed from the store. */
    final Set<String> kept = new java.util.TreeSet<>();

    static HolderTable nobody() {
        return new HolderTable(List.of(), List.of(), List.of(), 0, 0, Duration.ZERO);
    }

    static HolderTable somebody() {
        return new HolderTable(
                List.of(new Holder(
                        "nvidia",
                        "/dev/nvidia0",
                        4711,
                        100,
                        "/usr/bin/python3",
                        HolderPlace.ofUnit("training.service"),
                        Holder.Through.FD,
                        1,
                        "S")),
                List.of(),
                List.of(),
                10,
                100,
                Duration.ZERO);
    }

    /** A driver of the store, with modules for the fake's kernel. */
    static StagedDriver staged(String version) {
        return new StagedDriver(
                new DriverVersion(version),
                ModuleType.OPEN,
                KERNEL,
                List.of(
                        file(version, "nvidia", List.of("ecc")),
                        file(version, "nvidia_uvm", List.of("nvidia")),
                        file(version, "nvidia_modeset", List.of("nvidia", "video")),
                        file(version, "nvidia_drm", List.of("nvidia_modeset", "drm"))),
                Path.of("/var/lib/gpu-node-agent/drivers/trees/" + version),
                Optional.of(Path.of("/firmware/" + version)),
                "%064x".formatted(version.hashCode() & 0xffff));
    }

    private static StagedModule file(String version, String name, List<String> depends) {
        return new StagedModule(name, Path.of("/store/" + version, name + ".ko"), "", depends, List.of("i2c_core"), "");
    }

    static DriverTarget target(String version, Map<String, String> parameters) {
        StagedDriver driver = staged(version);
        return new DriverTarget(
                Optional.of(driver),
                List.of(
                        new DriverTarget.Module("nvidia", false, parameters),
                        new DriverTarget.Module("nvidia_uvm", false, Map.of()),
                        new DriverTarget.Module("nvidia_modeset", false, Map.of())),
                "/firmware/" + version,
                Set.of(),
                true);
    }

    Everything everything() {
        return new Everything(
                new LinkedHashMap<>(modules), EnumSet.copyOf(withNone(daemons)), attached, cordoned, withdrawn);
    }

    private static EnumSet<DaemonKind> withNone(Set<DaemonKind> kinds) {
        EnumSet<DaemonKind> copy = EnumSet.noneOf(DaemonKind.class);
        copy.addAll(kinds);
        return copy;
    }

    FakeDriverNode copy() {
        FakeDriverNode copy = new FakeDriverNode();
        copy.modules.putAll(modules);
        copy.uses.putAll(uses);
        copy.going.addAll(going);
        copy.daemons.addAll(daemons);
        copy.needed.addAll(needed);
        copy.dependencies.addAll(dependencies);
        copy.host = host;
        copy.attached = attached;
        copy.noteLost = noteLost;
        copy.withdrawn = withdrawn;
        copy.cordoned = cordoned;
        copy.nouveau = nouveau;
        copy.firmwarePath = firmwarePath;
        copy.bootId = bootId;
        copy.holders = holders;
        copy.drainable = drainable;
        copy.podsStay = podsStay;
        return copy;
    }

    void put(String version, ModuleType type, Map<String, String> parameters, String... names) {
        for (String name : names) {
            modules.put(name, new Module(version, type, name.equals("nvidia") ? parameters : Map.of()));
        }
    }

    /** The machine went down and comes up again; the agent with it. */
    void reboot() {
        modules.clear();
        daemons.clear();
        dependencies.clear();
        attached = false;
        noteLost = false;
        withdrawn = false;
        firmwarePath = "";
        bootId = bootId + "+";
        restartAgent();
    }

    /** The agent is started again. */
    void restartAgent() {
        withdrawn = false;
        faults.clear();
        performed = 0;
    }

    @Override
    public DriverPicture observe() {
        List<LoadedModule> loaded = new ArrayList<>();
        modules.forEach((name, module) -> {
            List<String> users = modules.keySet().stream()
                    .filter(other -> uses.getOrDefault(other, List.of()).contains(name))
                    .toList();
            loaded.add(new LoadedModule(
                    name,
                    1,
                    users.size() + open(name),
                    users,
                    going.contains(name) ? LoadedModule.Phase.GOING : LoadedModule.Phase.LIVE,
                    module.version(),
                    sourceVersions.getOrDefault(name, ""),
                    "OE"));
        });
        Map<String, Map<String, String>> parameters = new HashMap<>();
        modules.forEach((name, module) -> parameters.put(name, module.parameters()));
        Set<DaemonKind> down = withNone(needed);
        down.removeAll(daemons);
        down.removeAll(tried);
        Map<DaemonKind, String> failed = new EnumMap<>(DaemonKind.class);
        tried.forEach(kind -> failed.put(kind, "it ended at once"));
        Module core = modules.get("nvidia");
        return new DriverPicture(
                KERNEL,
                bootId,
                ModuleGraph.of(loaded),
                core == null
                        ? Optional.empty()
                        : Optional.of(new ObservedDriver.RunningDriver(new DriverVersion(core.version()), core.type())),
                parameters,
                daemons,
                needed,
                core == null ? Set.of() : down,
                failed,
                attached ? noteLost ? RootStatus.State.UNNOTED : RootStatus.State.ATTACHED : RootStatus.State.DETACHED,
                firmwarePath,
                new DriverPicture.Blockers(nouveau));
    }

    @Override
    public DriverPicture observeModules() {
        return observe();
    }

    @Override
    public HolderTable holders() {
        return holders;
    }

    /** How often processes have a module open. */
    private int open(String module) {
        int count = module.equals("nvidia") ? daemons.size() + (withdrawn ? 0 : 1) : 0;
        for (Holder holder : holders.holders()) {
            count += holder.module().equals(module) ? holder.count() : 0;
        }
        return count;
    }

    @Override
    public void keep(DriverTarget current, List<DriverTarget> others) throws DriverStepException {
        keeper.keep(current, others);
        kept.clear();
        current.version().ifPresent(version -> kept.add(version.text()));
        others.forEach(other -> other.version().ifPresent(version -> kept.add(version.text())));
    }

    @Override
    public void retryDaemons() {
        tried.clear();
    }

    @Override
    public void takeTurn() throws DriverStepException {
        if (!notItsTurn.isEmpty()) {
            tell(ClusterTurn.State.REQUIRED.name());
            throw new DriverStepException(notItsTurn, false, List.of());
        }
        turns.add("taken");
        slot = true;
        if (unreachable) {
            slot = true;
            throw new ClusterTurn.UnsureException("whether it is its turn cannot be asked");
        }
        tell(ClusterTurn.State.EXCHANGING.name());
        if (endsInTurn) {
            endsInTurn = false;
            throw new Ended();
        }
    }

    @Override
    public ClusterTurn.Asked asks() {
        return asks;
    }

    @Override
    public ClusterTurn.Asked endTurn(ClusterTurn.Asked asked, ClusterTurn.State state) {
        if (unreachable) {
            return asked;
        }
        turns.add(state + (cordoned ? " while cordoned" : ""));
        givenBack.add(asked);
        slot &= state == ClusterTurn.State.FAILED;
        return new ClusterTurn.Asked(List.of(), asked.label() && !tell(state.name()));
    }

    @Override
    public boolean settleLabel() {
        return tell(asks.label() ? ClusterTurn.State.DONE.name() : "");
    }

    private boolean tell(String word) {
        if (labelRefused || unreachable) {
            labelsRefused++;
            return false;
        }
        label = word;
        return true;
    }

    @Override
    public boolean canDrain() {
        return drainable;
    }

    @Override
    public void drain(boolean inTurn) throws DriverStepException {
        cordoned = true;
        label = inTurn ? ClusterTurn.State.DRAINING.name() : label;
        if (podsStay) {
            throw new DriverStepException("pods stay; see: gpu-node-agent node status", true, List.of());
        }
        holders = nobody();
        whilePodsLeave.run();
        label = inTurn ? ClusterTurn.State.EXCHANGING.name() : label;
    }

    @Override
    public boolean undrain(boolean sure) {
        cordoned &= unreachable;
        return !unreachable;
    }

    @Override
    public List<String> perform(DriverStep step) throws DriverStepException {
        performed++;
        atStep.run();
        Fault fault = faults.get(performed);
        if (fault == Fault.ENDS_BEFORE) {
            throw new Ended();
        }
        if (fault == Fault.REFUSES) {
            throw new DriverStepException("injected", false, List.of());
        }
        log.add(step);
        if (fault != Fault.LIES) {
            make(step);
        }
        if (fault == Fault.ENDS_AFTER) {
            throw new Ended();
        }
        return List.of();
    }

    private void make(DriverStep step) throws DriverStepException {
        boolean core = modules.containsKey("nvidia");
        switch (step) {
            case DriverStep.Withdraw _ -> withdrawn = true;
            case DriverStep.StopDaemon(DaemonKind kind) -> daemons.remove(kind);
            case DriverStep.DetachRoot _ -> attached = false;
            case DriverStep.UnloadModule(String name) -> unload(name);
            case DriverStep.ReleaseNouveau _ -> nouveau = false;
            case DriverStep.SetFirmwarePath(String path) -> firmwarePath = path;
            case DriverStep.LoadDependency(String name, boolean _) -> dependencies.add(name);
            case DriverStep.LoadModule load -> load(load);
            case DriverStep.AttachRoot(StagedDriver driver) -> {
                violatedUnless(core, "attached without a driver");
                // What lies at the root already is nowhere mounted.
                attached = driver.userspaceRoot().getNameCount() > 0;
                noteLost = false;
            }
            case DriverStep.StartDaemon(DaemonKind kind, StagedDriver _, boolean again) -> {
                violatedUnless(core, kind + " started without a driver");
                if (broken.contains(kind)) {
                    tried.add(kind);
                } else if (needed.contains(kind) || again) {
                    daemons.add(kind);
                    tried.remove(kind);
                }
            }
            case DriverStep.Announce(DriverTarget target) -> {
                violatedUnless(target.isNone() || core, "announced without a driver");
                withdrawn = false;
            }
        }
    }

    private void unload(String name) throws DriverStepException {
        if (!modules.containsKey(name)) {
            return;
        }
        boolean used = modules.keySet().stream()
                .anyMatch(other -> uses.getOrDefault(other, List.of()).contains(name));
        if (used || (name.equals("nvidia") && (!withdrawn || !daemons.isEmpty()))) {
            throw new DriverStepException(name + " is in use", true, List.of());
        }
        modules.remove(name);
    }

    private void load(DriverStep.LoadModule load) throws DriverStepException {
        if (modules.containsKey(load.name())) {
            return;
        }
        if (load.file().map(file -> file.path().toString()).orElse("").equals(refusesModules)) {
            throw new DriverStepException("no such device", false, List.of());
        }
        if (load.parameters().values().stream().anyMatch(unloadable::contains)) {
            throw new DriverStepException("invalid parameters", false, List.of());
        }
        if (!loadRefusal.isEmpty()) {
            throw new DriverStepException(loadRefusal, false, List.of());
        }
        if (nouveau) {
            throw new DriverStepException("nouveau has the GPUs", false, List.of());
        }
        for (String needs : uses.getOrDefault(load.name(), List.of())) {
            if (!modules.containsKey(needs)) {
                throw new DriverStepException("unknown symbol", false, List.of());
            }
        }
        if (load.file().isEmpty()) {
            Map<String, String> parameters = new HashMap<>(host.parameters());
            parameters.putAll(load.parameters());
            modules.put(load.name(), new Module(host.version(), host.type(), parameters));
            return;
        }
        for (String needs : load.file().get().depends()) {
            violatedUnless(
                    modules.containsKey(needs) || dependencies.contains(needs) || !dependencyMatters(needs),
                    load.name() + " loaded without " + needs);
        }
        String path = load.file().get().path().toString();
        String version = path.split("/", -1)[2];
        if (unloadable.contains(version)) {
            throw new DriverStepException("no such device", false, List.of());
        }
        Module core = modules.get("nvidia");
        if (core != null && !core.version().equals(version)) {
            throw new DriverStepException("version magic", false, List.of());
        }
        modules.put(load.name(), new Module(version, ModuleType.OPEN, load.parameters()));
    }

    private static boolean dependencyMatters(String name) {
        return !name.startsWith("nvidia");
    }

    private void violatedUnless(boolean good, String what) {
        if (!good) {
            violations.add(what);
        }
    }
}
