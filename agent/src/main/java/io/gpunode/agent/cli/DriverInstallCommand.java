package io.gpunode.agent.cli;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.AgentConfig.Driver.SourceKind;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code driver install}. */
@Command(
        name = "install",
        description = {
            "Makes the wanted driver ready for the kernel that runs: fetches, checks, unpacks, compiles and signs as far as that is needed, and keeps the"
                    + " result in the store. Nothing of the running driver changes; driver load or driver upgrade brings it into use.",
            "",
            "Needs root."
        })
final class DriverInstallCommand implements Callable<Integer> {
    private static final Pattern SHA256 = Pattern.compile("[0-9a-fA-F]{64}");

    private final Shell shell;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    @Option(
            names = "--bundle",
            paramLabel = "PATH",
            description = "Takes it from this offline bundle, whatever driver.source says.")
    private @Nullable String bundle;

    @Option(
            names = "--runfile",
            paramLabel = "FILE",
            description = "Takes it from this .run file of NVIDIA, whatever driver.source says.")
    private @Nullable String runfile;

    @Option(
            names = "--sha256",
            paramLabel = "HEX",
            description = "What the SHA-256 of the file of --bundle or --runfile must be.")
    private String sha256 = "";

    @Option(
            names = "--version",
            paramLabel = "VERSION",
            description = "Wants this version, whatever driver.version says.")
    private @Nullable String version;

    @Option(names = "--dry-run", description = "Prints what would be done, and does nothing.")
    private boolean dryRun;

    @Mixin
    private DriverStaging staging = new DriverStaging();

    @Mixin
    private Commands.OutputOption output = new Commands.OutputOption();

    DriverInstallCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws Exception {
        if (bundle != null && runfile != null) {
            throw new ParameterException(spec.commandLine(), "--bundle and --runfile exclude each other");
        }
        if (!sha256.isEmpty() && bundle == null && runfile == null) {
            throw new ParameterException(
                    spec.commandLine(),
                    "--sha256 is that of the file of --bundle or --runfile, and none is given; for what the configuration names:"
                            + " driver.bundle.sha256, driver.runfile.sha256");
        }
        if (!sha256.isEmpty() && !SHA256.matcher(sha256).matches()) {
            throw new ParameterException(
                    spec.commandLine(),
                    "--sha256 " + sha256 + " is not 64 hexadecimal digits, as sha256sum prints them");
        }
        Optional<DriverStaging.Node> node = staging.open(shell);
        if (node.isEmpty()) {
            return ExitCode.USAGE.code();
        }
        return DriverStaging.stage(
                shell, node.get(), settings(node.get().config().driver()), "", Duration.ZERO, dryRun, output.json());
    }

    private AgentConfig.Driver settings(AgentConfig.Driver settings) {
        // What is named on the command line is what is wanted: the configuration's version is of its own source.
        String wanted = version != null ? version : bundle == null && runfile == null ? settings.version() : "";
        SourceKind source =
                bundle != null ? SourceKind.BUNDLE : runfile != null ? SourceKind.RUNFILE : settings.source();
        return DriverStaging.from(
                settings,
                source,
                wanted,
                runfile == null
                        ? settings.runfile()
                        : new AgentConfig.Driver.Runfile(absolute(runfile), "", sha256.toLowerCase(Locale.ROOT)),
                bundle == null
                        ? settings.bundle()
                        : new AgentConfig.Driver.Bundle(absolute(bundle), sha256.toLowerCase(Locale.ROOT)));
    }

    private static String absolute(String path) {
        return Path.of(path).toAbsolutePath().normalize().toString();
    }
}
