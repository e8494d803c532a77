package io.gpunode.benchmarks;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;

/** The cost of NVML calls through the binding, by JMH, in processes with the agent's compiler and with both. */
final class NvmlCallBenchmark implements Benchmark {
    private static final int FORKS = 2;
    private static final int ITERATIONS = 5;

    @Override
    public String describe() {
        return "nanoseconds for one NVML call through the binding, with C1 only and with C2";
    }

    @Override
    public void run(Settings settings, Report report) throws Exception {
        report.begin(
                "nvml-call",
                "In process on the simulator, whose own work is included (its gate, and computing the values). Mean ± 99.9 % confidence.");
        report(settings, report, "C1 only, as shipped", List.of("-XX:TieredStopAtLevel=1"));
        report(settings, report, "C1 and C2", List.of());
        report.end();
    }

    private static void report(Settings settings, Report report, String compiler, List<String> compilerOptions)
            throws Exception {
        List<String> options = new ArrayList<>(List.of(
                "-XX:+UseSerialGC",
                "-Xmx256m",
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow"));
        options.addAll(compilerOptions);
        Collection<RunResult> results = new Runner(new OptionsBuilder()
                        .include(NvmlCalls.class.getName())
                        .forks(settings.quick() ? 1 : FORKS)
                        .warmupIterations(settings.quick() ? 1 : ITERATIONS)
                        .warmupTime(TimeValue.seconds(1))
                        .measurementIterations(settings.quick() ? 1 : ITERATIONS)
                        .measurementTime(TimeValue.seconds(1))
                        .jvmArgs(options.toArray(String[]::new))
                        .verbosity(org.openjdk.jmh.runner.options.VerboseMode.SILENT)
                        .build())
                .run();
        for (RunResult result : results) {
            String name = result.getPrimaryResult().getLabel();
            double error = result.getPrimaryResult().getScoreError();
            report.row(
                    NvmlCalls.describe(name) + ", " + compiler,
                    String.format(
                            Locale.ROOT,
                            "%,.0f%s ns",
                            result.getPrimaryResult().getScore(),
                            Double.isNaN(error) ? "" : String.format(Locale.ROOT, " ± %,.0f", error)),
                    result.getPrimaryResult().getSampleCount());
        }
    }
}
