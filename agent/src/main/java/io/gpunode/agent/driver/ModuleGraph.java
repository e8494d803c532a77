package io.gpunode.agent.driver;

import io.gpunode.agent.os.LoadedModule;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The loaded modules of the driver and what depends on them, at one moment: {@code nvidia} and {@code nvidia_uvm}, and everything that uses them, as far as
 * that goes. A module is a part of the driver when its name is known to be; what else is found above it belongs to somebody else.
 *
 * @param modules leaves first: each module comes before those that it uses, which is the order in which they can be unloaded
 */
public record ModuleGraph(List<LoadedModule> modules) {
    /** The module that all the others use. */
    public static final String CORE = "nvidia";

    /** The driver's modules, leaves first. Only what is in it is unloaded; also the order among modules that do not depend on each other. */
    public static final List<String> KNOWN = List.of(
            "nvidia_fs",
            "gdrdrv",
            "nv_peer_mem",
            "nvidia_peermem",
            "nvidia_vgpu_vfio",
            "nvidia_drm",
            "nvidia_modeset",
            "nvidia_uvm",
            "nvidia");

    public ModuleGraph {
        modules = List.copyOf(modules);
    }

    /** The driver's part of what is loaded. */
    public static ModuleGraph of(List<LoadedModule> loaded) {
        Map<String, LoadedModule> byName = new HashMap<>();
        loaded.forEach(module -> byName.put(module.name(), module));
        Set<String> members = new LinkedHashSet<>();
        for (String root : KNOWN.reversed()) {
            if (byName.containsKey(root)) {
                addWithHolders(root, byName, members);
            }
        }
        List<LoadedModule> candidates = new ArrayList<>();
        members.forEach(name -> candidates.add(byName.get(name)));
        candidates.sort(Comparator.comparingInt((LoadedModule module) -> rank(module.name()))
                .thenComparing(LoadedModule::name));
        List<LoadedModule> ordered = new ArrayList<>();
        Set<String> done = new HashSet<>();
        for (LoadedModule module : candidates) {
            addAfterHolders(module, byName, done, ordered);
        }
        return new ModuleGraph(ordered);
    }

    private static void addWithHolders(String name, Map<String, LoadedModule> byName, Set<String> members) {
        LoadedModule module = byName.get(name);
        if (module != null && members.add(name)) {
            module.holders().forEach(holder -> addWithHolders(holder, byName, members));
        }
    }

    private static void addAfterHolders(
            LoadedModule module, Map<String, LoadedModule> byName, Set<String> done, List<LoadedModule> ordered) {
        if (!done.add(module.name())) {
            return;
        }
        for (String holder : module.holders()) {
            LoadedModule user = byName.get(holder);
            if (user != null) {
                addAfterHolders(user, byName, done, ordered);
            }
        }
        ordered.add(module);
    }

    /** Others' modules go first, as far as they can. */
    private static int rank(String name) {
        return KNOWN.indexOf(name);
    }

    /** Whether any of it is loaded. */
    public boolean isEmpty() {
        return modules.isEmpty();
    }

    /** A module of it; empty when it is not loaded. */
    public Optional<LoadedModule> find(String name) {
        for (LoadedModule module : modules) {
            if (module.name().equals(name)) {
                return Optional.of(module);
            }
        }
        return Optional.empty();
    }

    /** Names in the order in which they can be unloaded, leaves first. Is only to be used when {@link #foreign} is empty. */
    public List<String> unloadOrder() {
        return modules.stream().map(LoadedModule::name).toList();
    }

    /** Modules that use the driver and are not its own, such as a third party's: they are named, never unloaded. */
    public List<LoadedModule> foreign() {
        return modules.stream().filter(module -> !KNOWN.contains(module.name())).toList();
    }

    /** Modules on their way in or out: nothing can be said about them but that they are to be waited for. */
    public List<LoadedModule> unsettled() {
        return modules.stream()
                .filter(module -> module.phase() != LoadedModule.Phase.LIVE)
                .toList();
    }

    /** Modules that something else than a module holds: open devices, or something in the kernel. */
    public List<LoadedModule> externallyUsed() {
        return modules.stream()
                .filter(module -> module.externalReferences() > 0)
                .toList();
    }

    /** Whether the kernel says that nothing but modules of it uses modules of it; false where it does not count. */
    public boolean isUnused() {
        return modules.stream()
                .allMatch(module -> module.references() == module.holders().size());
    }

    /** Whether all of it could be unloaded right now. */
    public boolean free() {
        return foreign().isEmpty() && unsettled().isEmpty() && externallyUsed().isEmpty();
    }
}
