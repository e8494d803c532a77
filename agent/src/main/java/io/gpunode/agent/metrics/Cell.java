package io.gpunode.agent.metrics;

import io.gpunode.agent.meters.Meters;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.FunctionTimer;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.DoubleSupplier;

/** What one of the agent's meters holds. Recording is one or three atomic additions; showing it is Micrometer's, which is bound to it later. */
abstract sealed class Cell {
    final String name;
    final String help;
    final String[] tags;

    private Cell(String name, String help, String[] tags) {
        this.name = name;
        this.help = help;
        this.tags = tags.clone();
    }

    /** Makes the registry show it. */
    abstract void bind(MeterRegistry registry);

    /** A window for the largest value has ended. */
    void nextWindow() {}

    /** A count that only grows. */
    static final class Count extends Cell implements Meters.Counter {
        private final AtomicLong count = new AtomicLong();

        Count(String name, String help, String[] tags) {
            super(name, help, tags);
        }

        @Override
        public void add(long amount) {
            if (amount < 0) {
                throw new IllegalArgumentException("the counter " + name + " cannot shrink by " + amount);
            }
            count.addAndGet(amount);
        }

        @Override
        void bind(MeterRegistry registry) {
            FunctionCounter.builder(name, count, AtomicLong::doubleValue)
                    .description(help)
                    .tags(tags)
                    .register(registry);
        }
    }

    /** Durations. */
    static final class Durations extends Cell implements Meters.Timer {
        private final AtomicLong count = new AtomicLong();
        private final AtomicLong nanos = new AtomicLong();
        private final AtomicLong largest = new AtomicLong();
        private volatile long largestBefore;

        Durations(String name, String help, String[] tags) {
            super(name, help, tags);
        }

        @Override
        public void record(long nanoseconds) {
            count.incrementAndGet();
            nanos.addAndGet(nanoseconds);
            long seen = largest.get();
            while (nanoseconds > seen && !largest.compareAndSet(seen, nanoseconds)) {
                seen = largest.get();
            }
        }

        @Override
        void nextWindow() {
            largestBefore = largest.getAndSet(0);
        }

        @Override
        void bind(MeterRegistry registry) {
            FunctionTimer.builder(name, this, cell -> cell.count.get(), cell -> cell.nanos.get(), TimeUnit.NANOSECONDS)
                    .description(help)
                    .tags(tags)
                    .register(registry);
            Gauge.builder(name + "_max", this, cell -> Math.max(cell.largest.get(), cell.largestBefore) / 1e9)
                    .description(help + " The largest of the last one to two minutes, while it is scraped.")
                    .tags(tags)
                    .strongReference(true)
                    .register(registry);
        }
    }

    /** A number that is asked for when it is shown. */
    static final class Asked extends Cell {
        private final DoubleSupplier value;

        Asked(String name, String help, String[] tags, DoubleSupplier value) {
            super(name, help, tags);
            this.value = value;
        }

        @Override
        void bind(MeterRegistry registry) {
            Gauge.builder(name, value, DoubleSupplier::getAsDouble)
                    .description(help)
                    .tags(tags)
                    .strongReference(true)
                    .register(registry);
        }
    }
}
