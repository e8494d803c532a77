package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.model.GpuId;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * One resource's devices by what they are part of: NUMA node, GPU, base (a GPU or MIG device), share. All are numbers, in the order of the list.
 * Immutable, made once for a list.
 */
final class DeviceTree {
    private final AdvertisedDevices devices;
    private final Map<GpuId, Integer> gpus = new HashMap<>();
    private final Map<GpuId, Integer> bases = new HashMap<>();
    private final List<GpuId> baseIds = new ArrayList<>();
    private final int[] baseOfDevice;
    private final int[] gpuOfBase;
    private final int[] nodeOfGpu;
    private final int[][] devicesOfBase;
    private final int[][] basesOfGpu;
    private final int nodes;
    private final boolean wholeGpus;

    DeviceTree(AdvertisedDevices devices) {
        this.devices = devices;
        List<AdvertisedDevice> list = devices.devices();
        List<List<Integer>> byBase = new ArrayList<>();
        List<List<Integer>> byGpu = new ArrayList<>();
        List<Integer> nodeIds = new ArrayList<>();
        this.baseOfDevice = new int[list.size()];
        boolean whole = devices.scores().count() == list.size();
        for (int place = 0; place < list.size(); place++) {
            AdvertisedDevice device = list.get(place);
            whole &= device.wholeGpu();
            int gpu = number(gpus, device.parent());
            if (gpu == byGpu.size()) {
                byGpu.add(new ArrayList<>());
                nodeIds.add(device.numaNode().orElse(-1));
            }
            int base = number(bases, device.base());
            if (base == byBase.size()) {
                byBase.add(new ArrayList<>());
                baseIds.add(device.base());
                byGpu.get(gpu).add(base);
            }
            byBase.get(base).add(place);
            baseOfDevice[place] = base;
        }
        this.wholeGpus = whole;
        this.devicesOfBase = arrays(byBase);
        this.basesOfGpu = arrays(byGpu);
        this.gpuOfBase = new int[devicesOfBase.length];
        for (int gpu = 0; gpu < basesOfGpu.length; gpu++) {
            for (int base : basesOfGpu[gpu]) {
                gpuOfBase[base] = gpu;
            }
        }
        // Dense, in the kernel's order, so that the choice does not depend on which GPU comes first.
        TreeMap<Integer, Integer> dense = new TreeMap<>();
        nodeIds.forEach(id -> dense.put(id, 0));
        dense.remove(-1);
        int next = 0;
        for (Map.Entry<Integer, Integer> entry : dense.entrySet()) {
            entry.setValue(next++);
        }
        this.nodes = next;
        this.nodeOfGpu = new int[nodeIds.size()];
        for (int gpu = 0; gpu < nodeOfGpu.length; gpu++) {
            nodeOfGpu[gpu] = dense.getOrDefault(nodeIds.get(gpu), -1);
        }
    }

    /** The list that it was made from. */
    AdvertisedDevices devices() {
        return devices;
    }

    /** Whether each device is a GPU that is not shared, and how they are connected is known. */
    boolean wholeGpus() {
        return wholeGpus;
    }

    int gpuCount() {
        return basesOfGpu.length;
    }

    int baseCount() {
        return devicesOfBase.length;
    }

    /** How many NUMA nodes have GPUs. */
    int nodeCount() {
        return nodes;
    }

    int baseOf(int device) {
        return baseOfDevice[device];
    }

    int gpuOf(int base) {
        return gpuOfBase[base];
    }

    /** The NUMA node of a GPU, 0 to {@link #nodeCount()}; -1 when the kernel knows none. */
    int nodeOf(int gpu) {
        return nodeOfGpu[gpu];
    }

    int[] basesOf(int gpu) {
        return basesOfGpu[gpu];
    }

    /** The devices of a base, in the order of the list. */
    int[] devicesOf(int base) {
        return devicesOfBase[base];
    }

    GpuId baseId(int base) {
        return baseIds.get(base);
    }

    /** The number of a GPU; -1 when the resource has nothing of it. */
    int gpu(GpuId id) {
        return gpus.getOrDefault(id, -1);
    }

    /** The number of a base; -1 when the resource does not have it. */
    int base(GpuId id) {
        return bases.getOrDefault(id, -1);
    }

    private static int number(Map<GpuId, Integer> numbers, GpuId id) {
        Integer known = numbers.putIfAbsent(id, numbers.size());
        return known == null ? numbers.size() - 1 : known;
    }

    private static int[][] arrays(List<List<Integer>> lists) {
        int[][] result = new int[lists.size()][];
        for (int i = 0; i < result.length; i++) {
            result[i] = lists.get(i).stream().mapToInt(Integer::intValue).toArray();
        }
        return result;
    }
}
