package io.gpunode.agent.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code generate-man}, which the build of the packages calls. */
@Command(name = "generate-man", hidden = true, description = "Writes the manual pages of all commands.")
final class ManPagesCommand implements Callable<Integer> {
    private final Shell shell;

    @Option(names = "--directory", required = true, paramLabel = "DIR", description = "Where they are written.")
    private Path directory = Path.of("");

    @Option(
            names = "--date",
            required = true,
            paramLabel = "DATE",
            description = "The day in the foot of each page, as 2026-11-22.")
    private String date = "";

    ManPagesCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws IOException {
        for (Map.Entry<String, String> page :
                ManPages.of(Commands.commandLine(shell), date).entrySet()) {
            Files.writeString(directory.resolve(page.getKey()), page.getValue());
        }
        return ExitCode.OK.code();
    }
}
