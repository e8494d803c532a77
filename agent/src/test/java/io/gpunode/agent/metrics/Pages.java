package io.gpunode.agent.metrics;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.EntitySelector;
import io.gpunode.agent.config.FieldChoice;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.podresources.PodResourcesPicture;
import io.gpunode.agent.podresources.PodUse;
import io.gpunode.agent.testing.FakeSnapshotSource;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.Tick;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Pages of {@code /metrics} for tests: a clock that stands still, a hand-made picture, hand-made holders. */
final class Pages {
    static final Tick NOW = new Tick(Duration.ofHours(1).toNanos());

    /** Three seconds after the fixtures' pictures were taken. */
    static final InstantSource WALL = InstantSource.fixed(Snapshots.AT.plusSeconds(3));

    private final NodeSnapshot snapshot;
    private List<FieldChoice> fields = named(FieldCatalogue.defaultNames());
    private EntitySelector devices = EntitySelector.FLEXIBLE;
    private Map<String, List<PodUse>> holders = new LinkedHashMap<>();
    private @Nullable String podError = "";
    private AgentConfig.MetricLabels labels = AgentConfig.MetricLabels.NEWEST;

    private boolean boardValuesOnInstances;

    private Pages(NodeSnapshot snapshot) {
        this.snapshot = snapshot;
    }

    static Pages of(NodeSnapshot snapshot) {
        return new Pages(snapshot);
    }

    Pages fields(List<String> chosen) {
        return choices(named(chosen));
    }

    Pages choices(List<FieldChoice> chosen) {
        fields = chosen;
        return this;
    }

    static List<FieldChoice> named(List<String> names) {
        return names.stream().map(FieldChoice::named).toList();
    }

    Pages labels(AgentConfig.HostnameLabel hostname, boolean oldNamespace, boolean replaceBlanks) {
        labels = new AgentConfig.MetricLabels(hostname, oldNamespace, replaceBlanks);
        return this;
    }

    Pages devices(EntitySelector chosen) {
        devices = chosen;
        return this;
    }

    /** Pairs with the holders of {@code device} so far. */
    Pages holder(String device, String namespace, String pod, String container) {
        List<PodUse> uses = new ArrayList<>(holders.getOrDefault(device, List.of()));
        uses.add(new PodUse(namespace, pod, container));
        holders.put(device, uses);
        return this;
    }

    /** The kubelet has never answered. */
    Pages withoutKubelet() {
        podError = null;
        return this;
    }

    /** The kubelet's last answer failed. */
    Pages kubeletError(String error) {
        podError = error;
        return this;
    }

    /** As dcgm-exporter does it. */
    Pages boardValuesOnInstances() {
        boardValuesOnInstances = true;
        return this;
    }

    MetricsExposition exposition() {
        Optional<PodResourcesPicture> pods = podError == null
                ? Optional.empty()
                : Optional.of(new PodResourcesPicture(holders, new Tick(NOW.nanos() - 2_500_000_000L), podError));
        return new MetricsExposition(
                new AgentConfig.Metrics(fields, "", devices, labels, boardValuesOnInstances, true),
                "node-a",
                "0.1.0",
                xid -> xid == 48 ? "Double Bit ECC Error" : "Unknown Error",
                new MicrometerMeters(_ -> {}, () -> NOW, _ -> {}),
                new FakeSnapshotSource(snapshot),
                () -> pods,
                () -> NOW,
                WALL);
    }

    String render() {
        return text(exposition());
    }

    static String text(MetricsExposition exposition) {
        return text(exposition, ExpositionFormat.TEXT);
    }

    static String text(MetricsExposition exposition, ExpositionFormat format) {
        ByteArrayOutputStream page = new ByteArrayOutputStream();
        exposition.render(format, page::write);
        return page.toString(StandardCharsets.UTF_8);
    }

    /** A number for every quantity, different for each GPU. */
    static Map<Quantity, Number> numbers(int gpu) {
        Map<Quantity, Number> numbers = new EnumMap<>(Quantity.class);
        for (Quantity quantity : Quantity.values()) {
            if (quantity.isFraction()) {
                numbers.put(quantity, (Math.floorMod(quantity.name().hashCode(), 97) + gpu) / 128.0);
            } else {
                numbers.put(quantity, Math.floorMod(quantity.name().hashCode(), 90) + 10L * gpu);
            }
        }
        numbers.put(Quantity.SM_CLOCK_MHZ, 1980 - 15L * gpu);
        numbers.put(Quantity.MEMORY_CLOCK_MHZ, 2619L);
        numbers.put(Quantity.GPU_TEMPERATURE_CELSIUS, 41L + gpu);
        numbers.put(Quantity.MEMORY_TEMPERATURE_CELSIUS, 52L + gpu);
        numbers.put(Quantity.POWER_MILLIWATTS, 412_337L + 1_001L * gpu);
        numbers.put(Quantity.ENERGY_MILLIJOULES, 129_931_554_972L + gpu);
        numbers.put(Quantity.MEMORY_TOTAL_BYTES, 85_520_809_984L);
        numbers.put(Quantity.MEMORY_RESERVED_BYTES, 551_550_976L);
        numbers.put(Quantity.MEMORY_USED_BYTES, 2_216_034_304L * (gpu + 1));
        numbers.put(Quantity.MEMORY_FREE_BYTES, 85_520_809_984L - 551_550_976L - 2_216_034_304L * (gpu + 1));
        numbers.put(Quantity.PCIE_REPLAYS, 0L);
        numbers.put(Quantity.VGPU_LICENSED, 0L);
        numbers.put(Quantity.PCIE_SENT_BYTES_PER_SECOND, 3_145_728L * gpu);
        return numbers;
    }
}
