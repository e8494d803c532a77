package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.inventory.SnapshotSource;
import io.gpunode.agent.lifecycle.DutyCycle;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.lifecycle.Service;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.net.UnixSockets;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.time.MonotonicClock;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * The device plugin of one resource: a server on a socket of its own, kept registered with the kubelet, its list kept level with the picture.
 *
 * <p>Two threads besides the event loop: the registration loop, which owns everything that changes, and the reader of inotify, which wakes it.
 */
public final class DevicePlugin implements Service {
    private static final Log LOG = Log.of(DevicePlugin.class);
    /** The longest that one turn may take: a warm-up, a bind, some looks at files. */
    private static final Duration TURN_BOUND = Duration.ofSeconds(10);

    private static final String SOCKET_PREFIX = "gpu-node-agent-";
    private static final String SOCKET_SUFFIX = ".sock";
    private static final String DIRECTORY_SETTING = "kubelet.devicePluginDirectory";

    private final String resource;
    private final Path directory;
    private final Path kubeletSocket;
    private final Path ownSocket;
    private final EventLoops loops;
    private final SnapshotSource source;
    private final HostFiles files;
    private final DeviceCatalog catalog;
    private final PluginCounts counts;
    private final MonotonicClock clock;
    private final KubeletRegistration registration;
    private final KubeletWatch watch;
    private final DutyCycle duty;
    private volatile PluginSettings settings;
    private volatile CdiCoverage coverage = CdiCoverage.NONE;
    private volatile long wokenForStructure = -1;
    private SnapshotSource.@Nullable Subscription subscription;
    private boolean prepared;

    /**
     * @param files where device nodes are looked for
     * @param random makes the socket's name unique, so that the agent of an upgrade does not take the place of the one that it follows
     */
    public DevicePlugin(
            PluginSettings settings,
            AgentConfig.Kubelet kubelet,
            SnapshotSource source,
            HostFiles files,
            EventLoops loops,
            Heartbeats heartbeats,
            Meters meters,
            MonotonicClock clock,
            InstantSource wall,
            RandomGenerator random) {
        this.resource = settings.plugin().resourceName();
        this.directory = kubelet.devicePluginDirectory();
        this.kubeletSocket = kubelet.socket();
        this.ownSocket =
                directory.resolve(socketPrefix() + HexFormat.of().toHexDigits(random.nextInt()) + SOCKET_SUFFIX);
        this.loops = loops;
        this.source = source;
        this.settings = settings;
        this.files = files;
        this.catalog = new DeviceCatalog(settings, files);
        this.counts = new PluginCounts(meters, resource);
        this.clock = clock;
        this.registration = new KubeletRegistration(
                resource,
                kubeletSocket,
                ownSocket,
                loops,
                source,
                () -> coverage,
                catalog,
                counts,
                clock,
                wall,
                this::wake);
        this.duty = new DutyCycle("device-plugin", TURN_BOUND, heartbeats, this::turn);
        this.watch = new KubeletWatch(
                directory,
                Set.of(
                        kubeletSocket.getFileName().toString(),
                        ownSocket.getFileName().toString()),
                duty::wake);
        meters.gauge(
                "gpu_node_agent_device_plugin_registered",
                "Whether the kubelet has taken the registration of the resource: 1 or 0.",
                () -> status().registered() ? 1 : 0,
                "resource",
                resource);
        meters.gauge(
                "gpu_node_agent_device_plugin_unoffered_devices",
                "GPUs and MIG devices that no resource offers, because the strategy has no place for them; `status` says why.",
                this::unoffered);
    }

    @Override
    public String name() {
        return "device-plugin";
    }

    /** @throws IllegalArgumentException when a socket's path is too long */
    @Override
    public void start() {
        UnixSockets.checkPath(ownSocket, DIRECTORY_SETTING);
        UnixSockets.checkPath(kubeletSocket, DIRECTORY_SETTING);
        subscription = source.subscribe(name(), this::changed);
        duty.start();
    }

    @Override
    public void stop(Duration limit) throws Exception {
        if (subscription != null) {
            subscription.close();
        }
        try {
            duty.stop(limit);
        } finally {
            watch.close();
            registration.close();
        }
    }

    /**
     * Follows other settings from the next turn on: lists and answers change together, and no stream ends because of it. Never blocks, any
     * thread.
     */
    public void configure(PluginSettings changed) {
        settings = changed;
        duty.wake();
    }

    /** What container runtimes can resolve from now on; only matters when devices are handed out by CDI name. Never blocks, any thread. */
    public void cdiWritten(CdiCoverage written) {
        coverage = written;
        duty.wake();
    }

    /** How it stands. Never blocks, any thread. */
    public DevicePluginStatus status() {
        KubeletRegistration.Told told = registration.told();
        AdvertisedDevices devices = told.devices();
        return new DevicePluginStatus(
                resource,
                ownSocket,
                kubeletSocket,
                told.state().word(),
                told.state().reason(),
                told.since(),
                told.lastError(),
                told.lastErrorAt(),
                told.streams(),
                devices.devices().size(),
                devices.healthyCount(),
                counts.registrations(),
                counts.failedRegistrations(),
                counts.listsSent(),
                counts.allocations(),
                counts.refusedAllocations());
    }

    /** What is not offered or not as configured, in sentences with the next step. Never blocks, any thread. */
    public List<String> problems() {
        return catalog.problems().stream().map(ResourcePlan.Problem::text).toList();
    }

    private double unoffered() {
        int devices = 0;
        for (ResourcePlan.Problem problem : catalog.problems()) {
            devices += problem.devices().size();
        }
        return devices;
    }

    private void changed(NodeSnapshot snapshot) {
        // Samples come every few seconds and change nothing here.
        if (snapshot.structureVersion() != wokenForStructure) {
            wokenForStructure = snapshot.structureVersion();
            duty.wake();
        }
    }

    private void wake() {
        duty.wake();
    }

    private Duration turn() throws InterruptedException {
        watch.ensureWatching();
        catalog.configure(settings);
        if (!prepared && Files.isDirectory(directory)) {
            prepared = true;
            removeDeadSockets();
            WarmUp.run(ownSocket, loops, AllocationRules.of(settings, files, coverage), clock);
        }
        return registration.turn();
    }

    private String socketPrefix() {
        return SOCKET_PREFIX + resource.replace('/', '_') + '-';
    }

    /** Agents that were killed leave their sockets; one that nobody listens on is such. */
    private void removeDeadSockets() {
        try (DirectoryStream<Path> sockets =
                Files.newDirectoryStream(directory, socketPrefix() + "*" + SOCKET_SUFFIX)) {
            for (Path socket : sockets) {
                if (!UnixSockets.isListening(socket) && !Files.isDirectory(socket)) {
                    Files.deleteIfExists(socket);
                    LOG.info("removed the socket of an agent that is gone", "socket", socket);
                }
            }
        } catch (IOException e) {
            LOG.warn("cannot look for sockets of agents that are gone", "socket", directory, "error", e);
        }
    }
}
