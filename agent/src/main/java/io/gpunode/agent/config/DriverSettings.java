package io.gpunode.agent.config;

import static io.gpunode.agent.config.Setting.own;

import io.gpunode.agent.config.AgentConfig.Driver;
import io.gpunode.agent.config.AgentConfig.Driver.DaemonKeeping;
import io.gpunode.agent.config.AgentConfig.Driver.DriverWhileInUse;
import io.gpunode.agent.config.AgentConfig.Driver.KernelModuleType;
import io.gpunode.agent.config.AgentConfig.Driver.SignatureHash;
import io.gpunode.agent.config.AgentConfig.Driver.SourceKind;
import io.gpunode.agent.config.AgentConfig.Driver.Use;
import io.gpunode.agent.config.SettingTypes.AbsolutePath;
import io.gpunode.agent.config.SettingTypes.Choice;
import io.gpunode.agent.config.SettingTypes.Choices;
import io.gpunode.agent.config.SettingTypes.Form;
import io.gpunode.agent.config.SettingTypes.Interval;
import io.gpunode.agent.config.SettingTypes.Text;
import io.gpunode.agent.config.SettingTypes.Texts;
import io.gpunode.agent.config.SettingTypes.TrueOrFalse;
import io.gpunode.agent.config.SettingTypes.WholeNumber;
import java.time.Duration;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** The rows of {@link ConfigSchema} below {@code driver}. */
final class DriverSettings {
    private static final TrueOrFalse SWITCH = new TrueOrFalse();
    private static final AbsolutePath PATH_OR_EMPTY = new AbsolutePath(true);
    private static final ModuleParameters PARAMETERS = new ModuleParameters();
    private static final int MOST_MEBIBYTES = 1 << 20;
    private static final int MOST_PERCENT = 100_000;

    private static final Map<String, String> MODULE_WORDS = words(Driver.UVM, Driver.MODESET, Driver.DRM);

    /** Where a driver that the agent brings is shown, and containers look for it. */
    static final String ATTACHED_ROOT = "/run/nvidia/driver";

    static final Setting<Boolean> MANAGE = own("driver.manage", SWITCH, false)
            .describedAs(
                    "Whether the agent brings the NVIDIA driver up when it starts and keeps it as the settings below want it."
                            + " Not beside the GPU Operator's driver container. Without it the agent takes the driver as it finds it.");

    static final Setting<SourceKind> SOURCE = own("driver.source", choice(SourceKind.values()), SourceKind.HOST)
            .describedAs(
                    "Where the driver comes from: what the distribution has installed, packages that the agent installs, NVIDIA's"
                            + " `.run` file, or an offline bundle.");

    static final Setting<String> VERSION = own("driver.version", new Text(Form.DRIVER_VERSION), "")
            .defaultWords("the version that the source has")
            .live()
            .describedAs("The wanted version, such as `580.95.05`, or a branch of it, such as `580`.");

    static final Setting<KernelModuleType> KERNEL_MODULE_TYPE = own(
                    "driver.kernelModuleType", choice(KernelModuleType.values()), KernelModuleType.AUTO)
            .live()
            .describedAs("Which kernel modules: `auto` takes the open ones where every GPU of the node has them.");

    static final Setting<Set<String>> MODULES = own(
                    "driver.modules",
                    new Choices<>(new Choice<>(MODULE_WORDS, Map.of()), true),
                    words(Driver.UVM, Driver.MODESET).keySet())
            .live()
            .describedAs("The kernel modules that are loaded beside `nvidia`, in the order that they need.");

    static final Setting<Use> PEERMEM = own("driver.peermem", use(), Use.OFF)
            .live()
            .describedAs(
                    "Whether `nvidia-peermem` is loaded (GPUDirect RDMA): `auto` where the node has a network card of NVIDIA.");

    static final Setting<Map<String, String>> NVIDIA_PARAMETERS = parameters("nvidia", Driver.NVIDIA);
    static final Setting<Map<String, String>> UVM_PARAMETERS = parameters("nvidiaUvm", Driver.UVM);
    static final Setting<Map<String, String>> MODESET_PARAMETERS = parameters("nvidiaModeset", Driver.MODESET);
    static final Setting<Map<String, String>> DRM_PARAMETERS = parameters("nvidiaDrm", Driver.DRM);
    static final Setting<Map<String, String>> PEERMEM_PARAMETERS = parameters("nvidiaPeermem", Driver.PEERMEM);

    static final Setting<List<String>> PACKAGE_NAMES = own(
                    "driver.package.names", new Texts(new Text(Form.PACKAGE)), List.of())
            .defaultWords("what the distribution calls them")
            .live()
            .describedAs("The packages that are installed for `driver.source: package`.");

    static final Setting<Boolean> PACKAGE_REFRESH = own("driver.package.refresh", SWITCH, true)
            .live()
            .describedAs("Whether the package manager reads its repositories' lists before it installs.");

    static final Setting<String> RUNFILE_FILE = own("driver.runfile.file", PATH_OR_EMPTY, "")
            .live()
            .describedAs("NVIDIA's `.run` file on the host, for `driver.source: runfile`.");

    static final Setting<String> RUNFILE_URL = own("driver.runfile.url", new Text(Form.URL), "")
            .live()
            .describedAs("Where the `.run` file is fetched from when `driver.runfile.file` names none.");

    static final Setting<String> RUNFILE_SHA256 = own("driver.runfile.sha256", new Text(Form.SHA256), "")
            .live()
            .describedAs("The file's SHA-256, 64 hexadecimal digits. A file from a URL needs it.");

    static final Setting<String> BUNDLE_PATH = own("driver.bundle.path", PATH_OR_EMPTY, "")
            .live()
            .describedAs("The offline bundle on the host, a directory or an archive, for `driver.source: bundle`.");

    static final Setting<String> BUNDLE_SHA256 = own("driver.bundle.sha256", new Text(Form.SHA256), "")
            .live()
            .describedAs(
                    "The SHA-256 of the bundle's archive, or of a directory's manifest; empty to trust what lies there.");

    static final Setting<Boolean> BUILD_COMPILE = own("driver.build.compile", SWITCH, true)
            .live()
            .describedAs("Whether kernel modules may be compiled on this node when none are there for its kernel.");

    static final Setting<Integer> BUILD_JOBS = own("driver.build.jobs", new WholeNumber(0, 1024), 0)
            .defaultWords("as many as the node has CPUs and the build has memory for")
            .live()
            .describedAs("How many compilers run at once; 0 for the default.");

    static final Setting<Integer> BUILD_MEMORY = own("driver.build.memory", new WholeNumber(0, MOST_MEBIBYTES), 0)
            .live()
            .describedAs("How much memory a build may take, in MiB; 0 for no limit.");

    static final Setting<Integer> BUILD_CPU = own("driver.build.cpu", new WholeNumber(0, MOST_PERCENT), 0)
            .live()
            .describedAs("How much of the CPUs a build may take, in percent of one; 0 for no limit.");

    static final Setting<Duration> BUILD_TIME_LIMIT = own(
                    "driver.build.timeLimit",
                    new Interval(Duration.ofMinutes(1), Duration.ofHours(12), false),
                    Duration.ofHours(1))
            .live()
            .describedAs("After which a build is ended.");

    static final Setting<String> BUILD_HEADERS = own("driver.build.headers", PATH_OR_EMPTY, "")
            .defaultWords("those of the kernel, wherever the distribution has them")
            .live()
            .describedAs("The kernel's headers on the host; `%k` in it stands for the kernel's release.");

    static final Setting<String> SIGNING_KEY = own("driver.signing.key", PATH_OR_EMPTY, "")
            .live()
            .describedAs("The private key (PEM) that built modules are signed with; empty to leave them unsigned.");

    static final Setting<String> SIGNING_CERTIFICATE = own("driver.signing.certificate", PATH_OR_EMPTY, "")
            .live()
            .describedAs(
                    "The key's certificate (PEM or DER), which the kernel has to trust where it enforces signatures.");

    static final Setting<SignatureHash> SIGNING_HASH = own(
                    "driver.signing.hash", choice(SignatureHash.values()), SignatureHash.AUTO)
            .live()
            .describedAs("The digest of signatures: `auto` takes the kernel's.");

    static final Setting<String> FIRMWARE_PATH = own("driver.firmwarePath", PATH_OR_EMPTY, "")
            .defaultWords("the driver's own directory, where it is not one that the kernel searches")
            .live()
            .describedAs("Where the kernel looks for the GPUs' firmware.");

    static final Setting<Use> PERSISTENCED = own("driver.persistenced", use(), Use.AUTO)
            .describedAs("Whether `nvidia-persistenced` runs: `auto` where the driver has it.");

    static final Setting<Boolean> PERSISTENCE_MODE = own("driver.persistenceMode", SWITCH, true)
            .describedAs("Whether `nvidia-persistenced` keeps the GPUs initialised while nobody uses them.");

    static final Setting<Use> FABRIC_MANAGER = own("driver.fabricManager", use(), Use.AUTO)
            .describedAs(
                    "Whether the fabric manager runs, with NVLink's subnet manager where it needs it: `auto` where the node has"
                            + " NVSwitches.");

    static final Setting<Use> IMEX = own("driver.imex", use(), Use.OFF)
            .describedAs("Whether `nvidia-imex` runs: `auto` where `/etc/nvidia-imex/nodes_config.cfg` is there.");

    static final Setting<DaemonKeeping> DAEMON_KEEPING = own(
                    "driver.daemonKeeping", choice(DaemonKeeping.values()), DaemonKeeping.AUTO)
            .describedAs(
                    "Who starts the driver's daemons: their systemd units, the agent as its children, which outlive it, or `auto`: the"
                            + " unit where the distribution has installed and enabled it.");

    static final Setting<Boolean> ROOT_ATTACH = own("driver.root.attach", SWITCH, true)
            .describedAs(
                    "Whether `/run/nvidia/driver` shows the driver's files, as NVIDIA's container toolkit and other parts look for"
                            + " them. A driver of another `driver.source` than `host` is found nowhere else.");

    static final Setting<Boolean> ROOT_VALIDATOR_FILES = own("driver.root.validatorFiles", SWITCH, true)
            .describedAs(
                    "Whether the files in `/run/nvidia/validations` that other parts of the GPU Operator wait for are written.");

    static final Setting<String> ROOT_WRAPPERS = own("driver.root.wrappers", PATH_OR_EMPTY, "")
            .describedAs(
                    "A directory of the host where `nvidia-smi` and its like are made callable while the driver's files lie apart;"
                            + " empty for none.");

    static final Setting<DriverWhileInUse> WHILE_IN_USE = own(
                    "driver.whileInUse", choice(DriverWhileInUse.values()), DriverWhileInUse.REFUSE)
            .live()
            .describedAs(
                    "What happens when the driver must go and somebody uses it: nothing, or the node is cordoned and its GPU pods are"
                            + " evicted first. Other processes are never ended.");

    static final Setting<Boolean> UPGRADE_AUTOMATIC = own("driver.upgrade.automatic", SWITCH, false)
            .live()
            .describedAs(
                    "Whether a running driver that is not the wanted one is exchanged by itself. Without it the difference is told,"
                            + " and `gpu-node-agent driver upgrade` exchanges it.");

    static final Setting<Duration> UPGRADE_DRAIN_LIMIT = own(
                    "driver.upgrade.drainLimit",
                    new Interval(Duration.ofSeconds(1), Duration.ofDays(1), false),
                    Duration.ofMinutes(5))
            .live()
            .describedAs("How long GPU pods may take to go.");

    static final Setting<Boolean> UPGRADE_DELETE_EMPTY_DIR = own("driver.upgrade.deleteEmptyDirData", SWITCH, false)
            .live()
            .describedAs("Whether pods are evicted although their `emptyDir` volumes on disk are lost.");

    static final Setting<Integer> UPGRADE_SLOTS = own("driver.upgrade.slots", new WholeNumber(0, 1_000), 0)
            .live()
            .describedAs(
                    "How many nodes of the cluster may exchange their drivers at once; 0 for any number. Needs an account that may write Leases: a"
                            + " kubelet's may not.");

    static final Setting<String> UPGRADE_SLOT_NAMESPACE = own(
                    "driver.upgrade.slotNamespace", new Text(Form.NAMESPACE), "kube-system")
            .live()
            .describedAs("The namespace of the Leases that `driver.upgrade.slots` makes; the same on all nodes.");

    static final Setting<Boolean> UPGRADE_STATE_LABEL = own("driver.upgrade.stateLabel", SWITCH, false)
            .live()
            .describedAs(
                    "Whether the node's label `nvidia.com/gpu-driver-upgrade-state` tells how the exchange of its driver stands, in the words of NVIDIA's"
                            + " operator.");

    static final Setting<Integer> STORE_KEEP = own("driver.store.keep", new WholeNumber(1, 100), 2)
            .live()
            .describedAs("How many drivers the store keeps beside the one that runs and the one before it.");

    static final Setting<Duration> LIMIT_STALL = limit("stall", Duration.ofMinutes(2))
            .live()
            .describedAs("How long fetching and unpacking may make no progress.");

    static final Setting<Duration> LIMIT_LOAD = limit("load", Duration.ofMinutes(2))
            .live()
            .describedAs(
                    "How long one kernel module may take to load; with `nvidia` that is the initialisation of the GPUs.");

    static final Setting<Duration> LIMIT_UNLOAD =
            limit("unload", Duration.ofMinutes(1)).live().describedAs("How long one kernel module may take to go.");

    static final Setting<Duration> LIMIT_DAEMON =
            limit("daemon", Duration.ofMinutes(2)).live().describedAs("How long a daemon may take until it is ready.");

    static final Setting<Duration> LIMIT_STOP = limit("stop", Duration.ofSeconds(15))
            .live()
            .describedAs("How long a daemon may take to end before it is killed.");

    static final List<Setting<?>> ALL = List.of(
            MANAGE,
            SOURCE,
            VERSION,
            KERNEL_MODULE_TYPE,
            MODULES,
            PEERMEM,
            NVIDIA_PARAMETERS,
            UVM_PARAMETERS,
            MODESET_PARAMETERS,
            DRM_PARAMETERS,
            PEERMEM_PARAMETERS,
            PACKAGE_NAMES,
            PACKAGE_REFRESH,
            RUNFILE_FILE,
            RUNFILE_URL,
            RUNFILE_SHA256,
            BUNDLE_PATH,
            BUNDLE_SHA256,
            BUILD_COMPILE,
            BUILD_JOBS,
            BUILD_MEMORY,
            BUILD_CPU,
            BUILD_TIME_LIMIT,
            BUILD_HEADERS,
            SIGNING_KEY,
            SIGNING_CERTIFICATE,
            SIGNING_HASH,
            FIRMWARE_PATH,
            PERSISTENCED,
            PERSISTENCE_MODE,
            FABRIC_MANAGER,
            IMEX,
            DAEMON_KEEPING,
            ROOT_ATTACH,
            ROOT_VALIDATOR_FILES,
            ROOT_WRAPPERS,
            WHILE_IN_USE,
            UPGRADE_AUTOMATIC,
            UPGRADE_DRAIN_LIMIT,
            UPGRADE_DELETE_EMPTY_DIR,
            UPGRADE_SLOTS,
            UPGRADE_SLOT_NAMESPACE,
            UPGRADE_STATE_LABEL,
            STORE_KEEP,
            LIMIT_STALL,
            LIMIT_LOAD,
            LIMIT_UNLOAD,
            LIMIT_DAEMON,
            LIMIT_STOP);

    private DriverSettings() {}

    static Driver assemble(SettingValues values) {
        return new Driver(
                values.get(MANAGE),
                values.get(SOURCE),
                values.get(VERSION),
                values.get(KERNEL_MODULE_TYPE),
                new Driver.Modules(
                        values.get(MODULES), values.get(PEERMEM), parameters(values), values.get(FIRMWARE_PATH)),
                new Driver.Packages(values.get(PACKAGE_NAMES), values.get(PACKAGE_REFRESH)),
                new Driver.Runfile(values.get(RUNFILE_FILE), values.get(RUNFILE_URL), values.get(RUNFILE_SHA256)),
                new Driver.Bundle(values.get(BUNDLE_PATH), values.get(BUNDLE_SHA256)),
                new Driver.Build(
                        values.get(BUILD_COMPILE),
                        values.get(BUILD_JOBS),
                        values.get(BUILD_MEMORY),
                        values.get(BUILD_CPU),
                        values.get(BUILD_TIME_LIMIT),
                        values.get(BUILD_HEADERS)),
                new Driver.Signing(values.get(SIGNING_KEY), values.get(SIGNING_CERTIFICATE), values.get(SIGNING_HASH)),
                new Driver.Daemons(
                        values.get(PERSISTENCED),
                        values.get(PERSISTENCE_MODE),
                        values.get(FABRIC_MANAGER),
                        values.get(IMEX),
                        values.get(DAEMON_KEEPING)),
                new Driver.Root(values.get(ROOT_ATTACH), values.get(ROOT_VALIDATOR_FILES), values.get(ROOT_WRAPPERS)),
                new Driver.Change(
                        values.get(WHILE_IN_USE),
                        values.get(UPGRADE_AUTOMATIC),
                        values.get(UPGRADE_DRAIN_LIMIT),
                        values.get(UPGRADE_DELETE_EMPTY_DIR),
                        values.get(UPGRADE_SLOTS),
                        values.get(UPGRADE_SLOT_NAMESPACE),
                        values.get(UPGRADE_STATE_LABEL)),
                values.get(STORE_KEEP),
                new Driver.Limits(
                        values.get(LIMIT_STALL),
                        values.get(LIMIT_LOAD),
                        values.get(LIMIT_UNLOAD),
                        values.get(LIMIT_DAEMON),
                        values.get(LIMIT_STOP)));
    }

    private static Map<String, Map<String, String>> parameters(SettingValues values) {
        Map<String, Map<String, String>> all = new LinkedHashMap<>();
        put(all, Driver.NVIDIA, values.get(NVIDIA_PARAMETERS));
        put(all, Driver.UVM, values.get(UVM_PARAMETERS));
        put(all, Driver.MODESET, values.get(MODESET_PARAMETERS));
        put(all, Driver.DRM, values.get(DRM_PARAMETERS));
        put(all, Driver.PEERMEM, values.get(PEERMEM_PARAMETERS));
        return all;
    }

    private static void put(Map<String, Map<String, String>> all, String module, Map<String, String> parameters) {
        if (!parameters.isEmpty()) {
            all.put(module, parameters);
        }
    }

    private static Setting<Map<String, String>> parameters(String key, String module) {
        return own("driver.parameters." + key, PARAMETERS, Map.of())
                .live()
                .describedAs("Parameters of the kernel module `" + module + "`.");
    }

    private static Setting.Builder<Duration> limit(String key, Duration byDefault) {
        return own("driver.limits." + key, new Interval(Duration.ofSeconds(1), Duration.ofHours(1), false), byDefault);
    }

    private static Map<String, String> words(String... words) {
        Map<String, String> map = new LinkedHashMap<>();
        for (String word : words) {
            map.put(word, word);
        }
        return Collections.unmodifiableMap(map);
    }

    private static Choice<Use> use() {
        return choice(Use.values());
    }

    /** The constants' names in lower case, in their order. */
    @SafeVarargs
    private static <T extends Enum<T>> Choice<T> choice(T... values) {
        Map<String, T> words = new LinkedHashMap<>();
        for (T value : values) {
            words.put(value.name().toLowerCase(Locale.ROOT), value);
        }
        return new Choice<>(words, Map.of());
    }
}
