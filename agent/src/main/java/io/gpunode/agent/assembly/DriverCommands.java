package io.gpunode.agent.assembly;

import io.gpunode.agent.admin.LocalCommands;
import io.gpunode.agent.driver.DriverCommand;
import io.gpunode.agent.driver.DriverManager;
import io.gpunode.agent.driver.DriverOutcome;
import io.gpunode.agent.driver.DriverStep;
import io.gpunode.agent.driver.Progress;
import java.time.Duration;
import java.util.Optional;

/**
 * {@code POST /driver/load} and its like: has the manager do it. Each line begins with a word: {@code step} and {@code phase} while it is done, and
 * {@code done}, {@code kept}, {@code back} or {@code stuck} at the end.
 */
record DriverCommands(DriverManager manager) implements LocalCommands {
    private static final String PATH = "/driver/";

    @Override
    public boolean has(String path) {
        return command(path).isPresent();
    }

    private static Optional<DriverCommand> command(String path) {
        return path.startsWith(PATH) ? DriverCommand.of(path.substring(PATH.length())) : Optional.empty();
    }

    @Override
    public void run(String path, Answer answer) {
        DriverCommand command = command(path).orElseThrow();
        if (!manager.ask(new Asked(command, answer))) {
            answer.end(
                    "kept the agent is at another change of the driver, or making one ready; see: gpu-node-agent status");
        }
    }

    /** One who waits for the end. */
    private record Asked(DriverCommand command, Answer answer) implements DriverManager.Request {
        @Override
        public void beginning(DriverStep step, boolean back) {
            answer.line("step " + (back ? "back: " : "") + step.text());
        }

        @Override
        public void ended(DriverStep step, Duration took) {
            // The next line says that it is over.
        }

        @Override
        public void begins(Phase phase, String what) {
            answer.line("phase " + phase.text() + " " + what);
        }

        @Override
        public void at(Phase phase, long done, long total, long perSecond) {
            answer.line("phase " + phase.text() + " " + Progress.amount(phase, done, total, perSecond));
        }

        @Override
        public void ended(DriverOutcome outcome) {
            switch (outcome) {
                case DriverOutcome.Done done -> answer.end("done " + done.message());
                case DriverOutcome.Untouched kept -> {
                    kept.holders()
                            .ifPresent(table -> table.holders()
                                    .forEach(holder -> answer.line("held " + holder.module() + "  " + holder.device()
                                            + "  pid " + holder.pid() + "  " + holder.executable() + "  "
                                            + holder.place().text())));
                    answer.end("kept " + kept.message());
                }
                case DriverOutcome.RolledBack back -> {
                    back.evidence().forEach(line -> answer.line("seen " + line));
                    answer.end("back " + back.message());
                }
                case DriverOutcome.Stuck stuck -> {
                    stuck.evidence().forEach(line -> answer.line("seen " + line));
                    answer.end("stuck " + stuck.message());
                }
            }
        }
    }
}
