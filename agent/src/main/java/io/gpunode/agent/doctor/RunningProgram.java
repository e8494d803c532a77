package io.gpunode.agent.doctor;

import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * A daemon that runs on the node. Anybody can call a process what he likes, also in a container, so only root's count, and what is asked is the
 * host's own file of that path, if root alone may write it.
 *
 * @param pid its process
 * @param arguments its command line, the program first
 * @param executable its program on the host; empty when there is none that root alone may write
 */
record RunningProgram(int pid, List<String> arguments, Optional<Path> executable) {
    /** The kernel cuts names at 15 characters; a command line of more than this is nobody's that is looked for here. */
    private static final int LIMIT = 1 << 16;
    /** Root in the host's eyes: real, effective, saved and file system user. */
    private static final Pattern ROOT = Pattern.compile("(?m)^Uid:\\s+0\\s+0\\s+0\\s+0$");

    private static final int WRITABLE_BY_OTHERS = 0b000_010_010;

    /** Those whose name in {@code /proc/<pid>/comm} is this, in the order of their pids. */
    static List<RunningProgram> named(HostFiles files, String name) throws IOException {
        List<RunningProgram> found = new ArrayList<>();
        for (String entry : files.list(Path.of("/proc"))) {
            if (!entry.chars().allMatch(Character::isDigit)) {
                continue;
            }
            try {
                Path process = Path.of("/proc", entry);
                if (files.readText(process.resolve("comm"), LIMIT).equals(Optional.of(name)) && root(files, process)) {
                    String line =
                            files.readText(process.resolve("cmdline"), LIMIT).orElse("");
                    found.add(new RunningProgram(
                            Integer.parseInt(entry), Arrays.asList(line.split("\0")), executable(files, process)));
                }
            } catch (IOException e) {
                // It ended while it was looked at.
            }
        }
        found.sort(Comparator.comparingInt(RunningProgram::pid));
        return found;
    }

    private static boolean root(HostFiles files, Path process) throws IOException {
        return ROOT.matcher(files.readText(process.resolve("status"), LIMIT).orElse(""))
                .find();
    }

    private static Optional<Path> executable(HostFiles files, Path process) throws IOException {
        Optional<Path> target = files.linkTarget(process.resolve("exe"));
        if (target.isEmpty() || !target.get().isAbsolute() || !files.exists(target.get())) {
            return Optional.empty();
        }
        Map<String, Object> attributes = Files.readAttributes(files.resolve(target.get()), "unix:uid,mode");
        // Root is who owns the host's root directory: the tests' hosts have another one.
        boolean rootsAlone = attributes.get("uid") instanceof Integer uid
                && uid.equals(Files.getAttribute(files.resolve(Path.of("/")), "unix:uid"))
                && attributes.get("mode") instanceof Integer mode
                && (mode & WRITABLE_BY_OTHERS) == 0;
        return rootsAlone ? target : Optional.empty();
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
