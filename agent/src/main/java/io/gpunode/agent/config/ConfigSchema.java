package io.gpunode.agent.config;

import static io.gpunode.agent.config.Setting.own;
import static io.gpunode.agent.config.Setting.setting;

import io.gpunode.agent.config.AgentConfig.DeviceIdStrategy;
import io.gpunode.agent.config.AgentConfig.DeviceListStrategy;
import io.gpunode.agent.config.SettingTypes.AbsolutePath;
import io.gpunode.agent.config.SettingTypes.Blocks;
import io.gpunode.agent.config.SettingTypes.Choice;
import io.gpunode.agent.config.SettingTypes.Choices;
import io.gpunode.agent.config.SettingTypes.FieldNames;
import io.gpunode.agent.config.SettingTypes.Form;
import io.gpunode.agent.config.SettingTypes.Interval;
import io.gpunode.agent.config.SettingTypes.ListenAddress;
import io.gpunode.agent.config.SettingTypes.Numbers;
import io.gpunode.agent.config.SettingTypes.Text;
import io.gpunode.agent.config.SettingTypes.TrueOrFalse;
import io.gpunode.agent.config.Spelling.Meaning;
import io.gpunode.agent.config.Support.NoEffect;
import io.gpunode.agent.config.Support.OnlyOff;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Every setting, one row each: the loader, the command line, {@code config show} and {@code docs/configuration.md} all read this table. Names
 * and defaults under {@code flags}, {@code resources}, {@code sharing} and {@code imex} are those of the NVIDIA device plugin's file version
 * {@code v1} (plugin 0.20); variables that begin with {@code DCGM_} are those of dcgm-exporter 4.8.
 */
public final class ConfigSchema {
    /** Variables that begin so are ours. */
    static final String ENVIRONMENT_PREFIX = "GPU_NODE_AGENT_";

    /** Read when it exists and no file is named. */
    public static final String DEFAULT_FILE = "/etc/gpu-node-agent/config.yaml";

    /** Flags that name the file, the usual one first. */
    public static final List<String> FILE_FLAGS = List.of("config", "config-file");

    /** Variables that name the file; the first that is set wins. */
    public static final List<String> FILE_VARIABLES = List.of("GPU_NODE_AGENT_CONFIG", "CONFIG_FILE");

    /** Variables between the launcher script and this program; no settings. */
    static final Set<String> LAUNCHER_VARIABLES =
            Set.of("GPU_NODE_AGENT_JAVA", "GPU_NODE_AGENT_JAVA_OPTS", "GPU_NODE_AGENT_LAUNCHER");

    private static final TrueOrFalse SWITCH = new TrueOrFalse();
    private static final Text TEXT = new Text(Form.ANY);
    private static final AbsolutePath PATH = new AbsolutePath(false);
    private static final AbsolutePath PATH_OR_EMPTY = new AbsolutePath(true);
    private static final Blocks BLOCKS = new Blocks();
    private static final Interval ANY_INTERVAL =
            new Interval(Duration.ofNanos(1), Duration.ofNanos(Long.MAX_VALUE), true);

    private static final OnlyOff SHARING =
            onlyOff("", "remove the entries, or keep the device plugin on nodes that share GPUs");
    private static final OnlyOff OFF = onlyOff("false", "set it to false or remove it");
    private static final NoEffect LABELS =
            new NoEffect("this version writes no feature labels; keep gpu-feature-discovery for them");

    static final Setting<String> VERSION = setting("version", new Choice<>(Map.of("v1", "v1"), Map.of()), "v1")
            .describedAs("Version of the file's schema.");

    static final Setting<Set<DeviceListStrategy>> DEVICE_LIST_STRATEGY = setting(
                    "flags.plugin.deviceListStrategy", deviceListStrategies(), Set.of(DeviceListStrategy.ENVVAR))
            .flag("device-list-strategy")
            .environment("DEVICE_LIST_STRATEGY")
            .describedAs("How a container is told which GPUs it holds. Several may be given.");

    static final Setting<DeviceIdStrategy> DEVICE_ID_STRATEGY = setting(
                    "flags.plugin.deviceIDStrategy",
                    new Choice<>(ordered("uuid", DeviceIdStrategy.UUID, "index", DeviceIdStrategy.INDEX), Map.of()),
                    DeviceIdStrategy.UUID)
            .flag("device-id-strategy")
            .environment("DEVICE_ID_STRATEGY")
            .describedAs("What names a GPU towards the container runtime.");

    static final Setting<Boolean> PASS_DEVICE_SPECS = setting("flags.plugin.passDeviceSpecs", SWITCH, false)
            .flag("pass-device-specs")
            .environment("PASS_DEVICE_SPECS")
            .describedAs(
                    "Whether Allocate also lists the device nodes, for runtimes without NVIDIA's hook and for the CPU manager.");

    static final Setting<String> DRIVER_ROOT = setting("flags.nvidiaDriverRoot", PATH, "/")
            .flag("driver-root", "nvidia-driver-root")
            .environment("NVIDIA_DRIVER_ROOT")
            .describedAs("The driver installation as the host sees it.");

    static final Setting<String> DEV_ROOT = setting("flags.nvidiaDevRoot", PATH_OR_EMPTY, "")
            .flag("dev-root", "nvidia-dev-root")
            .environment("NVIDIA_DEV_ROOT")
            .defaultWords("the driver root")
            .describedAs("Root of the device nodes as the host sees it.");

    static final Setting<String> CDI_ANNOTATION_PREFIX = setting(
                    "flags.plugin.cdiAnnotationPrefix", new Text(Form.ANNOTATION_PREFIX), "cdi.k8s.io/")
            .flag("cdi-annotation-prefix")
            .environment("CDI_ANNOTATION_PREFIX")
            .describedAs("Prefix of the annotation keys of the strategy `cdi-annotations`.");

    static final Setting<String> RESOURCE_NAME = setting(
                    "flags.plugin.resourceName", new Text(Form.RESOURCE), "nvidia.com/gpu")
            .flag("resource-name")
            .environment("GPU_NODE_AGENT_RESOURCE_NAME")
            .describedAs("The extended resource under which full GPUs are offered.");

    static final Setting<String> HOST_ROOT = own("host.root", PATH, "/")
            .describedAs("Where this process sees the host's file system; `/` outside a container.");

    static final Setting<String> NODE_NAME = own("host.nodeName", new Text(Form.NODE_NAME), "")
            .flag("node-name")
            .environment("NODE_NAME")
            .defaultWords("the host's name in lower case")
            .describedAs("The node's name in metrics and labels.");

    static final Setting<String> NVML_LIBRARY = own("nvml.library", PATH_OR_EMPTY, "")
            .defaultWords("searched under the driver root")
            .describedAs("Path of `libnvidia-ml.so.1`.");

    static final Setting<Duration> CALL_DEADLINE = own(
                    "nvml.callDeadline", interval(Duration.ofMillis(50), Duration.ofMinutes(5)), Duration.ofSeconds(5))
            .describedAs("After it a GPU whose NVML call has not returned is unresponsive, and unhealthy.");

    static final Setting<Duration> RETRY_INTERVAL = own(
                    "nvml.retryInterval", interval(Duration.ofMillis(50), Duration.ofHours(1)), Duration.ofSeconds(2))
            .describedAs("How often a library or driver that is not there yet is looked for.");

    static final Setting<Duration> SAMPLING_INTERVAL = own(
                    "sampling.interval", interval(Duration.ofMillis(100), Duration.ofHours(1)), Duration.ofSeconds(5))
            .flag("collect-interval", Meaning.MILLISECONDS)
            .environment("DCGM_EXPORTER_INTERVAL", Meaning.MILLISECONDS)
            .live()
            .describedAs("From one sampling of all GPUs to the next. A scrape shows the newest sample.");

    static final Setting<Boolean> HEALTH_XIDS = own("health.xids", SWITCH, true)
            .environment("DP_ENABLE_HEALTHCHECKS", Meaning.ALL_IS_TRUE)
            .environment("DP_DISABLE_HEALTHCHECKS", Meaning.ALL_IS_FALSE)
            .live()
            .describedAs("Whether XIDs make a GPU unhealthy at all.");

    static final Setting<Boolean> HEALTH_EVERY_XID = own("health.everyXid", SWITCH, false)
            .environment("DP_ENABLE_HEALTHCHECKS", Meaning.ALL_IS_TRUE)
            .live()
            .describedAs("Whether every XID counts, also those that are ignored as errors of the application.");

    static final Setting<Set<Long>> HEALTH_IGNORED_XIDS = own("health.ignoredXids", new Numbers(1), Set.of())
            .environment("DP_DISABLE_HEALTHCHECKS", Meaning.NUMBERS)
            .live()
            .describedAs(
                    "XIDs that do not count, beside the built-in list of errors of the application (13, 31, 43, 45, 68, 109).");

    static final Setting<Set<Long>> HEALTH_COUNTED_XIDS = own("health.countedXids", new Numbers(1), Set.of())
            .environment("DP_ENABLE_HEALTHCHECKS", Meaning.NUMBERS)
            .live()
            .describedAs("XIDs that count although they are ignored, by the built-in list or by `health.ignoredXids`.");

    static final Setting<Duration> HEALTH_RECOVERY_INTERVAL = own(
                    "health.recoveryInterval",
                    interval(Duration.ofSeconds(1), Duration.ofDays(7)),
                    Duration.ofMinutes(5))
            .live()
            .describedAs(
                    "How long a GPU must be free of new errors, answer all calls and need no recovery action before it is healthy again.");

    static final Setting<String> DEVICE_PLUGIN_DIRECTORY = own(
                    "kubelet.devicePluginDirectory", PATH, "/var/lib/kubelet/device-plugins")
            .flag("kubelet-socket", Meaning.SOCKET_IN_DIRECTORY)
            .environment("KUBELET_SOCKET", Meaning.SOCKET_IN_DIRECTORY)
            .describedAs("Where the kubelet's registration socket is and the agent's own socket is made.");

    static final Setting<String> POD_RESOURCES_SOCKET = own(
                    "kubelet.podResourcesSocket", PATH, "/var/lib/kubelet/pod-resources/kubelet.sock")
            .flag("pod-resources-kubelet-socket")
            .environment("DCGM_POD_RESOURCES_KUBELET_SOCKET")
            .describedAs("Where the kubelet says which containers hold which devices.");

    static final Setting<String> CDI_DIRECTORY =
            own("cdi.directory", PATH, "/var/run/cdi").describedAs("Where CDI specs are written.");

    static final Setting<List<String>> METRICS_FIELDS = own("metrics.fields", new FieldNames(), DefaultFields.NAMES)
            .defaultWords("the rows that are active in dcgm-exporter's default counters file")
            .live()
            .describedAs("The fields that `/metrics` shows.");

    static final Setting<Boolean> POD_ATTRIBUTION = own("metrics.podAttribution", SWITCH, true)
            .flag("kubernetes")
            .environment("DCGM_EXPORTER_KUBERNETES")
            .live()
            .describedAs("Whether GPU series carry the labels `container`, `namespace` and `pod` of their user.");

    static final Setting<String> HTTP_LISTEN = own("http.listen", new ListenAddress(), ":9400")
            .flag("address")
            .environment("DCGM_EXPORTER_LISTEN")
            .describedAs("Where `/metrics`, `/healthz`, `/readyz`, `/state` and the status page are served.");

    static final Setting<String> LOG_LEVEL = own("log.level", words("error", "warn", "info", "debug"), "info")
            .flag("debug", Meaning.TRUE_IS_DEBUG)
            .environment("DCGM_EXPORTER_DEBUG", Meaning.TRUE_IS_DEBUG)
            .live()
            .describedAs("The least bad level that is written to standard error.");

    /** Every setting, in the order of the reference. */
    public static final List<Setting<?>> ALL = List.of(
            VERSION,
            DEVICE_LIST_STRATEGY,
            DEVICE_ID_STRATEGY,
            PASS_DEVICE_SPECS,
            CDI_ANNOTATION_PREFIX,
            RESOURCE_NAME,
            DRIVER_ROOT,
            DEV_ROOT,
            HOST_ROOT,
            NODE_NAME,
            NVML_LIBRARY,
            CALL_DEADLINE,
            RETRY_INTERVAL,
            SAMPLING_INTERVAL,
            HEALTH_XIDS,
            HEALTH_EVERY_XID,
            HEALTH_IGNORED_XIDS,
            HEALTH_COUNTED_XIDS,
            HEALTH_RECOVERY_INTERVAL,
            DEVICE_PLUGIN_DIRECTORY,
            POD_RESOURCES_SOCKET,
            CDI_DIRECTORY,
            METRICS_FIELDS,
            POD_ATTRIBUTION,
            HTTP_LISTEN,
            LOG_LEVEL,
            setting("flags.migStrategy", words("none", "single", "mixed"), "none")
                    .flag("mig-strategy")
                    .environment("MIG_STRATEGY")
                    .support(onlyOff("none", "set it to none; MIG devices are then not offered"))
                    .describedAs("How MIG devices are offered."),
            setting("flags.gdsEnabled", SWITCH, false)
                    .flag("gds-enabled")
                    .environment("GDS_ENABLED")
                    .support(OFF)
                    .describedAs("Whether containers are given GPUDirect Storage."),
            setting("flags.mofedEnabled", SWITCH, false)
                    .flag("mofed-enabled")
                    .environment("MOFED_ENABLED")
                    .support(OFF)
                    .describedAs("Whether containers are given InfiniBand devices."),
            setting("flags.gdrcopyEnabled", SWITCH, false)
                    .flag("gdrcopy-enabled")
                    .environment("GDRCOPY_ENABLED")
                    .support(OFF)
                    .describedAs("Whether containers are given GDRCopy."),
            setting("flags.deviceDiscoveryStrategy", words("auto", "nvml", "tegra", "vfio"), "auto")
                    .flag("device-discovery-strategy")
                    .environment("DEVICE_DISCOVERY_STRATEGY")
                    .support(new OnlyOff(Set.of("auto", "nvml"), "set it to auto or nvml; GPUs are found through NVML"))
                    .describedAs("How GPUs are found."),
            setting("flags.failOnInitError", SWITCH, true)
                    .flag("fail-on-init-error")
                    .environment("FAIL_ON_INIT_ERROR")
                    .support(new NoEffect(
                            "the agent waits for a driver that is not there yet, and says so in status and readiness"))
                    .describedAs("Whether a missing driver ends the process."),
            setting("flags.mpsRoot", TEXT, "")
                    .flag("mps-root")
                    .environment("MPS_ROOT")
                    .support(new NoEffect("MPS is not served"))
                    .describedAs("Directory of the MPS control daemons."),
            setting("flags.useNodeFeatureAPI", SWITCH, true)
                    .flag("use-node-feature-api")
                    .environment("USE_NODE_FEATURE_API")
                    .support(LABELS)
                    .describedAs("Whether labels are written as NodeFeature objects."),
            setting("flags.plugin.nvidiaCTKPath", TEXT, "/usr/bin/nvidia-ctk")
                    .flag("nvidia-cdi-hook-path", "nvidia-ctk-path")
                    .environment("NVIDIA_CDI_HOOK_PATH", "NVIDIA_CTK_PATH")
                    .support(new NoEffect("CDI specs are written without hooks"))
                    .describedAs("The program that CDI hooks run."),
            setting("flags.plugin.containerDriverRoot", TEXT, "/driver-root")
                    .flag("driver-root-ctr-path", "container-driver-root")
                    .environment("DRIVER_ROOT_CTR_PATH", "CONTAINER_DRIVER_ROOT")
                    .support(new NoEffect("the driver root is looked for under host.root"))
                    .describedAs("Where the driver root is mounted in the container of the plugin."),
            setting("flags.plugin.sharedDevicesAllocationPolicy", words("distributed", "packed"), "distributed")
                    .flag("shared-devices-allocation-policy")
                    .environment("SHARED_DEVICES_ALLOCATION_POLICY")
                    .support(new NoEffect("GPUs are not shared"))
                    .describedAs("How shared GPUs are spread."),
            setting("flags.plugin.cdiFeatureFlags", TEXT, "")
                    .flag("cdi-feature-flags")
                    .environment("CDI_FEATURE_FLAGS")
                    .notInFile()
                    .support(new NoEffect("the agent writes its own CDI specs"))
                    .describedAs("Switches of NVIDIA's CDI generator."),
            setting("flags.plugin.cdiDisableHooks", TEXT, "")
                    .flag("cdi-disable-hooks")
                    .environment("CDI_DISABLE_HOOKS")
                    .notInFile()
                    .support(new NoEffect("CDI specs are written without hooks"))
                    .describedAs("CDI hooks that are left out."),
            setting("flags.gfd.oneshot", SWITCH, false).support(LABELS).describedAs("Whether labels are written once."),
            setting("flags.gfd.noTimestamp", SWITCH, false)
                    .support(LABELS)
                    .describedAs("Whether labels come without a time."),
            setting("flags.gfd.sleepInterval", ANY_INTERVAL, Duration.ofSeconds(60))
                    .support(LABELS)
                    .describedAs("From one writing of the labels to the next."),
            setting("flags.gfd.outputFile", TEXT, "/etc/kubernetes/node-feature-discovery/features.d/gfd")
                    .support(LABELS)
                    .describedAs("Where labels are written."),
            setting("flags.gfd.machineTypeFile", TEXT, "/sys/class/dmi/id/product_name")
                    .support(LABELS)
                    .describedAs("Where the machine's type is read."),
            setting("resources.gpus", BLOCKS, 0)
                    .support(onlyOff("", "remove it; full GPUs are offered as flags.plugin.resourceName"))
                    .describedAs("Resource names by product name. The device plugin drops this block too."),
            setting("resources.mig", BLOCKS, 0)
                    .support(onlyOff("", "remove it; MIG devices are not offered"))
                    .describedAs("Resource names by MIG profile. The device plugin drops this block too."),
            setting("sharing.timeSlicing.renameByDefault", SWITCH, false)
                    .support(OFF)
                    .describedAs("Whether shared GPUs get the name of a resource of their own."),
            setting("sharing.timeSlicing.failRequestsGreaterThanOne", SWITCH, false)
                    .support(new NoEffect("GPUs are not shared"))
                    .describedAs("Whether a request for several shares is refused."),
            setting("sharing.timeSlicing.resources", BLOCKS, 0)
                    .support(SHARING)
                    .describedAs("What is shared by time-slicing, and in how many shares."),
            setting("sharing.mps.renameByDefault", SWITCH, false)
                    .support(OFF)
                    .describedAs("Whether shared GPUs get the name of a resource of their own."),
            setting("sharing.mps.failRequestsGreaterThanOne", SWITCH, true)
                    .support(new NoEffect("GPUs are not shared"))
                    .describedAs("Whether a request for several shares is refused."),
            setting("sharing.mps.resources", BLOCKS, 0)
                    .support(SHARING)
                    .describedAs("What is shared through MPS, and in how many shares."),
            setting("imex.channelIDs", new Numbers(0), Set.of())
                    .flag("imex-channel-ids")
                    .environment("IMEX_CHANNEL_IDS")
                    .support(onlyOff("", "write an empty list or remove it"))
                    .describedAs("IMEX channels that containers are given."),
            setting("imex.required", SWITCH, false)
                    .flag("imex-required")
                    .environment("IMEX_REQUIRED")
                    .support(OFF)
                    .describedAs("Whether a missing IMEX channel keeps the plugin from starting."));

    private ConfigSchema() {}

    /** The metric fields that are shown when nothing else is set. */
    public static List<String> defaultFields() {
        return METRICS_FIELDS.defaultValue();
    }

    private static OnlyOff onlyOff(String accepted, String nextStep) {
        return new OnlyOff(Set.of(accepted), nextStep);
    }

    private static Interval interval(Duration least, Duration most) {
        return new Interval(least, most, false);
    }

    private static Choice<String> words(String... words) {
        Map<String, String> map = new LinkedHashMap<>();
        for (String word : words) {
            map.put(word, word);
        }
        return new Choice<>(map, Map.of());
    }

    private static <T> Map<String, T> ordered(String firstWord, T first, String secondWord, T second) {
        Map<String, T> map = new LinkedHashMap<>();
        map.put(firstWord, first);
        map.put(secondWord, second);
        return map;
    }

    private static Choices<DeviceListStrategy> deviceListStrategies() {
        Map<String, DeviceListStrategy> words = new LinkedHashMap<>();
        words.put("envvar", DeviceListStrategy.ENVVAR);
        words.put("cdi-annotations", DeviceListStrategy.CDI_ANNOTATIONS);
        words.put("cdi-cri", DeviceListStrategy.CDI_CRI);
        return new Choices<>(new Choice<>(
                words,
                Map.of("volume-mounts", "use cdi-cri, which needs no trust in the container's environment either")));
    }
}
