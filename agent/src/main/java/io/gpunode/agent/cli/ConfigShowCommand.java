package io.gpunode.agent.cli;

import io.gpunode.agent.config.ChosenConfiguration;
import io.gpunode.agent.config.ConfigException;
import io.gpunode.agent.config.EffectiveValue;
import io.gpunode.agent.config.LoadedConfig;
import io.gpunode.agent.config.Problem;
import io.gpunode.agent.json.JsonWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Unmatched;

/** {@code config show}. */
@Command(
        name = "show",
        description = {
            "Shows every setting's value as run would use it here and now, and where it comes from.",
            "",
            "Takes the flags of run, so that a unit's command line can be tried. A named configuration is chosen as by an agent"
                    + " that does not reach an API server; status shows which one a running agent uses."
        })
final class ConfigShowCommand implements Callable<Integer> {
    private final Shell shell;

    @Mixin
    private Commands.OutputOption output = new Commands.OutputOption();

    @Unmatched
    private List<String> flags = new ArrayList<>();

    ConfigShowCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() {
        RunArguments arguments = RunArguments.parse(flags, List.of());
        if (!arguments.problems().isEmpty()) {
            shell.usage("config show", arguments.problems());
            return ExitCode.USAGE.code();
        }
        try {
            LoadedConfig config = shell.loader().load(arguments.flags(), arguments.file());
            if (output.json()) {
                shell.out().println(json(config));
                return ExitCode.OK.code();
            }
            shell.out().print(text(config));
            for (Problem notice : config.notices()) {
                shell.err().println(notice);
            }
            return ExitCode.OK.code();
        } catch (ConfigException e) {
            shell.problems(e.problems());
            return ExitCode.USAGE.code();
        }
    }

    private static String text(LoadedConfig config) {
        Text.Table table = new Text.Table("SETTING", "SOURCE", "VALUE");
        for (EffectiveValue<?> value : config.values()) {
            table.row(value.setting().path(), value.source(), value.text().isEmpty() ? "-" : value.text());
        }
        String named = config.named()
                .map(chosen -> "named configuration: " + Text.printable(chosen.toString()) + "\n\n")
                .orElse("");
        return named + table;
    }

    private static String json(LoadedConfig config) {
        JsonWriter out = JsonWriter.pretty().beginObject();
        out.member("file", config.file().map(Object::toString).orElse(null));
        out.member("named", config.named().map(ChosenConfiguration::toString).orElse(null));
        out.name("settings").beginArray();
        for (EffectiveValue<?> value : config.values()) {
            out.beginObject()
                    .member("setting", value.setting().path())
                    .member("value", value.text())
                    .member("source", value.source())
                    .member("reload", value.setting().live())
                    .endObject();
        }
        return out.endArray().endObject().toString();
    }
}
