package io.gpunode.agent.config;

import static io.gpunode.agent.config.Setting.own;
import static io.gpunode.agent.config.Setting.setting;

import io.gpunode.agent.config.AgentConfig.AllocationPolicy;
import io.gpunode.agent.config.AgentConfig.ApiServer;
import io.gpunode.agent.config.AgentConfig.CdiHooks;
import io.gpunode.agent.config.AgentConfig.DeviceIdStrategy;
import io.gpunode.agent.config.AgentConfig.DeviceListStrategy;
import io.gpunode.agent.config.AgentConfig.HostnameLabel;
import io.gpunode.agent.config.AgentConfig.LabelOutput;
import io.gpunode.agent.config.AgentConfig.MigStrategy;
import io.gpunode.agent.config.AgentConfig.MigWhileInUse;
import io.gpunode.agent.config.AgentConfig.NamePattern;
import io.gpunode.agent.config.AgentConfig.NvidiaComGpu;
import io.gpunode.agent.config.AgentConfig.RegistrationWay;
import io.gpunode.agent.config.AgentConfig.SharedResource;
import io.gpunode.agent.config.BlockTypes.NamePatterns;
import io.gpunode.agent.config.BlockTypes.SharedResources;
import io.gpunode.agent.config.NamedConfigurations.Fallback;
import io.gpunode.agent.config.SettingTypes.AbsolutePath;
import io.gpunode.agent.config.SettingTypes.AbsolutePaths;
import io.gpunode.agent.config.SettingTypes.Blocks;
import io.gpunode.agent.config.SettingTypes.Channels;
import io.gpunode.agent.config.SettingTypes.Choice;
import io.gpunode.agent.config.SettingTypes.Choices;
import io.gpunode.agent.config.SettingTypes.FieldChoices;
import io.gpunode.agent.config.SettingTypes.Form;
import io.gpunode.agent.config.SettingTypes.Interval;
import io.gpunode.agent.config.SettingTypes.ListenAddresses;
import io.gpunode.agent.config.SettingTypes.Numbers;
import io.gpunode.agent.config.SettingTypes.Text;
import io.gpunode.agent.config.SettingTypes.TrueOrFalse;
import io.gpunode.agent.config.SettingTypes.WholeNumber;
import io.gpunode.agent.config.SettingTypes.Words;
import io.gpunode.agent.config.Spelling.Meaning;
import io.gpunode.agent.config.Support.NoEffect;
import io.gpunode.agent.config.Support.OnlyOff;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Every setting, one row each: the loader, the command line, {@code config show} and {@code docs/configuration.md} all read this table. Names
 * and defaults under {@code flags}, {@code resources}, {@code sharing} and {@code imex} are those of the NVIDIA device plugin's file version
 * {@code v1} (plugin 0.20), which GPU feature discovery reads, too; variables that begin with {@code DCGM_} are those of dcgm-exporter 4.8,
 * and those that begin with {@code GFD_} are GPU feature discovery's.
 */
public final class ConfigSchema {
    /** Variables that begin so are ours. */
    static final String ENVIRONMENT_PREFIX = "GPU_NODE_AGENT_";

    /** Read when it exists and no file is named. */
    public static final String DEFAULT_FILE = "/etc/gpu-node-agent/config.yaml";

    /** Flags that name the file, the usual one first. */
    public static final List<String> FILE_FLAGS = List.of("config", "config-file");

    /** Variables that name the file; the first that is set wins. */
    public static final List<String> FILE_VARIABLES =
            List.of("GPU_NODE_AGENT_CONFIG", "CONFIG_FILE", "GFD_CONFIG_FILE");

    /** Variables between the launcher script and this program; no settings. */
    static final Set<String> LAUNCHER_VARIABLES =
            Set.of("GPU_NODE_AGENT_JAVA", "GPU_NODE_AGENT_JAVA_OPTS", "GPU_NODE_AGENT_LAUNCHER");

    private static final TrueOrFalse SWITCH = new TrueOrFalse();
    private static final Text TEXT = new Text(Form.ANY);
    private static final AbsolutePath PATH = new AbsolutePath(false);
    private static final AbsolutePath PATH_OR_EMPTY = new AbsolutePath(true);
    private static final Interval ANY_INTERVAL =
            new Interval(Duration.ofNanos(1), Duration.ofNanos(Long.MAX_VALUE), true);

    private static final String FEW_REQUESTS = "requests to the API server are made one after the other, and few";
    private static final String ONE_SAMPLE = "the agent keeps the newest sample alone";
    private static final String GPUS_ARE_FOLLOWED = "GPUs that come and go are always followed";
    private static final String NO_DCGM_LOG = "there is no DCGM; log.level says what the agent writes";
    private static final String NO_DUMPS = "/state and gpu-node-agent status tell what the agent knows";
    private static final String NO_MPS = "MPS is not served; share through sharing.timeSlicing";
    /** The block that says where the configuration comes from, which a named configuration cannot say. */
    static final String CONFIG_BLOCK = "config.";

    static final Setting<String> VERSION = setting("version", new Choice<>(Map.of("v1", "v1"), Map.of()), "v1")
            .describedAs("Version of the file's schema.");

    static final Setting<Boolean> STRICT = own("config.strict", SWITCH, true)
            .notInFile()
            .describedAs(
                    "Whether a key that does not exist is refused. `false` passes it over with a notice, and takes keys in"
                            + " any case, as the NVIDIA device plugin does without a word.");

    static final Setting<Boolean> WATCH = own("config.watch", SWITCH, true)
            .live()
            .describedAs(
                    "Whether the configuration is read again when a file that it came from changes. Without it, SIGHUP"
                            + " does.");

    static final Setting<String> DIRECTORY = own("config.directory", PATH_OR_EMPTY, "")
            .flag("config-file-srcdir")
            .environment("CONFIG_FILE_SRCDIR")
            .live()
            .describedAs(
                    "A directory of named configurations, one of which is chosen for the node. What it says wins over the"
                            + " file; it cannot hold settings of `config`.");

    static final Setting<String> DEFAULT_NAME = own("config.default", TEXT, "")
            .flag("default-config")
            .environment("DEFAULT_CONFIG")
            .live()
            .describedAs(
                    "The named configuration that is taken when neither the node's label nor the selection file names"
                            + " one.");

    static final Setting<Set<Fallback>> FALLBACKS = own(
                    "config.fallbackStrategies",
                    new Choices<>(new Choice<>(
                            ordered("named", Fallback.NAMED, "single", Fallback.SINGLE, "empty", Fallback.EMPTY),
                            Map.of())),
                    Collections.unmodifiableSet(new LinkedHashSet<>(List.of(Fallback.NAMED, Fallback.SINGLE))))
            .flag("fallback-strategies")
            .environment("FALLBACK_STRATEGIES")
            .live()
            .describedAs(
                    "What is taken when nothing names a configuration, tried in their order: the one that is called"
                            + " `default`, the only one, or none.");

    static final Setting<String> NODE_LABEL = own(
                    "config.nodeLabel", new Text(Form.LABEL), "nvidia.com/device-plugin.config")
            .flag("node-label")
            .environment("NODE_LABEL")
            .live()
            .describedAs("The label of the node that names its configuration, where an API server is reachable.");

    static final Setting<String> SELECTION_FILE = own("config.selectionFile", PATH_OR_EMPTY, "")
            .live()
            .describedAs("A file that holds the name of the configuration, for nodes whose label does not name one.");

    static final Setting<Set<DeviceListStrategy>> DEVICE_LIST_STRATEGY = setting(
                    "flags.plugin.deviceListStrategy", deviceListStrategies(), Set.of(DeviceListStrategy.ENVVAR))
            .flag("device-list-strategy")
            .environment("DEVICE_LIST_STRATEGY")
            .live()
            .describedAs("How a container is told which GPUs it holds. Several may be given.");

    static final Setting<DeviceIdStrategy> DEVICE_ID_STRATEGY = setting(
                    "flags.plugin.deviceIDStrategy",
                    new Choice<>(ordered("uuid", DeviceIdStrategy.UUID, "index", DeviceIdStrategy.INDEX), Map.of()),
                    DeviceIdStrategy.UUID)
            .flag("device-id-strategy")
            .environment("DEVICE_ID_STRATEGY")
            .live()
            .describedAs("What names a GPU towards the container runtime.");

    static final Setting<Boolean> PASS_DEVICE_SPECS = setting("flags.plugin.passDeviceSpecs", SWITCH, false)
            .flag("pass-device-specs")
            .environment("PASS_DEVICE_SPECS")
            .live()
            .describedAs(
                    "Whether Allocate also lists the device nodes, for runtimes without NVIDIA's hook and for the CPU manager.");

    static final Setting<MigStrategy> MIG_STRATEGY = setting(
                    "flags.migStrategy",
                    new Choice<>(
                            ordered("none", MigStrategy.NONE, "single", MigStrategy.SINGLE, "mixed", MigStrategy.MIXED),
                            Map.of()),
                    MigStrategy.NONE)
            .flag("mig-strategy")
            .environment("GFD_MIG_STRATEGY", "MIG_STRATEGY")
            .live()
            .describedAs(
                    "How MIG devices are offered: not at all (`none`), under the name of full GPUs when every GPU of the"
                            + " node is divided alike (`single`), or each profile under a name of its own (`mixed`).");

    static final Setting<AllocationPolicy> ALLOCATION_POLICY = setting(
                    "flags.plugin.sharedDevicesAllocationPolicy",
                    new Choice<>(
                            ordered("distributed", AllocationPolicy.DISTRIBUTED, "packed", AllocationPolicy.PACKED),
                            Map.of()),
                    AllocationPolicy.DISTRIBUTED)
            .flag("shared-devices-allocation-policy")
            .environment("SHARED_DEVICES_ALLOCATION_POLICY")
            .live()
            .describedAs(
                    "How shares and MIG devices are placed: over as many GPUs as there are (`distributed`), or on the"
                            + " GPUs that are in use already (`packed`).");

    static final Setting<Boolean> GDS = setting("flags.gdsEnabled", SWITCH, false)
            .flag("gds-enabled")
            .environment("GDS_ENABLED")
            .live()
            .describedAs("Whether containers are given GPUDirect Storage.");

    static final Setting<Boolean> MOFED = setting("flags.mofedEnabled", SWITCH, false)
            .flag("mofed-enabled")
            .environment("MOFED_ENABLED")
            .live()
            .describedAs("Whether containers are given InfiniBand devices.");

    static final Setting<Boolean> GDRCOPY = setting("flags.gdrcopyEnabled", SWITCH, false)
            .flag("gdrcopy-enabled")
            .environment("GDRCOPY_ENABLED")
            .live()
            .describedAs("Whether containers are given GDRCopy.");

    static final Setting<List<NamePattern>> GPU_NAMES = setting("resources.gpus", new NamePatterns(), List.of())
            .live()
            .describedAs(
                    "Names of full GPUs' resources by product name. The first pattern that fits the whole name counts;"
                            + " a GPU that none fits keeps `flags.plugin.resourceName`. A name without a domain gets `nvidia.com/`.");

    static final Setting<List<NamePattern>> MIG_NAMES = setting("resources.mig", new NamePatterns(), List.of())
            .live()
            .describedAs(
                    "Names of MIG devices' resources by profile, such as `1g.10gb`. The first pattern that fits counts;"
                            + " a device that none fits keeps the name that the strategy gives it.");

    static final Setting<Boolean> RENAME_BY_DEFAULT = setting("sharing.timeSlicing.renameByDefault", SWITCH, false)
            .live()
            .describedAs("Whether shares of a resource are offered as the resource with `.shared` at its end.");

    static final Setting<Boolean> FAIL_REQUESTS_GREATER_THAN_ONE = setting(
                    "sharing.timeSlicing.failRequestsGreaterThanOne", SWITCH, false)
            .live()
            .describedAs(
                    "Whether a container that asks for more than one share is refused: two shares are no more compute"
                            + " than one.");

    static final Setting<List<SharedResource>> SHARED_RESOURCES = setting(
                    "sharing.timeSlicing.resources", new SharedResources(), List.of())
            .live()
            .describedAs(
                    "What is shared by time-slicing, in how many shares (`replicas`), which of its devices (`devices`),"
                            + " and under which name (`rename`).");

    static final Setting<List<Integer>> IMEX_CHANNELS = setting("imex.channelIDs", new Channels(), List.of())
            .flag("imex-channel-ids")
            .environment("IMEX_CHANNEL_IDS")
            .live()
            .describedAs("IMEX channels that containers are given: none, or channel 0.");

    static final Setting<Boolean> IMEX_REQUIRED = setting("imex.required", SWITCH, false)
            .flag("imex-required")
            .environment("IMEX_REQUIRED")
            .live()
            .describedAs("Whether GPUs are withheld while the device node of a channel is missing.");

    static final Setting<String> CDI_HOOK_PATH = setting("flags.plugin.nvidiaCTKPath", PATH, "/usr/bin/nvidia-ctk")
            .flag("nvidia-cdi-hook-path", "nvidia-ctk-path")
            .environment("NVIDIA_CDI_HOOK_PATH", "NVIDIA_CTK_PATH")
            .live()
            .describedAs("The program that CDI hooks run, as the host sees it. Used with `cdi.hooks: nvidia` only.");

    static final Setting<Set<String>> CDI_FEATURE_FLAGS = setting("flags.plugin.cdiFeatureFlags", new Words(), Set.of())
            .flag("cdi-feature-flags")
            .environment("CDI_FEATURE_FLAGS")
            .live()
            .describedAs("Switches of NVIDIA's CDI generator; the device plugin takes them as flag and variable only.");

    static final Setting<Set<String>> CDI_DISABLE_HOOKS = setting("flags.plugin.cdiDisableHooks", new Words(), Set.of())
            .flag("cdi-disable-hooks")
            .environment("CDI_DISABLE_HOOKS")
            .live()
            .describedAs(
                    "CDI hooks that are left out with `cdi.hooks: nvidia`, or `all`; the device plugin takes them as flag"
                            + " and variable only.");

    static final Setting<String> DRIVER_ROOT = setting("flags.nvidiaDriverRoot", PATH, "/")
            .flag("driver-root", "nvidia-driver-root")
            .environment("NVIDIA_DRIVER_ROOT")
            .describedAs(
                    "The driver installation as the host sees it. Unless it is named, `/run/nvidia/driver` where the agent brings the"
                            + " driver itself: with `driver.manage` and another `driver.source` than `host`.");

    static final Setting<String> DEV_ROOT = setting("flags.nvidiaDevRoot", PATH_OR_EMPTY, "")
            .flag("dev-root", "nvidia-dev-root")
            .environment("NVIDIA_DEV_ROOT")
            .defaultWords("the driver root")
            .describedAs("Root of the device nodes as the host sees it.");

    static final Setting<String> CDI_ANNOTATION_PREFIX = setting(
                    "flags.plugin.cdiAnnotationPrefix", new Text(Form.ANNOTATION_PREFIX), "cdi.k8s.io/")
            .flag("cdi-annotation-prefix")
            .environment("CDI_ANNOTATION_PREFIX")
            .live()
            .describedAs("Prefix of the annotation keys of the strategy `cdi-annotations`.");

    static final Setting<String> RESOURCE_NAME = setting(
                    "flags.plugin.resourceName", new Text(Form.RESOURCE), "nvidia.com/gpu")
            .flag("resource-name")
            .environment("GPU_NODE_AGENT_RESOURCE_NAME")
            .live()
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
            .flag("-c", Meaning.MILLISECONDS)
            .environment("DCGM_EXPORTER_INTERVAL", Meaning.MILLISECONDS)
            .live()
            .describedAs("From one sampling of all GPUs to the next. A scrape shows the newest sample.");

    /** The exporter's ServiceMonitor scrapes every 15 s: averages over as long leave no time out, and are no older than they must be. */
    static final Setting<Duration> PROFILING_INTERVAL = own(
                    "sampling.profilingInterval",
                    interval(Duration.ofMillis(100), Duration.ofHours(1)),
                    Duration.ofSeconds(15))
            .live()
            .describedAs(
                    "The time over which the profiling fields, `DCGM_FI_PROF_*`, are averages; as long as from one scrape"
                            + " to the next, they leave no time out. It ends with the sampling that is nearest to its end.");

    static final Setting<Duration> XID_WINDOW = own(
                    "sampling.xidWindow", interval(Duration.ofSeconds(1), Duration.ofDays(7)), Duration.ofMinutes(5))
            .flag("xid-count-window-size", Meaning.MILLISECONDS)
            .flag("-x", Meaning.MILLISECONDS)
            .environment("DCGM_EXPORTER_XID_COUNT_WINDOW_SIZE", Meaning.MILLISECONDS)
            .live()
            .describedAs("The window of `DCGM_EXP_XID_ERRORS_COUNT`.");

    static final Setting<Duration> CLOCK_EVENTS_WINDOW = own(
                    "sampling.clockEventsWindow",
                    interval(Duration.ofSeconds(1), Duration.ofDays(7)),
                    Duration.ofMinutes(5))
            .flag("clock-events-count-window-size", Meaning.MILLISECONDS)
            .environment("DCGM_EXPORTER_CLOCK_EVENTS_COUNT_WINDOW_SIZE", Meaning.MILLISECONDS)
            .live()
            .describedAs("The window of `DCGM_EXP_CLOCK_EVENTS_COUNT`.");

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

    static final Setting<Set<String>> HEALTH_IGNORED_CHECKS = own(
                    "health.ignoredChecks",
                    new Choices<>(
                            words(
                                    "recovery-action",
                                    "row-remap",
                                    "retired-pages",
                                    "ecc",
                                    "fabric",
                                    "nvlink",
                                    "temperature",
                                    "power-brake",
                                    "pcie",
                                    "event"),
                            true),
                    Set.of())
            .environment("DP_DISABLE_HEALTHCHECKS", Meaning.ALL_IS_EVERY_WORD)
            .live()
            .describedAs("Health checks whose findings are shown, and withhold no GPU.");

    static final Setting<Boolean> HEALTH_KERNEL_LOG = own("health.kernelLog", SWITCH, true)
            .describedAs("Whether the kernel's log (`/dev/kmsg`) is read as a second witness of XIDs.");

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

    static final Setting<RegistrationWay> REGISTRATION = own(
                    "kubelet.registration",
                    new Choice<>(
                            ordered(
                                    "socket",
                                    RegistrationWay.SOCKET,
                                    "plugins-registry",
                                    RegistrationWay.PLUGINS_REGISTRY),
                            Map.of()),
                    RegistrationWay.SOCKET)
            .describedAs(
                    "How the kubelet learns of the device plugin: the agent calls the kubelet's socket, or the kubelet"
                            + " finds the agent's sockets in its `plugins_registry` directory.");

    static final Setting<String> CDI_DIRECTORY =
            own("cdi.directory", PATH, "/var/run/cdi").describedAs("Where CDI specs are written.");

    static final Setting<CdiHooks> CDI_HOOKS = own(
                    "cdi.hooks",
                    new Choice<>(ordered("none", CdiHooks.NONE, "nvidia", CdiHooks.NVIDIA), Map.of()),
                    CdiHooks.NONE)
            .live()
            .describedAs("Whether CDI specs name NVIDIA's hook program. Without hooks a container start costs no extra"
                    + " process; images that rely on what a hook does inside them need `nvidia`.");

    static final Setting<NvidiaComGpu> CDI_NVIDIA_COM_GPU = own(
                    "cdi.nvidiaComGpu",
                    new Choice<>(
                            ordered(
                                    "auto",
                                    NvidiaComGpu.AUTO,
                                    "always",
                                    NvidiaComGpu.ALWAYS,
                                    "never",
                                    NvidiaComGpu.NEVER),
                            Map.of()),
                    NvidiaComGpu.AUTO)
            .live()
            .describedAs(
                    "Whether GPUs are also described as `nvidia.com/gpu`, for `podman run --device nvidia.com/gpu=all`;"
                            + " `auto`: unless another file in `/etc/cdi` or the directory of CDI specs does.");

    static final Setting<List<Path>> CDI_LIBRARY_SEARCH_PATHS = own(
                    "cdi.librarySearchPaths", new AbsolutePaths(), List.of())
            .live()
            .describedAs(
                    "Directories below the driver root in which the driver's libraries are looked for, beside the usual"
                            + " ones and those in the loader's cache.");

    static final Setting<Boolean> CDI_CREATE_DEVICE_NODES = own("cdi.createDeviceNodes", SWITCH, true)
            .live()
            .describedAs(
                    "Whether device nodes that the driver has not made are made, those of MIG devices among them.");

    static final Setting<Boolean> CDI_DEV_CHAR_LINKS = own("cdi.devCharLinks", SWITCH, true)
            .live()
            .describedAs(
                    "Whether `/dev/char` is given a link to each device node, without which systemd takes a running"
                            + " container's GPUs away at `daemon-reload`.");

    static final Setting<ApiServer> KUBERNETES_API = own(
                    "kubernetes.api",
                    new Choice<>(ordered("auto", ApiServer.AUTO, "off", ApiServer.OFF), Map.of()),
                    ApiServer.AUTO)
            .describedAs(
                    "Whether the API server is used where there are credentials for it: a kubeconfig, the service account of a"
                            + " pod, or the kubelet's own.");

    static final Setting<String> KUBECONFIG = own("kubernetes.kubeconfig", PATH_OR_EMPTY, "")
            .flag("kubeconfig")
            .environment("KUBECONFIG")
            .defaultWords("the service account of the agent's own pod, else the kubelet's credentials")
            .describedAs("The kubeconfig that says where the API server is and who the agent is there.");

    static final Setting<Boolean> KUBERNETES_EVENTS = own("kubernetes.events", SWITCH, true)
            .describedAs("Whether what happens to driver, GPUs and allocations is told as events of the Node object.");

    static final Setting<Boolean> NODE_CONDITION = own("kubernetes.nodeCondition", SWITCH, false)
            .describedAs("Whether the Node object gets the condition `GpuHealthy`.");

    static final Setting<String> STARTUP_TAINT = own("kubernetes.startupTaint", new Text(Form.TAINT), "")
            .defaultWords("none")
            .describedAs(
                    "The key of a taint with which nodes are registered, such as `nvidia.com/gpu-not-ready`: the agent removes"
                            + " it once the node's GPUs are allocatable. Not with the kubelet's own credentials, which may not change taints.");

    static final Setting<Boolean> DELETE_REJECTED_PODS = own("kubernetes.deleteRejectedPods", SWITCH, false)
            .describedAs(
                    "Whether pods of the node that the kubelet has turned away because their GPUs were not there are deleted once they are, so that"
                            + " their controllers make them anew.");

    static final Setting<LabelOutput> LABEL_SINK = own(
                    "labels.sink", new Choice<>(labelOutputs(), Map.of()), LabelOutput.AUTO)
            .live()
            .describedAs("Where feature labels are written: node-feature-discovery's folder (`file`), an object that"
                    + " node-feature-discovery reads (`node-feature`), the Node object itself (`node`), or nowhere"
                    + " (`off`). `auto` takes the folder where there is one, else the object where the API server"
                    + " serves it, else the Node object.");

    static final Setting<Boolean> USE_NODE_FEATURE_API = setting("flags.useNodeFeatureAPI", SWITCH, true)
            .flag("use-node-feature-api")
            .environment("GFD_USE_NODE_FEATURE_API", "USE_NODE_FEATURE_API")
            .defaultWords("what `labels.sink` says")
            .live()
            .describedAs(
                    "GPU feature discovery's way to say `labels.sink`: `true` is `node-feature` and `false` is `file`."
                            + " Without effect where `labels.sink` is set.");

    static final Setting<String> LABEL_FILE = setting(
                    "flags.gfd.outputFile", PATH_OR_EMPTY, "/etc/kubernetes/node-feature-discovery/features.d/gfd")
            .flag("output-file", "output", "o")
            .environment("GFD_OUTPUT_FILE")
            .live()
            .describedAs(
                    "The file of feature labels, as the host sees it. Empty for none; `gpu-node-agent labels` writes to"
                            + " standard output.");

    static final Setting<String> MACHINE_TYPE_FILE = setting(
                    "flags.gfd.machineTypeFile", PATH_OR_EMPTY, "/sys/class/dmi/id/product_name")
            .flag("machine-type-file")
            .environment("GFD_MACHINE_TYPE_FILE")
            .live()
            .describedAs("Where the machine's type is read for the label `nvidia.com/gpu.machine`.");

    static final Setting<Boolean> NO_TIMESTAMP = setting("flags.gfd.noTimestamp", SWITCH, false)
            .flag("no-timestamp")
            .environment("GFD_NO_TIMESTAMP")
            .live()
            .describedAs(
                    "Whether the label `nvidia.com/gfd.timestamp` is left out: when the agent started or its labels were"
                            + " last configured.");

    static final Setting<Boolean> LABELS_PER_MODEL = own("labels.perModel", SWITCH, false)
            .live()
            .describedAs(
                    "Whether each GPU model has labels of its own, too: `nvidia.com/gpu-<model>.count` and so on.");

    static final Setting<Boolean> OPERATOR_LABELS = own("labels.operatorLabels", SWITCH, false)
            .live()
            .describedAs(
                    "Whether the node gets the labels that NVIDIA's GPU operator sets and other software waits for, such"
                            + " as `nvidia.com/gpu.present`. Not for nodes that the operator manages.");

    static final Setting<Boolean> LABELS_FORCE = own("labels.force", SWITCH, false)
            .describedAs(
                    "Whether labels that somebody else has set on the Node object to another value are taken from them. With"
                            + " `labels.sink: node` only.");

    static final Setting<String> LABEL_NAMESPACE = own("labels.namespace", new Text(Form.NAMESPACE), "")
            .flag("namespace")
            .environment("NAMESPACE")
            .defaultWords("that of the credentials for the API server, else `default`")
            .describedAs("The namespace of the object that `labels.sink: node-feature` writes.");

    static final Setting<Boolean> MIG_MANAGE = own("mig.manage", SWITCH, false)
            .describedAs("Whether the agent splits the node's GPUs as a layout wants it, which the node's label"
                    + " `nvidia.com/mig.config` names. Not beside NVIDIA's MIG manager.");

    static final Setting<String> MIG_LAYOUT = own("mig.layout", TEXT, "")
            .defaultWords("none: the GPUs stay as they are")
            .describedAs("The layout while the node has no label `nvidia.com/mig.config`, with `mig.manage`.");

    static final Setting<String> MIG_CONFIG_FILE = own("mig.configFile", PATH_OR_EMPTY, "")
            .defaultWords("the usual layouts, made from what the GPUs can be split into")
            .describedAs("mig-parted's configuration file with the layouts, with `mig.manage`.");

    static final Setting<MigWhileInUse> MIG_WHILE_IN_USE = own(
                    "mig.whileInUse",
                    new Choice<>(ordered("failed", MigWhileInUse.FAILED, "pending", MigWhileInUse.PENDING), Map.of()),
                    MigWhileInUse.FAILED)
            .describedAs(
                    "The state that the label `nvidia.com/mig.config.state` shows while a pod or a process uses a GPU that"
                            + " would have to change. It is waited for in either case.");

    static final Setting<List<FieldChoice>> METRICS_FIELDS = own(
                    "metrics.fields", new FieldChoices(), DefaultFields.choices())
            .defaultWords("the rows that are active in dcgm-exporter's default counters file")
            .live()
            .describedAs(
                    "The fields that `/metrics` shows, in either of DCGM's spellings; not beside `metrics.fieldsFile`.");

    static final Setting<String> METRICS_FIELDS_FILE = own("metrics.fieldsFile", PATH_OR_EMPTY, "")
            .flag("collectors", "-f")
            .environment("DCGM_EXPORTER_COLLECTORS")
            .live()
            .describedAs(
                    "A field file of dcgm-exporter (CSV) with the fields that `/metrics` shows, as the agent sees it. Where a file is named"
                            + " that the exporter brings along and that is not there, its fields are shown.");

    static final Setting<String> METRICS_CONFIG_MAP = own("metrics.configMap", new Text(Form.CONFIG_MAP), "")
            .flag("configmap-data", "-m")
            .environment("DCGM_EXPORTER_CONFIGMAP_DATA")
            .describedAs(
                    "A ConfigMap, as `namespace:name`, whose key `metrics` holds the text of a field file. It is read from the API"
                            + " server and wins over `metrics.fieldsFile`, which counts until it has been read.");

    static final Setting<Boolean> METRICS_LEAVE_OUT_UNAVAILABLE = own("metrics.leaveOutUnavailable", SWITCH, false)
            .live()
            .describedAs(
                    "Whether chosen fields that exist in DCGM and that NVML cannot give are left out with a notice, instead of"
                            + " being refused.");

    static final Setting<String> METRICS_EXPORTER_FILE = own("metrics.exporterFile", PATH_OR_EMPTY, "")
            .environment("DCGM_EXPORTER_CONFIG_FILE")
            .live()
            .describedAs(
                    "dcgm-exporter's own YAML file, version 1 or 2. What the agent's file says wins over it. `--config` takes such a file as"
                            + " well, in the place of the agent's.");

    static final Setting<EntitySelector> METRICS_DEVICES = own(
                    "metrics.devices", new EntitySelector.Type(), EntitySelector.FLEXIBLE)
            .flag("devices", "-d")
            .environment("DCGM_EXPORTER_DEVICES_STR")
            .live()
            .describedAs(
                    "Which GPUs and GPU instances have series, in dcgm-exporter's grammar: `f` for all; `g` for GPUs and `i` for GPU"
                            + " instances, each alone or with numbers (`g:0,2-4`), both with `+` between them. A GPU's number is its index; a GPU"
                            + " instance's is DCGM's, eight times the index of its GPU and its place on that.");

    static final Setting<HostnameLabel> METRICS_HOSTNAME = own(
                    "metrics.labels.hostname", new Choice<>(hostnameLabels(), Map.of()), HostnameLabel.HOSTNAME)
            .flag("no-hostname", Meaning.TRUE_IS_NONE)
            .flag("-n", Meaning.TRUE_IS_NONE)
            .environment("DCGM_EXPORTER_NO_HOSTNAME", Meaning.TRUE_IS_NONE)
            .live()
            .describedAs(
                    "The label of device metrics with the node's name. dcgm-exporter calls it `Hostname` up to release 4.8.2 and"
                            + " `hostname` since; `both` serves queries for either while they are changed.");

    static final Setting<Boolean> METRICS_OLD_NAMESPACE = own("metrics.labels.oldNamespace", SWITCH, false)
            .flag("use-old-namespace", "-o")
            .environment("DCGM_EXPORTER_USE_OLD_NAMESPACE")
            .live()
            .describedAs(
                    "Whether labels of device metrics have the names of dcgm-exporter's releases 1.x: `uuid`, `container_name`,"
                            + " `pod_namespace` and `pod_name`.");

    static final Setting<Boolean> METRICS_REPLACE_BLANKS = own("metrics.labels.replaceBlanksInModelName", SWITCH, false)
            .flag("replace-blanks-in-model-name", "-rbmn")
            .environment("DCGM_EXPORTER_REPLACE_BLANKS_IN_MODEL_NAME")
            .live()
            .describedAs("Whether blanks in the label `modelName` become dashes: `NVIDIA-H100-80GB-HBM3`.");

    static final Setting<Boolean> BOARD_VALUES_ON_INSTANCES = own("metrics.boardValuesOnInstances", SWITCH, false)
            .live()
            .describedAs(
                    "Whether the GPU instances of a split GPU repeat the values of its board, as those of dcgm-exporter do, instead of the GPU"
                            + " having them once. Sums over them are too high then.");

    static final Setting<Boolean> POD_ATTRIBUTION = own("metrics.podAttribution", SWITCH, true)
            .flag("kubernetes", "-k")
            .environment("DCGM_EXPORTER_KUBERNETES")
            .live()
            .describedAs("Whether GPU series carry the labels `container`, `namespace` and `pod` of their user.");

    static final Setting<Boolean> ATTRIBUTION_PROCESSES = own("attribution.processes", SWITCH, true)
            .live()
            .describedAs(
                    "Whether memory and utilisation of each GPU are also shown by container, from the driver's list of"
                            + " processes and their control groups.");

    static final Setting<Boolean> VIRTUAL_GPUS = own("attribution.virtualGpus", SWITCH, false)
            .flag("kubernetes-virtual-gpus")
            .environment("KUBERNETES_VIRTUAL_GPUS")
            .live()
            .describedAs(
                    "Whether the series of a device are repeated for each container that holds it, with the labels of that"
                            + " container, `pod_uid` and `vgpu`, as dcgm-exporter does for shared GPUs. Sums over devices count"
                            + " them more than once.");

    static final Setting<Boolean> POD_UID = own("attribution.podUid", SWITCH, false)
            .flag("kubernetes-enable-pod-uid")
            .environment("DCGM_EXPORTER_KUBERNETES_ENABLE_POD_UID")
            .live()
            .describedAs("Whether series that name a pod carry its UID in the label `pod_uid`.");

    static final Setting<Boolean> POD_LABELS = own("attribution.podLabels", SWITCH, false)
            .flag("kubernetes-enable-pod-labels")
            .environment("DCGM_EXPORTER_KUBERNETES_ENABLE_POD_LABELS")
            .describedAs(
                    "Whether series that name a pod carry its labels. The node's pods are watched at the API server for it.");

    static final Setting<List<String>> POD_LABEL_ALLOWLIST = own(
                    "attribution.podLabelAllowlist", new RegularExpressions(), List.of())
            .flag("kubernetes-pod-label-allowlist-regex")
            .environment("DCGM_EXPORTER_KUBERNETES_POD_LABEL_ALLOWLIST_REGEX")
            .defaultWords("all labels")
            .describedAs(
                    "Which labels of pods are carried, with `attribution.podLabels`: those in whose name one of the"
                            + " expressions is found.");

    static final Setting<Boolean> CLAIMS = own("attribution.claims", SWITCH, false)
            .flag("kubernetes-enable-dra")
            .environment("KUBERNETES_ENABLE_DRA")
            .live()
            .describedAs("Whether series of a device that a pod holds through a resource claim carry the labels"
                    + " `dra_claim_name` and so on. The pod itself is told in any case.");

    static final Setting<Set<String>> RESOURCE_NAMES = own("attribution.resourceNames", new ResourceNames(), Set.of())
            .flag("nvidia-resource-names")
            .environment("NVIDIA_RESOURCE_NAMES")
            .live()
            .describedAs(
                    "Extended resources whose devices are GPUs although neither their names nor the devices' ids show it,"
                            + " beside `nvidia.com/gpu…`, `nvidia.com/mig-…` and ids such as `GPU-…`.");

    static final Setting<String> JOB_DIRECTORY = own("attribution.jobDirectory", PATH_OR_EMPTY, "")
            .flag("hpc-job-mapping-dir")
            .environment("DCGM_HPC_JOB_MAPPING_DIR")
            .live()
            .describedAs(
                    "A directory, as the agent sees it, with a file for each GPU (`0`) or GPU instance (`0.3`) that holds a batch job's name a line;"
                            + " the series of the device are repeated for each with the label `hpc_job`.");

    static final Setting<Boolean> CONTAINERS = own("attribution.containers", SWITCH, false)
            .flag("container-labels")
            .environment("DCGM_EXPORTER_CONTAINER_LABELS")
            .live()
            .describedAs(
                    "Whether the containers of a runtime with Docker's API are asked for, which use GPUs outside of Kubernetes.");

    static final Setting<String> CONTAINER_SOCKET = own("attribution.containerSocket", PATH, "/var/run/docker.sock")
            .flag("container-runtime-socket")
            .environment("DCGM_CONTAINER_RUNTIME_SOCKET")
            .live()
            .describedAs("The unix socket of that API, as the agent sees it.");

    static final Setting<List<String>> HTTP_LISTEN = own("http.listen", new ListenAddresses(), List.of(":9400"))
            .flag("address", "-a")
            .environment("DCGM_EXPORTER_LISTEN")
            .describedAs("Where `/metrics`, `/healthz`, `/readyz`, `/state` and the status page are served.");

    static final Setting<Boolean> HTTP_SYSTEMD_SOCKET = own("http.systemdSocket", SWITCH, false)
            .flag("web-systemd-socket")
            .environment("DCGM_EXPORTER_SYSTEMD_SOCKET")
            .describedAs(
                    "Whether the sockets that systemd passes (`gpu-node-agent.socket`) are served instead of `http.listen`.");

    static final Setting<String> HTTP_LOCAL_SOCKET = own(
                    "http.localSocket", PATH_OR_EMPTY, "/run/gpu-node-agent/http.sock")
            .describedAs(
                    "Where `gpu-node-agent status` and other commands of this machine ask the agent when"
                            + " `http.webConfigFile` or `http.systemdSocket` is set: a unix socket that only the agent's user may use.");

    static final Setting<String> HTTP_WEB_CONFIG_FILE = own("http.webConfigFile", PATH_OR_EMPTY, "")
            .flag("web-config-file")
            .environment("DCGM_EXPORTER_WEB_CONFIG_FILE")
            .defaultWords("none: plain HTTP for everybody")
            .describedAs("The web configuration of Prometheus exporters: TLS, client certificates, users, headers."
                    + " It and the files that it names are read again when they change; see [http.md](http.md).");

    static final Setting<Duration> HTTP_READ_TIMEOUT = own(
                    "http.readTimeout", interval(Duration.ofSeconds(1), Duration.ofMinutes(10)), Duration.ofSeconds(10))
            .flag("web-read-timeout")
            .environment("DCGM_EXPORTER_WEB_READ_TIMEOUT")
            .live()
            .describedAs("How long a client may take to send a request, and for the handshake of TLS.");

    static final Setting<Duration> HTTP_WRITE_TIMEOUT = own(
                    "http.writeTimeout",
                    interval(Duration.ofSeconds(1), Duration.ofMinutes(10)),
                    Duration.ofSeconds(30))
            .flag("web-write-timeout")
            .environment("DCGM_EXPORTER_WEB_WRITE_TIMEOUT")
            .live()
            .describedAs("How long a client may take to receive an answer.");

    static final Setting<Integer> HTTP_MAX_CONCURRENT_SCRAPES = own(
                    "http.maxConcurrentScrapes", new WholeNumber(1, 1_000), 16)
            .flag("max-concurrent-scrapes")
            .environment("DCGM_EXPORTER_MAX_CONCURRENT_SCRAPES")
            .live()
            .describedAs(
                    "How many answers of `/metrics` may be on their way to clients at one time; a further scrape is"
                            + " answered with 503.");

    static final Setting<String> LOG_LEVEL = own("log.level", words("error", "warn", "info", "debug"), "info")
            .flag("debug", Meaning.TRUE_IS_DEBUG)
            .environment("DCGM_EXPORTER_DEBUG", Meaning.TRUE_IS_DEBUG)
            .live()
            .describedAs("The least bad level that is written to standard error.");

    static final Setting<String> EXPORTER_KEEP_AGE = ofExporter(
                    "watch-max-keep-age", TEXT, "", "DCGM_EXPORTER_WATCH_MAX_KEEP_AGE")
            .support(new NoEffect(ONE_SAMPLE))
            .describedAs("How long DCGM keeps samples.");

    static final Setting<Integer> EXPORTER_KEEP_SAMPLES = ofExporter(
                    "watch-max-keep-samples",
                    new WholeNumber(0, Integer.MAX_VALUE),
                    0,
                    "DCGM_EXPORTER_WATCH_MAX_KEEP_SAMPLES")
            .support(new NoEffect(ONE_SAMPLE))
            .describedAs("How many samples DCGM keeps.");

    static final Setting<Boolean> EXPORTER_METRICS = ofExporter(
                    "enable-exporter-metrics", SWITCH, false, "DCGM_EXPORTER_ENABLE_EXPORTER_METRICS")
            .support(new NoEffect(
                    "the agent always shows its own metrics, which have other names than those of a Go program"))
            .describedAs("Whether the exporter shows metrics of its own process.");

    static final Setting<Boolean> EXPORTER_BIND_WATCH = ofExporter(
                    "enable-gpu-bind-unbind-watch", SWITCH, false, "DCGM_EXPORTER_ENABLE_GPU_BIND_UNBIND_WATCH")
            .support(new NoEffect(GPUS_ARE_FOLLOWED))
            .describedAs("Whether GPUs that come and go are followed.");

    static final Setting<String> EXPORTER_BIND_INTERVAL = ofExporter(
                    "gpu-bind-unbind-poll-interval", TEXT, "", "DCGM_EXPORTER_GPU_BIND_UNBIND_POLL_INTERVAL")
            .support(new NoEffect(GPUS_ARE_FOLLOWED))
            .describedAs("How often is looked for GPUs that came and went.");

    /** Every setting, in the order of the reference. */
    public static final List<Setting<?>> ALL = withDriver(
            VERSION,
            STRICT,
            WATCH,
            DIRECTORY,
            DEFAULT_NAME,
            FALLBACKS,
            NODE_LABEL,
            SELECTION_FILE,
            DEVICE_LIST_STRATEGY,
            DEVICE_ID_STRATEGY,
            PASS_DEVICE_SPECS,
            CDI_ANNOTATION_PREFIX,
            RESOURCE_NAME,
            MIG_STRATEGY,
            ALLOCATION_POLICY,
            GDS,
            MOFED,
            GDRCOPY,
            DRIVER_ROOT,
            DEV_ROOT,
            CDI_HOOK_PATH,
            CDI_FEATURE_FLAGS,
            CDI_DISABLE_HOOKS,
            GPU_NAMES,
            MIG_NAMES,
            RENAME_BY_DEFAULT,
            FAIL_REQUESTS_GREATER_THAN_ONE,
            SHARED_RESOURCES,
            IMEX_CHANNELS,
            IMEX_REQUIRED,
            HOST_ROOT,
            NODE_NAME,
            NVML_LIBRARY,
            CALL_DEADLINE,
            RETRY_INTERVAL,
            SAMPLING_INTERVAL,
            PROFILING_INTERVAL,
            XID_WINDOW,
            CLOCK_EVENTS_WINDOW,
            HEALTH_XIDS,
            HEALTH_EVERY_XID,
            HEALTH_IGNORED_XIDS,
            HEALTH_COUNTED_XIDS,
            HEALTH_RECOVERY_INTERVAL,
            HEALTH_IGNORED_CHECKS,
            HEALTH_KERNEL_LOG,
            DEVICE_PLUGIN_DIRECTORY,
            POD_RESOURCES_SOCKET,
            REGISTRATION,
            CDI_DIRECTORY,
            CDI_HOOKS,
            CDI_NVIDIA_COM_GPU,
            CDI_LIBRARY_SEARCH_PATHS,
            CDI_CREATE_DEVICE_NODES,
            CDI_DEV_CHAR_LINKS,
            KUBERNETES_API,
            KUBECONFIG,
            KUBERNETES_EVENTS,
            NODE_CONDITION,
            STARTUP_TAINT,
            DELETE_REJECTED_PODS,
            LABEL_SINK,
            USE_NODE_FEATURE_API,
            LABEL_FILE,
            MACHINE_TYPE_FILE,
            NO_TIMESTAMP,
            LABELS_PER_MODEL,
            OPERATOR_LABELS,
            LABELS_FORCE,
            LABEL_NAMESPACE,
            MIG_MANAGE,
            MIG_LAYOUT,
            MIG_CONFIG_FILE,
            MIG_WHILE_IN_USE,
            METRICS_FIELDS,
            METRICS_FIELDS_FILE,
            METRICS_CONFIG_MAP,
            METRICS_LEAVE_OUT_UNAVAILABLE,
            METRICS_EXPORTER_FILE,
            METRICS_DEVICES,
            METRICS_HOSTNAME,
            METRICS_OLD_NAMESPACE,
            METRICS_REPLACE_BLANKS,
            BOARD_VALUES_ON_INSTANCES,
            POD_ATTRIBUTION,
            ATTRIBUTION_PROCESSES,
            VIRTUAL_GPUS,
            POD_UID,
            POD_LABELS,
            POD_LABEL_ALLOWLIST,
            CLAIMS,
            RESOURCE_NAMES,
            JOB_DIRECTORY,
            CONTAINERS,
            CONTAINER_SOCKET,
            HTTP_LISTEN,
            HTTP_SYSTEMD_SOCKET,
            HTTP_LOCAL_SOCKET,
            HTTP_WEB_CONFIG_FILE,
            HTTP_READ_TIMEOUT,
            HTTP_WRITE_TIMEOUT,
            HTTP_MAX_CONCURRENT_SCRAPES,
            LOG_LEVEL,
            setting("flags.kubernetesGpuIdType", words("uid", "device-name"), "uid")
                    .notInFile()
                    .flag("kubernetes-gpu-id-type")
                    .environment("DCGM_EXPORTER_KUBERNETES_GPU_ID_TYPE")
                    .support(new NoEffect("every form of a device's id is understood"))
                    .describedAs("What the device plugin calls a GPU."),
            setting("flags.deviceDiscoveryStrategy", words("auto", "nvml", "tegra", "vfio"), "auto")
                    .flag("device-discovery-strategy")
                    .environment("DEVICE_DISCOVERY_STRATEGY")
                    .support(new OnlyOff(Set.of("auto", "nvml"), "set it to auto or nvml; GPUs are found through NVML"))
                    .describedAs("How GPUs are found."),
            setting("flags.failOnInitError", SWITCH, true)
                    .flag("fail-on-init-error")
                    .environment("GFD_FAIL_ON_INIT_ERROR", "FAIL_ON_INIT_ERROR")
                    .support(new NoEffect(
                            "the agent waits for a driver that is not there yet, and says so in status and readiness"))
                    .describedAs("Whether a missing driver ends the process."),
            setting("flags.mpsRoot", TEXT, "")
                    .flag("mps-root")
                    .environment("MPS_ROOT")
                    .support(new NoEffect(NO_MPS))
                    .describedAs("Directory of the MPS control daemons."),
            setting("flags.plugin.containerDriverRoot", TEXT, "/driver-root")
                    .flag("driver-root-ctr-path", "container-driver-root")
                    .environment("DRIVER_ROOT_CTR_PATH", "CONTAINER_DRIVER_ROOT")
                    .support(new NoEffect("the driver root is looked for under host.root"))
                    .describedAs("Where the driver root is mounted in the container of the plugin."),
            setting("flags.gfd.oneshot", SWITCH, false)
                    .flag("oneshot")
                    .environment("GFD_ONESHOT")
                    .support(new NoEffect("the agent runs on; gpu-node-agent labels tells the labels once"))
                    .describedAs("Whether labels are written once."),
            setting("flags.gfd.sleepInterval", ANY_INTERVAL, Duration.ofSeconds(60))
                    .flag("sleep-interval")
                    .environment("GFD_SLEEP_INTERVAL")
                    .support(new NoEffect("labels are written when they change"))
                    .describedAs("From one writing of the labels to the next."),
            setting("flags.kubeAPIQPS", TEXT, "5")
                    .notInFile()
                    .flag("kube-api-qps")
                    .support(new NoEffect(FEW_REQUESTS))
                    .describedAs("Requests per second to the API server."),
            setting("flags.kubeAPIBurst", TEXT, "10")
                    .notInFile()
                    .flag("kube-api-burst")
                    .support(new NoEffect(FEW_REQUESTS))
                    .describedAs("Requests to the API server at once."),
            setting("flags.podName", TEXT, "")
                    .notInFile()
                    .flag("pod-name")
                    .support(new NoEffect("the NodeFeature object outlives the agent's pod"))
                    .describedAs("The pod to which the NodeFeature object belongs."),
            setting("sharing.mps.renameByDefault", SWITCH, false)
                    .support(new NoEffect(NO_MPS))
                    .describedAs("Whether shared GPUs get the name of a resource of their own."),
            setting("sharing.mps.failRequestsGreaterThanOne", SWITCH, true)
                    .support(new NoEffect(NO_MPS))
                    .describedAs("Whether a request for several shares is refused."),
            setting("sharing.mps.resources", new Blocks(), 0)
                    .support(onlyOff(
                            "",
                            "share through sharing.timeSlicing, or keep NVIDIA's device plugin on nodes that share through"
                                    + " MPS"))
                    .describedAs("What is shared through MPS, and in how many shares."),
            ofExporter("remote-hostengine-info", TEXT, "", "DCGM_REMOTE_HOSTENGINE_INFO")
                    .flag("-r")
                    .support(new NoEffect(
                            "there is no host engine: the agent asks NVML on its own node, and each node runs one"))
                    .describedAs("The host engine of DCGM that is asked."),
            ofExporter("fake-gpus", SWITCH, false, "DCGM_EXPORTER_USE_FAKE_GPUS")
                    .support(onlyOff(
                            "false", "leave it out; gpu-node-agent simulate is a node with GPUs that are not there"))
                    .describedAs("Whether DCGM's injected GPUs are shown."),
            ofExporter(
                            "switch-devices",
                            new EntitySelector.Type(),
                            EntitySelector.FLEXIBLE,
                            "DCGM_EXPORTER_OTHER_DEVICES_STR")
                    .flag("-s")
                    .support(new NoEffect(
                            "NVML knows no NVSwitches; the NVLinks of GPUs are shown as their fields are chosen"))
                    .describedAs("Which NVSwitches have series."),
            ofExporter(
                            "cpu-devices",
                            new EntitySelector.Type(),
                            EntitySelector.FLEXIBLE,
                            "DCGM_EXPORTER_CPU_DEVICES_STR")
                    .flag("-p")
                    .support(new NoEffect("NVML knows no CPUs; node-exporter shows them"))
                    .describedAs("Which CPUs have series."),
            EXPORTER_KEEP_AGE,
            EXPORTER_KEEP_SAMPLES,
            EXPORTER_METRICS,
            EXPORTER_BIND_WATCH,
            EXPORTER_BIND_INTERVAL,
            ofExporter("health-require-gpus", SWITCH, false, "DCGM_EXPORTER_HEALTH_REQUIRE_GPUS")
                    .support(new NoEffect(
                            "GPUs that come later are found without a restart, and /readyz says whether NVML answers"))
                    .describedAs("Whether /health fails where there are no GPUs."),
            ofExporter("log-format", words("text", "json"), "text", "DCGM_EXPORTER_LOG_FORMAT")
                    .support(new NoEffect("the log is lines of text with key=value pairs"))
                    .describedAs("The form of the log."),
            ofExporter("enable-dcgm-log", SWITCH, false, "DCGM_EXPORTER_ENABLE_DCGM_LOG")
                    .support(new NoEffect(NO_DCGM_LOG))
                    .describedAs("Whether DCGM's log is written."),
            ofExporter("dcgm-log-level", TEXT, "", "DCGM_EXPORTER_DCGM_LOG_LEVEL")
                    .support(new NoEffect(NO_DCGM_LOG))
                    .describedAs("The level of DCGM's log."),
            ofExporter("dump-enabled", SWITCH, false, "DCGM_EXPORTER_DUMP_ENABLED")
                    .support(new NoEffect(NO_DUMPS))
                    .describedAs("Whether dumps for debugging are written."),
            ofExporter("dump-directory", TEXT, "", "DCGM_EXPORTER_DUMP_DIRECTORY")
                    .support(new NoEffect(NO_DUMPS))
                    .describedAs("Where dumps are written."),
            ofExporter("dump-retention", TEXT, "", "DCGM_EXPORTER_DUMP_RETENTION")
                    .support(new NoEffect(NO_DUMPS))
                    .describedAs("How many hours dumps are kept."),
            ofExporter("dump-compression", SWITCH, true, "DCGM_EXPORTER_DUMP_COMPRESSION")
                    .support(new NoEffect(NO_DUMPS))
                    .describedAs("Whether dumps are compressed."),
            ofExporter("disable-startup-validate", SWITCH, false, "DISABLE_STARTUP_VALIDATE")
                    .support(new NoEffect("there is no DCGM whose files would be looked at"))
                    .describedAs("Whether DCGM's files are not looked at."),
            ofExporter("enable-pprof", SWITCH, false, "DCGM_EXPORTER_ENABLE_PPROF")
                    .support(new NoEffect("that is the profiler of Go programs; jcmd looks into the agent"))
                    .describedAs("Whether /debug/pprof/ is served."));

    private ConfigSchema() {}

    /** These, with those of the driver behind those of MIG. */
    private static List<Setting<?>> withDriver(Setting<?>... settings) {
        List<Setting<?>> all = new ArrayList<>(settings.length + DriverSettings.ALL.size());
        for (Setting<?> setting : settings) {
            all.add(setting);
            if (setting == MIG_WHILE_IN_USE) {
                all.addAll(DriverSettings.ALL);
            }
        }
        return Collections.unmodifiableList(all);
    }

    /** The names of the metric fields that are shown when nothing else is set. */
    public static List<String> defaultFields() {
        return DefaultFields.NAMES;
    }

    /** A flag of dcgm-exporter that the agent knows only to say what becomes of it. */
    private static <T> Setting.Builder<T> ofExporter(
            String flag, SettingType<T> type, T defaultValue, String variable) {
        return setting("exporter." + flag, type, defaultValue)
                .notInFile()
                .flag(flag)
                .environment(variable);
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

    private static <T> Map<String, T> ordered(
            String firstWord, T first, String secondWord, T second, String thirdWord, T third) {
        Map<String, T> map = ordered(firstWord, first, secondWord, second);
        map.put(thirdWord, third);
        return map;
    }

    private static Map<String, HostnameLabel> hostnameLabels() {
        Map<String, HostnameLabel> words = ordered(
                "hostname", HostnameLabel.HOSTNAME, "Hostname", HostnameLabel.CAPITAL, "both", HostnameLabel.BOTH);
        words.put("none", HostnameLabel.NONE);
        return words;
    }

    private static Map<String, LabelOutput> labelOutputs() {
        Map<String, LabelOutput> words = ordered("auto", LabelOutput.AUTO, "file", LabelOutput.FILE);
        words.put("node-feature", LabelOutput.NODE_FEATURE);
        words.put("node", LabelOutput.NODE);
        words.put("off", LabelOutput.OFF);
        return words;
    }

    private static Choices<DeviceListStrategy> deviceListStrategies() {
        Map<String, DeviceListStrategy> words = new LinkedHashMap<>();
        words.put("envvar", DeviceListStrategy.ENVVAR);
        words.put("volume-mounts", DeviceListStrategy.VOLUME_MOUNTS);
        words.put("cdi-annotations", DeviceListStrategy.CDI_ANNOTATIONS);
        words.put("cdi-cri", DeviceListStrategy.CDI_CRI);
        return new Choices<>(new Choice<>(words, Map.of()));
    }
}
