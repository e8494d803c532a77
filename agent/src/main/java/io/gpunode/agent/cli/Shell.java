package io.gpunode.agent.cli;

import io.gpunode.agent.config.ConfigLoader;
import io.gpunode.agent.config.ConfigSchema;
import io.gpunode.agent.config.Problem;
import io.gpunode.agent.metrics.FieldChoices;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * What a command gets from the shell that started it.
 *
 * @param environment its environment variables
 * @param in standard input
 * @param out standard output
 * @param err standard error
 */
record Shell(Map<String, String> environment, InputStream in, PrintStream out, PrintStream err) {
    private static final Path HOST_NAME = Path.of("/proc/sys/kernel/hostname");

    /** A loader that looks at every source. */
    ConfigLoader loader() {
        return new ConfigLoader(environment, Shell::hostName, Path.of(ConfigSchema.DEFAULT_FILE), FieldChoices::judge);
    }

    /** A loader that looks at a file only. */
    ConfigLoader fileLoader() {
        return new ConfigLoader(Map.of(), Shell::hostName, Path.of(ConfigSchema.DEFAULT_FILE), FieldChoices::judge);
    }

    /** Tells every problem of a configuration. */
    void problems(List<Problem> problems) {
        int count = problems.size();
        for (Problem problem : problems) {
            err.println(problem);
        }
        err.println("the configuration has " + (count == 1 ? "1 problem" : count + " problems"));
    }

    /** Tells what is wrong with a command line. */
    void usage(String command, List<String> problems) {
        for (String problem : problems) {
            err.println(Main.NAME + " " + command + ": " + problem);
        }
        err.println("see: " + Main.NAME + " " + command + " --help");
    }

    /** Tells a failure in one line, and with {@code verbose} where it came from. */
    void failure(Throwable failure, boolean verbose) {
        if (verbose) {
            failure.printStackTrace(err);
            return;
        }
        String message = failure.getMessage();
        err.println(Main.NAME + ": " + (message == null ? failure.getClass().getSimpleName() : message)
                + " (--verbose tells where)");
    }

    /** The kernel's host name in lower case, as the kubelet names its node by default. */
    private static String hostName() {
        try {
            String name = Files.readString(HOST_NAME).strip().toLowerCase(Locale.ROOT);
            return name.isEmpty() ? "localhost" : name;
        } catch (IOException e) {
            return "localhost";
        }
    }
}
