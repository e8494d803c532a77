package io.gpunode.agent.cli;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.driver.DriverChanger;
import io.gpunode.agent.driver.DriverCommand;
import io.gpunode.agent.driver.DriverListener;
import io.gpunode.agent.driver.DriverNode;
import io.gpunode.agent.driver.DriverOutcome;
import io.gpunode.agent.driver.DriverPlan;
import io.gpunode.agent.driver.DriverSourceException;
import io.gpunode.agent.driver.DriverStep;
import io.gpunode.agent.driver.Holder;
import io.gpunode.agent.driver.HolderTable;
import io.gpunode.agent.driver.Progress;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.os.Signals;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.time.SystemTime;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Mixin;

/** What the commands that plan or make a change of the driver have in common. */
final class DriverOptions {
    @Mixin
    private ConfigurationOption configuration = new ConfigurationOption();

    /**
     * Has a command carried out, by the agent where one manages the driver.
     *
     * @param dryRun whether only to tell what would be done
     */
    ExitCode execute(Shell shell, DriverCommand command, boolean dryRun, boolean json) throws IOException {
        Optional<AgentConfig> read = configuration.read(shell);
        if (read.isEmpty()) {
            return ExitCode.USAGE;
        }
        AgentConfig effective = read.get();
        // What has to be said is said below.
        RunCommand.configureLog(shell, "error");
        Thread self = Thread.currentThread();
        Signals.handle("INT", self::interrupt);
        Signals.handle("TERM", self::interrupt);
        try {
            if (dryRun) {
                return planned(shell, node(shell, effective), command, json);
            }
            if (effective.driver().manage()) {
                Optional<ExitCode> byAgent = byAgent(shell, effective, command);
                if (byAgent.isPresent()) {
                    return byAgent.get();
                }
            }
            return byItself(shell, node(shell, effective), command);
        } catch (InterruptedException e) {
            shell.err()
                    .println("stopped; what was begun is ended by the next change (driver upgrade), or taken back by: "
                            + Main.NAME + " driver rollback");
            return ExitCode.FAILURE;
        }
    }

    /** This machine's driver. */
    static DriverNode node(Shell shell, AgentConfig config) {
        return new DriverNode(
                config,
                new SystemHostFiles(Path.of("/")),
                new SystemHostFiles(config.host().root()),
                shell.environment(),
                VersionCommand.version(),
                SystemTime.monotonic(),
                SystemTime.wall());
    }

    // ---- what would be done

    private static ExitCode planned(Shell shell, DriverNode node, DriverCommand command, boolean json)
            throws InterruptedException {
        List<String> before = List.of();
        DriverPlan plan;
        Optional<HolderTable> holders;
        DriverChanger changer = node.changer(line -> {});
        try {
            if (command == DriverCommand.LOAD || command == DriverCommand.UPGRADE) {
                before = node.staging();
                if (!node.isStaged()) {
                    DriverPlan away = changer.plan(DriverCommand.UNLOAD, DriverListener.NONE);
                    holders = command == DriverCommand.UPGRADE ? changer.inTheWay(away) : Optional.empty();
                    shell.out()
                            .print(
                                    json
                                            ? json(before, command, away, holders) + "\n"
                                            : text(before, command, away, holders));
                    return ExitCode.OK;
                }
            }
            plan = changer.plan(command, DriverListener.NONE);
            holders = changer.inTheWay(plan);
        } catch (DriverSourceException | DriverChanger.ImpossibleException e) {
            shell.err().println(Text.printable(String.valueOf(e.getMessage())));
            return ExitCode.FAILURE;
        }
        shell.out().print(json ? json(before, plan, holders) + "\n" : text(before, plan, holders));
        return ExitCode.OK;
    }

    /**
     * While the wanted driver has to be made ready: what is known before.
     *
     * @param away the plan by which the loaded driver goes; without steps when none is loaded
     */
    private static String text(
            List<String> before, DriverCommand command, DriverPlan away, Optional<HolderTable> holders) {
        StringBuilder out = new StringBuilder();
        before.forEach(line -> out.append("first: ").append(line).append('\n'));
        if (away.isEmpty()) {
            out.append("then: it is loaded; no driver has to go for it\n");
        } else if (command == DriverCommand.LOAD) {
            out.append("then: what is missing is put in place; a driver that is loaded stays, upgrade exchanges it\n");
        } else {
            out.append("then: the loaded driver goes, unless it is the same one:\n");
            steps(away, out);
        }
        holders.ifPresent(table -> inTheWay(table, out));
        out.append("all steps can be told once it is ready: gpu-node-agent driver install\n");
        return out.toString();
    }

    private static String json(
            List<String> before, DriverCommand command, DriverPlan away, Optional<HolderTable> holders) {
        JsonWriter out = JsonWriter.pretty()
                .beginObject()
                .member("before", before)
                .member("goes", command == DriverCommand.LOAD ? List.<String>of() : texts(away));
        holders(out, holders);
        return out.endObject().toString();
    }

    private static List<String> texts(DriverPlan plan) {
        return plan.steps().stream().map(DriverStep::text).toList();
    }

    private static String text(List<String> before, DriverPlan plan, Optional<HolderTable> holders) {
        StringBuilder out = new StringBuilder();
        before.forEach(line -> out.append("first: ").append(line).append('\n'));
        if (plan.isEmpty()) {
            return out.append(DriverOutcome.nothingToDo(plan.target().text()))
                    .append('\n')
                    .toString();
        }
        plan.differences().forEach(line -> out.append(line).append('\n'));
        steps(plan, out);
        holders.ifPresent(table -> inTheWay(table, out));
        return out.toString();
    }

    private static void steps(DriverPlan plan, StringBuilder out) {
        int number = 0;
        for (DriverStep step : plan.steps()) {
            out.append("%3d. ".formatted(++number)).append(step.text()).append('\n');
        }
    }

    private static void inTheWay(HolderTable table, StringBuilder out) {
        out.append("in the way:\n");
        Text.Table rows = new Text.Table("MODULE", "DEVICE", "PID", "PROGRAM", "BELONGS TO");
        for (Holder holder : table.holders()) {
            rows.row(
                    holder.module(),
                    holder.device(),
                    String.valueOf(holder.pid()),
                    holder.executable(),
                    holder.place().text());
        }
        out.append(rows);
        out.append("free the node of GPU pods: gpu-node-agent node drain; others: gpu-node-agent driver holders\n");
    }

    private static String json(List<String> before, DriverPlan plan, Optional<HolderTable> holders) {
        JsonWriter out = JsonWriter.pretty()
                .beginObject()
                .member("target", plan.target().text())
                .member("before", before)
                .member("differences", plan.differences())
                .member("steps", texts(plan));
        holders(out, holders);
        return out.endObject().toString();
    }

    private static void holders(JsonWriter out, Optional<HolderTable> holders) {
        out.name("holders").beginArray();
        if (holders.isPresent()) {
            for (Holder holder : holders.get().holders()) {
                out.beginObject()
                        .member("module", holder.module())
                        .member("device", holder.device())
                        .member("pid", holder.pid())
                        .member("executable", holder.executable())
                        .member("place", holder.place().text())
                        .endObject();
            }
        }
        out.endArray();
    }

    // ---- by the agent

    private static Optional<ExitCode> byAgent(Shell shell, AgentConfig config, DriverCommand command)
            throws IOException {
        Optional<ControlClient> client = ControlClient.open(config.http().localSocket());
        if (client.isEmpty()) {
            return Optional.empty();
        }
        try (ControlClient agent = client.get()) {
            String last =
                    agent.post("/driver/" + command.word(), line -> shell.out().println(Text.printable(line)));
            int space = last.indexOf(' ');
            String word = space < 0 ? last : last.substring(0, space);
            String text = Text.printable(last.substring(space + 1));
            if (word.equals("done")) {
                shell.out().println(text);
                return Optional.of(ExitCode.OK);
            }
            shell.err().println(text.isEmpty() ? "the agent has gone before it was done" : text);
            return Optional.of(ExitCode.FAILURE);
        }
    }

    // ---- without an agent

    private static ExitCode byItself(Shell shell, DriverNode node, DriverCommand command) throws InterruptedException {
        PrintStream out = shell.out();
        DriverOutcome outcome =
                node.changer(line -> out.println(Text.printable(line))).run(command, new Told(out));
        switch (outcome) {
            case DriverOutcome.Done done -> {
                out.println(Text.printable(done.message()));
                return ExitCode.OK;
            }
            case DriverOutcome.Untouched kept ->
                kept.holders()
                        .ifPresent(table -> table.holders()
                                .forEach(holder -> out.println("held " + holder.module() + "  " + holder.device()
                                        + "  pid " + holder.pid() + "  " + holder.executable() + "  "
                                        + holder.place().text())));
            case DriverOutcome.RolledBack back -> back.evidence().forEach(line -> out.println(Text.printable(line)));
            case DriverOutcome.Stuck stuck -> stuck.evidence().forEach(line -> out.println(Text.printable(line)));
        }
        shell.err().println(Text.printable(outcome.message()));
        return ExitCode.FAILURE;
    }

    /** Writes a line for each step. */
    private record Told(PrintStream out) implements DriverListener {
        @Override
        public void beginning(DriverStep step, boolean back) {
            out.println((back ? "step back: " : "step ") + step.text());
        }

        @Override
        public void ended(DriverStep step, Duration took) {
            // The next line says that it is over.
        }

        @Override
        public void begins(Phase phase, String what) {
            out.println("phase " + phase.text() + " " + what);
        }

        @Override
        public void at(Phase phase, long done, long total, long perSecond) {
            out.println("phase " + phase.text() + " " + Progress.amount(phase, done, total, perSecond));
        }
    }
}
