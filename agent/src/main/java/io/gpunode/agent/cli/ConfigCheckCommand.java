package io.gpunode.agent.cli;

import io.gpunode.agent.admin.WebConfigCheck;
import io.gpunode.agent.config.ConfigException;
import io.gpunode.agent.config.ConfigSchema;
import io.gpunode.agent.config.Problem;
import io.gpunode.agent.config.Report;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.time.SystemTime;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code config check}. */
@Command(
        name = "check",
        description = {
            "Checks a configuration file and tells every problem in it. Flags and environment variables are left out of it."
        })
final class ConfigCheckCommand implements Callable<Integer> {
    private final Shell shell;

    @Parameters(
            arity = "0..1",
            paramLabel = "FILE",
            description =
                    "The file, or a directory of named configurations. Default: " + ConfigSchema.DEFAULT_FILE + ".")
    private @Nullable String file;

    @Option(names = "--web", description = "The file is a web configuration, which http.webConfigFile names.")
    private boolean web;

    @Mixin
    private Commands.OutputOption output = new Commands.OutputOption();

    ConfigCheckCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() {
        String name = file == null ? ConfigSchema.DEFAULT_FILE : file;
        List<Problem> problems = new ArrayList<>();
        List<Problem> notices = new ArrayList<>();
        try {
            if (web) {
                Report report =
                        WebConfigCheck.of(Path.of(name), SystemTime.wall().instant());
                problems.addAll(report.problems());
                notices.addAll(report.notices());
            } else {
                notices.addAll(shell.fileLoader().check(name));
            }
        } catch (ConfigException e) {
            problems.addAll(e.problems());
        }
        ExitCode code = problems.isEmpty() ? ExitCode.OK : ExitCode.USAGE;
        if (output.json()) {
            shell.out().println(json(name, problems, notices));
            return code.code();
        }
        for (Problem notice : notices) {
            shell.out().println(notice);
        }
        if (problems.isEmpty()) {
            shell.out().println(Text.printable(name) + ": good");
        } else {
            shell.problems(problems);
        }
        return code.code();
    }

    private static String json(String file, List<Problem> problems, List<Problem> notices) {
        JsonWriter out = JsonWriter.pretty().beginObject();
        out.member("file", file).member("good", problems.isEmpty());
        list(out.name("problems"), problems);
        list(out.name("notices"), notices);
        return out.endObject().toString();
    }

    /** Problems as an array. */
    static void list(JsonWriter out, List<Problem> problems) {
        out.beginArray();
        for (Problem problem : problems) {
            out.beginObject()
                    .member("place", problem.place())
                    .member("setting", problem.setting())
                    .member("what", problem.what())
                    .member("nextStep", problem.nextStep())
                    .endObject();
        }
        out.endArray();
    }
}
