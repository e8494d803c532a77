package io.gpunode.agent.admin;

import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.model.Finding;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuHealth;
import io.gpunode.agent.model.GpuSample;
import io.gpunode.agent.model.LaneState;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.model.Reading;
import io.gpunode.agent.model.XidEvent;
import io.gpunode.agent.podresources.DeviceHolders;
import io.gpunode.agent.podresources.PodResourcesPicture;
import io.gpunode.agent.podresources.PodUse;
import io.gpunode.agent.time.Tick;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * {@code /state}: everything the agent knows, as JSON for {@code gpu-node-agent status} and for people with {@code jq}. Members are only ever added. What
 * is absent is said so: a sample's numbers stand under {@code values}, and the names of those without a number under the reason.
 */
final class StatePage implements Page {
    private static final String[] QUANTITY_NAMES = quantityNames();

    private final AdminState state;
    private final Tick startedAt;

    StatePage(AdminState state) {
        this.state = state;
        this.startedAt = state.clock().now();
    }

    @Override
    public String contentType() {
        return "application/json; charset=utf-8";
    }

    @Override
    public int write(Body body) {
        NodeSnapshot snapshot = state.snapshots().current();
        Optional<PodResourcesPicture> pods = state.pods().current();
        Readiness readiness = Readiness.ask(state.readiness());
        JsonWriter json = JsonWriter.pretty().beginObject();
        json.member("version", state.version())
                .member("node", state.node())
                .member("uptimeSeconds", state.clock().now().since(startedAt).toSeconds())
                .member("ready", readiness.ready());
        json.guardedMember("readiness", value -> writeReadiness(value, readiness));
        json.guardedMember("loops", this::writeLoops);
        json.guardedMember("nvml", value -> writeNvml(value, snapshot.nvml()));
        json.guardedMember(
                "snapshot",
                value -> value.beginObject()
                        .member("version", snapshot.version())
                        .member("structureVersion", snapshot.structureVersion())
                        .member("takenAt", snapshot.takenAt().toString())
                        .endObject());
        json.guardedMember("findings", value -> writeFindingList(value, snapshot.findings()));
        json.guardedMember("gpus", value -> writeGpus(value, snapshot, pods));
        json.guardedMember("pods", value -> writePods(value, pods));
        for (StateSection section : state.sections()) {
            json.guardedMember(section.name(), section::write);
        }
        body.write(json.endObject() + "\n");
        return 200;
    }

    private static void writeReadiness(JsonWriter json, Readiness readiness) {
        json.beginArray();
        for (Readiness.Named named : readiness.conditions()) {
            json.beginObject()
                    .member("name", named.name())
                    .member("ok", named.condition().ok())
                    .member("reason", named.condition().reason());
            if (!named.condition().nextStep().isEmpty()) {
                json.member("nextStep", named.condition().nextStep());
            }
            json.endObject();
        }
        json.endArray();
    }

    private void writeLoops(JsonWriter json) {
        json.beginArray();
        for (Heartbeats.Pulse pulse : state.heartbeats().read()) {
            json.beginObject()
                    .member("name", pulse.name())
                    .member("ok", pulse.ok())
                    .member("ageMillis", pulse.age().toMillis())
                    .member("boundMillis", pulse.bound().toMillis())
                    .endObject();
        }
        json.endArray();
    }

    private static void writeNvml(JsonWriter json, NvmlState nvml) {
        json.beginObject();
        switch (nvml) {
            case NvmlState.Open open -> {
                json.member("state", "open")
                        .member("driverVersion", open.driverVersion())
                        .member("nvmlVersion", open.nvmlVersion())
                        .member("cudaDriverVersion", open.cudaDriverVersion())
                        .member("libraryPath", open.libraryPath())
                        .member("generation", open.generation())
                        .member("since", open.since().toString())
                        .name("variants")
                        .beginObject();
                for (Map.Entry<String, String> variant : open.variants().entrySet().stream()
                        .sorted(Map.Entry.comparingByKey())
                        .toList()) {
                    json.member(variant.getKey(), variant.getValue());
                }
                json.endObject().member("absentSymbols", open.absent());
            }
            case NvmlState.Waiting waiting ->
                json.member("state", "waiting")
                        .member("kind", waiting.kind())
                        .member("reason", waiting.reason())
                        .member("nextStep", waiting.nextStep())
                        .member("since", waiting.since().toString());
            case NvmlState.Withdrawn withdrawn ->
                json.member("state", "withdrawn")
                        .member("reason", withdrawn.reason())
                        .member("since", withdrawn.since().toString());
        }
        json.endObject();
    }

    private static void writeGpus(JsonWriter json, NodeSnapshot snapshot, Optional<PodResourcesPicture> pods) {
        DeviceHolders holders = new DeviceHolders(
                snapshot.gpus(), pods.map(PodResourcesPicture::byDevice).orElse(Map.of()));
        json.beginArray();
        for (int place = 0; place < snapshot.gpus().size(); place++) {
            writeGpu(json, snapshot.gpus().get(place), place, holders);
        }
        json.endArray();
    }

    private static void writeGpu(JsonWriter json, Gpu gpu, int place, DeviceHolders holders) {
        json.beginObject()
                .member("index", gpu.index())
                .member("id", gpu.id().uuid())
                .member("pci", gpu.pci().sysfsName())
                .member("name", gpu.name())
                .member("healthy", gpu.healthy());
        writeFindings(json, gpu.health().all());
        writeLane(json, gpu.lane());
        writeUses(json, holders.holders(place));
        json.member("minor", gpu.minor());
        reading(json, "serial", gpu.serial());
        reading(json, "vbiosVersion", gpu.vbiosVersion());
        reading(json, "computeCapability", gpu.computeCapability());
        json.member("persistenceMode", gpu.persistenceMode().describe());
        gpu.memoryBytes().ifPresent(bytes -> json.member("memoryBytes", bytes));
        gpu.numaNode().ifPresent(node -> json.member("numaNode", node));
        writeFabric(json, gpu.fabric());
        writeXid(json, gpu.lastXid());
        json.member("migEnabled", gpu.migEnabled()).name("migDevices").beginArray();
        for (MigDevice mig : gpu.migDevices()) {
            json.beginObject()
                    .member("id", mig.id().uuid())
                    .member("index", gpu.index() + ":" + mig.index())
                    .member("profile", mig.profile())
                    .member("gpuInstanceId", mig.gpuInstanceId())
                    .member("computeInstanceId", mig.computeInstanceId())
                    .member("memoryMebibytes", mig.memoryMebibytes())
                    .member("healthy", gpu.healthy() && mig.health() instanceof GpuHealth.Healthy);
            writeFindings(json, mig.health().all());
            writeUses(json, holders.holders(place, mig.gpuInstanceId()));
            writeSample(json, mig.sample());
            json.endObject();
        }
        json.endArray();
        writeProcesses(json, gpu.processes());
        writeSample(json, gpu.sample());
        json.endObject();
    }

    private static void writeFindings(JsonWriter json, List<Finding> findings) {
        writeFindingList(json.name("findings"), findings);
    }

    private static void writeFindingList(JsonWriter json, List<Finding> findings) {
        json.beginArray();
        for (Finding finding : findings) {
            json.beginObject()
                    .member("check", finding.check())
                    .member("severity", finding.severity().name().toLowerCase(Locale.ROOT))
                    .member("reason", finding.reason())
                    .member("repair", finding.repair())
                    .member("recovery", finding.recovery())
                    .member("since", finding.since().toString())
                    .endObject();
        }
        json.endArray();
    }

    private static void writeLane(JsonWriter json, LaneState lane) {
        json.name("lane").beginObject();
        switch (lane) {
            case LaneState.Responsive _ -> json.member("state", "responsive");
            case LaneState.Unresponsive(String function, Instant since) ->
                json.member("state", "unresponsive")
                        .member("function", function)
                        .member("since", since.toString());
            case LaneState.Lost(String reason, Instant since) ->
                json.member("state", "lost").member("reason", reason).member("since", since.toString());
        }
        json.endObject();
    }

    private static void writeUses(JsonWriter json, List<PodUse> uses) {
        json.name("pods").beginArray();
        for (PodUse use : uses) {
            json.beginObject()
                    .member("namespace", use.namespace())
                    .member("pod", use.pod())
                    .member("container", use.container())
                    .endObject();
        }
        json.endArray();
    }

    private static void writeFabric(JsonWriter json, Reading<Gpu.FabricState> fabric) {
        if (fabric instanceof Reading.Value<Gpu.FabricState>(Gpu.FabricState state)) {
            json.name("fabric")
                    .beginObject()
                    .member("state", state.state())
                    .member("clusterUuid", state.clusterUuid())
                    .member("cliqueId", state.cliqueId())
                    .member("health", state.health())
                    .name("problems")
                    .beginArray();
            state.problems().forEach(json::value);
            json.endArray().endObject();
        } else {
            json.member("fabric", fabric.describe());
        }
    }

    private static void writeXid(JsonWriter json, Reading<XidEvent> lastXid) {
        if (lastXid instanceof Reading.Value<XidEvent>(XidEvent event)) {
            json.name("lastXid")
                    .beginObject()
                    .member("xid", event.xid())
                    .member("at", event.at().toString());
            event.gpuInstanceId().ifPresent(id -> json.member("gpuInstanceId", id));
            event.computeInstanceId().ifPresent(id -> json.member("computeInstanceId", id));
            json.endObject();
        } else {
            json.name("lastXid").nullValue();
        }
    }

    private static void writeProcesses(JsonWriter json, Reading<List<Gpu.ProcessUse>> processes) {
        if (processes instanceof Reading.Value<List<Gpu.ProcessUse>>(List<Gpu.ProcessUse> all)) {
            json.name("processes").beginArray();
            for (Gpu.ProcessUse process : all) {
                json.beginObject().member("pid", process.pid());
                process.usedBytes().ifPresent(bytes -> json.member("usedBytes", bytes));
                json.endObject();
            }
            json.endArray();
        } else {
            json.member("processes", processes.describe());
        }
    }

    /** What is on none of the lists was not read: nobody wants it. */
    private static void writeSample(JsonWriter json, GpuSample sample) {
        json.name("sample").beginObject();
        if (sample.sampledAtEpochMillis() > 0) {
            json.member(
                    "at", Instant.ofEpochMilli(sample.sampledAtEpochMillis()).toString());
        }
        json.name("values").beginObject();
        for (Quantity quantity : Quantity.values()) {
            if (sample.has(quantity)) {
                json.name(QUANTITY_NAMES[quantity.ordinal()]);
                if (!quantity.isFraction()) {
                    json.value(sample.value(quantity));
                } else if (Double.isFinite(sample.fraction(quantity))) {
                    json.value(sample.fraction(quantity));
                } else {
                    json.nullValue();
                }
            }
        }
        json.endObject();
        without(json, "unsupported", sample, GpuSample.UNSUPPORTED);
        without(json, "failed", sample, GpuSample.FAILED);
        json.endObject();
    }

    private static void without(JsonWriter json, String reason, GpuSample sample, byte status) {
        json.name(reason).beginArray();
        for (Quantity quantity : Quantity.values()) {
            if (sample.status(quantity) == status) {
                json.value(QUANTITY_NAMES[quantity.ordinal()]);
            }
        }
        json.endArray();
    }

    private void writePods(JsonWriter json, Optional<PodResourcesPicture> pods) {
        json.beginObject();
        if (pods.isPresent()) {
            PodResourcesPicture picture = pods.get();
            json.member("ageMillis", state.clock().now().since(picture.readAt()).toMillis())
                    .member("devices", picture.byDevice().size())
                    .member("error", picture.error());
        } else {
            json.member("error", "the kubelet has not said yet which container holds which device");
        }
        json.endObject();
    }

    private static <T> void reading(JsonWriter json, String name, Reading<T> reading) {
        json.member(name, reading.describe());
    }

    private static String[] quantityNames() {
        String[] names = new String[Quantity.count()];
        for (Quantity quantity : Quantity.values()) {
            names[quantity.ordinal()] = quantity.name().toLowerCase(Locale.ROOT);
        }
        return names;
    }
}
