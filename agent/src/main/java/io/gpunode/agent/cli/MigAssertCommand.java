package io.gpunode.agent.cli;

import io.gpunode.agent.config.Problem;
import io.gpunode.agent.config.Report;
import io.gpunode.agent.config.TextFile;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.mig.MigConfigAssertion;
import io.gpunode.agent.mig.MigConfigAssertion.Difference;
import io.gpunode.agent.mig.MigConfigFile;
import io.gpunode.agent.mig.MigConfigReader;
import io.gpunode.agent.mig.MigConfigWishes;
import io.gpunode.agent.mig.MigGpu;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code mig assert}. */
@Command(
        name = "assert",
        description = {
            "Tells whether the GPUs are split as a layout of a configuration file wants it, and what is different.",
            "",
            "Its exit status is 0 when they are, and 1 when they are not or when anything fails."
        })
final class MigAssertCommand implements Callable<Integer> {
    private static final String STANDARD_INPUT = "standard input";

    private final Shell shell;

    @Option(
            names = {"-f", "--config-file"},
            paramLabel = "FILE",
            description = "The configuration file; - is standard input. Variable: MIG_PARTED_CONFIG_FILE.")
    private @Nullable String file;

    @Option(
            names = {"-c", "--selected-config"},
            paramLabel = "LAYOUT",
            description =
                    "The layout's name. Default: the only one that the file has. Variable: MIG_PARTED_SELECTED_CONFIG.")
    private @Nullable String selected;

    @Option(
            names = {"-m", "--mode-only"},
            description = "Compares MIG modes alone. Variable: MIG_PARTED_MODE_CHANGE_ONLY.")
    private boolean modeOnly;

    @Option(
            names = {"-a", "--valid-config"},
            description =
                    "Only checks that the file is good and has the layout; looks at no GPU. Variable: MIG_PARTED_VALID_CONFIG.")
    private boolean fileOnly;

    @Option(names = "--named-only", description = "GPUs that the layout does not name may be as they are.")
    private boolean namedOnly;

    @Mixin
    private MigNode node = new MigNode();

    @Mixin
    private Commands.OutputOption output = new Commands.OutputOption();

    MigAssertCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws Exception {
        String name = node.required(file, "--config-file", "MIG_PARTED_CONFIG_FILE", shell);
        boolean modes = node.on(modeOnly, "MIG_PARTED_MODE_CHANGE_ONLY", shell);
        boolean valid = node.on(fileOnly, "MIG_PARTED_VALID_CONFIG", shell);
        Report report = new Report(true);
        Optional<MigConfigFile> config = read(name, shell, report);
        Optional<String> label = config.flatMap(found -> MigConfigWishes.select(
                name, found, MigNode.text(selected, "MIG_PARTED_SELECTED_CONFIG", shell), report));
        if (config.isEmpty() || label.isEmpty()) {
            return answer(name, "", "file", report, List.of());
        }
        if (valid) {
            return answer(name, label.get(), "file", report, List.of());
        }
        Optional<List<MigGpu>> gpus = node.read(shell);
        if (gpus.isEmpty()) {
            return ExitCode.FAILURE.code();
        }
        List<MigConfigFile.Entry> layout = config.get().layout(label.get());
        Optional<MigConfigWishes> wishes = MigConfigWishes.of(
                modes ? layout.stream().map(MigConfigFile.Entry::withoutDevices).toList() : layout, gpus.get(), report);
        List<Difference> differences = wishes.map(found -> modes
                        ? MigConfigAssertion.ofModes(found.gpus())
                        : MigConfigAssertion.ofDevices(found.gpus(), namedOnly))
                .orElse(List.of());
        return answer(name, label.get(), modes ? "modes" : "devices", report, differences);
    }

    /** Reads a configuration file, or standard input. */
    static Optional<MigConfigFile> read(String name, Shell shell, Report report) {
        if (name.equals("-")) {
            return TextFile.read(STANDARD_INPUT, shell.in(), report)
                    .flatMap(text -> MigConfigReader.read(STANDARD_INPUT, text, report));
        }
        return TextFile.read(Path.of(name), report).flatMap(text -> MigConfigReader.read(name, text, report));
    }

    private int answer(String name, String label, String what, Report report, List<Difference> differences) {
        boolean holds = report.problems().isEmpty() && differences.isEmpty();
        if (output.json()) {
            shell.out().println(json(label, what, report, differences));
        } else {
            for (Problem notice : report.notices()) {
                shell.err().println(notice);
            }
            for (Problem problem : report.problems()) {
                shell.err().println(problem);
            }
            for (Difference difference : differences) {
                shell.err().println(Text.printable(difference.toString()));
            }
            String subject = "the layout " + Text.printable(label);
            if (!differences.isEmpty()) {
                shell.err().println(subject + " is not applied");
            } else if (holds && what.equals("file")) {
                shell.out().println(Text.printable(name) + ": good; it has " + subject);
            } else if (holds) {
                shell.out().println(subject + " is applied" + (what.equals("modes") ? " as far as MIG modes go" : ""));
            }
        }
        return (holds ? ExitCode.OK : ExitCode.FAILURE).code();
    }

    private static String json(String label, String what, Report report, List<Difference> differences) {
        JsonWriter out = JsonWriter.pretty().beginObject();
        out.member("layout", label.isEmpty() ? null : label)
                .member("asserted", what)
                .member("holds", report.problems().isEmpty() && differences.isEmpty());
        out.name("differences").beginArray();
        for (Difference difference : differences) {
            out.beginObject()
                    .member("gpu", difference.index())
                    .member("uuid", difference.gpu().uuid())
                    .member("what", difference.what())
                    .endObject();
        }
        out.endArray();
        ConfigCheckCommand.list(out.name("problems"), report.problems());
        ConfigCheckCommand.list(out.name("notices"), report.notices());
        return out.endObject().toString();
    }
}
