package io.gpunode.agent.driver;

import java.util.Collections;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * What a plan is made from: the driver in the kernel and what stands on it, at one moment.
 *
 * @param kernel the running kernel's release
 * @param bootId of this boot; empty when the kernel has none
 * @param modules the driver's modules in the kernel
 * @param running version and type of {@code nvidia}; empty when it is not loaded, or does not say
 * @param parameters by module with underscores, then by name, as far as the kernel shows them
 * @param daemons those that have a process
 * @param daemonsNeeded those that this node needs, whether they are installed or not
 * @param daemonsDown those that this node needs, that are installed and do not run
 * @param daemonsFailed those that this node needs or an agent has started, and that did not come up or do not stay; with why. They are not tried now
 * @param root whether the driver's files and nodes are where containers look for them
 * @param firmwarePath where the kernel looks for firmware beside its own places; empty for nowhere
 * @param blockers what stands in a driver's way
 */
public record DriverPicture(
        String kernel,
        String bootId,
        ModuleGraph modules,
        Optional<ObservedDriver.RunningDriver> running,
        Map<String, Map<String, String>> parameters,
        Set<DaemonKind> daemons,
        Set<DaemonKind> daemonsNeeded,
        Set<DaemonKind> daemonsDown,
        Map<DaemonKind, String> daemonsFailed,
        RootStatus.State root,
        String firmwarePath,
        Blockers blockers) {
    /**
     * What stands in a driver's way.
     *
     * @param nouveau whether a driver of the kernel's own has GPUs
     */
    public record Blockers(boolean nouveau) {
        /** Nothing. */
        public static final Blockers NONE = new Blockers(false);
    }

    public DriverPicture {
        parameters = Map.copyOf(parameters);
        daemons = sorted(daemons);
        daemonsNeeded = sorted(daemonsNeeded);
        daemonsDown = sorted(daemonsDown);
        Map<DaemonKind, String> failed = new EnumMap<>(DaemonKind.class);
        failed.putAll(daemonsFailed);
        daemonsFailed = Collections.unmodifiableMap(failed);
    }

    /** Whether any of the driver is in the kernel. */
    public boolean loaded() {
        return !modules.isEmpty();
    }

    /** Whether the driver's files and nodes are where containers look for them. */
    public boolean attached() {
        return root == RootStatus.State.ATTACHED;
    }

    /** Whether an agent has put them there, be it not to the end: what goes with the driver. */
    public boolean detachable() {
        return attached() || root == RootStatus.State.UNNOTED;
    }

    /** The driver in the kernel, for people. */
    public String text() {
        return running.map(driver -> driver.version() + " (" + driver.type().text() + ")")
                .orElse(loaded() ? "an unknown driver" : "no driver");
    }

    private static Set<DaemonKind> sorted(Set<DaemonKind> kinds) {
        EnumSet<DaemonKind> sorted = EnumSet.noneOf(DaemonKind.class);
        sorted.addAll(kinds);
        return Collections.unmodifiableSet(sorted);
    }
}
