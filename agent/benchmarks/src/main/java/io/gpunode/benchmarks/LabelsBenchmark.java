package io.gpunode.benchmarks;

import java.util.Collection;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

/** Computing the node's feature labels, by JMH, in processes with the agent's compiler and collector. */
final class LabelsBenchmark implements Benchmark {
    private static final int ITERATIONS = 5;
    private static final int FIRST_CALLS = 20;
    private static final double BUDGET_MICROSECONDS = 1_000;
    private static final String[] AS_SHIPPED = {
        "-XX:+UseSerialGC", "-Xmx64m", "-XX:TieredStopAtLevel=1", "--sun-misc-unsafe-memory-access=allow"
    };

    @Override
    public String describe() {
        return "computing the feature labels of 8 GPUs and of 8 × 7 MIG devices, warm and for the first time";
    }

    @Override
    public void run(Settings settings, Report report) throws Exception {
        report.begin(
                "labels",
                "In process: MIG strategy mixed, shared, per model, with the operator's labels. A first time is the first call of a"
                        + " process without class data archive: its classes are loaded and its code is interpreted.");
        int iterations = settings.quick() ? 1 : ITERATIONS;
        for (RunResult result : warm(iterations)) {
            Result<?> time = result.getPrimaryResult();
            Result<?> bytes = result.getSecondaryResults().get("gc.alloc.rate.norm");
            report.row(
                    LabelCalls.describe(time.getLabel()),
                    String.format(
                            Locale.ROOT,
                            "mean %.1f µs, %.0f KiB allocated",
                            time.getScore(),
                            bytes == null ? Double.NaN : bytes.getScore() / 1_024),
                    time.getSampleCount(),
                    "≤ 1 ms",
                    time.getScore() <= BUDGET_MICROSECONDS);
        }
        for (RunResult result : first(settings.quick() ? 2 : FIRST_CALLS)) {
            Result<?> time = result.getPrimaryResult();
            Latencies latencies = new Latencies(FIRST_CALLS);
            for (int i = 0; i < time.getStatistics().getN(); i++) {
                // In µs, as the class says.
                latencies.add((long) (time.getStatistics()
                                .getPercentile(
                                        100.0 * (i + 1) / time.getStatistics().getN())
                        * 1_000));
            }
            report.row(LabelCalls.describe(time.getLabel()) + ", the first time", latencies);
        }
        report.end();
    }

    private static Collection<RunResult> warm(int iterations) throws RunnerException {
        return new Runner(new OptionsBuilder()
                        .include(LabelCalls.class.getName())
                        .mode(Mode.AverageTime)
                        .forks(1)
                        .warmupIterations(iterations)
                        .warmupTime(TimeValue.seconds(1))
                        .measurementIterations(iterations)
                        .measurementTime(TimeValue.seconds(1))
                        .addProfiler(GCProfiler.class)
                        .timeUnit(TimeUnit.MICROSECONDS)
                        .jvmArgs(AS_SHIPPED)
                        .verbosity(VerboseMode.SILENT)
                        .build())
                .run();
    }

    private static Collection<RunResult> first(int processes) throws RunnerException {
        return new Runner(new OptionsBuilder()
                        .include(LabelCalls.class.getName())
                        .mode(Mode.SingleShotTime)
                        .forks(processes)
                        .warmupIterations(0)
                        .measurementIterations(1)
                        .timeUnit(TimeUnit.MICROSECONDS)
                        .jvmArgs(AS_SHIPPED)
                        .verbosity(VerboseMode.SILENT)
                        .build())
                .run();
    }
}
