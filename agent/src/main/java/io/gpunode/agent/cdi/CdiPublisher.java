package io.gpunode.agent.cdi;

import io.gpunode.agent.cdi.ContainerEdits.DeviceNode;
import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.inventory.SnapshotSource;
import io.gpunode.agent.lifecycle.Backoff;
import io.gpunode.agent.lifecycle.DutyCycle;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.lifecycle.Service;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.model.PciAddress;
import io.gpunode.agent.os.DeviceNodes;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Keeps the specification files equal to the picture: writes them when the structure, the driver's files or the device nodes changed, removes them
 * when the GPUs are withdrawn or the driver is gone. They stay when the agent ends, because the kubelet replays the names in them whenever it starts
 * a container of a running pod again, also while the agent is being upgraded; the next one compares them with what it finds. Its loop owns
 * the files; the status is published for any thread.
 */
public final class CdiPublisher implements Service {
    private static final Log LOG = Log.of(CdiPublisher.class);
    /** Device nodes and driver files can appear without the picture changing; looking costs a few directory listings. */
    private static final Duration RECHECK = Duration.ofSeconds(30);

    /** Doubled up to this with each look that finds everything as it was: a look takes 10 to 20 ms of processor time. */
    private static final Duration SETTLED_RECHECK = Duration.ofMinutes(2);

    private static final Duration BOUND = Duration.ofSeconds(60);

    private final SnapshotSource snapshots;
    private final Supplier<AgentConfig> config;
    private final HostFiles files;
    private final DeviceNodes nodes;
    private final MonotonicClock clock;
    private final Runnable written;
    private final SpecDirectory directory;
    private final Path path;
    private final DutyCycle loop;
    private final Backoff backoff = new Backoff(Duration.ofMillis(200), Duration.ofSeconds(30), new SplittableRandom());

    private volatile CdiStatus status;
    /** Of the last turn's picture, whether or not it could be written. */
    private volatile long structureSeen = -1;

    private @Nullable Shown shown;
    private Optional<Path> yieldedTo = Optional.empty();
    private Tick nextLook;
    private Duration recheck = RECHECK;
    private SnapshotSource.@Nullable Subscription subscription;

    /** All that specifications depend on beside the host's files. */
    private record Shown(
            String driver, List<ShownGpu> gpus, AgentConfig.Plugin plugin, AgentConfig.Cdi cdi, AgentConfig.Imex imex) {
        static Shown of(NodeSnapshot snapshot, AgentConfig config) {
            List<ShownGpu> gpus = new ArrayList<>(snapshot.gpus().size());
            for (Gpu gpu : snapshot.gpus()) {
                List<ShownMig> migs = new ArrayList<>(gpu.migDevices().size());
                for (MigDevice mig : gpu.migDevices()) {
                    migs.add(new ShownMig(
                            mig.id(),
                            mig.index(),
                            mig.profile(),
                            mig.gpuInstanceCapability(),
                            mig.computeInstanceCapability()));
                }
                gpus.add(new ShownGpu(gpu.id(), gpu.index(), gpu.minor(), gpu.pci(), gpu.migEnabled(), migs));
            }
            return new Shown(snapshot.driverVersion().orElse(""), gpus, config.plugin(), config.cdi(), config.imex());
        }
    }

    private record ShownGpu(
            GpuId id, int index, int minor, PciAddress pci, boolean migEnabled, List<ShownMig> migDevices) {}

    private record ShownMig(
            GpuId id, int index, String profile, OptionalInt gpuInstance, OptionalInt computeInstance) {}

    /**
     * @param config read at each turn, so that a reload takes effect with the next
     * @param written called after each change of {@link #status()}, on this publisher's loop; must be quick
     */
    public CdiPublisher(
            SnapshotSource snapshots,
            Supplier<AgentConfig> config,
            HostFiles files,
            DeviceNodes nodes,
            MonotonicClock clock,
            Heartbeats heartbeats,
            Runnable written) {
        this.snapshots = snapshots;
        this.config = config;
        this.files = files;
        this.nodes = nodes;
        this.clock = clock;
        this.nextLook = clock.now();
        this.written = written;
        this.directory = new SpecDirectory(files, config.get().cdi().directory());
        this.path = directory.path(SpecDirectory.PLUGIN_GPU);
        this.status = none("");
        this.loop = new DutyCycle("cdi", BOUND, heartbeats, this::turn);
    }

    @Override
    public String name() {
        return "cdi";
    }

    @Override
    public void start() {
        subscription = snapshots.subscribe("cdi", _ -> {
            if (snapshots.current().structureVersion() != structureSeen) {
                loop.wake();
            }
        });
        loop.start();
    }

    /** The configuration is another one. Never blocks, any thread. */
    public void configured() {
        loop.wake();
    }

    @Override
    public void stop(Duration limit) throws Exception {
        if (subscription != null) {
            subscription.close();
        }
        loop.stop(limit);
    }

    /** How the files stand. Any thread. */
    public CdiStatus status() {
        return status;
    }

    /** One comparison of files and picture, unless neither is due; on the loop's thread. */
    Duration turn() {
        NodeSnapshot snapshot = snapshots.current();
        AgentConfig current = config.get();
        structureSeen = snapshot.structureVersion();
        Shown wanted = snapshot.open() ? Shown.of(snapshot, current) : null;
        CdiStatus before = status;
        Tick now = clock.now();
        if (wanted != null && wanted.equals(shown) && !now.reached(nextLook)) {
            // Only the GPUs' health changed, which the files do not show; what failed waits for its next try.
            if (before.written()) {
                tell(before, before.showing(structureSeen));
            }
        } else {
            boolean same = wanted != null && wanted.equals(shown);
            shown = wanted;
            CdiStatus after = level(snapshot, current, before);
            if (after.error().isEmpty()) {
                backoff.reset();
                recheck = same && after.problems().isEmpty() && after.equals(before) ? longer(recheck) : RECHECK;
                nextLook = now.plus(recheck);
            } else {
                nextLook = now.plus(backoff.next());
            }
            tell(before, after);
        }
        return nextLook.since(now);
    }

    private static Duration longer(Duration pause) {
        Duration twice = pause.multipliedBy(2);
        return twice.compareTo(SETTLED_RECHECK) < 0 ? twice : SETTLED_RECHECK;
    }

    private void tell(CdiStatus before, CdiStatus now) {
        if (now.equals(before)) {
            return;
        }
        status = now;
        if (!now.error().isEmpty() && !now.error().equals(before.error())) {
            LOG.error("no CDI specification", "error", now.error());
        }
        if (!now.problems().equals(before.problems())) {
            now.problems().forEach(problem -> LOG.warn("the CDI specification lacks something", "error", problem));
        }
        written.run();
    }

    private CdiStatus level(NodeSnapshot snapshot, AgentConfig current, CdiStatus before) {
        try {
            if (!snapshot.open()) {
                // Files of an earlier life stay while NVML is being opened for the first time: they are most likely
                // still right.
                boolean starting = snapshot.nvml() instanceof NvmlState.Waiting waiting
                        && waiting.kind().equals(NvmlState.Waiting.STARTING);
                return starting ? before : remove("");
            }
            return snapshot.gpus().isEmpty() ? remove("") : write(snapshot, current);
        } catch (IOException | RuntimeException e) {
            return none("cannot keep " + path + ": " + e + "; check that " + path.getParent()
                    + " is a directory that this process may write, or set cdi.directory");
        }
    }

    private CdiStatus write(NodeSnapshot snapshot, AgentConfig current) throws IOException {
        String version = snapshot.driverVersion().orElseThrow();
        AgentConfig.Cdi settings = current.cdi();
        DriverFiles driver = new DriverFilesFinder(
                        files, current.plugin().driverRoot(), settings.librarySearchPaths(), settings.featureFlags())
                .find(version);
        if (!driver.problem().isEmpty()) {
            return remove(driver.problem());
        }
        HostNodes hostNodes = new HostNodes(files, nodes, current.plugin().devRoot(), settings.createDeviceNodes());
        List<String> fatal = new ArrayList<>();
        List<DeviceNode> control = hostNodes.control(fatal);
        if (settings.hooks() == AgentConfig.CdiHooks.NVIDIA && !files.exists(settings.hookPath())) {
            fatal.add(settings.hookPath()
                    + " does not exist, and cdi.hooks is nvidia: install nvidia-container-toolkit-base,"
                    + " set flags.plugin.nvidiaCTKPath, or set cdi.hooks to none");
        }
        if (!fatal.isEmpty()) {
            return remove("no container could use a GPU: " + String.join("; ", fatal));
        }
        GpuDevices gpus = GpuDevices.of(snapshot, files, hostNodes);
        List<CdiSpec> specs = new ArrayList<>(FeatureSpecs.find(
                SpecDirectory.PLUGIN_VENDOR, files, hostNodes, current.imex().channels()));
        ContainerEdits common = settings.hooks() == AgentConfig.CdiHooks.NVIDIA
                ? new NvidiaHooks(settings.hookPath(), settings.disabledHooks()).common(driver, version, control)
                : HookFreeEdits.common(driver, control);
        // Under both names: the kubelet replays answers that it was given before deviceIDStrategy changed.
        Function<GpuDevices.Entry, List<String>> names = entry -> List.of(entry.index(), entry.uuid());
        Optional<CdiSpec> ofPlugin = gpus.specification(
                SpecDirectory.PLUGIN_GPU,
                current.plugin().migStrategy() == AgentConfig.MigStrategy.NONE,
                names,
                common);
        if (ofPlugin.isEmpty()) {
            return remove(
                    hostNodes.problems().isEmpty()
                            ? "every GPU is in MIG mode and has no MIG device"
                            : String.join("; ", hostNodes.problems()));
        }
        specs.add(ofPlugin.get());
        if (describesNvidiaGpu(settings.nvidiaComGpu())) {
            gpus.specification(SpecDirectory.NVIDIA_GPU, false, names, common).ifPresent(specs::add);
        }
        if (settings.devCharLinks()) {
            hostNodes.linkByNumber();
        }
        for (Path changed : directory.publish(specs)) {
            LOG.info("wrote a CDI specification", "path", changed, "driver", version);
        }
        Set<String> resolved = new HashSet<>();
        for (CdiSpec spec : specs) {
            resolved.addAll(spec.names());
        }
        List<String> problems = new ArrayList<>(driver.unreadable());
        problems.addAll(hostNodes.problems());
        return new CdiStatus(
                path, snapshot.structureVersion(), resolved, current.imex().channels(), "", problems);
    }

    private boolean describesNvidiaGpu(AgentConfig.NvidiaComGpu wish) throws IOException {
        return switch (wish) {
            case NEVER -> false;
            case ALWAYS -> true;
            case AUTO -> {
                Optional<Path> others = directory.othersNvidiaGpu();
                if (!others.equals(yieldedTo)) {
                    others.ifPresent(file -> LOG.info(
                            "left nvidia.com/gpu to another CDI specification that describes it", "path", file));
                    yieldedTo = others;
                }
                yield others.isEmpty();
            }
        };
    }

    private CdiStatus none(String error) {
        return new CdiStatus(path, -1, Set.of(), List.of(), error, List.of());
    }

    private CdiStatus remove(String why) throws IOException {
        if (directory.removeAll()) {
            LOG.info(
                    "removed the CDI specifications",
                    "path",
                    path,
                    "reason",
                    why.isEmpty() ? "the GPUs are not available" : why);
        }
        return none(why);
    }
}
