package io.gpunode.agent.metrics;

import com.sun.management.UnixOperatingSystemMXBean;
import io.gpunode.agent.os.HostFiles;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.FunctionTimer;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.binder.MeterBinder;
import io.micrometer.core.instrument.binder.jvm.JvmMemoryMetrics;
import java.io.IOException;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.lang.management.RuntimeMXBean;
import java.lang.management.ThreadMXBean;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.function.ToDoubleFunction;

/**
 * The process and its JVM: memory, garbage collection, threads, processor time, files. Micrometer's own binders are used where they only read; those for
 * collections and threads listen to each collection and walk all stacks, so these are read from the same beans directly.
 */
public final class ProcessMeters implements MeterBinder {
    private static final Path STATUS = Path.of("/proc/self/status");
    private static final int STATUS_LIMIT_BYTES = 16 * 1024;

    private final HostFiles files;

    /** @param files where {@code /proc/self/status} is read */
    public ProcessMeters(HostFiles files) {
        this.files = files;
    }

    @Override
    public void bindTo(MeterRegistry registry) {
        new JvmMemoryMetrics().bindTo(registry);
        for (GarbageCollectorMXBean collector : ManagementFactory.getGarbageCollectorMXBeans()) {
            FunctionTimer.builder(
                            "jvm_gc_collection_seconds",
                            collector,
                            bean -> Math.max(0, bean.getCollectionCount()),
                            bean -> Math.max(0, bean.getCollectionTime()),
                            TimeUnit.MILLISECONDS)
                    .description("Garbage collections and the time they took.")
                    .tags("gc", collector.getName())
                    .register(registry);
        }
        ThreadMXBean threads = ManagementFactory.getThreadMXBean();
        gauge(
                registry,
                "jvm_threads_live",
                "Threads of the JVM, without virtual ones.",
                threads,
                ThreadMXBean::getThreadCount);
        gauge(
                registry,
                "jvm_threads_peak",
                "Most threads at one time since the start.",
                threads,
                ThreadMXBean::getPeakThreadCount);
        RuntimeMXBean runtime = ManagementFactory.getRuntimeMXBean();
        gauge(
                registry,
                "process_start_time_seconds",
                "When the process started, in seconds since 1970.",
                runtime,
                bean -> bean.getStartTime() / 1e3);
        gauge(
                registry,
                "process_resident_memory_bytes",
                "Resident memory.",
                this,
                meters -> meters.statusKibibytes("VmRSS:") * 1024);
        gauge(
                registry,
                "process_virtual_memory_bytes",
                "Virtual memory.",
                this,
                meters -> meters.statusKibibytes("VmSize:") * 1024);
        if (ManagementFactory.getOperatingSystemMXBean() instanceof UnixOperatingSystemMXBean system) {
            FunctionCounter.builder("process_cpu_seconds", system, bean -> bean.getProcessCpuTime() / 1e9)
                    .description("Processor time used, user and system.")
                    .register(registry);
            gauge(
                    registry,
                    "process_open_fds",
                    "Open file descriptors.",
                    system,
                    UnixOperatingSystemMXBean::getOpenFileDescriptorCount);
            gauge(
                    registry,
                    "process_max_fds",
                    "Most file descriptors that may be open.",
                    system,
                    UnixOperatingSystemMXBean::getMaxFileDescriptorCount);
        }
    }

    /** A line of the status file in KiB; NaN, which is shown as it is, when the kernel does not say. */
    private double statusKibibytes(String key) {
        String status;
        try {
            status = files.readText(STATUS, STATUS_LIMIT_BYTES).orElse("");
        } catch (IOException e) {
            return Double.NaN;
        }
        // Without lines and patterns: with each rendering, mostly interpreted.
        int at = status.indexOf(key);
        if (at < 0) {
            return Double.NaN;
        }
        double value = Double.NaN;
        for (int i = at + key.length(); i < status.length() && status.charAt(i) != '\n'; i++) {
            int digit = status.charAt(i) - '0';
            if (digit >= 0 && digit <= 9) {
                value = (Double.isNaN(value) ? 0 : value * 10) + digit;
            }
        }
        return value;
    }

    private static <T> void gauge(
            MeterRegistry registry, String name, String help, T subject, ToDoubleFunction<T> value) {
        Gauge.builder(name, subject, value)
                .description(help)
                .strongReference(true)
                .register(registry);
    }
}
