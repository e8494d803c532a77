package io.gpunode.agent.assembly;

import io.gpunode.agent.admin.StateSection;
import io.gpunode.agent.admin.StatusLine;
import io.gpunode.agent.admin.StatusLine.Tone;
import io.gpunode.agent.cdi.CdiPublisher;
import io.gpunode.agent.cdi.CdiStatus;
import io.gpunode.agent.config.ChosenConfiguration;
import io.gpunode.agent.config.ConfigDiff;
import io.gpunode.agent.config.EffectiveValue;
import io.gpunode.agent.config.Problem;
import io.gpunode.agent.deviceplugin.DevicePlugin;
import io.gpunode.agent.deviceplugin.DevicePluginStatus;
import io.gpunode.agent.driver.DriverManager;
import io.gpunode.agent.driver.DriverManagerStatus;
import io.gpunode.agent.inventory.Inventory;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.kubernetes.ApiConnection;
import io.gpunode.agent.kubernetes.KubernetesStatus;
import io.gpunode.agent.kubernetes.NodeFeatureWriter;
import io.gpunode.agent.kubernetes.NodeLabelWriter;
import io.gpunode.agent.kubernetes.RejectedPods;
import io.gpunode.agent.kubernetes.StartupTaint;
import io.gpunode.agent.kubernetes.StateLabelWriter;
import io.gpunode.agent.labels.LabelPublisher;
import io.gpunode.agent.labels.LabelStatus;
import io.gpunode.agent.mig.MigManager;
import io.gpunode.agent.mig.MigManagerStatus;
import io.gpunode.agent.model.NvmlFault;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Supplier;

/** What {@code /state} and the status page show of the features. */
final class StateSections {
    private StateSections() {}

    static StateSection devicePlugin(DevicePlugin plugin) {
        return section(
                "devicePlugin",
                json -> {
                    json.beginObject()
                            .member("kubelet", plugin.kubelet().toString())
                            .member("watch", plugin.watchProblem().isEmpty() ? "inotify" : plugin.watchProblem())
                            .member("notReady", plugin.notReady())
                            .member("problems", plugin.problems())
                            .name("resources")
                            .beginArray();
                    for (DevicePluginStatus status : plugin.status()) {
                        resource(json, status);
                    }
                    json.endArray().endObject();
                },
                () -> resourceLines(plugin));
    }

    private static List<StatusLine> resourceLines(DevicePlugin plugin) {
        List<StatusLine> lines = new ArrayList<>();
        for (DevicePluginStatus status : plugin.status()) {
            List<String> details = new ArrayList<>();
            details.add("socket " + status.socket() + ", " + status.streams() + " open streams, " + status.listsSent()
                    + " lists sent");
            details.add(status.registrations() + " registrations, " + status.failedRegistrations() + " failed");
            if (status.lastErrorAt() != null) {
                details.add("last failure " + status.lastErrorAt() + ": " + status.lastError());
            }
            lines.add(new StatusLine(
                    status.resource(),
                    status.registered() ? Tone.GOOD : Tone.WARNING,
                    status.state(),
                    status.reason() + ". " + status.healthyDevices() + " of " + status.devices()
                            + " devices can be given; " + status.allocations() + " allocations, "
                            + status.refusedAllocations() + " refused.",
                    "socket and registrations",
                    details));
        }
        if (!plugin.problems().isEmpty()) {
            lines.add(new StatusLine(
                    "Not offered",
                    Tone.WARNING,
                    plugin.problems().size() + " kinds",
                    "Devices that no resource offers.",
                    "why",
                    plugin.problems()));
        }
        return lines;
    }

    private static void resource(JsonWriter json, DevicePluginStatus status) {
        json.beginObject()
                .member("resource", status.resource())
                .member("state", status.state())
                .member("reason", status.reason())
                .member("since", status.since().toString())
                .member("socket", status.socket())
                .member("streams", status.streams())
                .member("devices", status.devices())
                .member("healthyDevices", status.healthyDevices())
                .member("registrations", status.registrations())
                .member("failedRegistrations", status.failedRegistrations())
                .member("listsSent", status.listsSent())
                .member("allocations", status.allocations())
                .member("refusedAllocations", status.refusedAllocations());
        if (status.lastErrorAt() != null) {
            json.member("lastError", status.lastError())
                    .member("lastErrorAt", status.lastErrorAt().toString());
        }
        json.endObject();
    }

    static StateSection cdi(CdiPublisher cdi) {
        return section(
                "cdi",
                json -> {
                    CdiStatus status = cdi.status();
                    json.beginObject()
                            .member("path", status.path().toString())
                            .member("written", status.written())
                            .member("structureVersion", status.structureVersion())
                            .member("error", status.error())
                            .member("problems", status.problems())
                            .endObject();
                },
                () -> cdi.status().problems().isEmpty()
                        ? List.of()
                        : List.of(new StatusLine(
                                "CDI specification",
                                Tone.WARNING,
                                "incomplete",
                                "Containers will miss something.",
                                "what",
                                cdi.status().problems())));
    }

    static StateSection kubernetes(ApiConnection connection) {
        return section(
                "kubernetes",
                json -> {
                    KubernetesStatus status = connection.status();
                    json.beginObject()
                            .member("state", status.state())
                            .member("reason", status.reason())
                            .member("server", status.server())
                            .member("credentials", status.credentials())
                            .member("node", status.node())
                            .member("watching", status.watching());
                    status.labels().ifPresent(labels -> json.member("labels", labels));
                    status.lastContact().ifPresent(age -> json.member("lastContactSecondsAgo", age.toSeconds()));
                    json.member("requests", status.requests()).member("eventsWaiting", status.eventsWaiting());
                    connection.labelWriter().map(NodeLabelWriter::status).ifPresent(labels -> {
                        json.name("nodeLabels")
                                .beginObject()
                                .member("wanted", labels.wanted())
                                .member("applied", labels.applied())
                                .member("writes", labels.writes())
                                .member("reason", labels.reason());
                        texts(json, "conflicts", labels.conflicts());
                        texts(json, "leftOut", labels.leftOut());
                        json.endObject();
                    });
                    connection
                            .startupTaint()
                            .map(StartupTaint::status)
                            .ifPresent(taint -> json.name("startupTaint")
                                    .beginObject()
                                    .member("key", taint.key())
                                    .member("state", taint.state())
                                    .member("reason", taint.reason())
                                    .endObject());
                    connection
                            .rejectedPods()
                            .map(RejectedPods::status)
                            .ifPresent(pods -> json.name("rejectedPods")
                                    .beginObject()
                                    .member("deleted", pods.deleted())
                                    .member("reason", pods.reason())
                                    .endObject());
                    connection.featureWriter().map(NodeFeatureWriter::status).ifPresent(feature -> {
                        json.name("nodeFeature")
                                .beginObject()
                                .member("usability", feature.usability().toString())
                                .member("object", feature.object())
                                .member("wanted", feature.wanted())
                                .member("written", feature.written())
                                .member("taken", feature.taken())
                                .member("writes", feature.writes())
                                .member("reason", feature.reason());
                        texts(json, "leftOut", feature.leftOut());
                        json.endObject();
                    });
                    json.endObject();
                },
                () -> List.of(apiServerLine(connection.status())));
    }

    private static StatusLine apiServerLine(KubernetesStatus status) {
        String subject = "API server";
        if (status.state().equals(KubernetesStatus.CONNECTED)) {
            return new StatusLine(
                    subject,
                    Tone.GOOD,
                    status.state(),
                    status.server() + ", node " + status.node() + (status.watching() ? ", watched" : ""));
        }
        boolean unwanted = status.state().equals("off") || status.state().equals("not-configured");
        return new StatusLine(subject, unwanted ? Tone.NEUTRAL : Tone.BAD, status.state(), status.reason());
    }

    private static void texts(JsonWriter json, String name, Map<String, String> texts) {
        json.name(name).beginObject();
        texts.forEach(json::member);
        json.endObject();
    }

    static StateSection labels(LabelPublisher publisher) {
        return section(
                "labels",
                json -> {
                    LabelStatus status = publisher.status();
                    json.beginObject()
                            .member("sink", status.sink())
                            .member("place", status.place())
                            .member("state", status.state().toString())
                            .member("reason", status.reason())
                            .member("count", status.labels().size());
                    status.lastWritten().ifPresent(age -> json.member("lastWrittenSecondsAgo", age.toSeconds()));
                    texts(json, "labels", status.labels());
                    json.endObject();
                },
                () -> List.of(labelsLine(publisher.status())));
    }

    private static StatusLine labelsLine(LabelStatus status) {
        List<String> details = new ArrayList<>();
        status.labels().forEach((key, value) -> details.add(key + "=" + value));
        Tone tone = switch (status.state()) {
            case CURRENT -> Tone.GOOD;
            case FAILED -> Tone.BAD;
            case WAITING, PENDING -> Tone.WARNING;
            case OFF -> Tone.NEUTRAL;
        };
        String place = status.place().isEmpty() ? "" : "In " + status.sink() + " " + status.place() + ". ";
        return new StatusLine(
                "Feature labels",
                tone,
                status.state().toString(),
                place + status.reason(),
                details.size() + " labels",
                details);
    }

    static StateSection mig(Optional<MigManager> manager, ApiConnection connection) {
        return section(
                "mig",
                json -> {
                    if (manager.isEmpty()) {
                        json.beginObject().member("state", "off").endObject();
                        return;
                    }
                    MigManagerStatus status = manager.get().status();
                    json.beginObject()
                            .member("state", status.state().toString())
                            .member("layout", status.layout())
                            .member("origin", status.origin())
                            .member("reason", status.reason())
                            .member("since", status.since().toString())
                            .member("attempts", status.attempts())
                            .member("steps", status.steps())
                            .member(
                                    "labelProblem",
                                    connection
                                            .migState()
                                            .map(StateLabelWriter::problem)
                                            .orElse(""))
                            .endObject();
                },
                () -> manager.map(MigManager::status).map(StateSections::migLine).stream()
                        .toList());
    }

    static StateSection driver(Optional<DriverManager> manager) {
        return section(
                "driver",
                json -> {
                    if (manager.isEmpty()) {
                        json.beginObject().member("state", "off").endObject();
                        return;
                    }
                    DriverManagerStatus status = manager.get().status();
                    json.beginObject()
                            .member("state", word(status))
                            .member("running", status.running())
                            .member("wanted", status.wanted())
                            .member("differences", status.differences())
                            .member("reason", status.reason())
                            .member("step", status.step())
                            .member("since", status.since().toString())
                            .member("changes", status.changes())
                            .endObject();
                },
                () -> manager.map(DriverManager::status).map(StateSections::driverLine).stream()
                        .toList());
    }

    private static String word(DriverManagerStatus status) {
        return status.state().name().toLowerCase(Locale.ROOT);
    }

    private static StatusLine driverLine(DriverManagerStatus status) {
        Tone tone = switch (status.state()) {
            case READY -> Tone.GOOD;
            case FAILED -> Tone.BAD;
            case DIFFERS, UNLOADED -> Tone.WARNING;
            case STARTING, CHANGING -> Tone.NEUTRAL;
        };
        List<String> said = new ArrayList<>();
        said.add("Running: " + (status.running().isEmpty() ? "not looked at yet" : status.running()));
        if (!status.wanted().isEmpty() && !status.wanted().equals(status.running())) {
            said.add("wanted: " + status.wanted());
        }
        said.addAll(status.differences());
        if (!status.step().isEmpty()) {
            said.add(status.step());
        }
        if (!status.reason().isEmpty()) {
            said.add(status.reason());
        }
        return new StatusLine("Driver", tone, word(status), String.join("; ", said) + ".");
    }

    private static StatusLine migLine(MigManagerStatus status) {
        Tone tone = switch (status.state()) {
            case SUCCESS -> Tone.GOOD;
            case FAILED -> Tone.BAD;
            case PENDING -> Tone.WARNING;
            case IDLE -> Tone.NEUTRAL;
        };
        String layout =
                status.layout().isEmpty() ? "" : "Layout " + status.layout() + ", wanted by " + status.origin() + ". ";
        return new StatusLine("MIG layout", tone, status.state().toString(), layout + status.reason());
    }

    static StateSection faults(Inventory inventory) {
        return section("nvmlFaults", json -> {
            json.beginArray();
            for (NvmlFault fault : inventory.recentFaults()) {
                json.beginObject()
                        .member("function", fault.function())
                        .member("returned", fault.returned())
                        .member("device", fault.device())
                        .member("count", fault.count())
                        .member("first", fault.first().toString())
                        .member("last", fault.last().toString())
                        .endObject();
            }
            for (Map.Entry<Integer, String> gpu : inventory.unidentified().entrySet()) {
                json.beginObject()
                        .member("device", "index " + gpu.getKey())
                        .member("unidentified", gpu.getValue())
                        .endObject();
            }
            json.endArray();
        });
    }

    static StateSection configuration(Supplier<ConfigurationState> state) {
        return section(
                "configuration",
                json -> {
                    ConfigurationState now = state.get();
                    json.beginObject();
                    json.member("file", now.inForce().file().map(Path::toString).orElse(null));
                    json.member(
                            "named",
                            now.inForce()
                                    .named()
                                    .map(ChosenConfiguration::toString)
                                    .orElse(null));
                    json.name("refused").beginArray();
                    for (Problem problem : now.refused()) {
                        json.value(problem.toString());
                    }
                    json.endArray();
                    json.name("needRestart").beginArray();
                    for (ConfigDiff.Change change : now.waiting()) {
                        json.beginObject()
                                .member("setting", change.setting())
                                .member("inForce", change.before())
                                .member("read", change.after())
                                .endObject();
                    }
                    json.endArray();
                    json.name("settings").beginObject();
                    for (EffectiveValue<?> value : now.inForce().values()) {
                        json.name(value.setting().path())
                                .beginObject()
                                .member("value", value.text())
                                .member("source", value.source())
                                .endObject();
                    }
                    json.endObject().endObject();
                },
                () -> List.of(configurationLine(state.get())));
    }

    private static StatusLine configurationLine(ConfigurationState state) {
        List<String> details = new ArrayList<>();
        for (EffectiveValue<?> value : state.inForce().values()) {
            if (!value.source().equals("default")) {
                details.add(value.setting().path() + ": " + value.text() + " (" + value.source() + ")");
            }
        }
        String subject = "Configuration";
        String fold = details.size() + " settings that are not the defaults";
        if (!state.refused().isEmpty()) {
            return new StatusLine(
                    subject,
                    Tone.BAD,
                    "refused",
                    "What was read last is not in force: " + state.refused().getFirst(),
                    fold,
                    details);
        }
        if (!state.waiting().isEmpty()) {
            List<String> settings =
                    state.waiting().stream().map(ConfigDiff.Change::setting).toList();
            return new StatusLine(
                    subject,
                    Tone.WARNING,
                    "restart needed",
                    "These settings wait for a restart: " + String.join(", ", settings),
                    fold,
                    details);
        }
        String file = state.inForce().file().map(Path::toString).orElse("No file: flags, environment and defaults.");
        String named = state.inForce()
                .named()
                .map(chosen -> "; named configuration " + chosen)
                .orElse("");
        return new StatusLine(subject, Tone.GOOD, "in force", file + named, fold, details);
    }

    private static StateSection section(String name, Consumer<JsonWriter> writer) {
        return section(name, writer, List::of);
    }

    private static StateSection section(String name, Consumer<JsonWriter> writer, Supplier<List<StatusLine>> lines) {
        return new StateSection() {
            @Override
            public String name() {
                return name;
            }

            @Override
            public void write(JsonWriter json) {
                writer.accept(json);
            }

            @Override
            public List<StatusLine> lines() {
                return lines.get();
            }
        };
    }
}
