package io.gpunode.agent.cli;

import io.gpunode.agent.assembly.OneLook;
import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.ConfigException;
import io.gpunode.agent.config.NodeLabels;
import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.labels.OperatorLabels;
import io.gpunode.agent.time.SystemTime;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeoutException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code labels}. */
@Command(
        name = "labels",
        description = {
            "Tells the node's feature labels, and writes them nowhere: those of the running agent, or, where none runs, those that it"
                    + " would have. Then it opens the driver's library itself and exits with 1 when no driver answers; the labels are those"
                    + " of a node without GPUs then."
        })
final class LabelsCommand implements Callable<Integer> {
    private static final Duration LIMIT = Duration.ofMinutes(1);

    private final Shell shell;

    @Mixin
    private AgentAddress address = new AgentAddress();

    @Option(
            names = {"-o", "--output"},
            paramLabel = "FORMAT",
            description =
                    "features for node-feature-discovery's file, json for programs, or kubectl for the command that sets"
                            + " them. Default: features.")
    private Format format = Format.FEATURES;

    /** How labels are written. */
    enum Format {
        FEATURES,
        JSON,
        KUBECTL;

        @Override
        public String toString() {
            return name().toLowerCase(java.util.Locale.ROOT);
        }
    }

    LabelsCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws InterruptedException {
        Optional<JsonValue> state = address.isGiven() ? address.state(shell) : address.stateOfAnAgent(shell);
        if (state.isPresent()) {
            return ofAgent(state.get()).code();
        }
        return (address.isGiven() ? ExitCode.UNREACHABLE : ofNode()).code();
    }

    private ExitCode ofAgent(JsonValue state) {
        JsonValue section = state.member("labels");
        if (section.absent()) {
            shell.err()
                    .println(Main.NAME + ": the agent that answers knows nothing of labels; it is of an older version");
            return ExitCode.FAILURE;
        }
        SortedMap<String, String> labels = new TreeMap<>();
        for (Map.Entry<String, JsonValue> label :
                section.member("labels").members().entrySet()) {
            String value = label.getValue().textOr("");
            if (!isLabel(label.getKey() + value)) {
                shell.err()
                        .println(Main.NAME + ": what answers is no agent: \""
                                + Text.printable(label.getKey() + "=" + value) + "\" is not a label");
                return ExitCode.FAILURE;
            }
            labels.put(label.getKey(), value);
        }
        if (labels.isEmpty()) {
            shell.err()
                    .println(Main.NAME + ": there are no labels yet: "
                            + Text.printable(section.member("reason").textOr("see gpu-node-agent status")));
            return ExitCode.NOT_READY;
        }
        String node = state.member("node").textOr("");
        // Whoever takes these labels overwrites what a person has set since, or an upgrade of the driver.
        print(OperatorLabels.yielding(labels, NodeLabels.NONE), isLabel(node) && !node.isEmpty() ? node : "NODE");
        return ExitCode.OK;
    }

    private ExitCode ofNode() throws InterruptedException {
        AgentConfig config;
        try {
            config = address.configuration(shell);
        } catch (ConfigException e) {
            shell.problems(e.problems());
            return ExitCode.USAGE;
        }
        RunCommand.configureLog(shell, "error");
        OneLook look;
        try {
            look = OneLook.at(config, LIMIT, SystemTime.monotonic(), SystemTime.wall());
        } catch (TimeoutException e) {
            shell.err()
                    .println(Main.NAME + ": the driver has not answered within " + LIMIT.toSeconds()
                            + " s; look for NVRM lines in the kernel's log: dmesg | grep -i nvrm");
            return ExitCode.FAILURE;
        }
        print(look.labels(), config.host().nodeName());
        if (!look.problem().isEmpty()) {
            shell.err().println(Main.NAME + ": " + Text.printable(look.problem()));
            return ExitCode.FAILURE;
        }
        return ExitCode.OK;
    }

    /** The labels' text goes into a shell and into node-feature-discovery: nothing in it may mean anything there. */
    private static boolean isLabel(String text) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            boolean word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
            if (!word && c != '.' && c != '-' && c != '_' && c != '/') {
                return false;
            }
        }
        return true;
    }

    private void print(SortedMap<String, String> labels, String node) {
        switch (format) {
            case FEATURES -> labels.forEach((key, value) -> shell.out().println(key + "=" + value));
            case JSON -> {
                JsonWriter out = JsonWriter.pretty().beginObject();
                labels.forEach(out::member);
                shell.out().println(out.endObject());
            }
            case KUBECTL -> {
                shell.out().print("kubectl label node " + node + " --overwrite");
                labels.forEach((key, value) -> shell.out().print(" \\\n  " + key + "=" + value));
                shell.out().println();
            }
        }
    }
}
