package io.gpunode.agent.driver;

import io.gpunode.agent.os.LoadedModule;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * From what is seen of a node and the driver that it is to have to the steps in between. A pure function: after a crash, and on the way back from a
 * failure, the same function plans from what is seen then.
 *
 * <p>Steps are ordered for the shortest outage: what can be done while the old driver works is done before it goes, and each step comes after
 * those that it rests on. What is as it should be is not touched.
 */
public final class DriverPlanner {
    private DriverPlanner() {}

    /** The plan; without steps when the node is as it is wanted. */
    public static DriverPlan plan(DriverPicture picture, DriverTarget target) {
        return target.isNone() ? unloading(picture) : new Bringing(picture, target).plan();
    }

    private static DriverPlan unloading(DriverPicture picture) {
        List<String> differences = new ArrayList<>();
        List<DriverStep> steps = new ArrayList<>();
        if (!picture.loaded() && picture.daemons().isEmpty() && !picture.detachable()) {
            return new DriverPlan(DriverTarget.NONE, differences, steps);
        }
        differences.add(
                picture.loaded()
                        ? picture.text() + " is loaded, and none is wanted"
                        : "no driver is loaded, and something is left of one");
        List<String> modules = picture.modules().unloadOrder();
        quiesce(picture, steps);
        modules.forEach(name -> steps.add(new DriverStep.UnloadModule(name)));
        steps.add(new DriverStep.Announce(DriverTarget.NONE));
        return new DriverPlan(DriverTarget.NONE, differences, steps);
    }

    /** Everything that rests on the driver lets go of it. */
    private static void quiesce(DriverPicture picture, List<DriverStep> steps) {
        steps.add(new DriverStep.Withdraw());
        for (DaemonKind kind : List.of(DaemonKind.values()).reversed()) {
            // Also one without a process: the agent, or systemd, may be about to start it again.
            if (picture.daemons().contains(kind)
                    || picture.daemonsDown().contains(kind)
                    || picture.daemonsFailed().containsKey(kind)) {
                steps.add(new DriverStep.StopDaemon(kind));
            }
        }
        if (picture.detachable()) {
            steps.add(new DriverStep.DetachRoot());
        }
    }

    /** Whether a node has the target's modules, nodes and files; daemons aside, which may be started by others at any time. */
    static boolean hasModules(DriverPicture picture, DriverTarget target) {
        if (target.isNone()) {
            return !picture.loaded();
        }
        Bringing bringing = new Bringing(picture, target);
        return bringing.wrong().isEmpty() && bringing.differences.isEmpty();
    }

    /** One plan to a driver. */
    private static final class Bringing {
        private final DriverPicture picture;
        private final DriverTarget target;
        private final StagedDriver driver;
        private final List<String> differences = new ArrayList<>();

        Bringing(DriverPicture picture, DriverTarget target) {
            this.picture = picture;
            this.target = target;
            this.driver = target.driver().orElseThrow();
        }

        DriverPlan plan() {
            Set<String> wrong = wrong();
            List<String> unload = withDependents(wrong);
            Set<String> gone = new HashSet<>(unload);
            List<DriverTarget.Module> load = new ArrayList<>();
            for (DriverTarget.Module module : target.modules()) {
                boolean there = picture.modules().find(module.name()).isPresent() && !gone.contains(module.name());
                if (!there) {
                    load.add(module);
                }
            }
            boolean anew = gone.contains(ModuleGraph.CORE)
                    || picture.modules().find(ModuleGraph.CORE).isEmpty();
            List<DriverStep> steps = new ArrayList<>();
            // Before anything goes: what is missing here costs nobody anything.
            dependencies(load, steps);
            if (gone.contains(ModuleGraph.CORE)) {
                quiesce(picture, steps);
            }
            unload.forEach(name -> steps.add(new DriverStep.UnloadModule(name)));
            if (anew && picture.blockers().nouveau()) {
                steps.add(new DriverStep.ReleaseNouveau());
            }
            if (anew
                    && !target.firmwarePath().isEmpty()
                    && !target.firmwarePath().equals(picture.firmwarePath())) {
                steps.add(new DriverStep.SetFirmwarePath(target.firmwarePath()));
            }
            for (DriverTarget.Module module : load) {
                steps.add(new DriverStep.LoadModule(
                        module.name(), module.byName() ? Optional.empty() : file(module), module.parameters()));
            }
            besides(unload, steps);
            // What the distribution has installed lies where everybody finds it.
            if (anew || (target.isApart() && !picture.attached())) {
                steps.add(new DriverStep.AttachRoot(driver));
                if (!anew) {
                    differences.add("containers do not find the driver's nodes and files");
                }
            }
            daemons(anew, steps);
            if (!steps.isEmpty()) {
                steps.add(new DriverStep.Announce(target));
            }
            return new DriverPlan(target, differences, steps);
        }

        /** What had to go and nobody wanted gone: it comes back where there is one for this driver. */
        private void besides(List<String> unloaded, List<DriverStep> steps) {
            for (String name : unloaded.reversed()) {
                boolean wanted = target.modules().stream()
                        .anyMatch(module -> module.name().equals(name));
                if (!wanted && ModuleGraph.KNOWN.contains(name)) {
                    steps.add(new DriverStep.LoadDependency(name, false));
                }
            }
        }

        private void daemons(boolean anew, List<DriverStep> steps) {
            for (DaemonKind kind : DaemonKind.values()) {
                boolean runs = picture.daemons().contains(kind);
                boolean ranBefore = target.daemons().contains(kind);
                boolean missing = !runs && (picture.daemonsDown().contains(kind) || ranBefore);
                // After a load also those that run: what they had open was the driver before.
                if (missing || (anew && (picture.daemonsNeeded().contains(kind) || runs))) {
                    steps.add(new DriverStep.StartDaemon(kind, driver, runs || ranBefore));
                }
                if (missing && !anew) {
                    differences.add(kind.program() + " does not run");
                }
            }
        }

        /** Modules in the kernel that are not the target's; what is not there is told and is none of them. */
        Set<String> wrong() {
            Set<String> wrong = new LinkedHashSet<>();
            Optional<LoadedModule> core = picture.modules().find(ModuleGraph.CORE);
            if (core.isEmpty() && !picture.loaded()) {
                differences.add("no driver is loaded, and " + target.text() + " is wanted");
                return wrong;
            }
            boolean another = picture.running().isPresent()
                    && !(picture.running().get().version().equals(driver.version())
                            && picture.running().get().type() == driver.type());
            if (core.isPresent() && (another || !isOf(core.get()))) {
                differences.add(picture.text() + " is loaded, and " + target.text() + " is wanted");
                // Nothing of it can stay.
                wrong.addAll(picture.modules().unloadOrder());
                return wrong;
            }
            for (DriverTarget.Module module : target.modules()) {
                Optional<LoadedModule> loaded = picture.modules().find(module.name());
                if (loaded.isEmpty()) {
                    differences.add(module.name() + " is not loaded");
                    continue;
                }
                String parameters = otherParameters(module);
                String build = otherBuild(loaded.get());
                if (!isOf(loaded.get())) {
                    differences.add(
                            module.name() + " is of version " + loaded.get().version());
                    wrong.add(module.name());
                } else if (!build.isEmpty()) {
                    differences.add(build);
                    wrong.add(module.name());
                } else if (!parameters.isEmpty()) {
                    differences.add(parameters);
                    wrong.add(module.name());
                }
            }
            return wrong;
        }

        /** Modules of one driver have one version; a module that declares none is taken for what the others are. */
        private boolean isOf(LoadedModule module) {
            return module.version().isEmpty()
                    || module.version().equals(driver.version().text());
        }

        /** A module that was compiled anew under its old version; one of the two that does not say which build it is counts as the same. */
        private String otherBuild(LoadedModule loaded) {
            String wanted = driver.module(loaded.name())
                    .map(StagedModule::sourceVersion)
                    .orElse("");
            String now = loaded.sourceVersion();
            return wanted.isEmpty() || now.isEmpty() || wanted.equals(now)
                    ? ""
                    : loaded.name() + " is another build of " + driver.version() + " (srcversion " + now + ", and "
                            + wanted + " is on the disk)";
        }

        private String otherParameters(DriverTarget.Module module) {
            Map<String, String> inForce = picture.parameters().getOrDefault(module.name(), Map.of());
            for (Map.Entry<String, String> wanted : module.parameters().entrySet()) {
                String now = inForce.get(wanted.getKey());
                if (now != null && !ParameterValues.same(now, wanted.getValue())) {
                    return module.name() + " has " + wanted.getKey() + "=" + now + ", and " + wanted.getValue()
                            + " is wanted";
                }
            }
            return "";
        }

        /** These and everything that uses them, users first. */
        private List<String> withDependents(Set<String> names) {
            Set<String> all = new HashSet<>(names);
            boolean grown = true;
            while (grown) {
                grown = false;
                for (LoadedModule module : picture.modules().modules()) {
                    if (all.contains(module.name())) {
                        grown |= all.addAll(module.holders());
                    }
                }
            }
            List<String> ordered = new ArrayList<>();
            for (String name : picture.modules().unloadOrder()) {
                if (all.contains(name)) {
                    ordered.add(name);
                }
            }
            return ordered;
        }

        private Optional<StagedModule> file(DriverTarget.Module module) {
            return driver.module(module.name());
        }

        /** What the modules need of the kernel beside each other; modprobe sees to that for those that it finds itself. */
        private void dependencies(List<DriverTarget.Module> load, List<DriverStep> steps) {
            Set<String> own = new HashSet<>();
            driver.modules().forEach(module -> own.add(module.name()));
            Set<String> asked = new HashSet<>();
            for (DriverTarget.Module module : load) {
                Optional<StagedModule> file = module.byName() ? Optional.empty() : file(module);
                if (file.isEmpty()) {
                    continue;
                }
                for (String name : file.get().softDependencies()) {
                    if (!own.contains(name) && !file.get().depends().contains(name) && asked.add(name)) {
                        steps.add(new DriverStep.LoadDependency(name, false));
                    }
                }
                for (String name : file.get().depends()) {
                    if (!own.contains(name) && asked.add(name)) {
                        steps.add(new DriverStep.LoadDependency(name, true));
                    }
                }
            }
        }
    }
}
