package io.gpunode.benchmarks;

import io.gpunode.agent.log.Log;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** The program: measures what its arguments name, or everything, and prints tables in Markdown. */
public final class Benchmarks {
    private static final Map<String, Benchmark> ALL = new LinkedHashMap<>();

    static {
        ALL.put("start", new StartBenchmark());
        ALL.put("allocate", new AllocateBenchmark());
        ALL.put("churn", new ChurnBenchmark());
        ALL.put("preferred", new PreferredBenchmark());
        ALL.put("sampling", new SamplingBenchmark());
        ALL.put("scrape", new ScrapeBenchmark());
        ALL.put("xid", new XidBenchmark());
        ALL.put("reregister", new ReregisterBenchmark());
        ALL.put("memory", new MemoryBenchmark());
        ALL.put("installed", new InstalledBenchmark());
        ALL.put("labels", new LabelsBenchmark());
        ALL.put("apiserver", new ApiServerBenchmark());
        ALL.put("fleet", new FleetBenchmark());
        ALL.put("nvml-call", new NvmlCallBenchmark());
        ALL.put("sigterm", new TerminationBenchmark());
        ALL.put("hung", new HungGpuBenchmark());
        ALL.put("mig", new MigBenchmark());
        ALL.put("holders", new HoldersBenchmark());
        ALL.put("driver", new DriverBenchmark());
        ALL.put("soak", new SoakBenchmark());
        ALL.put("flags", new FlagsBenchmark());
    }

    private static final String USAGE = """
            usage: agent/benchmarks/run.sh [--quick] [--idle-minutes N] [--soak-minutes N] [--agent FILE] [--java-options TEXT] [NAME...]

              --quick           a tenth of the samples and a short idle time: shows that everything works
              --idle-minutes N  how long the agent is left alone in `memory`, and the fleet in `fleet` (default 10)
              --soak-minutes N  how long the agent is scraped in `soak` (default 60)
              --agent FILE      the packaged agent's launcher
              --java-options T  options of the agent's JVM, after the launcher's own

            Without a name all but `installed`, `soak` and `flags` are run; `installed` as the first word packs and unpacks the agent before:
            """;

    private Benchmarks() {}

    /** Exit status 0 whether budgets are met or not: a missed budget is a figure, not a failure of the program. */
    public static void main(String[] arguments) throws Exception {
        Path launcher = Path.of("packaging/target/gpu-node-agent/bin/gpu-node-agent");
        Duration idle = Duration.ofMinutes(10);
        Duration soak = Duration.ofMinutes(60);
        boolean quick = false;
        String javaOptions = "";
        List<String> names = new ArrayList<>();
        for (int i = 0; i < arguments.length; i++) {
            switch (arguments[i]) {
                case "--quick" -> {
                    quick = true;
                    idle = Duration.ofSeconds(20);
                    soak = Duration.ofSeconds(60);
                }
                case "--idle-minutes" -> idle = Duration.ofMinutes(Long.parseLong(value(arguments, ++i)));
                case "--soak-minutes" -> soak = Duration.ofMinutes(Long.parseLong(value(arguments, ++i)));
                case "--agent" -> launcher = Path.of(value(arguments, ++i));
                case "--java-options" -> javaOptions = value(arguments, ++i);
                case "--help" -> {
                    printUsage();
                    return;
                }
                default -> names.add(arguments[i]);
            }
        }
        for (String name : names) {
            if (!ALL.containsKey(name)) {
                printUsage();
                throw new IllegalArgumentException("there is no benchmark named " + name);
            }
        }
        if (names.isEmpty()) {
            names.addAll(ALL.keySet());
            names.remove("installed");
            names.remove("soak");
            names.remove("flags");
        }
        run(new Settings(launcher, idle, soak, quick, javaOptions), names);
    }

    private static void run(Settings settings, List<String> names) throws Exception {
        Log.level(Log.Level.WARN);
        Report report = new Report(System.out);
        report.note(Machine.describe(settings) + (settings.quick() ? ". Quick run: not for publication." : "."));
        for (String name : names) {
            Objects.requireNonNull(ALL.get(name)).run(settings, report);
        }
        report.note(
                report.missed() == 0 ? "Every budget was met." : report.missed() + " figures were over their budgets.");
        // Event loops' threads are daemons, JMH's are not always.
        System.exit(0);
    }

    private static String value(String[] arguments, int index) {
        if (index >= arguments.length) {
            throw new IllegalArgumentException(arguments[index - 1] + " needs a value");
        }
        return arguments[index];
    }

    private static void printUsage() {
        System.out.print(USAGE);
        ALL.forEach((name, benchmark) -> System.out.printf("  %-12s %s%n", name, benchmark.describe()));
    }
}
