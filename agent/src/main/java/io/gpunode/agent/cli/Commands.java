package io.gpunode.agent.cli;

import io.gpunode.agent.config.Suggestion;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;
import picocli.CommandLine.UnmatchedArgumentException;

/** The commands that look at things and end, through picocli; also the help of all commands. */
final class Commands {
    private static final int WIDTH = 80;

    private Commands() {}

    /** Runs a command of the library. */
    static ExitCode execute(Shell shell, List<String> arguments) {
        int code = commandLine(shell).execute(arguments.toArray(new String[0]));
        for (ExitCode exit : ExitCode.values()) {
            if (exit.code() == code) {
                return exit;
            }
        }
        return ExitCode.FAILURE;
    }

    /** The whole command tree. */
    static CommandLine commandLine(Shell shell) {
        Root root = new Root();
        CommandLine line = new CommandLine(root)
                .addSubcommand("run", RunUsage.spec())
                .addSubcommand("simulate", RunUsage.simulateSpec())
                .addSubcommand("status", new StatusCommand(shell))
                .addSubcommand("gpus", new GpusCommand(shell))
                .addSubcommand("labels", new LabelsCommand(shell))
                .addSubcommand("preflight", new PreflightCommand(shell))
                .addSubcommand("doctor", new DoctorCommand(shell))
                .addSubcommand(
                        "config",
                        new CommandLine(new ConfigGroup())
                                .addSubcommand("check", new ConfigCheckCommand(shell))
                                .addSubcommand("show", new ConfigShowCommand(shell))
                                .addSubcommand("systemd", new ConfigSystemdCommand(shell))
                                .addSubcommand("example", new ConfigExampleCommand(shell)))
                .addSubcommand(
                        "mig",
                        new CommandLine(new MigGroup())
                                .addSubcommand("plan", new MigPlanCommand(shell))
                                .addSubcommand("apply", new MigApplyCommand(shell))
                                .addSubcommand("assert", new MigAssertCommand(shell))
                                .addSubcommand("export", new MigExportCommand(shell))
                                .addSubcommand("generate-config", new MigGenerateConfigCommand(shell))
                                .addSubcommand("checkpoint", new MigCheckpointCommand(shell))
                                .addSubcommand("restore", new MigRestoreCommand(shell)))
                .addSubcommand(
                        "driver",
                        new CommandLine(new DriverGroup())
                                .addSubcommand("status", new DriverStatusCommand(shell))
                                .addSubcommand("plan", new DriverPlanCommand(shell))
                                .addSubcommand("load", new DriverLoadCommand(shell))
                                .addSubcommand("unload", new DriverUnloadCommand(shell))
                                .addSubcommand("upgrade", new DriverUpgradeCommand(shell))
                                .addSubcommand("rollback", new DriverRollbackCommand(shell))
                                .addSubcommand("holders", new DriverHoldersCommand(shell))
                                .addSubcommand("install", new DriverInstallCommand(shell))
                                .addSubcommand("build", new DriverBuildCommand(shell))
                                .addSubcommand("bundle", new DriverBundleCommand(shell))
                                .addSubcommand("prune", new DriverPruneCommand(shell)))
                .addSubcommand(
                        "persistenced",
                        new CommandLine(new PersistencedGroup())
                                .addSubcommand("status", new PersistencedStatusCommand(shell))
                                .addSubcommand("start", new PersistencedStartCommand(shell))
                                .addSubcommand("stop", new PersistencedStopCommand(shell)))
                .addSubcommand(
                        "node",
                        new CommandLine(new NodeGroup())
                                .addSubcommand("drain", new NodeDrainCommand(shell))
                                .addSubcommand("uncordon", new NodeUncordonCommand(shell))
                                .addSubcommand("status", new NodeStatusCommand(shell)))
                .addSubcommand("version", new VersionCommand(shell))
                .addSubcommand("generate-completion", new CompletionCommand(shell))
                .addSubcommand("generate-man", new ManPagesCommand(shell))
                .addSubcommand("help", new CommandLine.HelpCommand());
        setUp(line);
        line.setOut(new PrintWriter(shell.out(), true, StandardCharsets.UTF_8));
        line.setErr(new PrintWriter(shell.err(), true, StandardCharsets.UTF_8));
        line.setUsageHelpWidth(WIDTH);
        line.setUsageHelpAutoWidth(false);
        line.setColorScheme(Help.defaultColorScheme(Help.Ansi.OFF));
        line.setCaseInsensitiveEnumValuesAllowed(true);
        line.setParameterExceptionHandler((exception, _) -> usage(shell, exception));
        line.setExecutionExceptionHandler((exception, _, _) -> {
            shell.failure(exception, root.verbose);
            return ExitCode.FAILURE.code();
        });
        line.setExitCodeExceptionMapper(_ -> ExitCode.FAILURE.code());
        return line;
    }

    private static void setUp(CommandLine line) {
        CommandSpec spec = line.getCommandSpec();
        Map<String, String> exitCodes = new LinkedHashMap<>();
        for (ExitCode code : ExitCode.values()) {
            exitCodes.put(String.valueOf(code.code()), code.meaning());
        }
        spec.usageMessage()
                .synopsisHeading("Usage: ")
                .parameterListHeading("%nArguments:%n")
                .optionListHeading("%nOptions:%n")
                .commandListHeading("%nCommands:%n")
                .exitCodeListHeading("%nExit status:%n")
                .abbreviateSynopsis(true)
                .sortOptions(false);
        if (spec.subcommands().isEmpty() || spec.parent() == null) {
            spec.usageMessage().exitCodeList(exitCodes);
        } else {
            spec.usageMessage().exitCodeListHeading("");
        }
        if (spec.optionsMap().get("--help") == null) {
            spec.addOption(CommandLine.Model.OptionSpec.builder("-h", "--help")
                    .usageHelp(true)
                    .description("Shows this help.")
                    .build());
        }
        for (CommandLine sub : line.getSubcommands().values()) {
            if (sub.getCommand() instanceof CommandLine.HelpCommand) {
                sub.getCommandSpec().usageMessage().header("Shows the help of a command.");
            } else {
                setUp(sub);
            }
        }
    }

    private static int usage(Shell shell, ParameterException exception) {
        CommandSpec spec = exception.getCommandLine().getCommandSpec();
        List<String> problems = new ArrayList<>();
        if (exception instanceof UnmatchedArgumentException unmatched
                && !unmatched.getUnmatched().isEmpty()) {
            for (String argument : unmatched.getUnmatched()) {
                problems.add(unknown(spec, argument));
            }
        } else {
            problems.add(Text.printable(String.valueOf(exception.getMessage())));
        }
        for (String problem : problems) {
            shell.err().println(spec.qualifiedName() + ": " + problem);
        }
        shell.err().println("see: " + spec.qualifiedName() + " --help");
        return ExitCode.USAGE.code();
    }

    private static String unknown(CommandSpec spec, String argument) {
        boolean option = argument.startsWith("-");
        List<String> known = new ArrayList<>();
        for (String name :
                option ? spec.optionsMap().keySet() : spec.subcommands().keySet()) {
            known.add(name);
        }
        String plain = option && argument.indexOf('=') > 0 ? argument.substring(0, argument.indexOf('=')) : argument;
        String what = option ? "unknown option" : known.isEmpty() ? "unexpected argument" : "unknown command";
        return what + " \"" + Text.printable(plain) + "\""
                + Suggestion.nearest(plain, known)
                        .map(near -> "; did you mean " + near + "?")
                        .orElse("");
    }

    /** The program itself. */
    @Command(
            name = Main.NAME,
            description = {
                "Turns a Linux machine with NVIDIA GPUs into a ready Kubernetes GPU node, and keeps it one.",
            },
            footer = {"", "Each command has its own help: gpu-node-agent COMMAND --help"})
    static final class Root implements Callable<Integer> {
        @Option(names = "--verbose", scope = ScopeType.INHERIT, description = "Tells a failure with its stack trace.")
        private boolean verbose;

        @Spec
        private CommandSpec spec = CommandSpec.create();

        @Override
        public Integer call() {
            spec.commandLine().usage(spec.commandLine().getErr());
            return ExitCode.USAGE.code();
        }
    }

    /** {@code config}. */
    @Command(name = "config", description = "Checks and shows the configuration.")
    static final class ConfigGroup implements Callable<Integer> {
        @Spec
        private CommandSpec spec = CommandSpec.create();

        @Override
        public Integer call() {
            spec.commandLine().usage(spec.commandLine().getErr());
            return ExitCode.USAGE.code();
        }
    }

    /** {@code mig}. */
    @Command(
            name = "mig",
            description = {
                "Looks at how this node's GPUs are split into MIG devices, compares it with a configuration file of mig-parted, and changes it.",
                "",
                "Flags and variables are those of nvidia-mig-parted. Needs no running agent."
            })
    static final class MigGroup implements Callable<Integer> {
        @Spec
        private CommandSpec spec = CommandSpec.create();

        @Override
        public Integer call() {
            spec.commandLine().usage(spec.commandLine().getErr());
            return ExitCode.USAGE.code();
        }
    }

    /** {@code driver}. */
    @Command(
            name = "driver",
            description = {
                "Looks at the NVIDIA driver of this node, and brings it to what the configuration wants.",
                "",
                "With a running agent that manages the driver, commands that change something have it done by the agent; else they do it themselves."
            })
    static final class DriverGroup implements Callable<Integer> {
        @Spec
        private CommandSpec spec = CommandSpec.create();

        @Override
        public Integer call() {
            spec.commandLine().usage(spec.commandLine().getErr());
            return ExitCode.USAGE.code();
        }
    }

    /** {@code persistenced}. */
    @Command(
            name = "persistenced",
            description = "Looks at the daemon that keeps GPUs initialised, starts it and stops it.")
    static final class PersistencedGroup implements Callable<Integer> {
        @Spec
        private CommandSpec spec = CommandSpec.create();

        @Override
        public Integer call() {
            spec.commandLine().usage(spec.commandLine().getErr());
            return ExitCode.USAGE.code();
        }
    }

    /** {@code node}. */
    @Command(name = "node", description = "Frees the node of pods that hold GPUs, and lets pods come back.")
    static final class NodeGroup implements Callable<Integer> {
        @Spec
        private CommandSpec spec = CommandSpec.create();

        @Override
        public Integer call() {
            spec.commandLine().usage(spec.commandLine().getErr());
            return ExitCode.USAGE.code();
        }
    }

    /** For whom a command writes. */
    enum Output {
        TEXT,
        JSON;

        @Override
        public String toString() {
            return this == TEXT ? "text" : "json";
        }
    }

    /** {@code --output}. */
    static final class OutputOption {
        @Option(
                names = {"-o", "--output"},
                paramLabel = "FORMAT",
                description = "text for people or json for programs. Default: text.")
        private Output output = Output.TEXT;

        boolean json() {
            return output == Output.JSON;
        }
    }
}
