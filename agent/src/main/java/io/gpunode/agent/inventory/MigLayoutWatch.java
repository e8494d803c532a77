package io.gpunode.agent.inventory;

import io.gpunode.agent.log.Log;
import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/**
 * Notices that another program has changed the MIG layout, without asking NVML: the kernel module keeps a directory for each instance below
 * {@code /proc/driver/nvidia/capabilities/gpu<minor>/mig} ({@code gi7/ci0}), which comes and goes with it. Where there is no such directory, as
 * in a container that does not see it, nothing is noticed here; a sampling notices as well, only later. So it does for a compute instance more or
 * less in a GPU instance that had one: looking there as well would cost seven times as much. Owned by the inventory's thread.
 */
final class MigLayoutWatch {
    /** From one look at the directories to the next, while a GPU is in MIG mode. */
    static final Duration INTERVAL = Duration.ofSeconds(1);

    private static final Log LOG = Log.of(Inventory.class);
    private static final Path CAPABILITIES = Path.of("/proc/driver/nvidia/capabilities");

    private final HostFiles hostFiles;
    private Map<Integer, Seen> seen = Map.of();
    private List<Seen> split = List.of();
    private boolean failed;

    /**
     * The instances of a GPU.
     *
     * @param names of its GPU instances
     * @param bare directories of those without a compute instance: NVML does not show them until they get one
     */
    private record Seen(Path gpu, List<String> names, List<Path> bare) {}

    MigLayoutWatch(HostFiles hostFiles) {
        this.hostFiles = hostFiles;
    }

    /** The GPUs are about to be identified: what comes later is a change. */
    void begin() {
        Map<Integer, Seen> now = new HashMap<>();
        for (String name : list(CAPABILITIES)) {
            if (name.matches("gpu\\d{1,4}")) {
                now.put(
                        Integer.valueOf(name.substring("gpu".length())),
                        see(CAPABILITIES.resolve(name).resolve("mig")));
            }
        }
        seen = now;
    }

    private Seen see(Path gpu) {
        List<String> names = list(gpu);
        List<Path> bare = new ArrayList<>();
        for (String name : names) {
            Path instance = gpu.resolve(name);
            if (isBare(instance)) {
                bare.add(instance);
            }
        }
        return new Seen(gpu, names, bare);
    }

    private boolean isBare(Path instance) {
        return list(instance).stream().noneMatch(name -> name.startsWith("ci"));
    }

    /** @param minors of the GPUs that are in MIG mode; the others have no instances that could change */
    void follow(Set<Integer> minors) {
        split = minors.stream().map(seen::get).filter(Objects::nonNull).toList();
    }

    /** Whether there is anything to look at. */
    boolean isIdle() {
        return split.isEmpty();
    }

    /** Whether instances have come or gone since {@link #begin()}. */
    boolean changed() {
        for (Seen gpu : split) {
            if (!list(gpu.gpu()).equals(gpu.names())) {
                return true;
            }
            for (Path instance : gpu.bare()) {
                if (!isBare(instance)) {
                    return true;
                }
            }
        }
        return false;
    }

    private List<String> list(Path directory) {
        try {
            return hostFiles.list(directory);
        } catch (IOException e) {
            if (!failed) {
                failed = true;
                LOG.warn("changes of the MIG layout are noticed later", "directory", directory, "error", e);
            }
            return List.of();
        }
    }
}
