package io.gpunode.agent.doctor;

import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * A daemon that runs on the node.
 *
 * @param pid its process
 * @param arguments its command line, the program first
 */
record RunningProgram(int pid, List<String> arguments) {
    /** The kernel cuts names at 15 characters; a command line of more than this is nobody's that is looked for here. */
    private static final int LIMIT = 1 << 16;

    /** Those whose name in {@code /proc/<pid>/comm} is this, in the order of their pids. */
    static List<RunningProgram> named(HostFiles files, String name) throws IOException {
        List<RunningProgram> found = new ArrayList<>();
        for (String entry : files.list(Path.of("/proc"))) {
            if (!entry.chars().allMatch(Character::isDigit)) {
                continue;
            }
            try {
                Path process = Path.of("/proc", entry);
                if (files.readText(process.resolve("comm"), LIMIT).equals(Optional.of(name))) {
                    String line =
                            files.readText(process.resolve("cmdline"), LIMIT).orElse("");
                    found.add(new RunningProgram(Integer.parseInt(entry), Arrays.asList(line.split("\0"))));
                }
            } catch (IOException e) {
                // It ended while it was looked at.
            }
        }
        return found;
    }

    /** Where its program is, also when it was replaced since. */
    String executable() {
        return "/proc/" + pid + "/exe";
    }

    /** The value of {@code --name value} or {@code --name=value}; of several the last. */
    Optional<String> flag(String... names) {
        Optional<String> value = Optional.empty();
        for (int i = 1; i < arguments.size(); i++) {
            for (String name : names) {
                if (arguments.get(i).equals(name) && i + 1 < arguments.size()) {
                    value = Optional.of(arguments.get(i + 1));
                } else if (arguments.get(i).startsWith(name + "=")) {
                    value = Optional.of(arguments.get(i).substring(name.length() + 1));
                }
            }
        }
        return value;
    }
}
