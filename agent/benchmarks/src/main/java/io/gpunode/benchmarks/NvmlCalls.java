package io.gpunode.benchmarks;

import io.gpunode.nvml.Nvml;
import io.gpunode.nvml.NvmlDevice;
import io.gpunode.nvml.NvmlException;
import io.gpunode.nvml.NvmlGpmSampler;
import io.gpunode.nvml.NvmlLibraries;
import io.gpunode.nvml.NvmlOpenException;
import io.gpunode.nvml.NvmlQuery;
import io.gpunode.nvml.NvmlSampler;
import io.gpunode.nvml.simulator.NvmlSimulator;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.NullUnmarked;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** Calls through the binding for JMH; run by {@link NvmlCallBenchmark}. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@NullUnmarked // JMH sets the fields.
public class NvmlCalls {
    private static final Duration CLOSE_LIMIT = Duration.ofSeconds(5);
    private static final int FIELDS = 16;
    /** NVLink and violation counters: field ids 60 and up of nvml.h are counters of one kind each. */
    private static final int FIRST_FIELD = 60;

    /** The profiling fields that are in dcgm-exporter's counters files. */
    private static final int[] PROFILING = {1, 2, 3, 5, 10, 11, 12, 13, 20, 21};

    private Path folder;
    private NvmlSimulator simulator;
    private Nvml nvml;
    private NvmlDevice device;
    private NvmlSampler temperature;
    private NvmlSampler fields;
    private NvmlSampler everything;
    private NvmlGpmSampler profiling;
    private double[] averages;
    private long[] values;
    private int[] codes;

    /** Opens the simulated library in this process. */
    @Setup
    public void open() throws IOException, NvmlOpenException, NvmlException {
        folder = Files.createTempDirectory("gpu-bench-");
        simulator = NvmlSimulator.install(folder, "8xh100");
        nvml = NvmlLibraries.open(simulator.library());
        device = nvml.deviceByIndex(0);
        temperature = nvml.sampler(List.of(new NvmlQuery.Temperature()));
        fields = nvml.sampler(fieldQueries());
        everything = nvml.sampler(everyQuery());
        profiling = nvml.gpmSampler(device, -1, PROFILING);
        averages = new double[PROFILING.length];
        values = new long[everything.size()];
        codes = new int[everything.size()];
    }

    /** Closes it. */
    @TearDown
    public void close() throws IOException {
        temperature.close();
        fields.close();
        everything.close();
        profiling.close();
        nvml.close(CLOSE_LIMIT);
        simulator.close();
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }

    /** One value by one call. */
    @Benchmark
    public long temperature() {
        temperature.read(device, values, codes);
        return values[0];
    }

    /** Sixteen values by one call. */
    @Benchmark
    public long fieldBatch() {
        fields.read(device, values, codes);
        return values[0];
    }

    /** All that is sampled of a GPU with the default metrics. */
    @Benchmark
    public long everything() {
        everything.read(device, values, codes);
        return values[0];
    }

    /** One sample of a GPU or GPU instance, and its averages since the one before. */
    @Benchmark
    public double profiling() throws NvmlException {
        profiling.read(averages, codes);
        return averages[0];
    }

    /** One call with an integer answer through the typed floor. */
    @Benchmark
    public int index() throws NvmlException {
        return nvml.index(device);
    }

    /** What a method of this class measures, in words. */
    static String describe(String method) {
        return switch (method) {
            case "temperature" -> "sampler of the temperature, one call";
            case "fieldBatch" -> "sampler of " + FIELDS + " fields, one call";
            case "everything" -> "sampler of " + everyQuery().size() + " values of one GPU";
            case "profiling" -> "profiling sampler of " + PROFILING.length + " metrics, two calls";
            case "index" -> "nvmlDeviceGetIndex";
            default -> method;
        };
    }

    private static List<NvmlQuery> fieldQueries() {
        List<NvmlQuery> queries = new ArrayList<>();
        for (int i = 0; i < FIELDS; i++) {
            queries.add(new NvmlQuery.Field(FIRST_FIELD + i, 0));
        }
        return queries;
    }

    private static List<NvmlQuery> everyQuery() {
        List<NvmlQuery> queries = new ArrayList<>(fieldQueries());
        for (int type = 0; type < 4; type++) {
            queries.add(new NvmlQuery.Clock(type));
        }
        queries.add(new NvmlQuery.Temperature());
        queries.add(new NvmlQuery.Power());
        queries.add(new NvmlQuery.PowerLimit());
        queries.add(new NvmlQuery.EnforcedPowerLimit());
        queries.add(new NvmlQuery.Energy());
        queries.add(new NvmlQuery.Utilization(false));
        queries.add(new NvmlQuery.Utilization(true));
        queries.add(new NvmlQuery.EncoderUtilization());
        queries.add(new NvmlQuery.DecoderUtilization());
        for (NvmlQuery.MemoryPart part : NvmlQuery.MemoryPart.values()) {
            queries.add(new NvmlQuery.Memory(part));
        }
        queries.add(new NvmlQuery.PcieReplays());
        queries.add(new NvmlQuery.PcieLinkGeneration());
        queries.add(new NvmlQuery.PcieLinkWidth());
        for (NvmlQuery.RemappedRowsPart part : NvmlQuery.RemappedRowsPart.values()) {
            queries.add(new NvmlQuery.RemappedRows(part));
        }
        queries.add(new NvmlQuery.ClocksEventReasons());
        queries.add(new NvmlQuery.PerformanceState());
        queries.add(new NvmlQuery.VgpuLicensed());
        return queries;
    }
}
