package io.gpunode.agent.driver;

import io.gpunode.agent.os.CommandRunner;
import io.gpunode.agent.os.SystemCommandRunner;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A host's programs: answers by the beginning of a command line; refuses what it was not told. A few real ones are passed on. */
final class FakeTools implements CommandRunner {
    /** The commands that were run, as they would be typed, without entering the host's root. */
    final List<String> commands = new ArrayList<>();

    private final Map<String, Answer> answers = new LinkedHashMap<>();
    private final SystemCommandRunner real = new SystemCommandRunner();

    /** What a program does. */
    @FunctionalInterface
    interface Answer {
        Result to(List<String> words) throws IOException, InterruptedException;
    }

    FakeTools says(String beginning, String output) {
        return does(beginning, _ -> new Result(0, output, "", false, false));
    }

    FakeTools fails(String beginning, int status, String error) {
        return does(beginning, _ -> new Result(status, "", error, false, false));
    }

    FakeTools does(String beginning, Answer answer) {
        answers.put(beginning, answer);
        return this;
    }

    /** Runs the real program, outside of any root: arguments must be this process's paths. */
    Result really(List<String> words) throws IOException, InterruptedException {
        return real.run(words, Duration.ofSeconds(20), 10_000);
    }

    @Override
    public Result run(
            List<String> command, Map<String, String> environment, Path directory, Duration limit, int outputLimit)
            throws IOException, InterruptedException {
        List<String> words = command.getFirst().equals("chroot") ? command.subList(2, command.size()) : command;
        String line = String.join(" ", words);
        commands.add(line);
        for (Map.Entry<String, Answer> answer : answers.entrySet()) {
            if (line.startsWith(answer.getKey())) {
                return answer.getValue().to(words);
            }
        }
        throw new IOException("Cannot run program \"" + line + "\": error=2, No such file or directory");
    }
}
