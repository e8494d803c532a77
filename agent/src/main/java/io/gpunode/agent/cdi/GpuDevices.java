package io.gpunode.agent.cdi;

import io.gpunode.agent.cdi.CdiSpec.Device;
import io.gpunode.agent.cdi.ContainerEdits.DeviceNode;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.os.DeviceNodes.CharacterDevice;
import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;

/**
 * The GPUs and MIG devices of a picture with the nodes that a container needs for each.
 *
 * @param entries each GPU followed by its MIG devices, in the picture's order; one whose nodes are missing is not there
 */
record GpuDevices(List<Entry> entries) {
    private static final Path DRM = Path.of("/dev/dri");
    private static final int FOR_ALL = 0666;

    GpuDevices {
        entries = List.copyOf(entries);
    }

    /**
     * A device.
     *
     * @param uuid {@code GPU-…} or {@code MIG-…}
     * @param index {@code 0} or {@code 0:1}
     * @param splitGpu whether it is a whole GPU in MIG mode: its nodes give a container nothing to compute on
     */
    record Entry(String uuid, String index, boolean splitGpu, List<DeviceNode> nodes) {}

    /** Looks for the nodes of everything in an open picture. */
    static GpuDevices of(NodeSnapshot snapshot, HostFiles files, HostNodes nodes) throws IOException {
        List<Entry> entries = new ArrayList<>();
        for (Gpu gpu : snapshot.gpus()) {
            Optional<DeviceNode> node = nodes.gpu(gpu);
            if (node.isEmpty()) {
                continue;
            }
            List<DeviceNode> drm = drm(gpu, files, nodes);
            List<DeviceNode> whole = new ArrayList<>(drm);
            whole.add(node.get());
            entries.add(new Entry(gpu.id().uuid(), Integer.toString(gpu.index()), gpu.migEnabled(), whole));
            for (MigDevice mig : gpu.migDevices()) {
                List<DeviceNode> capabilities = nodes.capabilities(gpu, mig);
                if (!capabilities.isEmpty()) {
                    List<DeviceNode> part = new ArrayList<>();
                    // Only such an instance has graphics.
                    if (mig.profile().contains("gfx")) {
                        part.addAll(drm);
                    }
                    part.addAll(capabilities);
                    part.add(node.get());
                    entries.add(new Entry(mig.id().uuid(), gpu.index() + ":" + mig.index(), false, part));
                }
            }
        }
        return new GpuDevices(entries);
    }

    /**
     * A specification of these devices and of {@code all} together; empty when there is none.
     *
     * @param splitGpus whether GPUs in MIG mode are devices, too
     * @param names what an entry is called
     */
    Optional<CdiSpec> specification(
            String kind, boolean splitGpus, Function<Entry, List<String>> names, ContainerEdits common) {
        List<Device> devices = new ArrayList<>();
        Set<DeviceNode> all = new LinkedHashSet<>();
        for (Entry entry : entries) {
            if (splitGpus || !entry.splitGpu()) {
                for (String name : names.apply(entry)) {
                    devices.add(new Device(name, ContainerEdits.of(entry.nodes())));
                }
                all.addAll(entry.nodes());
            }
        }
        if (devices.isEmpty()) {
            return Optional.empty();
        }
        devices.add(new Device("all", ContainerEdits.of(List.copyOf(all))));
        return Optional.of(new CdiSpec(kind, devices, common));
    }

    /** The nodes of the kernel's graphics interface, also under the names by PCI address that udev gives them. */
    private static List<DeviceNode> drm(Gpu gpu, HostFiles files, HostNodes nodes) throws IOException {
        List<DeviceNode> drm = new ArrayList<>();
        String address = gpu.pci().sysfsName();
        for (String name : files.list(Path.of("/sys/bus/pci/devices", address, "drm"))) {
            if (name.startsWith("card")) {
                add(nodes.existing(DRM.resolve(name)), drm);
                add(nodes.existing(DRM.resolve("by-path/pci-" + address + "-card")), drm);
            } else if (name.startsWith("renderD")) {
                add(nodes.existing(DRM.resolve(name)), drm);
                add(nodes.existing(DRM.resolve("by-path/pci-" + address + "-render")), drm);
            }
        }
        return drm;
    }

    /**
     * On many hosts these are for the groups {@code video} and {@code render} only. NVIDIA adds the group to the container's process, which needs version
     * 0.7 of the format, and containerd 1.7 then refuses the whole file. In the container the node is one of its own, so its mode says the same and
     * its owners say nothing.
     */
    private static void add(Optional<DeviceNode> node, List<DeviceNode> drm) {
        node.ifPresent(found -> drm.add(new DeviceNode(
                found.path(),
                found.hostPath(),
                found.device().map(device -> new CharacterDevice(device.major(), device.minor(), FOR_ALL, 0, 0)))));
    }
}
