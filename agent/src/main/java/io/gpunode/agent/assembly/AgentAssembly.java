package io.gpunode.agent.assembly;

import io.gpunode.agent.admin.AdminServer;
import io.gpunode.agent.admin.AdminState;
import io.gpunode.agent.admin.LocalCommands;
import io.gpunode.agent.admin.ReadinessCheck;
import io.gpunode.agent.attribution.Attribution;
import io.gpunode.agent.attribution.PodLabelFilter;
import io.gpunode.agent.cdi.CdiPublisher;
import io.gpunode.agent.cdi.CdiStatus;
import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.ChosenConfiguration;
import io.gpunode.agent.config.ClusterSources;
import io.gpunode.agent.config.ConfigDiff;
import io.gpunode.agent.config.LoadedConfig;
import io.gpunode.agent.config.NodeLabels;
import io.gpunode.agent.config.Problem;
import io.gpunode.agent.deviceplugin.AllocationTroubles;
import io.gpunode.agent.deviceplugin.CdiCoverage;
import io.gpunode.agent.deviceplugin.DevicePlugin;
import io.gpunode.agent.deviceplugin.DevicePluginStatus;
import io.gpunode.agent.deviceplugin.PluginSettings;
import io.gpunode.agent.driver.DriverManager;
import io.gpunode.agent.driver.DriverNode;
import io.gpunode.agent.gpu.CallRecord;
import io.gpunode.agent.gpu.GpuAccess;
import io.gpunode.agent.gpu.NvmlOpener;
import io.gpunode.agent.health.HealthAnnouncements;
import io.gpunode.agent.health.HealthKeeper;
import io.gpunode.agent.health.KernelLogWatcher;
import io.gpunode.agent.health.PictureAnnouncements;
import io.gpunode.agent.health.XidTable;
import io.gpunode.agent.health.XidWatcher;
import io.gpunode.agent.inventory.Inventory;
import io.gpunode.agent.inventory.SnapshotSource;
import io.gpunode.agent.kubernetes.ApiConnection;
import io.gpunode.agent.kubernetes.GpuResources;
import io.gpunode.agent.kubernetes.NodeEvent;
import io.gpunode.agent.kubernetes.NodePod;
import io.gpunode.agent.kubernetes.RejectedPods;
import io.gpunode.agent.labels.LabelPublisher;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.lifecycle.Service;
import io.gpunode.agent.lifecycle.ServiceGroup;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.metrics.MetricsExposition;
import io.gpunode.agent.metrics.MicrometerMeters;
import io.gpunode.agent.metrics.ProcessMeters;
import io.gpunode.agent.mig.MigManager;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.KmsgKernelLog;
import io.gpunode.agent.os.SystemDeviceNodes;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.podresources.PodResourcesClient;
import io.gpunode.agent.time.MonotonicClock;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * The agent, put together: every service is made here, and their order is the list in the constructor. They start from the top and stop from the
 * bottom, so a GPU is offered only when it is known, judged and described, and NVML is let go last.
 *
 * <p>Owns the event loop and the configuration in force. Started and stopped once, by one thread.
 */
public final class AgentAssembly {
    private static final Log LOG = Log.of(AgentAssembly.class);
    private static final Duration STOP_LIMIT_AFTER_FAILED_START = Duration.ofSeconds(3);

    private final EventLoops loops;
    private final Heartbeats heartbeats;
    private final GpuAccess access;
    private final Inventory inventory;
    private final HealthKeeper health;
    private final CdiPublisher cdi;
    private final PodResourcesClient pods;
    private final DevicePlugin devicePlugin;
    private final ApiConnection kubernetes;
    private final LabelPublisher featureLabels;
    private final Optional<MigManager> mig;
    private final Optional<DriverManager> driver;
    private final Attribution attribution;
    private final MetricsExposition exposition;
    private final AdminServer admin;
    private final List<ReadinessCheck> readiness;
    private final ServiceGroup services;
    private volatile ConfigurationState configuration;
    private Preparation preparation = () -> {};

    /**
     * Makes everything and starts nothing.
     *
     * @param loaded checked
     * @param version the agent's own
     * @param loops becomes this assembly's; closed by {@link #stop}
     */
    public AgentAssembly(
            LoadedConfig loaded, String version, EventLoops loops, MonotonicClock clock, InstantSource wall) {
        AgentConfig config = loaded.config();
        this.configuration = new ConfigurationState(loaded, List.of(), List.of());
        this.loops = loops;
        this.heartbeats = new Heartbeats(clock);
        HostFiles host = new SystemHostFiles(config.host().root());
        HostFiles own = new SystemHostFiles(Path.of("/"));
        MicrometerMeters meters = new MicrometerMeters(
                task -> Thread.ofPlatform().daemon().name("meters").start(task), clock, new ProcessMeters(own)::bindTo);
        this.access = new GpuAccess(
                NvmlOpener.of(config.nvml(), config.plugin(), host),
                config.nvml().callDeadline(),
                clock,
                wall,
                new CallRecord(meters, wall));
        this.inventory = new Inventory(
                access,
                host,
                config.nvml().retryInterval(),
                config.sampling().interval(),
                clock,
                wall,
                heartbeats,
                meters);
        inventory.profilingInterval(config.sampling().profilingInterval());
        this.health = new HealthKeeper(config.health(), inventory, inventory::lookAgain, clock, wall);
        XidWatcher xids = new XidWatcher(access, inventory, health, inventory::lookAgain, clock, wall, heartbeats);
        this.cdi = new CdiPublisher(
                inventory, this::config, host, new SystemDeviceNodes(host), clock, heartbeats, this::cdiChanged);
        this.pods = new PodResourcesClient(
                config.kubelet().podResourcesSocket(),
                config.sampling().interval(),
                loops,
                clock,
                wall,
                heartbeats,
                meters);
        this.kubernetes = new ApiConnection(
                config.kubernetes(),
                config.host().nodeName(),
                HealthAnnouncements.CONDITION,
                config.labels(),
                config.metrics().configMap(),
                version,
                System.getenv(),
                own,
                host,
                clock,
                wall,
                new SplittableRandom(),
                heartbeats,
                meters);
        Optional<Consumer<NodeEvent>> events = kubernetes.events().map(sender -> sender::announce);
        this.devicePlugin = new DevicePlugin(
                PluginSettings.of(config, configuration.undecided()),
                config.kubelet(),
                inventory,
                pods,
                host,
                loops,
                heartbeats,
                meters,
                events.<AllocationTroubles>map(AllocationEvents::new).orElse(AllocationTroubles.UNHEARD),
                clock,
                wall,
                new SplittableRandom());
        this.featureLabels = new LabelPublisher(
                inventory, this::config, host, kubernetes, clock, wall, new SplittableRandom(), heartbeats, meters);
        this.driver = config.driver().manage()
                ? Optional.of(new DriverNode(config, own, host, System.getenv(), version, clock, wall)
                        .manager(
                                inventory,
                                () -> KubeletPods.word(pods),
                                event -> kubernetes.events().ifPresent(sender -> sender.announce(event)),
                                heartbeats,
                                meters))
                : Optional.empty();
        this.mig = config.mig().manage()
                ? Optional.of(new MigManager(
                        config,
                        inventory,
                        access,
                        pods,
                        kubernetes,
                        this::beingSplit,
                        host,
                        clock,
                        wall,
                        new SplittableRandom(),
                        heartbeats,
                        meters))
                : Optional.empty();
        this.attribution = new Attribution(
                config.attribution(),
                inventory::current,
                pods,
                nodePods(config.attribution()),
                own,
                host,
                clock,
                wall,
                heartbeats,
                meters);
        this.exposition = new MetricsExposition(
                config.metrics(),
                config.host().nodeName(),
                version,
                XidTable::meaning,
                meters,
                inventory,
                pods,
                clock,
                wall);
        exposition.windows(config.sampling().xidWindow(), config.sampling().clockEventsWindow());
        want(config);
        meters.gauge(
                "gpu_node_agent_config_last_read_good",
                "Whether the configuration that was read last is the one in force: 1 or 0.",
                () -> this.configuration.refused().isEmpty() ? 1 : 0);
        this.readiness = List.of(
                ReadinessChecks.nvml(inventory), ReadinessChecks.cdi(cdi), ReadinessChecks.registration(devicePlugin));
        this.admin = new AdminServer(
                config.http(),
                new AdminState(
                        version,
                        config.host().nodeName(),
                        inventory,
                        pods,
                        heartbeats,
                        readiness,
                        List.of(
                                StateSections.devicePlugin(devicePlugin),
                                StateSections.cdi(cdi),
                                StateSections.kubernetes(kubernetes),
                                StateSections.labels(featureLabels),
                                StateSections.mig(mig, kubernetes),
                                StateSections.driver(driver),
                                StateSections.faults(inventory),
                                StateSections.configuration(() -> this.configuration)),
                        clock),
                new MetricsPage(exposition),
                driver.<LocalCommands>map(DriverCommands::new).orElse(LocalCommands.NONE),
                meters,
                wall);
        List<Service> inOrder = new ArrayList<>(List.of(admin));
        driver.ifPresent(inOrder::add);
        inOrder.addAll(List.of(inventory, xids));
        if (config.health().kernelLog()) {
            inOrder.add(new KernelLogWatcher(() -> KmsgKernelLog.open(host), health, clock, heartbeats));
        }
        inOrder.addAll(List.of(
                new Subscribed("meters", inventory, _ -> meters.refresh()),
                cdi,
                pods,
                attribution,
                new Subscribed("attribution", inventory, _ -> attribution.wake()),
                new FirstScrape(admin),
                kubernetes));
        mig.ifPresent(inOrder::add);
        inOrder.addAll(List.of(
                new Prepared(),
                devicePlugin,
                featureLabels,
                new PictureAnnouncements(inventory, events, clock),
                new HealthAnnouncements(
                        inventory, events, kubernetes.condition().map(condition -> condition::want))));
        kubernetes.startupTaint().ifPresent(taint -> taint.waitFor(this::givenAway));
        if (config.kubernetes().deleteRejectedPods()) {
            RejectedPods rejected = kubernetes.deleteRejectedPods(
                    GpuResources.of(config),
                    () -> isOpen(inventory.current()) && !givenAway().isEmpty());
            inOrder.add(new Subscribed("rejected-pods", inventory, snapshot -> rejected.seen(isOpen(snapshot))));
        }
        this.services = new ServiceGroup("agent", inOrder, clock, STOP_LIMIT_AFTER_FAILED_START);
    }

    private void want(AgentConfig config) {
        access.want(
                exposition.wanted().withProcessUtilization(config.attribution().processes()));
        pods.resourceNames(config.attribution().resourceNames());
        attribution.configure(config.attribution());
        exposition.attribute(config.attribution(), attribution);
    }

    /** The node's pods as the API server has them, where their labels are wanted; else none. */
    private Supplier<Map<String, NodePod>> nodePods(AgentConfig.Attribution wanted) {
        return wanted.podLabels()
                ? kubernetes.watchPods(PodLabelFilter.of(wanted.podLabelAllowlist()))::current
                : Map::of;
    }

    /** Resources of which the kubelet may give a device away; none before it has taken all that are offered. */
    private Set<String> givenAway() {
        Set<String> resources = new HashSet<>();
        for (DevicePluginStatus status : devicePlugin.status()) {
            if (!status.registered()) {
                return Set.of();
            }
            if (status.healthyDevices() > 0) {
                resources.add(status.resource());
            }
        }
        return resources;
    }

    private static boolean isOpen(NodeSnapshot snapshot) {
        return snapshot.nvml() instanceof NvmlState.Open;
    }

    /** What is done before the node offers anything. */
    @FunctionalInterface
    interface Preparation {
        /** Bounded; anything that keeps it from ending well keeps the agent from starting. */
        void prepare() throws Exception;
    }

    /**
     * Starts everything. What is not there yet (driver, library, kubelet) is waited for in the background.
     *
     * @param preparation done before the node offers anything
     * @throws Exception when it cannot work as configured, for example because the port is taken; everything is stopped then
     */
    void start(Preparation preparation) throws Exception {
        this.preparation = preparation;
        if (choosesByLabel()) {
            kubernetes.lookAtOnce();
        }
        try {
            services.start();
        } catch (Exception e) {
            loops.close();
            throw e;
        }
    }

    /** Stops everything in reverse order. */
    public void stop(Duration limit) throws Exception {
        try {
            services.stop(limit);
        } finally {
            loops.close();
        }
    }

    /** Applies what can be applied of a new configuration and says what cannot. */
    public synchronized ConfigDiff reload(LoadedConfig next) {
        ConfigDiff diff = ConfigDiff.between(configuration.inForce(), next);
        AgentConfig config = diff.inForce().config();
        exposition.reconfigure(config.metrics());
        want(config);
        // Texts of the boards are read with their identity.
        inventory.lookAgain();
        configuration = new ConfigurationState(diff.inForce(), diff.needRestart(), List.of());
        Log.level(Log.Level.parse(config.log().level()));
        health.configure(config.health());
        admin.configure(config.http());
        inventory.samplingInterval(config.sampling().interval());
        inventory.profilingInterval(config.sampling().profilingInterval());
        exposition.windows(config.sampling().xidWindow(), config.sampling().clockEventsWindow());
        pods.interval(config.sampling().interval());
        driver.ifPresent(manager -> manager.configure(config.driver()));
        cdi.configured();
        featureLabels.configured();
        devicePlugin.configure(pluginSettings());
        for (ConfigDiff.Change change : diff.live()) {
            LOG.info("applied", "setting", change.setting(), "before", change.before(), "after", change.after());
        }
        for (ConfigDiff.Change change : diff.needRestart()) {
            LOG.warn(
                    "not applied: this setting needs a restart (systemctl restart gpu-node-agent)",
                    "setting",
                    change.setting(),
                    "before",
                    change.before(),
                    "after",
                    change.after());
        }
        return diff;
    }

    /** A configuration was read and cannot be used; the one in force stays. */
    public synchronized void refused(List<Problem> problems) {
        configuration = new ConfigurationState(configuration.inForce(), configuration.waiting(), problems);
        devicePlugin.configure(pluginSettings());
    }

    /** What reloading this would change. */
    ConfigDiff difference(LoadedConfig next) {
        return ConfigDiff.between(configuration.inForce(), next);
    }

    /** Whether a configuration has been chosen, or none is to be. Any thread. */
    boolean decided() {
        return configuration.undecided().isEmpty();
    }

    private PluginSettings pluginSettings() {
        return PluginSettings.of(config(), configuration.undecided());
    }

    /** The labels of the node, which may choose a configuration. */
    public NodeLabels labels() {
        return kubernetes.labels();
    }

    /** What of the configuration the API server knows. */
    public ClusterSources cluster() {
        return new ClusterSources(kubernetes.labels(), kubernetes.fields());
    }

    /**
     * Names who is told when the ConfigMap of the metric fields has another text.
     *
     * @param changed quick, on any thread
     */
    void onOtherFields(Runnable changed) {
        kubernetes.fieldConfigMap().ifPresent(map -> map.onChange(changed));
    }

    /** Where HTTP listens, with the port that was really taken. After {@link #start}. */
    public InetSocketAddress httpAddress() {
        return admin.address();
    }

    /** The loops of the process, for the watchdog. */
    public Heartbeats heartbeats() {
        return heartbeats;
    }

    /** No container is given these GPUs; when there are none any more, the picture shows what they have become. */
    private void beingSplit(Set<GpuId> gpus) {
        devicePlugin.withhold(gpus);
        if (gpus.isEmpty()) {
            featureLabels.layoutIsWhole();
        }
    }

    /** What stands in the way of readiness, one sentence; empty when the node is ready. */
    public String unready() {
        for (ReadinessCheck check : readiness) {
            ReadinessCheck.Condition condition = check.check();
            if (!condition.ok()) {
                return check.name() + ": " + condition.reason();
            }
        }
        return "";
    }

    /** How it stands now. Any thread. */
    Outlook outlook() {
        // The suspension first: while it is on its way to its end the picture still says that the GPUs are withdrawn.
        boolean suspended = inventory.isSuspended();
        return Outlook.of(inventory.current(), cdi.status(), suspended);
    }

    /** The node in a few words, behind what {@link #unready} says: driver, GPUs, what is offered. Empty while there is nothing to tell. */
    String summary() {
        NodeSnapshot now = inventory.current();
        if (!(now.nvml() instanceof NvmlState.Open open)) {
            return "";
        }
        int withheld = 0;
        for (Gpu gpu : now.gpus()) {
            if (!gpu.healthy()) {
                withheld++;
            }
        }
        StringBuilder text = new StringBuilder("; driver ").append(open.driverVersion());
        text.append(", ").append(now.gpus().size()).append(now.gpus().size() == 1 ? " GPU" : " GPUs");
        if (withheld > 0) {
            text.append(" (").append(withheld).append(" withheld)");
        }
        for (DevicePluginStatus status : devicePlugin.status()) {
            text.append(", ")
                    .append(status.resource())
                    .append(": ")
                    .append(status.healthyDevices())
                    .append(" of ")
                    .append(status.devices());
        }
        return text.toString();
    }

    /** Whether a label of the node may choose another configuration. Any thread. */
    boolean choosesByLabel() {
        return configuration.inForce().named().isPresent();
    }

    /** Whether the label that chooses is not known yet and may come. */
    boolean awaitsLabel() {
        Optional<ChosenConfiguration> named = configuration.inForce().named();
        if (named.isEmpty()) {
            return false;
        }
        // Asking makes it one of the labels whose changes are told.
        labels().label(named.get().label());
        return labels().pending();
    }

    /** What is in force. Any thread. */
    AgentConfig config() {
        return configuration.inForce().config();
    }

    private void cdiChanged() {
        CdiStatus status = cdi.status();
        devicePlugin.cdiWritten(
                new CdiCoverage(status.structureVersion(), status.names(), status.channels(), status.error()));
    }

    /** The step before the node offers anything. */
    private final class Prepared implements Service {
        @Override
        public String name() {
            return "preparation";
        }

        @Override
        public void start() throws Exception {
            if (driver.isPresent()) {
                driver.get().awaitFirstTry();
            }
            if (mig.isPresent()) {
                mig.get().awaitRestored();
            }
            preparation.prepare();
        }

        @Override
        public void stop(Duration limit) {}
    }

    /** Loads what the first scrape needs while NVML is being opened, so that it is there before the node registers. */
    private record FirstScrape(AdminServer admin) implements Service {
        @Override
        public String name() {
            return "first-scrape";
        }

        @Override
        public void start() {
            admin.warmUp();
        }

        @Override
        public void stop(Duration limit) {}
    }

    /** A consumer of pictures that needs no service of its own. */
    private static final class Subscribed implements Service {
        private final String name;
        private final Inventory inventory;
        private final Consumer<NodeSnapshot> consumer;
        private SnapshotSource.Subscription subscription = () -> {};

        private Subscribed(String name, Inventory inventory, Consumer<NodeSnapshot> consumer) {
            this.name = name;
            this.inventory = inventory;
            this.consumer = consumer;
        }

        @Override
        public String name() {
            return name;
        }

        @Override
        public void start() {
            subscription = inventory.subscribe(name, consumer);
        }

        @Override
        public void stop(Duration limit) {
            subscription.close();
        }
    }
}
