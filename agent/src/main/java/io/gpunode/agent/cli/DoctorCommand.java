package io.gpunode.agent.cli;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.doctor.Diagnosis;
import io.gpunode.agent.doctor.Doctor;
import io.gpunode.agent.doctor.Patient;
import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.os.CommandRunner;
import io.gpunode.agent.os.SystemCommandRunner;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.time.SystemTime;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code doctor}. */
@Command(
        name = "doctor",
        description = {
            "Finds what keeps a GPU pod from starting on this node: driver, device nodes, CDI, container runtime, kubelet, agent. "
                    + "Each problem comes with the line to add or the command to type. Changes nothing; run it as root on the node.",
            "",
            "Its exit status is 1 when there is a problem."
        })
final class DoctorCommand implements Callable<Integer> {
    private static final Duration STATE_LIMIT = Duration.ofSeconds(5);

    private final Shell shell;

    @Mixin
    private ConfigurationOption configuration = new ConfigurationOption();

    @Mixin
    private Commands.OutputOption output = new Commands.OutputOption();

    DoctorCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws InterruptedException {
        Optional<AgentConfig> read = configuration.read(shell);
        if (read.isEmpty()) {
            return ExitCode.USAGE.code();
        }
        AgentConfig effective = read.get();
        List<Diagnosis> diagnoses = Doctor.examine(patient(effective));
        shell.out().print(output.json() ? json(diagnoses) + "\n" : text(diagnoses));
        return (problems(diagnoses) > 0 ? ExitCode.FAILURE : ExitCode.OK).code();
    }

    /** This node, as an agent with a configuration would find it. */
    static Patient patient(AgentConfig config) {
        return new Patient(
                new SystemHostFiles(config.host().root()),
                commands(config.host().root()),
                config,
                state(config),
                Path.of(System.getProperty("java.home", "/")));
    }

    /** A program of the host needs the host's libraries: from inside a container it cannot be asked. */
    private static CommandRunner commands(Path hostRoot) {
        if (hostRoot.equals(Path.of("/"))) {
            return new SystemCommandRunner();
        }
        return (command, _, _, _, _) -> {
            throw new IOException(command.getFirst() + " is a program of the host, whose files are under " + hostRoot);
        };
    }

    private static Optional<JsonValue> state(AgentConfig config) {
        try {
            return Optional.of(new StateClient(AgentAddress.of(config), STATE_LIMIT, SystemTime.monotonic()).state());
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    private static long problems(List<Diagnosis> diagnoses) {
        return diagnoses.stream()
                .filter(diagnosis -> diagnosis.level() == Diagnosis.Level.PROBLEM)
                .count();
    }

    private static String text(List<Diagnosis> diagnoses) {
        StringBuilder out = new StringBuilder();
        for (Diagnosis diagnosis : diagnoses) {
            String level = switch (diagnosis.level()) {
                case OK -> "ok      ";
                case NOTE -> "note    ";
                case PROBLEM -> "PROBLEM ";
            };
            out.append(level)
                    .append(diagnosis.check())
                    .append(": ")
                    .append(Text.printable(diagnosis.what()))
                    .append('\n');
            for (String line : diagnosis.remedy()) {
                out.append("            ").append(Text.printable(line)).append('\n');
            }
        }
        long problems = problems(diagnoses);
        return out.append('\n')
                .append(
                        problems == 0
                                ? "no problem found"
                                : problems == 1
                                        ? "1 problem; start with it"
                                        : problems + " problems; start with the first")
                .append('\n')
                .toString();
    }

    private static String json(List<Diagnosis> diagnoses) {
        JsonWriter out = JsonWriter.pretty().beginObject();
        out.member("problems", problems(diagnoses)).name("diagnoses").beginArray();
        for (Diagnosis diagnosis : diagnoses) {
            out.beginObject()
                    .member("check", diagnosis.check())
                    .member("level", diagnosis.level().name().toLowerCase(java.util.Locale.ROOT))
                    .member("what", diagnosis.what())
                    .member("remedy", diagnosis.remedy())
                    .endObject();
        }
        return out.endArray().endObject().toString();
    }
}
