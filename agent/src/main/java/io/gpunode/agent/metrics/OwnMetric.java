package io.gpunode.agent.metrics;

/**
 * The metrics about the node and the agent that are rendered from the snapshot, under the agent's own names. Each is written by exactly one
 * collector. {@code docs/metrics.md} lists them from here.
 */
@SuppressWarnings("ImmutableEnumChecker") // Families are never changed, though their prepared bytes are arrays.
enum OwnMetric {
    BUILD_INFO("gpu_node_agent_build_info", MetricType.GAUGE, "Always 1; version says which agent this is.", "version"),
    COLLECTOR_DURATION_SECONDS(
            "gpu_node_agent_collector_duration_seconds",
            MetricType.GAUGE,
            "How long the collector took for this scrape, in seconds.",
            "collector"),
    COLLECTOR_SUCCESS(
            "gpu_node_agent_collector_success",
            MetricType.GAUGE,
            "1 when the collector worked in this scrape, 0 when it failed and its series are missing.",
            "collector"),
    CONTAINER_DECODER_UTILIZATION(
            "gpu_node_agent_container_decoder_utilization_ratio",
            MetricType.GAUGE,
            "Part of the time for which the processes of the container kept the video decoders busy; those of all owners add up.",
            "gpu, UUID, GPU_I_ID, owner, container, namespace, pod, pod_uid"),
    CONTAINER_ENCODER_UTILIZATION(
            "gpu_node_agent_container_encoder_utilization_ratio",
            MetricType.GAUGE,
            "Part of the time for which the processes of the container kept the video encoders busy; those of all owners add up.",
            "gpu, UUID, GPU_I_ID, owner, container, namespace, pod, pod_uid"),
    CONTAINER_MEMORY_USED_BYTES(
            "gpu_node_agent_container_memory_used_bytes",
            MetricType.GAUGE,
            "GPU memory that the processes of the container use; owner is pod, container (outside of Kubernetes), host or unknown.",
            "gpu, UUID, GPU_I_ID, owner, container, namespace, pod, pod_uid"),
    CONTAINER_MEMORY_UTILIZATION(
            "gpu_node_agent_container_memory_utilization_ratio",
            MetricType.GAUGE,
            "Part of the time for which the processes of the container read or wrote GPU memory; those of all owners add up.",
            "gpu, UUID, GPU_I_ID, owner, container, namespace, pod, pod_uid"),
    CONTAINER_PROCESSES(
            "gpu_node_agent_container_processes",
            MetricType.GAUGE,
            "Processes of the container on the GPU or GPU instance; 0 for a container that holds it and does not use it.",
            "gpu, UUID, GPU_I_ID, owner, container, namespace, pod, pod_uid"),
    CONTAINER_SM_UTILIZATION(
            "gpu_node_agent_container_sm_utilization_ratio",
            MetricType.GAUGE,
            "Part of the time for which the processes of the container kept the multiprocessors busy; those of all owners add up. Not under MIG, where the driver does not tell.",
            "gpu, UUID, GPU_I_ID, owner, container, namespace, pod, pod_uid"),
    DEVICE_POD_INFO(
            "gpu_node_agent_device_pod_info",
            MetricType.GAUGE,
            "Always 1; which container holds which GPU or GPU instance, one series for each of several holders.",
            "gpu, UUID, GPU_I_ID, container, namespace, pod"),
    GPU_FINDING(
            "gpu_node_agent_gpu_finding",
            MetricType.GAUGE,
            "1 for each health check that has a finding about the GPU; severity is fatal, node (fatal, and its repair takes the whole node) or remark. The reason is in /state.",
            "gpu, UUID, check, severity"),
    GPU_HEALTHY(
            "gpu_node_agent_gpu_healthy",
            MetricType.GAUGE,
            "1 while the GPU may be given to containers, else 0.",
            "gpu, UUID"),
    GPU_LANE_RESPONSIVE(
            "gpu_node_agent_gpu_lane_responsive",
            MetricType.GAUGE,
            "1 while NVML answers for the GPU within its deadline, else 0 and the GPU's device metrics are missing.",
            "gpu, UUID"),
    GPU_LAST_XID_TIMESTAMP_SECONDS(
            "gpu_node_agent_gpu_last_xid_timestamp_seconds",
            MetricType.GAUGE,
            "When the last XID of the GPU was seen, in seconds since 1970; no series until there was one.",
            "gpu, UUID"),
    GPU_SAMPLE_AGE_SECONDS(
            "gpu_node_agent_gpu_sample_age_seconds",
            MetricType.GAUGE,
            "How old the GPU's device metrics are, in seconds; no series before the first sampling.",
            "gpu, UUID"),
    GPUS("gpu_node_agent_gpus", MetricType.GAUGE, "GPUs in the picture of the node.", ""),
    MIG_DEVICE_FINDING(
            "gpu_node_agent_mig_device_finding",
            MetricType.GAUGE,
            "1 for each health check that has a finding about this MIG device alone; severities as for the GPU.",
            "gpu, UUID, GPU_I_ID, mig_uuid, check, severity"),
    MIG_DEVICE_HEALTHY(
            "gpu_node_agent_mig_device_healthy",
            MetricType.GAUGE,
            "1 while the MIG device may be given to containers, else 0; what is against its GPU counts.",
            "gpu, UUID, GPU_I_ID, mig_uuid"),
    METERS_AGE_SECONDS(
            "gpu_node_agent_meters_age_seconds",
            MetricType.GAUGE,
            "How old the agent's own meters on this page are, in seconds.",
            ""),
    NODE_FINDING(
            "gpu_node_agent_node_finding",
            MetricType.GAUGE,
            "1 for each health check that has a finding about the node as a whole; severity is node or remark. The reason is in /state.",
            "check, severity"),
    NVML_INFO(
            "gpu_node_agent_nvml_info",
            MetricType.GAUGE,
            "Always 1 while NVML is open; its versions.",
            "driver_version, nvml_version"),
    NVML_OPEN("gpu_node_agent_nvml_open", MetricType.GAUGE, "1 while NVML is open, else 0.", ""),
    NVML_WAITING(
            "gpu_node_agent_nvml_waiting",
            MetricType.GAUGE,
            "1 while NVML is not open, with what is missing; the reason is in /state.",
            "kind"),
    POD_DEVICES(
            "gpu_node_agent_pod_devices",
            MetricType.GAUGE,
            "GPUs, GPU instances and shares of them that containers hold.",
            ""),
    POD_DEVICES_UNMATCHED(
            "gpu_node_agent_pod_devices_unmatched",
            MetricType.GAUGE,
            "Device ids that the kubelet lists and that match no GPU in the picture.",
            ""),
    POD_PICTURE_AGE_SECONDS(
            "gpu_node_agent_pod_picture_age_seconds",
            MetricType.GAUGE,
            "How long ago the kubelet last said which container holds which device, in seconds; no series before its first answer.",
            ""),
    POD_PICTURE_UP(
            "gpu_node_agent_pod_picture_up",
            MetricType.GAUGE,
            "1 when the kubelet answered the last question for it, else 0 and the last good answer is used.",
            ""),
    SERIES_LEFT_OUT(
            "gpu_node_agent_series_left_out",
            MetricType.GAUGE,
            "Series left out of this page because readers would refuse the page for them; reason is duplicate, not_a_number or negative_counter. The log names the first.",
            "reason"),
    SNAPSHOT_AGE_SECONDS(
            "gpu_node_agent_snapshot_age_seconds",
            MetricType.GAUGE,
            "How old the picture of the node is that this page shows, in seconds.",
            ""),
    SNAPSHOT_VERSION(
            "gpu_node_agent_snapshot_version",
            MetricType.GAUGE,
            "Version of the picture of the node that this page shows.",
            "");

    private final String metricName;
    private final MetricType type;
    private final String help;
    private final String labels;
    private final MetricFamily family;

    OwnMetric(String metricName, MetricType type, String help, String labels) {
        this.metricName = metricName;
        this.type = type;
        this.help = help;
        this.labels = labels;
        this.family = new MetricFamily(metricName, type, help);
    }

    String metricName() {
        return metricName;
    }

    MetricType type() {
        return type;
    }

    String help() {
        return help;
    }

    /** The names of its labels, for people. */
    String labels() {
        return labels;
    }

    /** What is written of it. */
    MetricFamily family() {
        return family;
    }
}
