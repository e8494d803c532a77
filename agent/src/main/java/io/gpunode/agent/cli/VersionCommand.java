package io.gpunode.agent.cli;

import io.gpunode.agent.json.JsonWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code version}. */
@Command(name = "version", description = "Shows the version.")
final class VersionCommand implements Callable<Integer> {
    private final Shell shell;

    @Mixin
    private Commands.OutputOption output = new Commands.OutputOption();

    VersionCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() {
        String version = version();
        String java = Runtime.version().toString();
        if (output.json()) {
            shell.out()
                    .println(JsonWriter.pretty()
                            .beginObject()
                            .member("version", version)
                            .member("java", java)
                            .endObject());
        } else {
            shell.out().println(Main.NAME + " " + version + " (Java " + java + ")");
        }
        return ExitCode.OK.code();
    }

    /** The version in the jar's manifest; classes outside a jar have none. */
    static String version() {
        String version = Main.class.getPackage().getImplementationVersion();
        return version == null ? "development" : version;
    }
}
