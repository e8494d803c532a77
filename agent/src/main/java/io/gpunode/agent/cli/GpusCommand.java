package io.gpunode.agent.cli;

import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.json.JsonWriter;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code gpus}. */
@Command(name = "gpus", description = "Lists the GPUs that the running agent sees, with their health and their pods.")
final class GpusCommand implements Callable<Integer> {
    private final Shell shell;

    @Mixin
    private AgentAddress address = new AgentAddress();

    @Mixin
    private Commands.OutputOption output = new Commands.OutputOption();

    GpusCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() {
        Optional<JsonValue> state = address.state(shell);
        if (state.isEmpty()) {
            return ExitCode.UNREACHABLE.code();
        }
        if (output.json()) {
            JsonWriter out = JsonWriter.pretty();
            state.get().member("gpus").writeTo(out);
            shell.out().println(out);
        } else {
            shell.out().print(StateText.gpus(state.get()));
        }
        return ExitCode.OK.code();
    }
}
