package io.gpunode.agent.metrics;

import io.gpunode.agent.attribution.AttributionSource;
import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.AgentConfig.MetricLabels;
import io.gpunode.agent.config.EntitySelector;
import io.gpunode.agent.inventory.SnapshotSource;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.model.WantedReadings;
import io.gpunode.agent.podresources.PodResourcesPicture;
import io.gpunode.agent.podresources.PodResourcesSource;
import io.gpunode.agent.time.MonotonicClock;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;

/**
 * The page that {@code /metrics} answers with, in the Prometheus text format or in OpenMetrics: the device metrics and the node's own, rendered by {@linkplain Collector
 * collectors} straight from the newest picture, then the agent's meters as Micrometer last rendered them. No NVML call, no wait, and in the steady
 * state next to no allocation; each collector is guarded, so a failing one costs its own series only and says so in
 * {@code gpu_node_agent_collector_success}.
 *
 * <p>Owns the page's buffer and the collectors. Any thread; one page at a time.
 */
public final class MetricsExposition {
    private static final Log LOG = Log.of(MetricsExposition.class);

    /** Takes a finished page, piece by piece. */
    @FunctionalInterface
    public interface Sink {
        /** {@code count} bytes from {@code from} on are the next piece; they may change as soon as this returns. */
        void accept(byte[] bytes, int from, int count);
    }

    private final SnapshotSource snapshots;
    private final PodResourcesSource pods;
    private final MonotonicClock clock;
    private final InstantSource wall;
    private final ExpositionWriter out = new ExpositionWriter();
    private final String hostname;
    private final String agentVersion;
    private final LongFunction<String> xidText;
    private final MicrometerMeters meters;
    private final DeviceHistory history;
    private String leftOutBefore = "";
    private boolean podAttribution;
    private AgentConfig.Metrics config;
    private AgentConfig.Attribution attribution = AgentConfig.Attribution.NONE;
    private AttributionSource users = AttributionSource.NONE;
    private WantedReadings wanted = WantedReadings.ALWAYS;
    private Guarded[] collectors;

    /**
     * @param config which fields are shown, and whether with pods
     * @param hostname the value of label {@code hostname}
     * @param agentVersion for the build metric
     * @param xidText what an XID's number means, in a few words
     * @throws IllegalArgumentException when the configuration names an unknown field
     */
    public MetricsExposition(
            AgentConfig.Metrics config,
            String hostname,
            String agentVersion,
            LongFunction<String> xidText,
            MicrometerMeters meters,
            SnapshotSource snapshots,
            PodResourcesSource pods,
            MonotonicClock clock,
            InstantSource wall) {
        this.hostname = hostname;
        this.agentVersion = agentVersion;
        this.xidText = xidText;
        this.meters = meters;
        this.snapshots = snapshots;
        this.pods = pods;
        this.clock = clock;
        this.wall = wall;
        this.podAttribution = config.podAttribution();
        this.config = config;
        this.history = new DeviceHistory(clock);
        this.collectors = collectors(config);
        // A picture from before the subscription is told to nobody.
        snapshots.subscribe("metrics", history::picture);
        history.picture(snapshots.current());
    }

    /** For tests of the guard: these collectors and no others. */
    MetricsExposition(
            List<Collector> collectors,
            SnapshotSource snapshots,
            PodResourcesSource pods,
            MonotonicClock clock,
            InstantSource wall) {
        this(
                new AgentConfig.Metrics(List.of(), "", EntitySelector.FLEXIBLE, MetricLabels.NEWEST, false, true),
                "",
                "",
                Long::toString,
                new MicrometerMeters(_ -> {}, clock, _ -> {}),
                snapshots,
                pods,
                clock,
                wall);
        this.collectors = collectors.stream().map(Guarded::new).toArray(Guarded[]::new);
    }

    /**
     * Shows what a new configuration asks for, from the next page on.
     *
     * @throws IllegalArgumentException when it names an unknown field; the page stays as it was
     */
    public synchronized void reconfigure(AgentConfig.Metrics config) {
        collectors = collectors(config);
        this.config = config;
        podAttribution = config.podAttribution();
    }

    /** Shows who uses the GPUs, as a configuration asks for and a source knows, from the next page on. Before it only the kubelet's answer is shown. */
    public synchronized void attribute(AgentConfig.Attribution wanted, AttributionSource source) {
        attribution = wanted;
        users = source;
        collectors = collectors(config);
    }

    /** Changes the windows in which XIDs and clock events are counted; what was counted within others is forgotten. */
    public void windows(Duration xids, Duration clockEvents) {
        history.windows(xids, clockEvents);
    }

    /** What has to be read for what is shown now. */
    public synchronized WantedReadings wanted() {
        return wanted;
    }

    /** Renders a page and hands it to the sink before it returns. */
    public synchronized void render(ExpositionFormat format, Sink sink) {
        PodResourcesPicture picture = podAttribution ? pods.current().orElse(null) : null;
        Scrape scrape = new Scrape(snapshots.current(), picture, users.current(), clock.now(), wall.millis());
        out.begin(format);
        for (Guarded collector : collectors) {
            collector.run(scrape);
        }
        reportCollectors();
        reportLeftOut();
        out.finish(sink::accept);
    }

    /** Renders a page for nobody, so that the first one asked for finds code and buffers ready. */
    public void warmUp() {
        render(ExpositionFormat.TEXT, (_, _, _) -> {});
    }

    private Guarded[] collectors(AgentConfig.Metrics config) {
        List<ChosenField> fields = FieldChoices.rows(config.fields());
        wanted = FieldCatalogue.wanted(fields);
        DeviceLabels labels = new DeviceLabels(
                fields,
                config.devices(),
                hostname,
                new OwnerLabels(attribution, labelFields(fields)),
                LabelSpelling.of(config.labels()));
        DerivedFamilies derived = new DerivedFamilies(fields, labels);
        history.want(!derived.isEmpty());
        List<Collector> all = new ArrayList<>();
        all.add(new DeviceCollector(fields, labels, config.boardValuesOnInstances(), xidText));
        if (derived.shows(DerivedFields.XID_ERRORS_COUNT) || derived.shows(DerivedFields.XID_ERRORS_TOTAL)) {
            all.add(new XidCollector(derived, history));
        }
        if (derived.shows(DerivedFields.CLOCK_EVENTS_COUNT) || derived.shows(DerivedFields.CLOCK_EVENTS_TOTAL)) {
            all.add(new ClockEventsCollector(derived, history));
        }
        if (derived.shows(DerivedFields.GPU_HEALTH_STATUS)) {
            all.add(new HealthStatusCollector(derived, history));
        }
        if (derived.shows(DerivedFields.P2P_STATUS)) {
            all.add(new PeerStatusCollector(derived));
        }
        all.add(new ContainerCollector(attribution.podUid()));
        all.add(new HealthCollector());
        all.add(new NodeCollector(agentVersion));
        all.add(new PodCollector(labels));
        all.add(new MetersCollector(meters));
        return all.stream().map(Guarded::new).toArray(Guarded[]::new);
    }

    private static List<String> labelFields(List<ChosenField> fields) {
        return fields.stream()
                .filter(chosen -> chosen.field().source() instanceof Field.Label)
                .map(ChosenField::name)
                .toList();
    }

    private void reportCollectors() {
        out.family(OwnMetric.COLLECTOR_DURATION_SECONDS);
        for (Guarded collector : collectors) {
            out.series(OwnMetric.COLLECTOR_DURATION_SECONDS)
                    .firstLabel("collector", collector.collector.name())
                    .endLabels()
                    .value(collector.nanos / 1e9);
        }
        out.family(OwnMetric.COLLECTOR_SUCCESS);
        for (Guarded collector : collectors) {
            out.series(OwnMetric.COLLECTOR_SUCCESS)
                    .firstLabel("collector", collector.collector.name())
                    .endLabels()
                    .value(collector.failure == null ? 1 : 0);
        }
    }

    private void reportLeftOut() {
        out.family(OwnMetric.SERIES_LEFT_OUT);
        for (int i = 0; i < ExpositionWriter.Reason.ALL.size(); i++) {
            ExpositionWriter.Reason reason = ExpositionWriter.Reason.ALL.get(i);
            out.series(OwnMetric.SERIES_LEFT_OUT)
                    .firstLabel("reason", reason.text())
                    .endLabels()
                    .value(out.leftOut(reason));
        }
        String first = out.firstLeftOut();
        if (!first.isEmpty() && !first.equals(leftOutBefore)) {
            LOG.warn("a series is left out of /metrics, readers would refuse the page for it", "series", first);
        }
        leftOutBefore = first;
    }

    /** A collector and how its last run went. */
    private final class Guarded {
        private final Collector collector;
        private long nanos;
        private @Nullable String failure;

        private Guarded(Collector collector) {
            this.collector = collector;
        }

        private void run(Scrape scrape) {
            int start = out.mark();
            long from = clock.now().nanos();
            try {
                collector.collect(scrape, out);
                failure = null;
            } catch (RuntimeException e) {
                out.truncate(start);
                String text = e.toString();
                // A scrape comes every few seconds: the same failure is news once.
                if (!text.equals(failure)) {
                    LOG.error("metrics collector failed, its series are missing", e, "collector", collector.name());
                }
                failure = text;
            }
            nanos = clock.now().nanos() - from;
        }
    }
}
