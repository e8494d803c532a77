package io.gpunode.agent.cli;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.ConfigException;
import io.gpunode.agent.config.LoadedConfig;
import io.gpunode.agent.config.Problem;
import io.gpunode.agent.config.ServiceProfile;
import io.gpunode.agent.os.SystemCommandRunner;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.os.SystemdVersion;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import picocli.CommandLine.Unmatched;

/** {@code config systemd}. */
@Command(
        name = "systemd",
        description = {
            "Prints a drop-in for gpu-node-agent.service that lets the service do what this configuration asks for, and nothing else; each line"
                    + " says what it is for. The unit as installed fits the defaults; driver.manage and mig.manage need more.",
            "",
            "Takes the flags of run. To put it in force:",
            "  mkdir -p " + ConfigSystemdCommand.DIRECTORY,
            "  gpu-node-agent config systemd > \\",
            "    " + ConfigSystemdCommand.DIRECTORY + "/" + ConfigSystemdCommand.FILE,
            "  systemctl daemon-reload && systemctl restart gpu-node-agent"
        })
final class ConfigSystemdCommand implements Callable<Integer> {
    static final String DIRECTORY = "/etc/systemd/system/gpu-node-agent.service.d";
    static final String FILE = "50-profile.conf";

    private static final Pattern RELEASE = Pattern.compile("(\\d{1,4})\\.(\\d{1,4}).*");

    private final Shell shell;

    @Option(
            names = "--systemd-version",
            paramLabel = "NUMBER",
            description = "The systemd that is to read it. Default: the one of this machine.")
    private @Nullable Integer systemd;

    @Option(
            names = "--kernel",
            paramLabel = "RELEASE",
            description = "The kernel that is to run it, such as 6.1. Default: the one of this machine.")
    private @Nullable String kernel;

    @Spec
    private picocli.CommandLine.Model.CommandSpec spec = picocli.CommandLine.Model.CommandSpec.create();

    @Unmatched
    private List<String> flags = new ArrayList<>();

    ConfigSystemdCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws InterruptedException {
        RunArguments arguments = RunArguments.parse(flags, List.of());
        if (!arguments.problems().isEmpty()) {
            shell.usage("config systemd", arguments.problems());
            return ExitCode.USAGE.code();
        }
        LoadedConfig loaded;
        try {
            loaded = shell.loader().load(arguments.flags(), arguments.file());
        } catch (ConfigException e) {
            shell.problems(e.problems());
            return ExitCode.USAGE.code();
        }
        for (Problem notice : loaded.notices()) {
            shell.err().println(notice);
        }
        AgentConfig config = loaded.config();
        ServiceProfile.Machine machine = machine(config);
        shell.out().println("# " + DIRECTORY + "/" + FILE);
        shell.out()
                .println("# Made by: gpu-node-agent config systemd; make it anew when the configuration changes. For "
                        + loaded.file()
                                .map(file -> Text.printable(file.toString()))
                                .orElse("the defaults") + ":");
        shell.out()
                .println("# driver.manage " + config.driver().manage() + ", mig.manage "
                        + config.mig().manage()
                        + ", health.kernelLog " + config.health().kernelLog() + ", cdi.createDeviceNodes "
                        + config.cdi().createDeviceNodes() + "; systemd "
                        + (machine.systemd() == 0 ? "not found, taken for new" : machine.systemd()) + ", kernel "
                        + machine.kernelMajor() + "." + machine.kernelMinor());
        for (String line :
                ServiceProfile.dropIn(config, loaded.stamps().stamps().keySet(), machine)) {
            shell.out().println(line);
        }
        return ExitCode.OK.code();
    }

    private ServiceProfile.Machine machine(AgentConfig config) throws InterruptedException {
        int number = systemd == null
                ? SystemdVersion.of(
                                new SystemCommandRunner(),
                                new SystemHostFiles(config.host().root()))
                        .orElse(0)
                : systemd;
        String release = kernel == null ? System.getProperty("os.version", "") : kernel;
        Matcher matcher = RELEASE.matcher(release);
        if (!matcher.matches()) {
            throw new picocli.CommandLine.ParameterException(
                    spec.commandLine(), "--kernel: \"" + Text.printable(release) + "\" is not a release such as 6.1");
        }
        return new ServiceProfile.Machine(
                number, Integer.parseInt(matcher.group(1)), Integer.parseInt(matcher.group(2)));
    }
}
