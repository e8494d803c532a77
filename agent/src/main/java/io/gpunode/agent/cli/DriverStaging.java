package io.gpunode.agent.cli;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.AgentConfig.Driver.SourceKind;
import io.gpunode.agent.driver.DriverObserver;
import io.gpunode.agent.driver.DriverSourceException;
import io.gpunode.agent.driver.DriverSources;
import io.gpunode.agent.driver.DriverStore;
import io.gpunode.agent.driver.DriverWish;
import io.gpunode.agent.driver.KernelFacts;
import io.gpunode.agent.driver.ObservedDriver;
import io.gpunode.agent.driver.Progress;
import io.gpunode.agent.driver.StagedDriver;
import io.gpunode.agent.driver.StagedModule;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.net.Download;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.SystemCommandRunner;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.os.SystemJobRunner;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.SystemTime;
import io.gpunode.agent.time.Tick;
import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import picocli.CommandLine.Mixin;

/** What the commands that make drivers ready have in common. */
final class DriverStaging {
    @Mixin
    private ConfigurationOption configuration = new ConfigurationOption();

    /** This node, as a configuration has it. */
    record Node(
            AgentConfig config, HostFiles files, DriverStore store, DriverSources sources, DriverObserver observer) {
        /** What of the driver is on it. */
        ObservedDriver observe() {
            return observer.observe();
        }
    }

    /** Empty when the configuration cannot be used, which is then told. */
    Optional<Node> open(Shell shell) {
        Optional<AgentConfig> read = configuration.read(shell);
        if (read.isEmpty()) {
            return Optional.empty();
        }
        AgentConfig effective = read.get();
        HostFiles files = new SystemHostFiles(effective.host().root());
        MonotonicClock clock = SystemTime.monotonic();
        DriverStore store = new DriverStore(files, DriverStore.DIRECTORY);
        return Optional.of(new Node(
                effective,
                files,
                store,
                new DriverSources(
                        files,
                        new SystemCommandRunner(),
                        new SystemJobRunner(new SystemHostFiles(Path.of("/")), clock),
                        store,
                        new Download(clock, shell.environment()),
                        clock),
                DriverOptions.node(shell, effective).observer()));
    }

    /**
     * Makes the wanted driver ready for a kernel, or tells what that would take.
     *
     * @param settings what is wanted
     * @param kernel empty for the one that runs
     * @param patience how long to wait for another process that is at it
     * @return the exit status
     */
    static int stage(
            Shell shell,
            Node node,
            AgentConfig.Driver settings,
            String kernel,
            Duration patience,
            boolean dryRun,
            boolean json)
            throws InterruptedException {
        ObservedDriver observed = node.observe();
        KernelFacts facts = KernelFacts.of(node.files, observed, kernel, settings.build());
        DriverWish wish = new DriverWish(
                settings,
                observed.gpus().stream().map(ObservedDriver.BusGpu::device).toList());
        try {
            if (dryRun) {
                List<String> steps = node.sources.plan(wish, facts);
                shell.out().print(json ? plan(steps) : String.join("\n", steps) + "\n");
            } else {
                StagedDriver driver = staged(shell, node.sources, wish, facts, patience);
                shell.out().print(json ? json(driver) + "\n" : text(driver));
            }
            return ExitCode.OK.code();
        } catch (DriverSourceException e) {
            String.valueOf(e.getMessage()).lines().map(Text::printable).forEach(shell.err()::println);
            return ExitCode.FAILURE.code();
        }
    }

    private static StagedDriver staged(
            Shell shell, DriverSources sources, DriverWish wish, KernelFacts facts, Duration patience)
            throws DriverSourceException, InterruptedException {
        MonotonicClock clock = SystemTime.monotonic();
        Tick deadline = clock.now().plus(patience);
        CompletableFuture<Void> never = new CompletableFuture<>();
        while (true) {
            try {
                return sources.stage(wish, facts, new Told(shell.err(), clock));
            } catch (DriverSourceException e) {
                if (e.kind() != DriverSourceException.Kind.BUSY || clock.now().reached(deadline)) {
                    throw e;
                }
            }
            try {
                never.get(1, TimeUnit.SECONDS);
            } catch (ExecutionException | TimeoutException e) {
                // Time for another look.
            }
        }
    }

    private static String plan(List<String> steps) {
        JsonWriter out = JsonWriter.pretty().beginObject().name("steps").beginArray();
        steps.forEach(out::value);
        return out.endArray().endObject() + "\n";
    }

    private static String text(StagedDriver driver) {
        StringBuilder out = new StringBuilder()
                .append("driver ")
                .append(driver.version())
                .append(" (")
                .append(driver.type().text())
                .append(") is ready for kernel ")
                .append(driver.kernel())
                .append('\n');
        for (StagedModule module : driver.modules()) {
            out.append("  ")
                    .append(module.name())
                    .append("  ")
                    .append(module.path())
                    .append('\n');
        }
        out.append("libraries below ").append(driver.userspaceRoot()).append('\n');
        driver.firmware()
                .ifPresent(path -> out.append("firmware in ").append(path).append('\n'));
        return out.append(driver.key().isEmpty() ? "" : "key " + driver.key() + "\n")
                .toString();
    }

    private static String json(StagedDriver driver) {
        JsonWriter out = JsonWriter.pretty();
        write(out.beginObject(), driver);
        out.name("modules").beginArray();
        for (StagedModule module : driver.modules()) {
            out.beginObject()
                    .member("name", module.name())
                    .member("path", module.path().toString())
                    .member("sha256", module.sha256())
                    .endObject();
        }
        return out.endArray().endObject().toString();
    }

    /** A driver's members, in an object that has begun. */
    static void write(JsonWriter out, StagedDriver driver) {
        out.member("version", driver.version().text())
                .member("type", driver.type().text())
                .member("kernel", driver.kernel())
                .member("key", driver.key())
                .member("root", driver.userspaceRoot().toString())
                .member("firmware", driver.firmware().map(Path::toString).orElse(""));
    }

    /** The settings with another source. */
    static AgentConfig.Driver from(
            AgentConfig.Driver settings,
            SourceKind source,
            String version,
            AgentConfig.Driver.Runfile runfile,
            AgentConfig.Driver.Bundle bundle) {
        return new AgentConfig.Driver(
                settings.manage(),
                source,
                version,
                settings.kernelModuleType(),
                settings.modules(),
                settings.packages(),
                runfile,
                bundle,
                settings.build(),
                settings.signing(),
                settings.daemons(),
                settings.root(),
                settings.change(),
                settings.keep(),
                settings.limits());
    }

    /** Tells people how far it is: each phase, and within one what changes every five seconds. */
    private static final class Told implements Progress {
        private static final Duration EACH = Duration.ofSeconds(5);

        private final PrintStream err;
        private final MonotonicClock clock;
        private Tick last;

        Told(PrintStream err, MonotonicClock clock) {
            this.err = err;
            this.clock = clock;
            this.last = clock.now();
        }

        @Override
        public void begins(Phase phase, String what) {
            last = clock.now();
            err.println(phase.text() + " " + Text.printable(what));
        }

        @Override
        public void at(Phase phase, long done, long total, long perSecond) {
            Tick now = clock.now();
            if (now.since(last).compareTo(EACH) < 0) {
                return;
            }
            last = now;
            err.println("  " + phase.text() + ": " + Progress.amount(phase, done, total, perSecond));
        }
    }
}
