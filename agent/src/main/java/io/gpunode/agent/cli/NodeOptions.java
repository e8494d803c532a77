package io.gpunode.agent.cli;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.ConfigException;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.kubernetes.Cordon;
import io.gpunode.agent.kubernetes.DrainProgress;
import io.gpunode.agent.kubernetes.KubeletWord;
import io.gpunode.agent.kubernetes.NodeSession;
import io.gpunode.agent.kubernetes.OtherNodeException;
import io.gpunode.agent.os.Signals;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.time.SystemTime;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** What the commands about the Node object have in common: whom they ask, and how they tell what came of it. */
final class NodeOptions {
    @Mixin
    private ConfigurationOption configuration = new ConfigurationOption();

    @Option(
            names = "--kubeconfig",
            paramLabel = "FILE",
            description = "Where the API server is and who to be there. Default: as the agent finds it.")
    private @Nullable String kubeconfig;

    @Option(
            names = "--node-name",
            paramLabel = "NAME",
            description = "The Node object. Default: that of the kubelet's credentials, else the host's name.")
    private @Nullable String nodeName;

    @Mixin
    private Commands.OutputOption output = new Commands.OutputOption();

    /** What is done with the way to the API server. */
    @FunctionalInterface
    interface Work {
        DrainProgress in(NodeSession session) throws IOException, InterruptedException;
    }

    /** What a person who stops it in between is told. */
    @FunctionalInterface
    interface Stopped {
        String text(DrainProgress progress);
    }

    /**
     * Does it, and tells what came of it.
     *
     * @param asksKubelet whether the kubelet's word counts on which pods hold GPUs
     */
    ExitCode execute(Shell shell, boolean asksKubelet, Work work, Stopped stopped) {
        AgentConfig effective;
        try {
            effective = load(shell);
        } catch (ConfigException e) {
            shell.problems(e.problems());
            return ExitCode.USAGE;
        }
        // What has to be said is said below.
        RunCommand.configureLog(shell, "error");
        PrintStream progressTo = output.json() ? shell.err() : shell.out();
        Thread self = Thread.currentThread();
        Signals.handle("INT", self::interrupt);
        Signals.handle("TERM", self::interrupt);
        Optional<KubeletHolders> holders = Optional.empty();
        try {
            holders = asksKubelet ? KubeletHolders.open(effective) : Optional.empty();
            KubeletHolders kubelet = holders.orElse(null);
            try (NodeSession session = NodeSession.open(
                    effective,
                    VersionCommand.version(),
                    nodeName == null || nodeName.isEmpty()
                            ? Optional.empty()
                            : Optional.of(effective.host().nodeName()),
                    shell.environment(),
                    new SystemHostFiles(Path.of("/")),
                    new SystemHostFiles(effective.host().root()),
                    () -> kubelet == null ? new KubeletWord.Holding(Set.of()) : kubelet.word(),
                    line -> progressTo.println(Text.printable(line)),
                    SystemTime.monotonic(),
                    SystemTime.wall(),
                    new SplittableRandom())) {
                return run(shell, session, work, stopped);
            }
        } catch (OtherNodeException e) {
            shell.err().println(Main.NAME + ": " + Text.printable(String.valueOf(e.getMessage())));
            return ExitCode.USAGE;
        } catch (IOException e) {
            shell.err()
                    .println(Main.NAME + ": the API server cannot be asked: "
                            + Text.printable(String.valueOf(e.getMessage())));
            return ExitCode.UNREACHABLE;
        } catch (InterruptedException e) {
            shell.err().println("stopped before anything was done");
            return ExitCode.FAILURE;
        } finally {
            holders.ifPresent(KubeletHolders::close);
        }
    }

    private ExitCode run(Shell shell, NodeSession session, Work work, Stopped stopped) throws IOException {
        try {
            DrainProgress end = work.in(session);
            shell.out().print(output.json() ? json(end) + "\n" : text(end));
            return exitCode(end);
        } catch (InterruptedException e) {
            shell.err().println(Text.printable(stopped.text(session.progress())));
            return ExitCode.FAILURE;
        }
    }

    private AgentConfig load(Shell shell) throws ConfigException {
        List<String> flags = new ArrayList<>();
        if (kubeconfig != null) {
            flags.add("--kubeconfig=" + kubeconfig);
        }
        if (nodeName != null) {
            flags.add("--node-name=" + nodeName);
        }
        return configuration.load(shell, flags);
    }

    private static ExitCode exitCode(DrainProgress end) {
        return switch (end.outcome()) {
            case DRAINED, WOULD_DRAIN, UNDONE, SEEN -> ExitCode.OK;
            case IN_THE_WAY -> ExitCode.IN_THE_WAY;
            case KEPT, LIFTED, FAILED, RUNNING -> ExitCode.FAILURE;
        };
    }

    /** For people. */
    static String text(DrainProgress end) {
        StringBuilder out = new StringBuilder();
        Text.Table table = new Text.Table("POD", "HOLDS", "STATE", "WHY");
        boolean rows = false;
        for (DrainProgress.Pod pod : end.pods()) {
            if (pod.fate() != DrainProgress.Fate.GONE) {
                rows = true;
                table.row(pod.namespace() + "/" + pod.name(), pod.holds(), word(pod.fate()), pod.why());
            }
        }
        if (rows) {
            out.append(table).append('\n');
        }
        out.append(Text.printable(end.text())).append('\n');
        if (!end.operatorState().isEmpty()) {
            out.append("NVIDIA's operator says of this node's driver: ")
                    .append(Text.printable(end.operatorState()))
                    .append('\n');
        }
        List<String> next = next(end);
        if (!next.isEmpty()) {
            out.append("next:\n");
            next.forEach(line -> out.append("    ").append(Text.printable(line)).append('\n'));
        }
        return out.toString();
    }

    /** Commands, each once. */
    private static List<String> next(DrainProgress end) {
        List<String> next = new ArrayList<>();
        for (DrainProgress.Pod pod : end.pods()) {
            if (!pod.next().isEmpty() && pod.fate() == DrainProgress.Fate.IN_THE_WAY && !next.contains(pod.next())) {
                next.add(pod.next());
            }
        }
        boolean ours = end.cordon().isPresent();
        boolean again =
                end.outcome() == DrainProgress.Outcome.IN_THE_WAY || end.outcome() == DrainProgress.Outcome.LIFTED;
        if (again && !next.contains(Main.NAME + " node drain")) {
            next.add(Main.NAME + " node drain");
        }
        if (ours && end.outcome() != DrainProgress.Outcome.UNDONE) {
            next.add(Main.NAME + " node uncordon");
        }
        return next;
    }

    private static String word(DrainProgress.Fate fate) {
        return switch (fate) {
            case HOLDS -> "holds";
            case WOULD_GO -> "would go";
            case GOING -> "is going";
            case GONE -> "gone";
            case STAYS -> "stays";
            case IN_THE_WAY -> "in the way";
        };
    }

    private static String fixedWord(Enum<?> value) {
        return value.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    private static String json(DrainProgress end) {
        JsonWriter out = JsonWriter.pretty().beginObject();
        out.member("node", end.node())
                .member("outcome", fixedWord(end.outcome()))
                .member("text", end.text())
                .member("unschedulable", end.unschedulable())
                .name("cordon");
        if (end.cordon().isPresent()) {
            Cordon cordon = end.cordon().get();
            out.beginObject()
                    .member("by", cordon.by())
                    .member("why", cordon.why())
                    .member("at", cordon.at().toString())
                    .member("wasUnschedulable", cordon.wasUnschedulable())
                    .endObject();
        } else {
            out.nullValue();
        }
        out.member("operatorState", end.operatorState().isEmpty() ? null : end.operatorState())
                .name("pods")
                .beginArray();
        for (DrainProgress.Pod pod : end.pods()) {
            out.beginObject()
                    .member("namespace", pod.namespace())
                    .member("name", pod.name())
                    .member("holds", pod.holds())
                    .member("fate", fixedWord(pod.fate()))
                    .member("why", pod.why())
                    .member("next", pod.next())
                    .endObject();
        }
        return out.endArray().member("next", next(end)).endObject().toString();
    }
}
