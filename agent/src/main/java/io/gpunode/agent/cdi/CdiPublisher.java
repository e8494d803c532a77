package io.gpunode.agent.cdi;

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
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Keeps the specification file equal to the picture: writes it when the structure or the driver's files changed, removes it when the GPUs are
 * withdrawn and when the agent ends, so that a file never speaks of GPUs that nobody vouches for. Its loop owns the file; the status is
 * published for any thread.
 */
public final class CdiPublisher implements Service {
    private static final Log LOG = Log.of(CdiPublisher.class);
    /** Device nodes and driver files can appear without the picture changing; looking costs a few directory listings. */
    private static final Duration RECHECK = Duration.ofSeconds(30);

    private static final int SPEC_LIMIT = 4 << 20;

    private static final Duration BOUND = Duration.ofSeconds(60);

    private final SnapshotSource snapshots;
    private final Supplier<AgentConfig> config;
    private final HostFiles files;
    private final MonotonicClock clock;
    private final Runnable written;
    private final Path path;
    private final DutyCycle loop;
    private final Backoff backoff = new Backoff(Duration.ofMillis(200), Duration.ofSeconds(30), new SplittableRandom());

    private volatile CdiStatus status;
    private @Nullable String onDisk;
    private @Nullable Shown shown;
    private Tick nextLook;
    private SnapshotSource.@Nullable Subscription subscription;

    /** All of a picture that a specification depends on. */
    private record Shown(String driver, List<ShownGpu> gpus) {
        static Shown of(NodeSnapshot snapshot) {
            List<ShownGpu> gpus = new ArrayList<>(snapshot.gpus().size());
            for (Gpu gpu : snapshot.gpus()) {
                List<String> migs = new ArrayList<>(gpu.migDevices().size());
                for (MigDevice mig : gpu.migDevices()) {
                    migs.add(mig.id() + " " + mig.index() + " " + mig.gpuInstanceCapability() + " "
                            + mig.computeInstanceCapability());
                }
                gpus.add(new ShownGpu(gpu.id(), gpu.index(), gpu.minor(), gpu.pci(), migs));
            }
            return new Shown(snapshot.driverVersion().orElse(""), gpus);
        }
    }

    private record ShownGpu(GpuId id, int index, int minor, PciAddress pci, List<String> migDevices) {}

    /**
     * @param config read at each turn, so that a reload takes effect with the next
     * @param written called after each change of {@link #status()}, on this publisher's loop; must be quick
     */
    public CdiPublisher(
            SnapshotSource snapshots,
            Supplier<AgentConfig> config,
            HostFiles files,
            MonotonicClock clock,
            Heartbeats heartbeats,
            Runnable written) {
        this.snapshots = snapshots;
        this.config = config;
        this.files = files;
        this.clock = clock;
        this.nextLook = clock.now();
        this.written = written;
        this.path = config.get().cdi().directory().resolve(CdiSpec.KIND.replace('/', '-') + ".json");
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
            if (snapshots.current().structureVersion() != status.structureVersion()) {
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
        try {
            loop.stop(limit);
        } finally {
            // Nobody vouches for it from now on. One that another agent has written in the meantime is that agent's.
            if (onDisk != null
                    && files.readText(path, SPEC_LIMIT).map(text -> text + "\n").equals(Optional.of(onDisk))) {
                files.delete(path);
            }
            status = none("");
        }
    }

    /** How the file stands. Any thread. */
    public CdiStatus status() {
        return status;
    }

    /** One comparison of file and picture; on the loop's thread. */
    Duration turn() {
        NodeSnapshot snapshot = snapshots.current();
        CdiStatus before = status;
        CdiStatus now;
        Duration next = RECHECK;
        try {
            now = level(snapshot, before);
            backoff.reset();
        } catch (IOException | RuntimeException e) {
            shown = null;
            now = none("cannot keep " + path + ": " + e + "; check that " + path.getParent()
                    + " is a directory that this process may write, or set cdi.directory");
            next = backoff.next();
        }
        if (!now.equals(before)) {
            status = now;
            if (!now.error().isEmpty() && !now.error().equals(before.error())) {
                LOG.error("no CDI specification", "error", now.error());
            }
            if (!now.problems().equals(before.problems())) {
                now.problems().forEach(problem -> LOG.warn("the CDI specification lacks something", "error", problem));
            }
            written.run();
        }
        return next;
    }

    private CdiStatus level(NodeSnapshot snapshot, CdiStatus before) throws IOException {
        if (!snapshot.open()) {
            // A file of an earlier life stays while NVML is being opened for the first time: it is most likely still
            // right.
            boolean starting = snapshot.nvml() instanceof NvmlState.Waiting waiting
                    && waiting.kind().equals(NvmlState.Waiting.STARTING);
            return starting ? before : remove();
        }
        if (snapshot.gpus().isEmpty()) {
            return remove();
        }
        Shown seen = Shown.of(snapshot);
        Tick now = clock.now();
        if (seen.equals(shown) && before.written() && !now.reached(nextLook)) {
            // Only the GPUs' health changed, which the file does not show.
            return new CdiStatus(path, snapshot.structureVersion(), before.names(), "", before.problems());
        }
        CdiStatus status = write(snapshot);
        shown = seen;
        nextLook = now.plus(RECHECK);
        return status;
    }

    private CdiStatus write(NodeSnapshot snapshot) throws IOException {
        AgentConfig current = config.get();
        DriverFiles driver = new DriverFilesFinder(files, current.plugin().driverRoot())
                .find(snapshot.driverVersion().orElseThrow());
        if (!driver.problems().isEmpty()) {
            remove();
            return none(String.join("; ", driver.problems()));
        }
        CdiSpec spec = CdiSpec.build(
                snapshot, current.plugin().deviceIdStrategy(), current.plugin().devRoot(), driver, files);
        if (!spec.json().equals(onDisk) || !files.exists(path)) {
            onDisk = null;
            files.replace(path, spec.json().getBytes(StandardCharsets.UTF_8), "rw-r--r--");
            onDisk = spec.json();
            LOG.info(
                    "wrote the CDI specification",
                    "path",
                    path,
                    "gpus",
                    snapshot.gpus().size(),
                    "driver",
                    snapshot.driverVersion().orElseThrow());
        }
        return new CdiStatus(path, snapshot.structureVersion(), spec.names(), "", spec.problems());
    }

    private CdiStatus none(String error) {
        return new CdiStatus(path, -1, Set.of(), error, List.of());
    }

    private CdiStatus remove() throws IOException {
        if (files.exists(path)) {
            files.delete(path);
            LOG.info("removed the CDI specification: the GPUs are not available", "path", path);
        }
        onDisk = null;
        return none("");
    }
}
