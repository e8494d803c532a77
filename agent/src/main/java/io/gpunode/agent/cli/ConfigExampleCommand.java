package io.gpunode.agent.cli;

import io.gpunode.agent.config.ExampleConfiguration;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;

/** {@code config example}. */
@Command(
        name = "example",
        description = {
            "Writes a configuration file that explains every setting and sets none.",
            "",
            "Packages install it as /etc/gpu-node-agent/config.yaml."
        })
final class ConfigExampleCommand implements Callable<Integer> {
    private final Shell shell;

    ConfigExampleCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() {
        shell.out().print(ExampleConfiguration.text());
        return ExitCode.OK.code();
    }
}
