package io.gpunode.agent.os;

import io.gpunode.agent.os.LoadedModule.Phase;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * {@link KernelModules} in memory, that counts references as the kernel does: a module that is used by others, or that is held, stays. Faults are set for a module and come once
 * or always. Thread-safe.
 */
public final class FakeKernelModules implements KernelModules {
    private static final Duration TOOK = Duration.ofMillis(1);

    /** A module that is installed: what it needs and what it says of itself. */
    public record Installed(String name, List<String> needs, String version, String sourceVersion) {}

    private static final class State {
        private final Installed installed;
        private final Map<String, String> parameters;
        private Phase phase = Phase.LIVE;
        private int held;

        State(Installed installed, Map<String, String> parameters) {
            this.installed = installed;
            this.parameters = parameters;
        }
    }

    private final Map<String, Installed> installed = new HashMap<>();
    private final Map<String, State> loaded = new LinkedHashMap<>();
    private final Map<String, ModuleOutcome> loadFaults = new HashMap<>();
    private final Map<String, ModuleOutcome> unloadFaults = new HashMap<>();
    private final List<String> calls = new ArrayList<>();
    private @Nullable IOException unreadable;
    private Runnable beforeEachChange = () -> {};

    /** The driver's usual modules of one version are installed: nvidia, nvidia_uvm, nvidia_modeset, nvidia_drm and nvidia_peermem. */
    public static FakeKernelModules withDriver(String version) {
        FakeKernelModules modules = new FakeKernelModules();
        modules.installDriver(version);
        return modules;
    }

    /** Those modules are of another version from now on; what is loaded stays as it is. */
    public synchronized void installDriver(String version) {
        install(new Installed("nvidia", List.of(), version, "AAAA" + version));
        install(new Installed("nvidia_uvm", List.of("nvidia"), version, "BBBB" + version));
        install(new Installed("nvidia_modeset", List.of("nvidia"), version, "CCCC" + version));
        install(new Installed("nvidia_drm", List.of("nvidia_modeset", "nvidia"), version, "DDDD" + version));
        install(new Installed("nvidia_peermem", List.of("nvidia"), version, "EEEE" + version));
    }

    /** From now on it can be loaded. */
    public synchronized void install(Installed module) {
        installed.put(module.name(), module);
    }

    /** Something opens one of its devices. */
    public synchronized void hold(String module) {
        state(module).held++;
    }

    /** Something closes it. */
    public synchronized void release(String module) {
        State state = state(module);
        if (state.held == 0) {
            throw new IllegalStateException(module + " is not held");
        }
        state.held--;
    }

    /** It gets stuck on its way in or out. */
    public synchronized void phase(String module, Phase phase) {
        state(module).phase = phase;
    }

    /** The next attempts to load it end like this, until {@code null} is set. */
    public synchronized void failLoad(String module, @Nullable ModuleOutcome outcome) {
        set(loadFaults, module, outcome);
    }

    /** The next attempts to unload it end like this, until {@code null} is set. */
    public synchronized void failUnload(String module, @Nullable ModuleOutcome outcome) {
        set(unloadFaults, module, outcome);
    }

    /** Reading fails like this, until {@code null} is set. */
    public synchronized void unreadable(@Nullable IOException failure) {
        unreadable = failure;
    }

    /** Called before each change, outside of any lock: a crash is an exception that it throws. */
    public synchronized void beforeEachChange(Runnable action) {
        beforeEachChange = action;
    }

    /** {@code load nvidia}, {@code unload nvidia_uvm} … as they were asked for. */
    public synchronized List<String> calls() {
        return List.copyOf(calls);
    }

    private static void set(Map<String, ModuleOutcome> faults, String module, @Nullable ModuleOutcome outcome) {
        if (outcome == null) {
            faults.remove(module);
        } else {
            faults.put(module, outcome);
        }
    }

    private State state(String module) {
        State state = loaded.get(module);
        if (state == null) {
            throw new IllegalStateException(module + " is not loaded");
        }
        return state;
    }

    @Override
    public synchronized List<LoadedModule> loaded() throws IOException {
        if (unreadable != null) {
            throw unreadable;
        }
        List<LoadedModule> modules = new ArrayList<>();
        loaded.forEach((name, state) -> modules.addFirst(new LoadedModule(
                name,
                1 << 20,
                state.held + users(name).size(),
                users(name),
                state.phase,
                state.installed.version(),
                state.installed.sourceVersion(),
                "OE")));
        return List.copyOf(modules);
    }

    private List<String> users(String name) {
        List<String> users = new ArrayList<>();
        loaded.forEach((user, state) -> {
            if (state.installed.needs().contains(name)) {
                users.add(user);
            }
        });
        Collections.sort(users);
        return users;
    }

    @Override
    public synchronized Map<String, String> parameters(String module) {
        State state = loaded.get(module);
        return state == null ? Map.of() : new TreeMap<>(state.parameters);
    }

    @Override
    public ModuleOutcome load(ModuleToLoad module, Duration limit) {
        before("load " + module.name());
        synchronized (this) {
            State there = loaded.get(module.name());
            if (there != null) {
                return there.phase == Phase.LIVE ? new ModuleOutcome.AlreadyThere() : stuck(there, limit);
            }
            ModuleOutcome fault = loadFaults.get(module.name());
            if (fault != null) {
                return fault;
            }
            return module.file().isPresent()
                    ? insert(module)
                    : insertWithNeeds(module.name(), module.parameters(), new ArrayList<>());
        }
    }

    /** As insmod: what it needs must be there. */
    private ModuleOutcome insert(ModuleToLoad module) {
        Installed known = installed.get(module.name());
        if (known == null) {
            return refused(ModuleFault.DAMAGED_FILE, "insmod: ERROR: could not insert module");
        }
        for (String needed : known.needs()) {
            if (!loaded.containsKey(needed)) {
                return refused(ModuleFault.UNKNOWN_SYMBOL, "insmod: ERROR: Unknown symbol in module");
            }
        }
        loaded.put(known.name(), new State(known, module.parameters()));
        return new ModuleOutcome.Done(TOOK);
    }

    /** As modprobe. */
    private ModuleOutcome insertWithNeeds(String name, Map<String, String> parameters, List<String> path) {
        Installed known = installed.get(name);
        if (known == null || path.contains(name)) {
            return refused(ModuleFault.NO_SUCH_MODULE, "modprobe: FATAL: Module " + name + " not found");
        }
        path.add(name);
        for (String needed : known.needs()) {
            if (!loaded.containsKey(needed)) {
                ModuleOutcome outcome = insertWithNeeds(needed, Map.of(), path);
                if (!outcome.ok()) {
                    return outcome;
                }
            }
        }
        ModuleOutcome fault = loadFaults.get(name);
        if (fault != null) {
            return fault;
        }
        loaded.put(name, new State(known, parameters));
        return new ModuleOutcome.Done(TOOK);
    }

    @Override
    public ModuleOutcome unload(String module, Duration limit) {
        before("unload " + module);
        synchronized (this) {
            State there = loaded.get(module);
            if (there == null) {
                return new ModuleOutcome.AlreadyGone();
            }
            ModuleOutcome fault = unloadFaults.get(module);
            if (fault != null) {
                return fault;
            }
            if (there.phase != Phase.LIVE) {
                return stuck(there, limit);
            }
            if (!users(module).isEmpty()) {
                return refused(
                        ModuleFault.HELD_BY_MODULES,
                        "rmmod: ERROR: Module " + module + " is in use by: " + users(module));
            }
            if (there.held > 0) {
                return refused(ModuleFault.IN_USE, "rmmod: ERROR: Module " + module + " is in use");
            }
            loaded.remove(module);
            return new ModuleOutcome.Done(TOOK);
        }
    }

    private void before(String call) {
        Runnable action;
        synchronized (this) {
            action = beforeEachChange;
        }
        action.run();
        synchronized (this) {
            calls.add(call);
        }
    }

    private static ModuleOutcome refused(ModuleFault fault, String said) {
        return new ModuleOutcome.Refused(fault, said, List.of());
    }

    private static ModuleOutcome stuck(State state, Duration limit) {
        return new ModuleOutcome.TimedOut(limit, true, state.installed.name() + " is " + state.phase, List.of());
    }
}
