package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.config.AgentConfig.AllocationPolicy;
import io.gpunode.agent.config.AgentConfig.DeviceIdStrategy;
import io.gpunode.agent.config.AgentConfig.DeviceListStrategy;
import io.gpunode.agent.deviceplugin.Allocation.DeviceNode;
import io.gpunode.agent.os.HostFiles;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * All that the answers to Allocate have in common at one moment: the configured strategies, and what of the host they need was there when it
 * was last looked for, so that an answer looks at no file. Equal rules give equal answers.
 *
 * @param strategies how a container is told which devices it holds
 * @param idStrategy what names them towards the runtime
 * @param annotationPrefix of annotations with CDI names, {@code cdi.k8s.io/}
 * @param oneShareOnly whether a container may have no more than one share
 * @param placement how shares and MIG devices are chosen
 * @param environment given whatever the strategies are
 * @param channels IMEX channels that are there
 * @param cdiNames given beside those of the devices
 * @param passNodes whether device nodes are passed
 * @param controlNodes those of them that belong to no device and are there
 * @param channelNodes those of the IMEX channels
 * @param nodeRoot goes before a node's path to make it the host's; empty for the host's own
 * @param withheld why no device may be given now; empty when they may
 * @param problems what of the configuration cannot be followed; sentences with the next step
 */
record AllocationRules(
        Set<DeviceListStrategy> strategies,
        DeviceIdStrategy idStrategy,
        String annotationPrefix,
        boolean oneShareOnly,
        AllocationPolicy placement,
        Map<String, String> environment,
        List<Integer> channels,
        List<String> cdiNames,
        boolean passNodes,
        List<DeviceNode> controlNodes,
        List<DeviceNode> channelNodes,
        String nodeRoot,
        String withheld,
        List<String> problems) {
    /** For a resource that has nothing to give. */
    static final AllocationRules NONE = new AllocationRules(
            Set.of(),
            DeviceIdStrategy.UUID,
            "",
            false,
            AllocationPolicy.DISTRIBUTED,
            Map.of(),
            List.of(),
            List.of(),
            false,
            List.of(),
            List.of(),
            "",
            "",
            List.of());

    /** CDI vendor of the specs that the agent writes for the kubelet; fixed, the kubelet replays old answers. */
    static final String CDI_VENDOR = "k8s.device-plugin.nvidia.com";

    private static final List<String> CONTROL_NODES =
            List.of("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-modeset");
    private static final String CHANNEL_NODE = "/dev/nvidia-caps-imex-channels/channel";
    private static final String ENABLED = "enabled";

    /**
     * Looks what is there.
     *
     * @param coverage what CDI specs have
     */
    static AllocationRules of(PluginSettings settings, HostFiles files, CdiCoverage coverage) {
        return new Maker(settings, files, coverage).make();
    }

    /** What names a device towards the container runtime. */
    String nameOf(AdvertisedDevice device) {
        return switch (idStrategy) {
            case UUID -> device.base().uuid();
            case INDEX -> device.indexName();
        };
    }

    /** Rules on their way. */
    private static final class Maker {
        private final PluginSettings settings;
        private final HostFiles files;
        private final CdiCoverage coverage;
        private final Set<DeviceListStrategy> strategies;
        private final Path devRoot;
        private final boolean byCdiOnly;
        private final List<String> problems = new ArrayList<>();
        private final List<Integer> channels = new ArrayList<>();
        private final List<DeviceNode> channelNodes = new ArrayList<>();
        private final List<String> cdiNames = new ArrayList<>();
        private final Map<String, String> environment = new LinkedHashMap<>();
        private String withheld = "";

        Maker(PluginSettings settings, HostFiles files, CdiCoverage coverage) {
            this.settings = settings;
            this.files = files;
            this.coverage = coverage;
            this.strategies = Set.copyOf(settings.plugin().deviceListStrategies());
            this.devRoot = settings.plugin().devRoot();
            this.byCdiOnly = !strategies.contains(DeviceListStrategy.ENVVAR)
                    && !strategies.contains(DeviceListStrategy.VOLUME_MOUNTS);
        }

        AllocationRules make() {
            for (int channel : settings.imex().channels()) {
                channel(channel);
            }
            feature(settings.plugin().gdrcopy(), "NVIDIA_GDRCOPY", "gdrcopy");
            feature(settings.plugin().gds(), "NVIDIA_GDS", "gds");
            feature(settings.plugin().mofed(), "NVIDIA_MOFED", "mofed");
            // By CDI name the nodes come with the spec.
            boolean passNodes = settings.plugin().passDeviceSpecs() && !byCdiOnly;
            return new AllocationRules(
                    strategies,
                    settings.plugin().deviceIdStrategy(),
                    settings.plugin().cdiAnnotationPrefix(),
                    settings.sharing().timeSlicing().failRequestsGreaterThanOne(),
                    settings.plugin().allocationPolicy(),
                    environment,
                    List.copyOf(channels),
                    List.copyOf(cdiNames),
                    passNodes,
                    passNodes ? controlNodes() : List.of(),
                    passNodes ? List.copyOf(channelNodes) : List.of(),
                    devRoot.getNameCount() == 0 ? "" : devRoot.toString(),
                    withheld,
                    List.copyOf(problems));
        }

        private void channel(int channel) {
            String path = CHANNEL_NODE + channel;
            Path node = Path.of(path);
            Path underRoot = devRoot.resolve(path.substring(1));
            // The driver's container may make the node in its own root or in the host's.
            boolean inRoot = files.exists(underRoot);
            if (!inRoot && !files.exists(node)) {
                missing("there is no " + underRoot + ", which imex.channelIDs asks for: load the module nvidia with"
                        + " NVreg_CreateImexChannel0=1, or make the node with mknod");
                return;
            }
            String name = CDI_VENDOR + "/imex-channel=" + channel;
            if (settings.byCdiName()) {
                if (coverage.names().contains(name)) {
                    cdiNames.add(name);
                } else if (byCdiOnly) {
                    missing("no CDI spec has " + name
                            + ", which imex.channelIDs asks for: `cdi` of /state says what the" + " specs lack");
                    return;
                }
            }
            channels.add(channel);
            channelNodes.add(new DeviceNode(path, (inRoot ? underRoot : node).toString()));
        }

        private void missing(String why) {
            if (!settings.imex().required()) {
                // Before the first spec nobody has looked for the channel, nor made its node.
                if (!settings.byCdiName() || coverage.structureVersion() >= 0) {
                    problems.add(why + "; until then containers are given no channel");
                }
            } else if (withheld.isEmpty()) {
                withheld = why + "; imex.required is set";
            }
        }

        private void feature(boolean enabled, String variable, String cdiClass) {
            if (!enabled) {
                return;
            }
            environment.put(variable, ENABLED);
            String name = CDI_VENDOR + "/" + cdiClass + "=all";
            if (settings.byCdiName() && coverage.names().contains(name)) {
                cdiNames.add(name);
            } else if (byCdiOnly && coverage.structureVersion() >= 0) {
                problems.add("no CDI spec has " + name + ", which " + cdiClass
                        + "Enabled asks for: this node has no device of that kind, so containers are given none; load its"
                        + " driver, or turn " + cdiClass + "Enabled off");
            }
        }

        private List<DeviceNode> controlNodes() {
            List<DeviceNode> nodes = new ArrayList<>(CONTROL_NODES.size());
            for (String path : CONTROL_NODES) {
                Path onHost = devRoot.resolve(path.substring(1));
                if (files.exists(onHost)) {
                    nodes.add(new DeviceNode(path, onHost.toString()));
                }
            }
            return List.copyOf(nodes);
        }
    }
}
