package io.gpunode.agent.config;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Values by setting, and the records that features read made from them. Owned by whoever makes it; not thread-safe. */
class SettingValues {
    private final Map<Setting<?>, EffectiveValue<?>> values = new HashMap<>();

    final <T> void set(Setting<T> setting, T value, String source) {
        values.put(setting, new EffectiveValue<>(setting, value, setting.type().text(value), source));
    }

    final void set(EffectiveValue<?> value) {
        values.put(value.setting(), value);
    }

    final boolean has(Setting<?> setting) {
        return values.containsKey(setting);
    }

    /** The value; only for a setting that was set. */
    @SuppressWarnings("unchecked") // set() is the only way in and ties the value's type to the setting's.
    final <T> T get(Setting<T> setting) {
        EffectiveValue<?> value = values.get(setting);
        if (value == null) {
            throw new IllegalStateException("no value of " + setting);
        }
        return (T) value.value();
    }

    /** The values of the settings that are served, in the order of the schema. */
    final List<EffectiveValue<?>> served() {
        List<EffectiveValue<?>> served = new ArrayList<>();
        for (Setting<?> setting : ConfigSchema.ALL) {
            EffectiveValue<?> value = values.get(setting);
            if (value != null && setting.support() instanceof Support.Served && setting != ConfigSchema.VERSION) {
                served.add(value);
            }
        }
        return served;
    }

    final AgentConfig assemble() {
        return new AgentConfig(
                get(ConfigSchema.WATCH),
                new AgentConfig.Plugin(
                        get(ConfigSchema.DEVICE_LIST_STRATEGY),
                        get(ConfigSchema.DEVICE_ID_STRATEGY),
                        get(ConfigSchema.PASS_DEVICE_SPECS),
                        Path.of(get(ConfigSchema.DRIVER_ROOT)),
                        Path.of(get(ConfigSchema.DEV_ROOT)),
                        get(ConfigSchema.CDI_ANNOTATION_PREFIX),
                        get(ConfigSchema.RESOURCE_NAME),
                        get(ConfigSchema.MIG_STRATEGY),
                        get(ConfigSchema.GDS),
                        get(ConfigSchema.MOFED),
                        get(ConfigSchema.GDRCOPY),
                        get(ConfigSchema.ALLOCATION_POLICY)),
                new AgentConfig.Resources(get(ConfigSchema.GPU_NAMES), get(ConfigSchema.MIG_NAMES)),
                new AgentConfig.Sharing(new AgentConfig.TimeSlicing(
                        get(ConfigSchema.RENAME_BY_DEFAULT),
                        get(ConfigSchema.FAIL_REQUESTS_GREATER_THAN_ONE),
                        get(ConfigSchema.SHARED_RESOURCES))),
                new AgentConfig.Imex(get(ConfigSchema.IMEX_CHANNELS), get(ConfigSchema.IMEX_REQUIRED)),
                new AgentConfig.Host(Path.of(get(ConfigSchema.HOST_ROOT)), get(ConfigSchema.NODE_NAME)),
                new AgentConfig.Nvml(
                        get(ConfigSchema.NVML_LIBRARY),
                        get(ConfigSchema.CALL_DEADLINE),
                        get(ConfigSchema.RETRY_INTERVAL)),
                new AgentConfig.Sampling(
                        get(ConfigSchema.SAMPLING_INTERVAL),
                        get(ConfigSchema.PROFILING_INTERVAL),
                        get(ConfigSchema.XID_WINDOW),
                        get(ConfigSchema.CLOCK_EVENTS_WINDOW)),
                new AgentConfig.Health(
                        get(ConfigSchema.HEALTH_XIDS),
                        get(ConfigSchema.HEALTH_EVERY_XID),
                        get(ConfigSchema.HEALTH_IGNORED_XIDS),
                        get(ConfigSchema.HEALTH_COUNTED_XIDS),
                        get(ConfigSchema.HEALTH_RECOVERY_INTERVAL),
                        get(ConfigSchema.HEALTH_IGNORED_CHECKS),
                        get(ConfigSchema.HEALTH_KERNEL_LOG)),
                new AgentConfig.Kubelet(
                        Path.of(get(ConfigSchema.DEVICE_PLUGIN_DIRECTORY)),
                        Path.of(get(ConfigSchema.POD_RESOURCES_SOCKET)),
                        get(ConfigSchema.REGISTRATION)),
                new AgentConfig.Cdi(
                        Path.of(get(ConfigSchema.CDI_DIRECTORY)),
                        get(ConfigSchema.CDI_HOOKS),
                        Path.of(get(ConfigSchema.CDI_HOOK_PATH)),
                        get(ConfigSchema.CDI_FEATURE_FLAGS),
                        get(ConfigSchema.CDI_DISABLE_HOOKS),
                        get(ConfigSchema.CDI_NVIDIA_COM_GPU),
                        get(ConfigSchema.CDI_LIBRARY_SEARCH_PATHS),
                        get(ConfigSchema.CDI_CREATE_DEVICE_NODES),
                        get(ConfigSchema.CDI_DEV_CHAR_LINKS)),
                new AgentConfig.Kubernetes(
                        get(ConfigSchema.KUBERNETES_API),
                        get(ConfigSchema.KUBECONFIG),
                        get(ConfigSchema.KUBERNETES_EVENTS),
                        get(ConfigSchema.NODE_CONDITION),
                        get(ConfigSchema.STARTUP_TAINT),
                        get(ConfigSchema.DELETE_REJECTED_PODS)),
                new AgentConfig.Labels(
                        get(ConfigSchema.LABEL_SINK),
                        get(ConfigSchema.LABEL_FILE),
                        get(ConfigSchema.MACHINE_TYPE_FILE),
                        !get(ConfigSchema.NO_TIMESTAMP),
                        get(ConfigSchema.LABELS_PER_MODEL),
                        get(ConfigSchema.OPERATOR_LABELS),
                        get(ConfigSchema.LABELS_FORCE),
                        get(ConfigSchema.LABEL_NAMESPACE)),
                new AgentConfig.Mig(
                        get(ConfigSchema.MIG_MANAGE),
                        get(ConfigSchema.MIG_LAYOUT),
                        get(ConfigSchema.MIG_CONFIG_FILE),
                        get(ConfigSchema.MIG_WHILE_IN_USE)),
                DriverSettings.assemble(this),
                new AgentConfig.Metrics(
                        get(ConfigSchema.METRICS_FIELDS),
                        get(ConfigSchema.METRICS_CONFIG_MAP),
                        get(ConfigSchema.METRICS_DEVICES),
                        new AgentConfig.MetricLabels(
                                get(ConfigSchema.METRICS_HOSTNAME),
                                get(ConfigSchema.METRICS_OLD_NAMESPACE),
                                get(ConfigSchema.METRICS_REPLACE_BLANKS)),
                        get(ConfigSchema.BOARD_VALUES_ON_INSTANCES),
                        get(ConfigSchema.POD_ATTRIBUTION)),
                new AgentConfig.Attribution(
                        get(ConfigSchema.ATTRIBUTION_PROCESSES),
                        get(ConfigSchema.VIRTUAL_GPUS),
                        get(ConfigSchema.POD_UID),
                        get(ConfigSchema.POD_LABELS),
                        get(ConfigSchema.POD_LABEL_ALLOWLIST),
                        get(ConfigSchema.CLAIMS),
                        get(ConfigSchema.RESOURCE_NAMES),
                        get(ConfigSchema.JOB_DIRECTORY),
                        get(ConfigSchema.CONTAINERS),
                        Path.of(get(ConfigSchema.CONTAINER_SOCKET))),
                new AgentConfig.Http(
                        get(ConfigSchema.HTTP_LISTEN),
                        get(ConfigSchema.HTTP_SYSTEMD_SOCKET),
                        get(ConfigSchema.HTTP_LOCAL_SOCKET),
                        get(ConfigSchema.HTTP_WEB_CONFIG_FILE),
                        get(ConfigSchema.HTTP_READ_TIMEOUT),
                        get(ConfigSchema.HTTP_WRITE_TIMEOUT),
                        get(ConfigSchema.HTTP_MAX_CONCURRENT_SCRAPES)),
                new AgentConfig.Log(get(ConfigSchema.LOG_LEVEL)));
    }
}
