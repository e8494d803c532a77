package io.gpunode.agent.config;

import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.MigDevice;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The effective configuration: immutable, complete, checked. The YAML file is a superset of the device plugin's version {@code v1} file; each
 * record below is one block of it and each component one key. {@code ConfigSchema} holds the key's YAML path, flag, environment variable,
 * default and text; the loader fills these records and keeps where each value came from.
 *
 * @param watch {@code config.watch}: whether a change of the files it came from is read by itself
 * @param plugin {@code flags} and {@code flags.plugin}: what the device plugin serves
 * @param resources {@code resources}: names by product and by MIG profile
 * @param sharing {@code sharing}: what several containers may hold at once
 * @param imex {@code imex}: channels between nodes
 * @param host {@code host}: where the host's files are
 * @param nvml {@code nvml}: library and deadlines
 * @param sampling {@code sampling}: how often the picture is refreshed
 * @param health {@code health}: which XIDs count and how a GPU comes back
 * @param kubelet {@code kubelet}: its sockets
 * @param cdi {@code cdi}: where specs are written, and with which hooks
 * @param kubernetes {@code kubernetes}: the API server
 * @param labels {@code labels}: the node's feature labels
 * @param mig {@code mig}: how the GPUs are to be split
 * @param driver {@code driver}: which NVIDIA driver the node is to run, and how it comes there
 * @param metrics {@code metrics}: what {@code /metrics} shows
 * @param attribution {@code attribution}: who uses the GPUs, as far as metrics tell
 * @param http {@code http}: the listener of {@code /metrics}, {@code /healthz}, {@code /readyz}, {@code /state} and the status page
 * @param log {@code log}: how much is written to standard error
 */
public record AgentConfig(
        boolean watch,
        Plugin plugin,
        Resources resources,
        Sharing sharing,
        Imex imex,
        Host host,
        Nvml nvml,
        Sampling sampling,
        Health health,
        Kubelet kubelet,
        Cdi cdi,
        Kubernetes kubernetes,
        Labels labels,
        Mig mig,
        Driver driver,
        Metrics metrics,
        Attribution attribution,
        Http http,
        Log log) {

    /**
     * @param deviceListStrategies {@code flags.plugin.deviceListStrategy}
     * @param deviceIdStrategy {@code flags.plugin.deviceIDStrategy}
     * @param passDeviceSpecs {@code flags.plugin.passDeviceSpecs}
     * @param driverRoot {@code flags.nvidiaDriverRoot}: the driver installation as the host sees it
     * @param devRoot {@code flags.nvidiaDevRoot}: root of the device nodes as the host sees it; the driver root when not given
     * @param cdiAnnotationPrefix {@code flags.plugin.cdiAnnotationPrefix}
     * @param resourceName the extended resource of full GPUs, {@code nvidia.com/gpu}
     * @param migStrategy {@code flags.migStrategy}
     * @param gds {@code flags.gdsEnabled}: containers are given GPUDirect Storage
     * @param mofed {@code flags.mofedEnabled}: containers are given InfiniBand devices
     * @param gdrcopy {@code flags.gdrcopyEnabled}: containers are given GDRCopy
     * @param allocationPolicy {@code flags.plugin.sharedDevicesAllocationPolicy}
     */
    public record Plugin(
            Set<DeviceListStrategy> deviceListStrategies,
            DeviceIdStrategy deviceIdStrategy,
            boolean passDeviceSpecs,
            Path driverRoot,
            Path devRoot,
            String cdiAnnotationPrefix,
            String resourceName,
            MigStrategy migStrategy,
            boolean gds,
            boolean mofed,
            boolean gdrcopy,
            AllocationPolicy allocationPolicy) {}

    /** How MIG devices are offered; the texts are {@code none}, {@code single}, {@code mixed}. */
    public enum MigStrategy {
        NONE,
        SINGLE,
        MIXED
    }

    /** How shares and MIG devices are placed; the texts are {@code distributed} and {@code packed}. */
    public enum AllocationPolicy {
        DISTRIBUTED,
        PACKED
    }

    /**
     * The first pattern that fits names the resource; what fits none has its default name.
     *
     * @param gpus {@code resources.gpus}: by product name
     * @param mig {@code resources.mig}: by MIG profile
     */
    public record Resources(List<NamePattern> gpus, List<NamePattern> mig) {
        /** No pattern. */
        public static final Resources NONE = new Resources(List.of(), List.of());

        public Resources {
            gpus = List.copyOf(gpus);
            mig = List.copyOf(mig);
        }
    }

    /**
     * @param pattern with {@code *} for any text; must fit the whole
     * @param name the extended resource, with its prefix
     */
    public record NamePattern(String pattern, String name) {
        /** Whether it fits a whole text. */
        public boolean fits(String text) {
            int inPattern = 0;
            int inText = 0;
            int star = -1;
            int afterStar = 0;
            while (inText < text.length()) {
                if (inPattern < pattern.length() && pattern.charAt(inPattern) == '*') {
                    star = inPattern++;
                    afterStar = inText;
                } else if (inPattern < pattern.length() && pattern.charAt(inPattern) == text.charAt(inText)) {
                    inPattern++;
                    inText++;
                } else if (star >= 0) {
                    // The last star takes one character more.
                    inPattern = star + 1;
                    inText = ++afterStar;
                } else {
                    return false;
                }
            }
            while (inPattern < pattern.length() && pattern.charAt(inPattern) == '*') {
                inPattern++;
            }
            return inPattern == pattern.length();
        }
    }

    /** @param timeSlicing {@code sharing.timeSlicing} */
    public record Sharing(TimeSlicing timeSlicing) {
        /** Nothing is shared. */
        public static final Sharing NONE = new Sharing(new TimeSlicing(false, false, List.of()));
    }

    /**
     * @param renameByDefault whether shares of {@code name} are offered as {@code name.shared}
     * @param failRequestsGreaterThanOne whether a container that asks for several shares is refused
     * @param resources what is shared; each name once
     */
    public record TimeSlicing(
            boolean renameByDefault, boolean failRequestsGreaterThanOne, List<SharedResource> resources) {
        public TimeSlicing {
            resources = List.copyOf(resources);
        }
    }

    /**
     * @param name the resource whose devices are shared, with its prefix
     * @param rename under which name the shares are offered; empty for the default
     * @param devices which of its devices
     * @param replicas shares of each, 2 or more
     */
    public record SharedResource(String name, String rename, DeviceSelection devices, int replicas) {}

    /** Which devices of a resource are shared. */
    public sealed interface DeviceSelection {
        /** Every one. */
        record All() implements DeviceSelection {
            public static final All INSTANCE = new All();
        }

        /** The first {@code count} in PCI order, 1 or more. */
        record First(int count) implements DeviceSelection {}

        /** Those that are named. */
        record Named(List<DeviceReference> devices) implements DeviceSelection {
            public Named {
                devices = List.copyOf(devices);
            }
        }
    }

    /** One device in a selection. */
    public sealed interface DeviceReference {
        /** {@code 3}: the GPU with this NVML index. */
        record Index(int gpu) implements DeviceReference {}

        /** {@code 3:1}: a MIG device by its GPU's index and its own. */
        record MigIndex(int gpu, int device) implements DeviceReference {}

        /** {@code GPU-…} or {@code MIG-…}. */
        record Uuid(String uuid) implements DeviceReference {}

        /** {@code MIG-GPU-…/7/0}, the name of a MIG device before driver 470. */
        record Instance(String gpuUuid, int gpuInstance, int computeInstance) implements DeviceReference {}

        /**
         * Whether it means this device.
         *
         * @param mig null for the whole GPU
         */
        default boolean names(Gpu whole, @Nullable MigDevice mig) {
            return switch (this) {
                case Index(int gpu) -> mig == null && whole.index() == gpu;
                case MigIndex(int gpu, int device) -> mig != null && whole.index() == gpu && mig.index() == device;
                case Uuid(String uuid) ->
                    (mig == null ? whole.id() : mig.id()).uuid().equals(uuid);
                case Instance(String gpuUuid, int gpuInstance, int computeInstance) ->
                    mig != null
                            && whole.id().uuid().equals(gpuUuid)
                            && mig.gpuInstanceId() == gpuInstance
                            && mig.computeInstanceId() == computeInstance;
            };
        }
    }

    /**
     * @param channels {@code imex.channelIDs}: none, or channel 0
     * @param required {@code imex.required}: whether GPUs are withheld while a channel's node is missing
     */
    public record Imex(List<Integer> channels, boolean required) {
        /** No channel. */
        public static final Imex NONE = new Imex(List.of(), false);

        public Imex {
            channels = List.copyOf(channels);
        }
    }

    /**
     * How a container is told which GPUs it holds; the texts are {@code envvar}, {@code volume-mounts}, {@code cdi-annotations},
     * {@code cdi-cri}.
     */
    public enum DeviceListStrategy {
        ENVVAR,
        VOLUME_MOUNTS,
        CDI_ANNOTATIONS,
        CDI_CRI
    }

    /** What names a GPU towards the container runtime; the texts are {@code uuid} and {@code index}. */
    public enum DeviceIdStrategy {
        UUID,
        INDEX
    }

    /**
     * @param root {@code host.root}: where this process sees the host's file system; {@code /} outside a container
     * @param nodeName {@code host.nodeName}: the node's name in labels; NODE_NAME or the host name when not given
     */
    public record Host(Path root, String nodeName) {}

    /**
     * @param library {@code nvml.library}: absolute path of {@code libnvidia-ml.so.1}; empty to search under the driver root
     * @param callDeadline {@code nvml.callDeadline}: after it a GPU whose call has not returned is unresponsive
     * @param retryInterval {@code nvml.retryInterval}: how often a library or driver that is not there yet is looked for
     */
    public record Nvml(String library, Duration callDeadline, Duration retryInterval) {}

    /**
     * @param interval {@code sampling.interval}: from one sampling of all GPUs to the next
     * @param profilingInterval {@code sampling.profilingInterval}: the time over which profiling averages
     * @param xidWindow {@code sampling.xidWindow}: the window in which XIDs are counted
     * @param clockEventsWindow {@code sampling.clockEventsWindow}: the window in which clock events are counted
     */
    public record Sampling(
            Duration interval, Duration profilingInterval, Duration xidWindow, Duration clockEventsWindow) {}

    /**
     * @param xids {@code health.xids}: whether XIDs make a GPU unhealthy at all ({@code DP_DISABLE_HEALTHCHECKS=all|xids} turns it off)
     * @param everyXid {@code health.everyXid}: every XID counts, also those on the ignore lists ({@code DP_ENABLE_HEALTHCHECKS=all})
     * @param ignoredXids {@code health.ignoredXids}: added to the built-in list of application errors
     * @param countedXids {@code health.countedXids}: count although ignored ({@code DP_ENABLE_HEALTHCHECKS})
     * @param recoveryInterval {@code health.recoveryInterval}: how long a GPU must be free of new errors, answer all calls and need no
     *     recovery action before it is healthy again
     * @param ignoredChecks {@code health.ignoredChecks}: checks whose findings are remarks only
     * @param kernelLog {@code health.kernelLog}: whether the kernel's log is read as a second witness
     */
    public record Health(
            boolean xids,
            boolean everyXid,
            Set<Long> ignoredXids,
            Set<Long> countedXids,
            Duration recoveryInterval,
            Set<String> ignoredChecks,
            boolean kernelLog) {}

    /**
     * @param devicePluginDirectory {@code kubelet.devicePluginDirectory}
     * @param podResourcesSocket {@code kubelet.podResourcesSocket}
     * @param registration {@code kubelet.registration}
     */
    public record Kubelet(Path devicePluginDirectory, Path podResourcesSocket, RegistrationWay registration) {
        /** Characters of a resource's name that stand in the name of its socket. */
        public static final int LONGEST_RESOURCE_IN_SOCKET = 32;

        /** Where the device plugin makes its sockets. */
        public Path socketDirectory() {
            return registration == RegistrationWay.PLUGINS_REGISTRY ? pluginsRegistry() : devicePluginDirectory;
        }

        /** The registration socket. */
        public Path socket() {
            return devicePluginDirectory.resolve("kubelet.sock");
        }

        /** Where a kubelet finds the sockets of plugins that do not call it: beside the device plugin directory. */
        public Path pluginsRegistry() {
            return devicePluginDirectory.resolveSibling("plugins_registry");
        }
    }

    /** How the kubelet learns of the device plugin; the texts are {@code socket} and {@code plugins-registry}. */
    public enum RegistrationWay {
        SOCKET,
        PLUGINS_REGISTRY
    }

    /**
     * @param directory {@code cdi.directory}: where specs are written, {@code /var/run/cdi}
     * @param hooks {@code cdi.hooks}
     * @param hookPath {@code flags.plugin.nvidiaCTKPath}: the program that hooks run, as the host sees it
     * @param featureFlags {@code flags.plugin.cdiFeatureFlags}: switches of NVIDIA's generator, as they were written
     * @param disabledHooks {@code flags.plugin.cdiDisableHooks}: names of hooks, or {@code all}
     * @param nvidiaComGpu {@code cdi.nvidiaComGpu}
     * @param librarySearchPaths {@code cdi.librarySearchPaths}: directories below the driver root
     * @param createDeviceNodes {@code cdi.createDeviceNodes}: whether nodes that the driver has not made are made
     * @param devCharLinks {@code cdi.devCharLinks}: whether {@code /dev/char} has a link to each node
     */
    public record Cdi(
            Path directory,
            CdiHooks hooks,
            Path hookPath,
            Set<String> featureFlags,
            Set<String> disabledHooks,
            NvidiaComGpu nvidiaComGpu,
            List<Path> librarySearchPaths,
            boolean createDeviceNodes,
            boolean devCharLinks) {
        public Cdi {
            librarySearchPaths = List.copyOf(librarySearchPaths);
        }
    }

    /** Whether {@code nvidia.com/gpu} is described, too; the texts are {@code auto}, {@code always} and {@code never}. */
    public enum NvidiaComGpu {
        AUTO,
        ALWAYS,
        NEVER
    }

    /** Whether specs name NVIDIA's hook program; the texts are {@code none} and {@code nvidia}. */
    public enum CdiHooks {
        NONE,
        NVIDIA
    }

    /**
     * @param api {@code kubernetes.api}
     * @param kubeconfig {@code kubernetes.kubeconfig}: absolute path, or empty to look for a service account or a kubelet's
     * @param events {@code kubernetes.events}: whether findings are told as events of the Node object
     * @param nodeCondition {@code kubernetes.nodeCondition}: whether the Node object gets the condition {@code GpuHealthy}
     * @param startupTaint {@code kubernetes.startupTaint}: key of the taint that goes when the GPUs are allocatable; empty for none
     * @param deleteRejectedPods {@code kubernetes.deleteRejectedPods}: whether pods that the kubelet turned away for want of GPUs are deleted
     */
    public record Kubernetes(
            ApiServer api,
            String kubeconfig,
            boolean events,
            boolean nodeCondition,
            String startupTaint,
            boolean deleteRejectedPods) {}

    /** Whether the API server is used where there are credentials for it; the texts are {@code auto} and {@code off}. */
    public enum ApiServer {
        AUTO,
        OFF
    }

    /**
     * @param sink {@code labels.sink}
     * @param outputFile {@code flags.gfd.outputFile}: absolute path as the host sees it, or empty for no file
     * @param machineTypeFile {@code flags.gfd.machineTypeFile}: absolute path as the host sees it, or empty for no machine type
     * @param timestamp whether the labels say since when they are made; the opposite of {@code flags.gfd.noTimestamp}
     * @param perModel {@code labels.perModel}: whether each GPU model has labels of its own, too
     * @param operatorLabels {@code labels.operatorLabels}: whether labels of NVIDIA's operator are written, too
     * @param force {@code labels.force}: whether labels of the Node object are taken from whoever else manages them
     * @param namespace {@code labels.namespace}: of the NodeFeature object; empty for that of the credentials
     */
    public record Labels(
            LabelOutput sink,
            String outputFile,
            String machineTypeFile,
            boolean timestamp,
            boolean perModel,
            boolean operatorLabels,
            boolean force,
            String namespace) {}

    /** Where labels are written; the texts are {@code auto}, {@code file}, {@code node-feature}, {@code node} and {@code off}. */
    public enum LabelOutput {
        AUTO,
        FILE,
        NODE_FEATURE,
        NODE,
        OFF
    }

    /**
     * @param manage {@code mig.manage}: whether the agent splits the GPUs itself
     * @param layout {@code mig.layout}: the wanted layout's name where no label names one; empty for none
     * @param configFile {@code mig.configFile}: of mig-parted, absolute path as the agent sees it; empty for the usual layouts
     * @param whileInUse {@code mig.whileInUse}
     */
    public record Mig(boolean manage, String layout, String configFile, MigWhileInUse whileInUse) {}

    /** What the node's state is while somebody uses what has to go; the texts are {@code failed} and {@code pending}. */
    public enum MigWhileInUse {
        FAILED,
        PENDING
    }

    /**
     * @param manage {@code driver.manage}: whether the agent brings the driver up and keeps it; without it nobody reads the rest but commands
     * @param source {@code driver.source}
     * @param version {@code driver.version}: a version or a branch; empty for what the source has
     * @param kernelModuleType {@code driver.kernelModuleType}
     * @param keep {@code driver.store.keep}: drivers that the store keeps beside the one that runs and the one before it, 1 or more
     */
    public record Driver(
            boolean manage,
            SourceKind source,
            String version,
            KernelModuleType kernelModuleType,
            Modules modules,
            Packages packages,
            Runfile runfile,
            Bundle bundle,
            Build build,
            Signing signing,
            Daemons daemons,
            Root root,
            Change change,
            int keep,
            Limits limits) {
        /** The kernel modules' names as {@code modprobe} takes them. */
        public static final String NVIDIA = "nvidia";

        public static final String UVM = "nvidia-uvm";
        public static final String MODESET = "nvidia-modeset";
        public static final String DRM = "nvidia-drm";
        public static final String PEERMEM = "nvidia-peermem";

        /** Where the driver comes from; the texts are the names in lower case. */
        public enum SourceKind {
            HOST,
            PACKAGE,
            RUNFILE,
            BUNDLE
        }

        /** Which kernel modules are wanted; the texts are the names in lower case. */
        public enum KernelModuleType {
            AUTO,
            OPEN,
            PROPRIETARY
        }

        /** Whether something is wanted; the texts are the names in lower case. {@code AUTO} where the hardware or the driver has it. */
        public enum Use {
            AUTO,
            ON,
            OFF
        }

        /** Who starts the driver's daemons; the texts are the names in lower case. {@code AUTO}: the unit where it is enabled. */
        public enum DaemonKeeping {
            AUTO,
            UNIT,
            CHILD
        }

        /** The digest of signatures; the texts are the names in lower case. {@code AUTO} is the kernel's. */
        public enum SignatureHash {
            AUTO,
            SHA256,
            SHA384,
            SHA512
        }

        /** What happens when the driver must go and somebody uses it; the texts are the names in lower case. */
        public enum DriverWhileInUse {
            REFUSE,
            DRAIN
        }

        /**
         * @param others {@code driver.modules}: those beside {@code nvidia}, with dashes
         * @param peermem {@code driver.peermem}
         * @param parameters {@code driver.parameters.…}: by module, with dashes; no module without any
         * @param firmwarePath {@code driver.firmwarePath}: absolute path on the host; empty for the driver's own
         */
        public record Modules(
                Set<String> others, Use peermem, Map<String, Map<String, String>> parameters, String firmwarePath) {}

        /**
         * @param names {@code driver.package.names}; empty for what the distribution calls them
         * @param refresh {@code driver.package.refresh}: whether the repositories' lists are read first
         */
        public record Packages(List<String> names, boolean refresh) {}

        /**
         * @param file {@code driver.runfile.file}: absolute path on the host; empty for none
         * @param url {@code driver.runfile.url}; empty for none
         * @param sha256 {@code driver.runfile.sha256}: 64 hexadecimal digits; empty where a file on the host is trusted
         */
        public record Runfile(String file, String url, String sha256) {}

        /**
         * @param path {@code driver.bundle.path}: directory or archive, absolute path on the host; empty for none
         * @param sha256 {@code driver.bundle.sha256}: 64 hexadecimal digits; empty where it is trusted
         */
        public record Bundle(String path, String sha256) {}

        /**
         * @param compile {@code driver.build.compile}: whether compiling is allowed
         * @param jobs {@code driver.build.jobs}: 0 for as many as fit
         * @param memory {@code driver.build.memory}: MiB; 0 for no limit
         * @param cpu {@code driver.build.cpu}: percent of one CPU; 0 for no limit
         * @param timeLimit {@code driver.build.timeLimit}
         * @param headers {@code driver.build.headers}: absolute path on the host, {@code %k} for the kernel's release; empty to search
         */
        public record Build(boolean compile, int jobs, int memory, int cpu, Duration timeLimit, String headers) {}

        /**
         * @param key {@code driver.signing.key}: absolute path on the host; empty for no signing
         * @param certificate {@code driver.signing.certificate}: absolute path on the host; empty for none
         * @param hash {@code driver.signing.hash}
         */
        public record Signing(String key, String certificate, SignatureHash hash) {}

        /**
         * @param persistenced {@code driver.persistenced}
         * @param persistenceMode {@code driver.persistenceMode}
         * @param fabricManager {@code driver.fabricManager}
         * @param imex {@code driver.imex}
         * @param keeping {@code driver.daemonKeeping}
         */
        public record Daemons(
                Use persistenced, boolean persistenceMode, Use fabricManager, Use imex, DaemonKeeping keeping) {}

        /**
         * @param attach {@code driver.root.attach}: whether {@code /run/nvidia/driver} shows the driver's files
         * @param validatorFiles {@code driver.root.validatorFiles}
         * @param wrappers {@code driver.root.wrappers}: absolute path on the host; empty for none
         */
        public record Root(boolean attach, boolean validatorFiles, String wrappers) {}

        /**
         * @param whileInUse {@code driver.whileInUse}
         * @param automatic {@code driver.upgrade.automatic}: whether a driver that runs and is not the wanted one is exchanged by itself
         * @param drainLimit {@code driver.upgrade.drainLimit}
         * @param deleteEmptyDirData {@code driver.upgrade.deleteEmptyDirData}
         * @param slots {@code driver.upgrade.slots}: how many nodes of the cluster exchange their drivers at once; 0 for any number
         * @param slotNamespace {@code driver.upgrade.slotNamespace}
         * @param stateLabel {@code driver.upgrade.stateLabel}: whether a label of the node tells how its upgrade stands
         */
        public record Change(
                DriverWhileInUse whileInUse,
                boolean automatic,
                Duration drainLimit,
                boolean deleteEmptyDirData,
                int slots,
                String slotNamespace,
                boolean stateLabel) {}

        /**
         * How long each may take, all {@code driver.limits.…}.
         *
         * @param stall without progress while the driver is fetched
         * @param load of one module
         * @param unload of one module
         * @param daemon until it is ready
         * @param stop of a daemon, before it is killed
         */
        public record Limits(Duration stall, Duration load, Duration unload, Duration daemon, Duration stop) {}
    }

    /**
     * @param fields {@code metrics.fields}, or what the field file or the ConfigMap says: what is shown, each name once
     * @param configMap {@code metrics.configMap}: its namespace and name with a colon between them; empty for none
     * @param devices {@code metrics.devices}: which devices have series
     * @param labels {@code metrics.labels}: how their labels are spelled
     * @param boardValuesOnInstances {@code metrics.boardValuesOnInstances}: whether the GPU instances of a split GPU repeat its board's values
     * @param podAttribution {@code metrics.podAttribution}: whether container, namespace and pod labels are added
     */
    public record Metrics(
            List<FieldChoice> fields,
            String configMap,
            EntitySelector devices,
            MetricLabels labels,
            boolean boardValuesOnInstances,
            boolean podAttribution) {
        public Metrics {
            fields = List.copyOf(fields);
        }
    }

    /**
     * @param hostname {@code metrics.labels.hostname}
     * @param oldNamespace {@code metrics.labels.oldNamespace}: whether labels have the names that the exporter's releases 1.x gave them
     * @param replaceBlanks {@code metrics.labels.replaceBlanksInModelName}: whether blanks in names of models become dashes
     */
    public record MetricLabels(HostnameLabel hostname, boolean oldNamespace, boolean replaceBlanks) {
        /** The spelling of the newest exporter. */
        public static final MetricLabels NEWEST = new MetricLabels(HostnameLabel.HOSTNAME, false, false);
    }

    /** Under which names series carry the node's name; the texts are {@code hostname}, {@code Hostname}, {@code both} and {@code none}. */
    public enum HostnameLabel {
        HOSTNAME,
        /** As up to release 4.8.2. */
        CAPITAL,
        BOTH,
        NONE
    }

    /**
     * @param processes {@code attribution.processes}: whether memory and utilisation are shown by container
     * @param virtualGpus {@code attribution.virtualGpus}: whether a device's series are repeated for each container that holds a share
     * @param podUid {@code attribution.podUid}: whether series have the label {@code pod_uid}
     * @param podLabels {@code attribution.podLabels}: whether series have the labels of their pod
     * @param podLabelAllowlist {@code attribution.podLabelAllowlist}: expressions for the names of those labels; empty for all
     * @param claims {@code attribution.claims}: whether series have labels that tell the resource claim
     * @param resourceNames {@code attribution.resourceNames}: resources whose devices are GPUs, beside those of NVIDIA
     * @param jobDirectory {@code attribution.jobDirectory}: where batch systems say which jobs use a GPU; absolute, or empty for none
     * @param containers {@code attribution.containers}: whether containers outside of Kubernetes are told
     * @param containerSocket {@code attribution.containerSocket}: of their runtime; absolute
     */
    public record Attribution(
            boolean processes,
            boolean virtualGpus,
            boolean podUid,
            boolean podLabels,
            List<String> podLabelAllowlist,
            boolean claims,
            Set<String> resourceNames,
            String jobDirectory,
            boolean containers,
            Path containerSocket) {
        /** Nothing beyond the kubelet's answer. */
        public static final Attribution NONE = new Attribution(
                false, false, false, false, List.of(), false, Set.of(), "", false, Path.of("/var/run/docker.sock"));

        public Attribution {
            podLabelAllowlist = List.copyOf(podLabelAllowlist);
            resourceNames = Set.copyOf(resourceNames);
        }
    }

    /**
     * @param listen {@code http.listen}: each {@code host:port}; an empty host is every address
     * @param systemdSocket {@code http.systemdSocket}: whether the sockets that systemd passes are served, and no others
     * @param localSocket {@code http.localSocket}: where commands of this machine ask; absolute path, or empty
     * @param webConfigFile {@code http.webConfigFile}: of exporter-toolkit, absolute path as the agent sees it; empty for none
     * @param readTimeout {@code http.readTimeout}: for a whole request, and for a TLS handshake
     * @param writeTimeout {@code http.writeTimeout}: until the client has taken the answer
     * @param maxConcurrentScrapes {@code http.maxConcurrentScrapes}: answers of {@code /metrics} on their way at one time, at least 1
     */
    public record Http(
            List<String> listen,
            boolean systemdSocket,
            String localSocket,
            String webConfigFile,
            Duration readTimeout,
            Duration writeTimeout,
            int maxConcurrentScrapes) {
        public Http {
            listen = List.copyOf(listen);
        }

        /** Whether commands of this machine ask through the local socket, because elsewhere they might need to be known. */
        public boolean asksLocally() {
            return !localSocket.isEmpty() && (systemdSocket || !webConfigFile.isEmpty());
        }
    }

    /** @param level {@code log.level}: {@code error}, {@code warn}, {@code info} or {@code debug} */
    public record Log(String level) {}
}
