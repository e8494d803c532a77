package io.gpunode.agent.cli;

import java.util.concurrent.Callable;
import picocli.AutoComplete;
import picocli.CommandLine.Command;

/** {@code generate-completion}. */
@Command(
        name = "generate-completion",
        description = {
            "Writes a completion script for bash and zsh.",
            "",
            "bash: source <(gpu-node-agent generate-completion)",
            "zsh:  the same, after: autoload -U +X bashcompinit && bashcompinit"
        })
final class CompletionCommand implements Callable<Integer> {
    private final Shell shell;

    CompletionCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() {
        shell.out().print(AutoComplete.bash(Main.NAME, Commands.commandLine(shell)));
        return ExitCode.OK.code();
    }
}
