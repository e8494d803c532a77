package io.gpunode.agent.cli;

import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.json.JsonWriter;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code status}. */
@Command(
        name = "status",
        description = {
            "Shows what the running agent sees and does: driver, registration, CDI, GPUs, pods. "
                    + "Its exit status says whether the node is ready."
        })
final class StatusCommand implements Callable<Integer> {
    private final Shell shell;

    @Mixin
    private AgentAddress address = new AgentAddress();

    @Mixin
    private Commands.OutputOption output = new Commands.OutputOption();

    StatusCommand(Shell shell) {
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
            state.get().writeTo(out);
            shell.out().println(out);
        } else {
            shell.out().print(StateText.status(state.get()));
        }
        return (StateText.ready(state.get()) ? ExitCode.OK : ExitCode.NOT_READY).code();
    }
}
