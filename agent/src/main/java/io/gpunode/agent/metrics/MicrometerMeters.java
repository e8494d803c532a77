package io.gpunode.agent.metrics;

import io.gpunode.agent.log.Log;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.function.DoubleSupplier;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The agent's own meters, shown through Micrometer's Prometheus registry. Recording touches only plain counters of this project; Micrometer is loaded
 * by the first rendering and reads them from then on. A rendering allocates a quarter of a megabyte and the first one loads hundreds of classes, so
 * renderings are made ahead on a background thread, and a page shows the last one together with its age.
 *
 * <p>Owns the cells, the registry and the last rendering. Any thread.
 */
public final class MicrometerMeters implements Meters {
    private static final Log LOG = Log.of(MicrometerMeters.class);

    private static final Pattern NAME = Pattern.compile("[a-z][a-z0-9]*(_[a-z0-9]+)*");

    /** A tag with endless values would otherwise grow the page and the heap without an end. */
    private static final int LIMIT = 2_000;

    /** While somebody scraped within this time, each publication of the picture renders anew. */
    private static final Duration WATCHED = Duration.ofMinutes(5);

    /** While nobody scrapes, a rendering is left to grow this old. */
    private static final Duration UNWATCHED_AGE = Duration.ofMinutes(5);

    /** A scrape that finds an older rendering asks for a new one: the picture is not being published. */
    private static final Duration STALE = Duration.ofSeconds(10);

    /** A timer's largest duration is that of the last one to two windows. */
    private static final Duration WINDOW = Duration.ofMinutes(1);

    /**
     * What the page shows.
     *
     * @param meters all that were registered
     * @param at when it was made
     */
    record Rendering(RenderedMeters meters, Tick at) {}

    private record Key(String name, List<String> tags) {}

    private final Executor background;
    private final MonotonicClock clock;
    private final Consumer<MeterRegistry> binder;
    private final AtomicBoolean renderingNow = new AtomicBoolean();
    private volatile @Nullable Rendering last;
    private volatile @Nullable Tick lastScrape;

    private final Object lock = new Object();
    private final Map<Key, Cell> cells = new HashMap<>();
    private final Map<String, String> shapes = new HashMap<>();
    private final List<Cell> unbound = new ArrayList<>();

    // Touched by the one rendering at a time only.
    private final Map<String, MetricFamily> families = new HashMap<>();
    private final ByteArrayOutputStream buffer = new ByteArrayOutputStream(16 * 1024);
    private @Nullable PrometheusMeterRegistry registry;
    private @Nullable Tick windowBegan;
    private boolean failing;

    /**
     * @param background runs renderings; not an event loop
     * @param binder adds what Micrometer itself or the machine measures, called once by the first rendering
     */
    public MicrometerMeters(Executor background, MonotonicClock clock, Consumer<MeterRegistry> binder) {
        this.background = background;
        this.clock = clock;
        this.binder = binder;
    }

    @Override
    public Counter counter(String name, String help, String... tags) {
        return cell(Cell.Count.class, name, tags, () -> new Cell.Count(name, help, tags));
    }

    @Override
    public Timer timer(String name, String help, String... tags) {
        return cell(Cell.Durations.class, name, tags, () -> new Cell.Durations(name, help, tags));
    }

    /** {@inheritDoc} Asked for a second time with the same name and tags, the first gauge stays. */
    @Override
    public void gauge(String name, String help, DoubleSupplier value, String... tags) {
        cell(Cell.Asked.class, name, tags, () -> new Cell.Asked(name, help, tags, value));
    }

    /**
     * Renders anew in the background if that is worth it: for each publication of the picture while anybody scrapes, once in five minutes while nobody does. To
     * be called at each publication, from when the agent is up; quick, never blocks.
     */
    public void refresh() {
        Rendering rendering = last;
        Tick now = clock.now();
        Tick scrape = lastScrape;
        boolean watched = scrape != null && now.since(scrape).compareTo(WATCHED) < 0;
        if (rendering == null || watched || now.since(rendering.at).compareTo(UNWATCHED_AGE) >= 0) {
            renderInBackground();
        }
    }

    /** The last rendering, {@code null} before the first. Never blocks. */
    @Nullable Rendering scraped() {
        Rendering rendering = last;
        Tick now = clock.now();
        lastScrape = now;
        if (rendering == null || now.since(rendering.at).compareTo(STALE) >= 0) {
            renderInBackground();
        }
        return rendering;
    }

    private void renderInBackground() {
        if (renderingNow.compareAndSet(false, true)) {
            try {
                background.execute(this::render);
            } catch (RejectedExecutionException e) {
                // The agent is stopping; the last rendering stays.
                renderingNow.set(false);
            }
        }
    }

    private void render() {
        try {
            PrometheusMeterRegistry shown = registry;
            if (shown == null) {
                shown = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
                binder.accept(shown);
                registry = shown;
            }
            Tick now = clock.now();
            bindAndRotate(shown, now);
            buffer.reset();
            shown.scrape(buffer);
            last = new Rendering(RenderedMeters.parse(buffer.toByteArray(), families), now);
            failing = false;
        } catch (IOException | RuntimeException e) {
            if (!failing) {
                LOG.error("rendering the agent's own meters failed, /metrics keeps the last rendering", e);
            }
            failing = true;
        } finally {
            renderingNow.set(false);
        }
    }

    private void bindAndRotate(MeterRegistry to, Tick now) {
        synchronized (lock) {
            for (Cell cell : unbound) {
                cell.bind(to);
            }
            unbound.clear();
            if (windowBegan == null) {
                windowBegan = now;
            } else if (now.since(windowBegan).compareTo(WINDOW) >= 0) {
                windowBegan = now;
                for (Cell cell : cells.values()) {
                    cell.nextWindow();
                }
            }
        }
    }

    private <T extends Cell> T cell(Class<T> type, String name, String[] tags, Supplier<T> create) {
        Key key = new Key(name, List.of(tags));
        synchronized (lock) {
            Cell known = cells.get(key);
            if (known == null) {
                checkShape(type, name, tags);
                known = create.get();
                cells.put(key, known);
                unbound.add(known);
            }
            if (!type.isInstance(known)) {
                throw new IllegalArgumentException("the meter " + name + " is already a "
                        + known.getClass().getSimpleName());
            }
            return type.cast(known);
        }
    }

    /** Refuses what would make a page that Prometheus cannot read. */
    private void checkShape(Class<? extends Cell> type, String name, String[] tags) {
        if (!NAME.matcher(name).matches()) {
            throw new IllegalArgumentException(
                    "not a meter's name: \"" + name + "\"; use lower case, digits and single underscores");
        }
        if (name.endsWith("_total")) {
            throw new IllegalArgumentException(
                    "the meter " + name + " must not end with _total, the page adds that to counters");
        }
        for (OwnMetric own : OwnMetric.values()) {
            if (own.metricName().equals(name) || own.metricName().equals(name + "_total")) {
                throw new IllegalArgumentException("the meter " + name + " is already a metric of the page's own");
            }
        }
        if (tags.length % 2 != 0) {
            throw new IllegalArgumentException(
                    "the meter " + name + " has a tag without a value: " + Arrays.toString(tags));
        }
        StringBuilder shape = new StringBuilder(type.getSimpleName());
        for (int i = 0; i < tags.length; i += 2) {
            shape.append(' ').append(tags[i]);
        }
        String known = shapes.putIfAbsent(name, shape.toString());
        if (known != null && !known.contentEquals(shape)) {
            throw new IllegalArgumentException("the meter " + name + " is both \"" + known + "\" and \"" + shape
                    + "\"; one name has one type and the same tag keys in the same order");
        }
        if (cells.size() >= LIMIT) {
            throw new IllegalStateException(
                    "more than " + LIMIT + " meters; a tag of " + name + " or another takes endless values");
        }
    }
}
