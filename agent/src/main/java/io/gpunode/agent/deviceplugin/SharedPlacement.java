package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.config.AgentConfig.AllocationPolicy;
import io.gpunode.agent.model.GpuId;
import java.util.BitSet;
import java.util.Map;

/**
 * Places shares and MIG devices, one request at a time: counts what is in use on each GPU, then picks one device after the other.
 *
 * <p>{@code distributed} takes from the GPU that this container has least of, then from the one that is used least; {@code packed} from the one
 * that is used most. Among equals, devices of one container stay on one NUMA node, and then the node that is used least (or most) counts; within
 * a GPU the same rules choose the MIG device. What is in use is what the kubelet no longer offers of this resource, and what containers hold of
 * the same GPUs through other resources. A device that somebody holds for himself alone comes last under either policy.
 */
final class SharedPlacement {
    private static final int NO_NODE = -1;

    private final DeviceTree tree;
    private final AllocationPolicy policy;
    private final int[] weights;
    private final boolean[] taken;
    /** By base: the devices that may be picked, each once, and how many of them are. */
    private final int[][] free;

    private final int[] freeCount;

    // In use by others, in slices.
    private final int[] baseLoad;
    private final int[] gpuLoad;
    private final int[] nodeLoad;

    // Given to this container before, in slices.
    private final int[] baseRequired;
    private final int[] gpuRequired;
    private final boolean[] nodeRequired;

    private SharedPlacement(DeviceTree tree, AllocationPolicy policy) {
        this.tree = tree;
        this.policy = policy;
        this.weights = new int[tree.baseCount()];
        this.taken = new boolean[tree.baseCount()];
        this.free = new int[tree.baseCount()][];
        this.freeCount = new int[tree.baseCount()];
        this.baseLoad = new int[tree.baseCount()];
        this.gpuLoad = new int[tree.gpuCount()];
        this.nodeLoad = new int[tree.nodeCount()];
        this.baseRequired = new int[tree.baseCount()];
        this.gpuRequired = new int[tree.gpuCount()];
        this.nodeRequired = new boolean[tree.nodeCount()];
    }

    /**
     * Chooses.
     *
     * @param available places of devices that may be given
     * @param required places of devices that must be given
     * @param size how many in all: more than the required, fewer than the two together
     * @return the required and the chosen ones
     */
    static BitSet choose(
            DeviceTree tree, BitSet available, BitSet required, int size, AllocationPolicy policy, HeldDevices held) {
        SharedPlacement placement = new SharedPlacement(tree, policy);
        placement.countOwn(available, required, held);
        placement.countOthers(held);
        return placement.best(required, size - required.cardinality());
    }

    private void countOwn(BitSet available, BitSet required, HeldDevices held) {
        for (int base = 0; base < weights.length; base++) {
            int[] devices = tree.devicesOf(base);
            int gpu = tree.gpuOf(base);
            weights[base] = held.weight(tree.baseId(base));
            free[base] = new int[devices.length];
            for (int device : devices) {
                if (required.get(device)) {
                    baseRequired[base] += weights[base];
                    gpuRequired[gpu] += weights[base];
                    if (tree.nodeOf(gpu) != NO_NODE) {
                        nodeRequired[tree.nodeOf(gpu)] = true;
                    }
                } else if (available.get(device)) {
                    free[base][freeCount[base]++] = device;
                } else if (isUsed(device, held)) {
                    load(base, gpu, weights[base]);
                }
            }
        }
    }

    /** What the kubelet does not offer is in use, or is unhealthy and perhaps in use. */
    private boolean isUsed(int device, HeldDevices held) {
        AdvertisedDevice advertised = tree.devices().devices().get(device);
        return advertised.healthy() || !held.known() || held.holds().containsKey(advertised.id());
    }

    private void countOthers(HeldDevices held) {
        for (Map.Entry<String, HeldDevices.Hold> entry : held.holds().entrySet()) {
            HeldDevices.Hold hold = entry.getValue();
            int gpu = tree.gpu(hold.parent());
            if (gpu < 0 || tree.devices().placeOf(entry.getKey()) >= 0) {
                continue;
            }
            int base = tree.base(hold.base());
            load(base, gpu, held.weight(hold.base()));
            if (!hold.share()) {
                take(hold.base(), hold.parent(), base, gpu);
            }
        }
    }

    private void load(int base, int gpu, int weight) {
        if (base >= 0) {
            baseLoad[base] += weight;
        }
        gpuLoad[gpu] += weight;
        if (tree.nodeOf(gpu) != NO_NODE) {
            nodeLoad[tree.nodeOf(gpu)] += weight;
        }
    }

    private void take(GpuId held, GpuId parent, int base, int gpu) {
        if (base >= 0) {
            taken[base] = true;
        } else if (held.equals(parent)) {
            for (int part : tree.basesOf(gpu)) {
                taken[part] = true;
            }
        }
    }

    /** Tries each NUMA node to begin with: a first pick among equals decides where the others can be. */
    private BitSet best(BitSet required, int need) {
        Attempt best = new Attempt(NO_NODE);
        best.run(need);
        if (need > 1 && required.isEmpty() && tree.nodeCount() > 1) {
            for (int node = 0; node < tree.nodeCount(); node++) {
                Attempt attempt = new Attempt(node);
                attempt.run(need);
                if (attempt.isBetterThan(best)) {
                    best = attempt;
                }
            }
        }
        best.chosen.or(required);
        return best.chosen;
    }

    /** One way of picking. */
    private final class Attempt {
        private final BitSet chosen = new BitSet();
        private final int[] left = freeCount.clone();
        private final int[] baseOwn = baseRequired.clone();
        private final int[] gpuOwn = gpuRequired.clone();
        private final boolean[] nodeOwn = nodeRequired.clone();
        /** How many that may be picked now each GPU has. */
        private final int[] gpuLeft = new int[tree.gpuCount()];

        private boolean alsoTaken;
        private long cost;
        private int nodesUsed;

        Attempt(int firstNode) {
            if (firstNode != NO_NODE) {
                nodeOwn[firstNode] = true;
            }
        }

        void run(int need) {
            countLeft();
            for (int i = 0; i < need; i++) {
                int gpu = nextGpu();
                if (gpu < 0) {
                    alsoTaken = true;
                    countLeft();
                    gpu = nextGpu();
                }
                pick(gpu, nextBase(gpu));
            }
            boolean[] used = new boolean[tree.nodeCount()];
            for (int device = chosen.nextSetBit(0); device >= 0; device = chosen.nextSetBit(device + 1)) {
                int node = tree.nodeOf(tree.gpuOf(tree.baseOf(device)));
                if (node != NO_NODE && !used[node]) {
                    used[node] = true;
                    nodesUsed++;
                }
            }
        }

        boolean isBetterThan(Attempt other) {
            return cost != other.cost ? cost < other.cost : nodesUsed < other.nodesUsed;
        }

        private void countLeft() {
            for (int base = 0; base < left.length; base++) {
                if (taken[base] == alsoTaken) {
                    gpuLeft[tree.gpuOf(base)] += left[base];
                }
            }
        }

        private boolean mayPick(int base) {
            return left[base] > 0 && (alsoTaken || !taken[base]);
        }

        private int nextGpu() {
            int best = -1;
            for (int gpu = 0; gpu < gpuLeft.length; gpu++) {
                if (gpuLeft[gpu] > 0 && (best < 0 || isBetterGpu(gpu, best))) {
                    best = gpu;
                }
            }
            return best;
        }

        private boolean isBetterGpu(int gpu, int than) {
            int order = switch (policy) {
                case DISTRIBUTED ->
                    gpuOwn[gpu] != gpuOwn[than] ? gpuOwn[gpu] - gpuOwn[than] : gpuLoad[gpu] - gpuLoad[than];
                case PACKED -> use(than) - use(gpu);
            };
            if (order != 0) {
                return order < 0;
            }
            int node = tree.nodeOf(gpu);
            int otherNode = tree.nodeOf(than);
            boolean near = node != NO_NODE && nodeOwn[node];
            boolean otherNear = otherNode != NO_NODE && nodeOwn[otherNode];
            if (near != otherNear) {
                return near;
            }
            if (node == NO_NODE || otherNode == NO_NODE) {
                return false;
            }
            return switch (policy) {
                case DISTRIBUTED -> nodeLoad[node] < nodeLoad[otherNode];
                case PACKED -> nodeLoad[node] > nodeLoad[otherNode];
            };
        }

        /** How much of a GPU is in use, by anybody. */
        private int use(int gpu) {
            return gpuLoad[gpu] + gpuOwn[gpu];
        }

        private int nextBase(int gpu) {
            int best = -1;
            for (int base : tree.basesOf(gpu)) {
                if (mayPick(base) && (best < 0 || isBetterBase(base, best))) {
                    best = base;
                }
            }
            return best;
        }

        private boolean isBetterBase(int base, int than) {
            return switch (policy) {
                case DISTRIBUTED ->
                    baseOwn[base] != baseOwn[than] ? baseOwn[base] < baseOwn[than] : baseLoad[base] < baseLoad[than];
                case PACKED -> baseLoad[base] + baseOwn[base] > baseLoad[than] + baseOwn[than];
            };
        }

        private void pick(int gpu, int base) {
            cost += switch (policy) {
                // Having two of one GPU is worse than any load.
                case DISTRIBUTED -> ((long) gpuOwn[gpu] << 32) + gpuLoad[gpu];
                case PACKED -> -use(gpu);
            };
            int[] devices = free[base];
            chosen.set(devices[freeCount[base] - left[base]]);
            left[base]--;
            gpuLeft[gpu]--;
            baseOwn[base] += weights[base];
            gpuOwn[gpu] += weights[base];
            if (tree.nodeOf(gpu) != NO_NODE) {
                nodeOwn[tree.nodeOf(gpu)] = true;
            }
        }
    }
}
