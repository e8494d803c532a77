package io.gpunode.agent.cdi;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.inventory.SnapshotSource;
import io.gpunode.agent.lifecycle.Backoff;
import io.gpunode.agent.lifecycle.DutyCycle;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.lifecycle.Service;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
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

    private static final Duration BOUND = Duration.ofSeconds(60);

    private final SnapshotSource snapshots;
    private final Supplier<AgentConfig> config;
    private final HostFiles files;
    private final Runnable written;
    private final Path path;
    private final DutyCycle loop;
    private final Backoff backoff = new Backoff(Duration.ofMillis(200), Duration.ofSeconds(30), new SplittableRandom());

    private volatile CdiStatus status;
    private @Nullable String onDisk;
    private SnapshotSource.@Nullable Subscription subscription;

    /**
     * @param config read at each turn, so that a reload takes effect with the next
     * @param written called after each change of {@link #status()}, on this publisher's loop; must be quick
     */
    public CdiPublisher(
            SnapshotSource snapshots,
            Supplier<AgentConfig> config,
            HostFiles files,
            Heartbeats heartbeats,
            Runnable written) {
        this.snapshots = snapshots;
        this.config = config;
        this.files = files;
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

    @Override
    public void stop(Duration limit) throws Exception {
        if (subscription != null) {
            subscription.close();
        }
        loop.stop(limit);
        // A file of an earlier life counts too: whatever is there, nobody vouches for it from now on.
        files.delete(path);
        onDisk = null;
        status = none("");
    }

    /** How the file stands. Any thread. */
    public CdiStatus status() {
        return status;
    }

    /** Has the file compared with the picture soon, for example after a change of configuration. Any thread. */
    public void recheck() {
        loop.wake();
    }

    /** One comparison of file and picture; on the loop's thread. */
    Duration turn() {
        NodeSnapshot snapshot = snapshots.current();
        CdiStatus before = status;
        CdiStatus now;
        Duration next = RECHECK;
        try {
            now = snapshot.open() && !snapshot.gpus().isEmpty() ? write(snapshot) : remove();
            backoff.reset();
        } catch (IOException e) {
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

    private CdiStatus write(NodeSnapshot snapshot) throws IOException {
        AgentConfig current = config.get();
        DriverFiles driver = new DriverFilesFinder(files, current.plugin().driverRoot())
                .find(snapshot.driverVersion().orElseThrow());
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
        return new CdiStatus(path, snapshot.structureVersion(), ids(snapshot), "", spec.problems());
    }

    private static Set<String> ids(NodeSnapshot snapshot) {
        Set<String> ids = new HashSet<>();
        for (Gpu gpu : snapshot.gpus()) {
            ids.add(gpu.id().uuid());
            for (MigDevice mig : gpu.migDevices()) {
                ids.add(mig.id().uuid());
            }
        }
        return ids;
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
