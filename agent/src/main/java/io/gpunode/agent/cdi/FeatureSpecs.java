package io.gpunode.agent.cdi;

import io.gpunode.agent.cdi.CdiSpec.Device;
import io.gpunode.agent.cdi.ContainerEdits.DeviceNode;
import io.gpunode.agent.cdi.ContainerEdits.Mount;
import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;

/**
 * The specifications of what a container may be given beside GPUs. Each is there when the node has what it is about, whether or not a setting hands
 * it out: a pod that was given it before the setting changed can still start its container again.
 */
final class FeatureSpecs {
    private static final String IMEX_DIRECTORY = "nvidia-caps-imex-channels";
    private static final String IMEX_CHANNEL = "channel";
    private static final int HIGHEST_IMEX_CHANNEL = (1 << 20) - 1;

    private FeatureSpecs() {}

    /**
     * All that the node has content for.
     *
     * @param vendor of the kinds
     * @param channels the IMEX channels that containers are given, whose nodes are made if need be
     */
    static List<CdiSpec> find(String vendor, HostFiles files, HostNodes nodes, List<Integer> channels)
            throws IOException {
        List<CdiSpec> specs = new ArrayList<>();
        imex(vendor, nodes, channels, specs);
        add(vendor + "/gdrcopy", nodes.existing("", "gdrdrv"), List.of(), specs);
        List<DeviceNode> storage = nodes.existing("", "nvidia-fs");
        add(vendor + "/gds", storage, mounts(files, "/etc/cufile.json", "/run/udev"), specs);
        List<DeviceNode> infiniband = nodes.existing("infiniband", "uverbs");
        if (!infiniband.isEmpty()) {
            List<DeviceNode> both = new ArrayList<>(nodes.existing("infiniband", "rdma_cm"));
            both.addAll(infiniband);
            add(vendor + "/mofed", both, List.of(), specs);
        }
        return specs;
    }

    private static void imex(String vendor, HostNodes nodes, List<Integer> channels, List<CdiSpec> specs)
            throws IOException {
        TreeSet<Integer> numbers = new TreeSet<>(channels);
        for (DeviceNode node : nodes.existing(IMEX_DIRECTORY, IMEX_CHANNEL)) {
            String number = String.valueOf(node.path().getFileName()).substring(IMEX_CHANNEL.length());
            if (number.matches("\\d{1,7}") && Integer.parseInt(number) <= HIGHEST_IMEX_CHANNEL) {
                numbers.add(Integer.parseInt(number));
            }
        }
        List<Device> devices = new ArrayList<>();
        for (int number : numbers) {
            nodes.imexChannel(number)
                    .ifPresent(node ->
                            devices.add(new Device(Integer.toString(number), ContainerEdits.of(List.of(node)))));
        }
        if (!devices.isEmpty()) {
            specs.add(new CdiSpec(vendor + "/imex-channel", devices, ContainerEdits.of(List.of())));
        }
    }

    private static void add(String kind, List<DeviceNode> nodes, List<Mount> mounts, List<CdiSpec> specs) {
        if (!nodes.isEmpty()) {
            Device all = new Device("all", new ContainerEdits(List.of(), nodes, mounts, List.of()));
            specs.add(new CdiSpec(kind, List.of(all), ContainerEdits.of(List.of())));
        }
    }

    private static List<Mount> mounts(HostFiles files, String... paths) {
        List<Mount> mounts = new ArrayList<>();
        for (String path : paths) {
            if (files.exists(Path.of(path))) {
                mounts.add(new Mount(Path.of(path), Path.of(path), ContainerEdits.READ_ONLY));
            }
        }
        return mounts;
    }
}
