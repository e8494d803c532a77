package io.gpunode.agent.cli;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.doctor.Diagnosis;
import io.gpunode.agent.doctor.Preflight;
import io.gpunode.agent.json.JsonWriter;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code preflight}. */
@Command(
        name = "preflight",
        description = {
            "Tells before an installation whether this node is ready for the agent: machine, kernel, systemd, GPUs and driver, container runtime,"
                    + " kubelet, and who does the agent's work already. Each check says what it found, what it wants and what to do."
                    + " Needs no running agent and changes nothing; run it as root on the node.",
            "",
            "Its exit status is 1 when a check fails. For a node whose agent runs: gpu-node-agent doctor."
        })
final class PreflightCommand implements Callable<Integer> {
    private final Shell shell;

    @Mixin
    private ConfigurationOption configuration = new ConfigurationOption();

    @Mixin
    private Commands.OutputOption output = new Commands.OutputOption();

    PreflightCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws InterruptedException {
        Optional<AgentConfig> read = configuration.read(shell);
        if (read.isEmpty()) {
            return ExitCode.USAGE.code();
        }
        List<Preflight.Outcome> outcomes = Preflight.examine(DoctorCommand.patient(read.get()));
        shell.out().print(output.json() ? json(outcomes) + "\n" : text(outcomes));
        return (passed(outcomes) < outcomes.size() ? ExitCode.FAILURE : ExitCode.OK).code();
    }

    private static int passed(List<Preflight.Outcome> outcomes) {
        int passed = 0;
        for (Preflight.Outcome outcome : outcomes) {
            passed += outcome.level() == Diagnosis.Level.PROBLEM ? 0 : 1;
        }
        return passed;
    }

    static String text(List<Preflight.Outcome> outcomes) {
        StringBuilder out = new StringBuilder();
        String first = "";
        for (Preflight.Outcome outcome : outcomes) {
            if (outcome.level() == Diagnosis.Level.OK) {
                out.append("ok      ").append(outcome.check()).append(": ");
                line(out, outcome.found().getFirst().what());
                continue;
            }
            boolean problem = outcome.level() == Diagnosis.Level.PROBLEM;
            first = problem && first.isEmpty() ? outcome.check() : first;
            out.append(problem ? "PROBLEM " : "note    ")
                    .append(outcome.check())
                    .append('\n');
            for (Diagnosis found : outcome.found()) {
                if (found.level() == Diagnosis.Level.OK) {
                    continue;
                }
                out.append("        found:  ");
                line(out, found.what());
                String heading = "        remedy: ";
                for (String remedy : found.remedy()) {
                    out.append(heading);
                    line(out, remedy);
                    heading = "                ";
                }
            }
            out.append("        wanted: ");
            line(out, outcome.wanted());
        }
        int passed = passed(outcomes);
        out.append('\n').append(passed).append(" of ").append(outcomes.size()).append(" checks passed");
        return out.append(first.isEmpty() ? "" : "; begin with " + first)
                .append('\n')
                .toString();
    }

    private static void line(StringBuilder out, String text) {
        out.append(Text.printable(text)).append('\n');
    }

    static String json(List<Preflight.Outcome> outcomes) {
        JsonWriter out = JsonWriter.pretty().beginObject();
        out.member("passed", passed(outcomes))
                .member("of", outcomes.size())
                .name("checks")
                .beginArray();
        for (Preflight.Outcome outcome : outcomes) {
            out.beginObject()
                    .member("check", outcome.check())
                    .member("level", outcome.level().name().toLowerCase(Locale.ROOT))
                    .member("wanted", outcome.wanted())
                    .name("found")
                    .beginArray();
            for (Diagnosis found : outcome.found()) {
                out.beginObject()
                        .member("level", found.level().name().toLowerCase(Locale.ROOT))
                        .member("what", found.what())
                        .member("remedy", found.remedy())
                        .endObject();
            }
            out.endArray().endObject();
        }
        return out.endArray().endObject().toString();
    }
}
