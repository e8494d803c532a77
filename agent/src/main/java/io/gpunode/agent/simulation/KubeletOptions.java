package io.gpunode.agent.simulation;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/**
 * How an {@link EmbeddedKubelet} behaves; fixed for its life, what changes are its faults.
 *
 * @param devicePluginDirectory holds {@code kubelet.sock} and the plugins' sockets; created when missing, and <b>all sockets in it are deleted at
 *     start</b>
 * @param podResourcesSocket its directory is created when missing
 * @param version which kubelet's manners
 * @param seed of the order in which device ids are sent; the same seed gives the same order
 * @param groupedByNumaNode whether PodResources lists a container's devices in one entry per NUMA node, as kubelets since 1.20 do, or in one
 * @param dialLimit how long a registered plugin's socket is dialled; the kubelet's is 10 s
 * @param pluginsRegistry where plugins are found that do not call; empty when none are looked for
 * @param registryInterval how often that directory is looked at; the kubelet's is 1 s
 * @param callLimit how long Allocate and GetPreferredAllocation may take before the admission is given up; the kubelet itself would wait for
 *     ever, and no deadline is sent
 */
public record KubeletOptions(
        Path devicePluginDirectory,
        Path podResourcesSocket,
        Optional<Path> pluginsRegistry,
        Duration registryInterval,
        KubeletVersion version,
        long seed,
        boolean groupedByNumaNode,
        Duration dialLimit,
        Duration callLimit) {
    /** A current kubelet with its own limits, which looks for no plugins. */
    public static KubeletOptions of(Path devicePluginDirectory, Path podResourcesSocket) {
        return new KubeletOptions(
                devicePluginDirectory,
                podResourcesSocket,
                Optional.empty(),
                Duration.ofSeconds(1),
                KubeletVersion.V1_36,
                1,
                true,
                Duration.ofSeconds(10),
                Duration.ofSeconds(30));
    }

    /** The same with a {@link #pluginsRegistry} and its {@link #registryInterval}. */
    public KubeletOptions withPluginsRegistry(Path directory, Duration interval) {
        return new KubeletOptions(
                devicePluginDirectory,
                podResourcesSocket,
                Optional.of(directory),
                interval,
                version,
                seed,
                groupedByNumaNode,
                dialLimit,
                callLimit);
    }

    /** The same with another {@link #version}. */
    public KubeletOptions withVersion(KubeletVersion changed) {
        return new KubeletOptions(
                devicePluginDirectory,
                podResourcesSocket,
                pluginsRegistry,
                registryInterval,
                changed,
                seed,
                groupedByNumaNode,
                dialLimit,
                callLimit);
    }

    /** The same with another {@link #seed}. */
    public KubeletOptions withSeed(long changed) {
        return new KubeletOptions(
                devicePluginDirectory,
                podResourcesSocket,
                pluginsRegistry,
                registryInterval,
                version,
                changed,
                groupedByNumaNode,
                dialLimit,
                callLimit);
    }

    /** The same with another {@link #groupedByNumaNode}. */
    public KubeletOptions withGroupedByNumaNode(boolean changed) {
        return new KubeletOptions(
                devicePluginDirectory,
                podResourcesSocket,
                pluginsRegistry,
                registryInterval,
                version,
                seed,
                changed,
                dialLimit,
                callLimit);
    }

    /** The same with another {@link #dialLimit}. */
    public KubeletOptions withDialLimit(Duration changed) {
        return new KubeletOptions(
                devicePluginDirectory,
                podResourcesSocket,
                pluginsRegistry,
                registryInterval,
                version,
                seed,
                groupedByNumaNode,
                changed,
                callLimit);
    }

    /** The same with another {@link #callLimit}. */
    public KubeletOptions withCallLimit(Duration changed) {
        return new KubeletOptions(
                devicePluginDirectory,
                podResourcesSocket,
                pluginsRegistry,
                registryInterval,
                version,
                seed,
                groupedByNumaNode,
                dialLimit,
                changed);
    }

    /** Where plugins register. */
    public Path registrationSocket() {
        return devicePluginDirectory.resolve("kubelet.sock");
    }
}
