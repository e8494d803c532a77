package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.AgentConfig.AllocationPolicy;
import io.gpunode.agent.config.AgentConfig.DeviceIdStrategy;
import io.gpunode.agent.config.AgentConfig.DeviceListStrategy;
import io.gpunode.agent.config.AgentConfig.DeviceSelection;
import io.gpunode.agent.config.AgentConfig.Imex;
import io.gpunode.agent.config.AgentConfig.MigStrategy;
import io.gpunode.agent.config.AgentConfig.NamePattern;
import io.gpunode.agent.config.AgentConfig.Resources;
import io.gpunode.agent.config.AgentConfig.SharedResource;
import io.gpunode.agent.config.AgentConfig.Sharing;
import io.gpunode.agent.config.AgentConfig.TimeSlicing;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/** Settings of the device plugin by hand: start from {@link #envvar()} or {@link #cdi()} for one line, from {@link #start()} for more. */
final class PluginConfigs {
    private Set<DeviceListStrategy> strategies = EnumSet.of(DeviceListStrategy.ENVVAR);
    private DeviceIdStrategy ids = DeviceIdStrategy.UUID;
    private boolean passDeviceSpecs;
    private Path devRoot = Path.of("/");
    private MigStrategy mig = MigStrategy.NONE;
    private boolean features;
    private final List<NamePattern> gpus = new ArrayList<>();
    private final List<NamePattern> migs = new ArrayList<>();
    private final List<SharedResource> shared = new ArrayList<>();
    private AllocationPolicy policy = AllocationPolicy.DISTRIBUTED;
    private boolean renameByDefault;
    private boolean oneShareOnly;
    private Imex imex = Imex.NONE;
    private String undecided = "";

    private PluginConfigs() {}

    static PluginSettings envvar() {
        return start().build();
    }

    static PluginSettings cdi() {
        return start().strategies(DeviceListStrategy.CDI_CRI).build();
    }

    static PluginSettings with(
            DeviceIdStrategy ids, boolean passDeviceSpecs, Path devRoot, DeviceListStrategy... strategies) {
        PluginConfigs made = start().strategies(strategies).ids(ids).devRoot(devRoot);
        made.passDeviceSpecs = passDeviceSpecs;
        return made.build();
    }

    /** By environment variable and UUID, nothing else. */
    static PluginConfigs start() {
        return new PluginConfigs();
    }

    PluginConfigs strategies(DeviceListStrategy... all) {
        strategies = EnumSet.copyOf(List.of(all));
        return this;
    }

    PluginConfigs ids(DeviceIdStrategy strategy) {
        ids = strategy;
        return this;
    }

    PluginConfigs passDeviceSpecs() {
        passDeviceSpecs = true;
        return this;
    }

    PluginConfigs devRoot(Path root) {
        devRoot = root;
        return this;
    }

    PluginConfigs mig(MigStrategy strategy) {
        mig = strategy;
        return this;
    }

    /** GPUDirect Storage, InfiniBand and GDRCopy. */
    PluginConfigs features() {
        features = true;
        return this;
    }

    PluginConfigs gpuPattern(String pattern, String name) {
        gpus.add(new NamePattern(pattern, name));
        return this;
    }

    PluginConfigs migPattern(String pattern, String name) {
        migs.add(new NamePattern(pattern, name));
        return this;
    }

    PluginConfigs share(String resource, int replicas) {
        return share(resource, "", DeviceSelection.All.INSTANCE, replicas);
    }

    PluginConfigs share(String resource, String rename, DeviceSelection devices, int replicas) {
        shared.add(new SharedResource(resource, rename, devices, replicas));
        return this;
    }

    PluginConfigs policy(AllocationPolicy placement) {
        policy = placement;
        return this;
    }

    PluginConfigs renameByDefault() {
        renameByDefault = true;
        return this;
    }

    PluginConfigs oneShareOnly() {
        oneShareOnly = true;
        return this;
    }

    PluginConfigs imex(boolean required, Integer... channels) {
        imex = new Imex(List.of(channels), required);
        return this;
    }

    PluginConfigs undecided(String why) {
        undecided = why;
        return this;
    }

    PluginSettings build() {
        return new PluginSettings(
                new AgentConfig.Plugin(
                        strategies,
                        ids,
                        passDeviceSpecs,
                        Path.of("/"),
                        devRoot,
                        "cdi.k8s.io/",
                        "nvidia.com/gpu",
                        mig,
                        features,
                        features,
                        features,
                        policy),
                new Resources(gpus, migs),
                new Sharing(new TimeSlicing(renameByDefault, oneShareOnly, shared)),
                imex,
                undecided);
    }
}
