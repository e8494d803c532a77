package io.gpunode.agent.metrics;

import io.gpunode.agent.gpu.QuantitySources;
import java.util.ArrayList;
import java.util.List;

/** Writes {@code docs/metrics.md} from the catalogue and the list of own metrics. */
final class MetricsDocument {
    private static final String HEAD = """
            # Metrics

            `GET /metrics` answers in the Prometheus text format or in OpenMetrics ([formats](#formats)). This page is made from the field catalogue by
            `FieldCatalogueTest`; run it with `-Dgolden.update=true` after a change.

            Every page is rendered from the newest picture of the node. A scrape makes no NVML call and never waits for a GPU, the driver or
            the kubelet.

            ## Rules

            - A value that could not be read has no series: unsupported, failed and not yet read are told apart in `/state`, never by a number.
            - A GPU that does not answer loses its device metrics at once and keeps `gpu_node_agent_gpu_healthy` and
              `gpu_node_agent_gpu_lane_responsive`, both 0.
            - While MIG is on, fields of scope *board* have one series per physical GPU and fields of scope *instance* one per GPU instance
              (`GPU_I_PROFILE`, `GPU_I_ID`). Sums are right in both cases. `metrics.boardValuesOnInstances` repeats board fields on the
              instances, as dcgm-exporter does.
            - A GPU or GPU instance has one set of series, however many containers share it. The series carries those of the labels
              `container`, `namespace` and `pod` on which all holders agree; `gpu_node_agent_device_pod_info` has one series for each holder, and
              `gpu_node_agent_container_…` what each takes. [attribution.md](attribution.md) has the rules, and the switches for other labels and for
              series that are repeated.
              To show a value for each of them:

              ```
              DCGM_FI_DEV_GPU_UTIL * on (UUID) group_right () gpu_node_agent_device_pod_info
              ```
            - Families are sorted by name and each is there once; the series of one are in the order of the GPUs, GPU instances behind their GPU.
            - Numbers have the shortest form that reads back as the same number; from a million on they have an exponent.
            - A series that would make readers refuse the whole page is left out, counted in `gpu_node_agent_series_left_out` and named in the
              log: one that is there twice, one whose number is none, a counter below zero.
            - A collector that fails costs its own series of that scrape, sets its `gpu_node_agent_collector_success` to 0 and is logged once.

            ## Formats

            | Accepted | Answer |
            |---|---|
            | `application/openmetrics-text`, version 1.0.0, 0.0.1 or none | OpenMetrics of that version, 1.0.0 where none is named |
            | `text/plain`, `*/*`, anything else, nothing | the Prometheus text format, version 0.0.4 |

            The weights (`q`) of the request decide; between equal ones the first range. Prometheus asks for OpenMetrics first. Both formats have the same
            series, names, labels and numbers. In OpenMetrics a counter must end in `_total`: the counters that do not, which are all of
            DCGM's, are of type `unknown` there, under the same name, so that queries and dashboards find them. `_created` series, units and
            exemplars are not written. Either format is compressed for a request that accepts `gzip`.

            ## Labels of device metrics

            In this order: `gpu`, `UUID`, `pci_bus_id`, `device`, `modelName`, for GPU instances `GPU_I_PROFILE` and `GPU_I_ID`, `hostname`,
            the label fields that are chosen, by name, then `container`, `namespace`, `pod`. `DCGM_FI_DEV_XID_ERRORS` also has `err_code` and
            `err_msg`, and `GPU_CI_ID` behind `GPU_I_ID` when the driver named a compute instance. `UUID` and `gpu` are those of the physical GPU for GPU instances too.

            Fields of scope *link* have one series for each NVLink: `nvlink`, `gpu`, `gpu_uuid`, `pci_bus_id`, `device`, `model_name`, `hostname`, then
            the same as their GPU. Links count from 0.

            ## Names

            A field is chosen by any of its names, in upper or lower case, or by DCGM's id; the metric has the name that was written. What is not
            chosen is not asked for, but for what health checks and the status page need. [fields.md](fields.md) has every field of DCGM,
            with those that cannot be shown and why.

            For dashboards that were made for older releases of dcgm-exporter, device metrics can have the labels of those:

            | Setting | Effect |
            |---|---|
            | `metrics.labels.hostname: Hostname` | the label's name up to release 4.8.2; `both` writes both, `none` neither |
            | `metrics.labels.oldNamespace: true` | `uuid`, `container_name`, `pod_namespace` and `pod_name`, as in releases 1.x |
            | `metrics.labels.replaceBlanksInModelName: true` | dashes instead of blanks in `modelName` and `model_name` |

            Metrics of the agent's own keep their labels, so that joins with them are `on (gpu)` then.

            """;

    private static final String OWN = """

            ## The node and the agent

            """;

    private static final String METERS = """

            ## The agent's own meters

            Among the others by name stand the meters that the agent keeps about its own work (gRPC calls, NVML calls, sampling and others, all beginning with
            `gpu_node_agent_`) and those of its process and JVM (`process_…`, `jvm_…`). They are rendered ahead, at each sampling while somebody
            scrapes and once in five minutes otherwise; `gpu_node_agent_meters_age_seconds` says how old they are. A timer shows how many, their sum, and
            as `…_max` the largest of the last one to two minutes (of five to ten at the first scrape after a pause). A gauge without a number is left out. The first page after a start may come without them.

            | Meter | Type | Labels | Meaning |
            |---|---|---|---|
            | `gpu_node_agent_config_last_read_good` | gauge | | 1 while the configuration that was read last is in force, 0 when it was refused; `status` says why. |
            | `gpu_node_agent_http_config_last_read_good` | gauge | | With `http.webConfigFile`: 1 while the web configuration that was read last is in force, 0 when it was refused; `/state` says why. |
            | `gpu_node_agent_http_certificate_expiry_timestamp_seconds` | gauge | | With `http.webConfigFile`: when the server's certificate ends; `NaN` without TLS. |
            | `gpu_node_agent_http_refused_scrapes_total` | counter | | Scrapes answered with 503, since `http.maxConcurrentScrapes` answers were on their way. |
            | `gpu_node_agent_container_runtime_age_seconds` | gauge | | How long ago the API of `attribution.containers` last answered. |
            | `gpu_node_agent_container_runtime_up` | gauge | | 1 while it answers, else 0 and the last good answer is used; no number while it is not asked. |
            | `gpu_node_agent_device_plugin_request_seconds` | timer | resource, method | How long calls of the kubelet to the device plugin took. |
            | `gpu_node_agent_device_plugin_requests_total` | counter | resource, method, code | The same calls by how they ended. |
            | `gpu_node_agent_device_plugin_registered` | gauge | resource | 1 while the kubelet has taken the registration. |
            | `gpu_node_agent_device_plugin_registrations_total` | counter | resource, result | Registrations with the kubelet, `registered` or `failed`. |
            | `gpu_node_agent_device_plugin_lists_sent_total` | counter | resource | Device lists sent to the kubelet. |
            | `gpu_node_agent_device_plugin_unoffered_devices` | gauge | | GPUs and MIG devices that no resource offers; `gpu-node-agent status` says why. |
            | `gpu_node_agent_job_files_skipped` | gauge | | Files and lines of `attribution.jobDirectory` that were passed over the last time. |
            | `gpu_node_agent_kubernetes_pod_watch_up` | gauge | | With `attribution.podLabels`: 1 while the watch of the node's pods is open, else 0. |
            | `gpu_node_agent_labels` | gauge | | Feature labels that the node is to have. |
            | `gpu_node_agent_labels_current` | gauge | | 1 while they are written where they belong, else 0 and the reason is in `/state`; no number while `labels.sink` is `off`. |
            | `gpu_node_agent_labels_file_failures_total` | counter | | Times that the file of feature labels could not be written or removed. |
            | `gpu_node_agent_labels_file_writes_total` | counter | | Times that it was written or removed. |
            | `gpu_node_agent_mig_layout_applied` | gauge | | With `mig.manage`: 1 while the GPUs are split as the wanted layout says, else 0 and the reason is in `/state`; no number while none is wanted. |
            | `gpu_node_agent_nvml_call_seconds` | timer | group | How long NVML calls, or batches of them, took. |
            | `gpu_node_agent_nvml_errors_total` | counter | group, return | NVML calls that failed, without those that are not supported. |
            | `gpu_node_agent_pod_resources_call_seconds` | timer | | How long calls of the kubelet's PodResources API took. |
            | `gpu_node_agent_pod_resources_calls_total` | counter | result | The same calls by how they ended, `ok` or `error`. |
            | `gpu_node_agent_processes_all_seen` | gauge | | 1 while the agent sees all processes on the GPUs, 0 in a PID namespace of its own; no number before the first look. |
            | `gpu_node_agent_sampling_seconds` | timer | | From asking all GPUs for a sampling to having it. |
            | `gpu_node_agent_snapshot_consumer_failures_total` | counter | consumer | Times that a consumer of the node's picture failed. |
            """;

    private MetricsDocument() {}

    static String text() {
        StringBuilder text = new StringBuilder(HEAD);
        text.append("## Device metrics shown by default\n\n");
        table(text, FieldCatalogue.fields().stream().filter(Field::byDefault).toList());
        text.append("\n## Device metrics that `metrics.fields` can choose\n\n");
        text.append("`metrics.fields` replaces the default list: name every field that is wanted.\n\n");
        table(
                text,
                FieldCatalogue.fields().stream()
                        .filter(field -> !field.byDefault())
                        .toList());
        text.append(OWN);
        text.append("| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n");
        for (OwnMetric metric : OwnMetric.values()) {
            row(text, "`" + metric.metricName() + "`", metric.type().text(), metric.labels(), metric.help());
        }
        return text.append(METERS).toString();
    }

    private static void table(StringBuilder text, List<Field> fields) {
        text.append("| Field | Other names | DCGM id | Type | Scope | Unit | From | Since | Meaning |\n");
        text.append("|---|---|---|---|---|---|---|---|---|\n");
        for (List<Field> family : families(fields)) {
            Field field = family.getFirst();
            Field last = family.getLast();
            boolean alone = family.size() == 1;
            row(
                    text,
                    "`" + field.name() + "`" + (alone ? "" : " … `" + last.name() + "`"),
                    alone
                            ? code(field.aliases())
                            : code(field.aliases()) + (field.aliases().isEmpty() ? "" : " …"),
                    field.id() == 0 ? "" : alone ? String.valueOf(field.id()) : ids(family),
                    field.typeText(),
                    scope(field),
                    field.unit(),
                    from(field),
                    field.since(),
                    alone
                            ? field.help()
                            : field.help()
                                    .replaceFirst("(?<=link |NVLink |decoder |encoder |engine |repaired )0", "n"));
        }
    }

    /** Fields that follow each other and differ in a number only. */
    private static List<List<Field>> families(List<Field> fields) {
        List<List<Field>> families = new ArrayList<>();
        String before = "";
        for (Field field : fields) {
            String pattern = field.name().replaceAll("\\d+(?=_TOTAL$|_[TR]X_BYTES$|_ACTIVE$|_active_ratio$|$)", "*");
            if (pattern.indexOf('*') >= 0 && pattern.equals(before)) {
                families.getLast().add(field);
            } else {
                families.add(new ArrayList<>(List.of(field)));
            }
            before = pattern;
        }
        return families;
    }

    private static String ids(List<Field> family) {
        StringBuilder ids = new StringBuilder();
        for (int i = 0; i < family.size(); i++) {
            int first = i;
            while (i + 1 < family.size()
                    && family.get(i + 1).id() == family.get(i).id() + 1) {
                i++;
            }
            ids.append(ids.isEmpty() ? "" : ", ").append(family.get(first).id());
            if (i > first) {
                ids.append('–').append(family.get(i).id());
            }
        }
        return ids.toString();
    }

    private static String scope(Field field) {
        return switch (field.source()) {
            case Field.PerLink _ -> "link";
            default -> field.scope() == Field.Scope.BOARD ? "board" : "instance";
        };
    }

    /** Where a field's value comes from. */
    static String from(Field field) {
        return switch (field.source()) {
            case Field.Sampled sampled -> QuantitySources.of(sampled.quantity());
            case Field.PerLink perLink -> QuantitySources.of(perLink.quantity());
            case Field.OfLink ofLink -> QuantitySources.of(ofLink.quantity());
            case Field.Derived derived -> "worked out from " + derived.from();
            case Field.LastXid _ -> "XID events, the kernel's log";
            case Field.Label _, Field.Refused _ -> "";
        };
    }

    static String code(List<String> names) {
        return names.isEmpty() ? "" : "`" + String.join("`, `", names) + "`";
    }

    static void row(StringBuilder text, String... cells) {
        for (String cell : cells) {
            text.append("| ").append(cell).append(cell.isEmpty() ? "" : " ");
        }
        text.append("|\n");
    }
}
