package io.gpunode.agent.doctor;

import io.gpunode.agent.os.CommandRunner;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Which release of a program runs, as far as it can be asked. */
record Release(int major, int minor, int patch) implements Comparable<Release> {
    private static final Pattern VERSION = Pattern.compile("(\\d{1,4})\\.(\\d{1,4})(?:\\.(\\d{1,6}))?");
    private static final Duration LIMIT = Duration.ofSeconds(5);
    private static final int OUTPUT_LIMIT = 4_096;

    /** The first version in a text such as {@code containerd github.com/containerd/containerd v1.7.2 …}. */
    static Optional<Release> in(String text) {
        Matcher matcher = VERSION.matcher(text);
        return matcher.find()
                ? Optional.of(new Release(
                        Integer.parseInt(matcher.group(1)),
                        Integer.parseInt(matcher.group(2)),
                        matcher.group(3) == null ? 0 : Integer.parseInt(matcher.group(3))))
                : Optional.empty();
    }

    /** What a program answers to {@code --version}; empty when it cannot be asked. */
    static Optional<Release> of(CommandRunner commands, RunningProgram program) throws InterruptedException {
        if (program.executable().isEmpty()) {
            return Optional.empty();
        }
        try {
            CommandRunner.Result result =
                    commands.run(List.of(program.executable().get().toString(), "--version"), LIMIT, OUTPUT_LIMIT);
            return result.ok() ? in(result.output()) : Optional.empty();
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    boolean before(int otherMajor, int otherMinor) {
        return compareTo(new Release(otherMajor, otherMinor, 0)) < 0;
    }

    @Override
    public int compareTo(Release other) {
        int byMajor = Integer.compare(major, other.major);
        int byMinor = Integer.compare(minor, other.minor);
        return byMajor != 0 ? byMajor : byMinor != 0 ? byMinor : Integer.compare(patch, other.patch);
    }

    @Override
    public String toString() {
        return major + "." + minor + "." + patch;
    }
}
