package io.gpunode.benchmarks;

import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.simulation.Admission;
import io.gpunode.agent.simulation.DeviceList;
import io.gpunode.agent.simulation.EmbeddedKubelet;
import io.gpunode.agent.simulation.KubeletOptions;
import io.gpunode.agent.simulation.Registration;
import io.gpunode.agent.time.SystemTime;
import io.gpunode.agent.time.Tick;
import io.gpunode.nvml.simulator.ControlFile;
import io.gpunode.nvml.simulator.SimulatedNodeFiles;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A simulated node in a temporary folder: its files, its driver that is controlled by file, and a kubelet in this process. The packaged agent runs
 * on it in a process of its own.
 */
final class BenchmarkNode implements AutoCloseable {
    private static final Duration ACKNOWLEDGED = Duration.ofSeconds(10);
    private static final Duration REGISTERED = Duration.ofSeconds(30);

    final Path root;
    final ControlFile driver;
    final EmbeddedKubelet kubelet;
    final int port;
    private final NodeSettings settings;
    private final Path devicePlugins;
    private final Path config;
    private final EventLoops loops;

    private BenchmarkNode(Path root, NodeSettings settings) throws IOException {
        this.root = root;
        this.settings = settings;
        SimulatedNodeFiles.create(root, settings.profile());
        makeKernelLog(root.resolve("dev/kmsg"));
        this.driver = ControlFile.install(root, settings.profile(), ACKNOWLEDGED);
        this.devicePlugins = root.resolve("kubelet");
        Path podResources = root.resolve("pod-resources/kubelet.sock");
        this.loops = EventLoops.open("kubelet");
        this.kubelet =
                new EmbeddedKubelet(KubeletOptions.of(devicePlugins, podResources), loops, SystemTime.monotonic());
        this.port = freePort();
        this.config = Files.writeString(root.resolve("config.yaml"), """
                version: v1
                flags:
                  migStrategy: mixed
                  plugin:
                    deviceListStrategy: [envvar, cdi-cri]
                host:
                  root: %1$s
                  nodeName: benchmark
                kubelet:
                  devicePluginDirectory: %2$s
                  podResourcesSocket: %3$s
                nvml:
                  callDeadline: %4$dms
                sampling:
                  interval: %5$dms
                health:
                  recoveryInterval: %6$dms
                %7$s%8$shttp:
                  listen: 127.0.0.1:%9$d
                """.formatted(
                        root,
                        devicePlugins,
                        podResources,
                        settings.callDeadline().toMillis(),
                        settings.samplingInterval().toMillis(),
                        settings.recoveryInterval().toMillis(),
                        settings.fields().isEmpty()
                                ? ""
                                : "metrics:\n  fields: [" + String.join(", ", settings.fields()) + "]\n",
                        settings.shares() == 0
                                ? ""
                                : "sharing:\n  timeSlicing:\n    resources:\n      - {name: nvidia.com/gpu, replicas: "
                                        + settings.shares() + "}\n",
                        port));
    }

    /** Lays it out and starts its kubelet. */
    static BenchmarkNode open(NodeSettings settings) throws IOException {
        // Short: the path of a unix socket has 107 bytes at most.
        BenchmarkNode node = new BenchmarkNode(Files.createTempDirectory("gpu-bench-"), settings);
        node.kubelet.start();
        return node;
    }

    /** The agent's configuration. */
    Path config() {
        return config;
    }

    /**
     * Adds to the agent's configuration before it is started.
     *
     * @param yaml what goes on with the block {@code http}, indented, and other blocks after that
     */
    void configure(String yaml) throws IOException {
        Files.writeString(config, yaml, StandardOpenOption.APPEND);
    }

    /** Starts the agent and returns at once. */
    PackagedAgent startAgent(Settings benchmark, String javaOptions) throws IOException {
        return startAgent(benchmark, javaOptions, Map.of());
    }

    PackagedAgent startAgent(Settings benchmark, String javaOptions, Map<String, String> environment)
            throws IOException {
        return PackagedAgent.start(
                benchmark.launcher(),
                config,
                root.resolve("agent.log"),
                benchmark.javaOptions() + " " + javaOptions,
                environment);
    }

    /** Starts the agent and waits until the kubelet has its devices. */
    PackagedAgent startRegistered(Settings benchmark) throws Exception {
        CompletableFuture<Registration> registered = kubelet.nextRegistration().toCompletableFuture();
        PackagedAgent agent = startAgent(benchmark, "");
        awaitRegistered(agent, registered);
        awaitList(agent);
        return agent;
    }

    /** Starts the agent and waits until the kubelet has devices of so many resources. */
    PackagedAgent startServing(Settings benchmark, int resources, Map<String, String> environment) throws Exception {
        PackagedAgent agent = startAgent(benchmark, "", environment);
        awaitResources(agent, resources);
        return agent;
    }

    /** Waits for a registration that was asked for before the agent was started. */
    Registration awaitRegistered(PackagedAgent agent, CompletableFuture<Registration> registered) throws Exception {
        agent.onExit(() -> registered.completeExceptionally(new IllegalStateException("the agent ended")));
        try {
            Registration registration = registered.get(REGISTERED.toNanos(), TimeUnit.NANOSECONDS);
            if (!registration.accepted()) {
                throw new IllegalStateException("the kubelet refused the agent: " + registration.refusal());
            }
            return registration;
        } catch (TimeoutException | ExecutionException e) {
            throw new IllegalStateException(
                    "the agent did not register within " + REGISTERED + "; it said:\n" + agent.output(), e);
        }
    }

    /** The first device list that came after this agent was started, with every GPU healthy. */
    DeviceList awaitList(PackagedAgent agent) throws Exception {
        int devices = ids().size();
        try {
            return kubelet.awaitDevices(
                    list -> list.connected()
                            && list.allocatable() == devices
                            && list.changedAt().nanos() - agent.startedAt() > 0,
                    REGISTERED);
        } catch (TimeoutException e) {
            throw new IllegalStateException("no full device list; the agent said:\n" + agent.output(), e);
        }
    }

    /** Waits until so many resources have healthy devices, and gives when the last one's list came. */
    Tick awaitResources(PackagedAgent agent, int resources) throws Exception {
        for (long end = System.nanoTime() + REGISTERED.toNanos(); System.nanoTime() < end; ) {
            Map<String, DeviceList> known = kubelet.devices();
            @Nullable Tick last = null;
            int served = 0;
            for (DeviceList list : known.values()) {
                if (list.connected() && list.allocatable() > 0) {
                    served++;
                    last = last == null || list.changedAt().since(last).isPositive() ? list.changedAt() : last;
                }
            }
            if (served == resources && last != null) {
                return last;
            }
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(1));
        }
        throw new IllegalStateException(
                "not " + resources + " resources but " + kubelet.devices() + "; the agent said:\n" + agent.output());
    }

    /** The socket of the plugin that registered last. */
    Path pluginSocket() {
        return devicePlugins.resolve(kubelet.registrations().getLast().endpoint());
    }

    /** The UUID of a GPU by its number. */
    String id(int gpu) {
        return settings.profile().gpus().get(gpu).uuid();
    }

    /** All device ids, GPU by GPU. */
    List<String> ids() {
        List<String> ids = new ArrayList<>();
        for (int gpu = 0; gpu < settings.profile().gpus().size(); gpu++) {
            ids.addAll(ids(gpu));
        }
        return ids;
    }

    /** The device ids of one GPU. */
    List<String> ids(int gpu) {
        String uuid = id(gpu);
        if (settings.shares() == 0) {
            return List.of(uuid);
        }
        List<String> ids = new ArrayList<>(settings.shares());
        for (int share = 0; share < settings.shares(); share++) {
            ids.add(uuid + "::" + share);
        }
        return ids;
    }

    /** Three pods that hold four GPUs, so that there is something to attribute. */
    void runPods() throws InterruptedException {
        int[] sizes = {2, 1, 1};
        for (int i = 0; i < sizes.length; i++) {
            Admission admission = kubelet.runPod("default", "training-" + i, "main", sizes[i]);
            if (admission instanceof Admission.Refused refused) {
                throw new IllegalStateException("the kubelet refused a pod: " + refused.message());
            }
        }
    }

    @Override
    public void close() throws IOException {
        try {
            kubelet.close();
        } finally {
            loops.close();
        }
        driver.close();
        try (Stream<Path> files = Files.walk(root)) {
            files.sorted(Comparator.reverseOrder()).forEach(file -> {
                try {
                    Files.deleteIfExists(file);
                } catch (IOException e) {
                    throw new UncheckedIOException("cannot remove " + file, e);
                }
            });
        }
    }

    /** A pipe in place of the simulated node's file: reading it waits, as reading the device does. */
    private static void makeKernelLog(Path path) throws IOException {
        Files.deleteIfExists(path);
        try {
            int status = new ProcessBuilder("mkfifo", path.toString()).start().waitFor();
            if (status != 0) {
                throw new IOException("mkfifo " + path + " ended with " + status);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted while making " + path);
        }
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }
}
