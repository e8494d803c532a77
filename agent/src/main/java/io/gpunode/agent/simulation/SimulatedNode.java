package io.gpunode.agent.simulation;

import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.nvml.simulator.NvmlSimulator;
import io.gpunode.nvml.simulator.SimulatedNodeFiles;
import io.gpunode.nvml.simulator.SimulatedProfile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/**
 * A node that is not there: a folder that stands for the host's file system with the simulated driver in it, and an embedded kubelet. The agent
 * runs on it unchanged, by the settings that an operator has for a driver root. The folder is removed at the end.
 */
public final class SimulatedNode implements AutoCloseable {
    private final Path folder;
    private final NvmlSimulator simulator;
    private final EmbeddedKubelet kubelet;

    private SimulatedNode(Path folder, NvmlSimulator simulator, EmbeddedKubelet kubelet) {
        this.folder = folder;
        this.simulator = simulator;
        this.kubelet = kubelet;
    }

    /**
     * Lays out the node; its kubelet is not started yet.
     *
     * @param profile one of {@link NvmlSimulator#profiles()}
     * @throws IllegalArgumentException when there is no such profile
     */
    public static SimulatedNode create(String profile, EventLoops loops, MonotonicClock clock) throws IOException {
        SimulatedProfile node = SimulatedProfile.named(profile);
        // Short: unix socket paths have 107 bytes.
        Path folder = Files.createTempDirectory("gpu-node-");
        try {
            SimulatedNodeFiles.create(folder, node);
            return new SimulatedNode(
                    folder,
                    NvmlSimulator.install(folder, node),
                    new EmbeddedKubelet(KubeletOptions.of(devicePlugins(folder), podResources(folder)), loops, clock));
        } catch (RuntimeException e) {
            delete(folder);
            throw e;
        }
    }

    /** The nodes that there are. */
    public static List<String> profiles() {
        return NvmlSimulator.profiles();
    }

    /** What stands for the host's {@code /}; also the driver root. */
    public Path hostRoot() {
        return folder;
    }

    /** Where the kubelet's registration socket is. */
    public Path devicePluginDirectory() {
        return devicePlugins(folder);
    }

    /** The kubelet's PodResources socket. */
    public Path podResourcesSocket() {
        return podResources(folder);
    }

    /** Its driver. */
    public NvmlSimulator simulator() {
        return simulator;
    }

    /** Its kubelet. */
    public EmbeddedKubelet kubelet() {
        return kubelet;
    }

    /** Ends the kubelet, lets go of the simulated driver and removes the folder. The agent must have ended before. */
    @Override
    public void close() throws IOException {
        try {
            try {
                kubelet.close();
            } finally {
                simulator.close();
            }
        } finally {
            delete(folder);
        }
    }

    private static Path devicePlugins(Path folder) {
        // Not the usual long path: the sockets in it may have 107 bytes.
        return folder.resolve("kubelet");
    }

    private static Path podResources(Path folder) {
        return folder.resolve("pod-resources/kubelet.sock");
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            files.sorted(Comparator.reverseOrder()).forEach(file -> {
                try {
                    Files.deleteIfExists(file);
                } catch (IOException e) {
                    throw new UncheckedIOException("cannot remove " + file + " of the simulated node", e);
                }
            });
        }
    }
}
