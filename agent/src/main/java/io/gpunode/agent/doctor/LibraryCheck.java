package io.gpunode.agent.doctor;

import io.gpunode.agent.os.CommandRunner;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/** Whether the C library is one that the Java runtime and the native libraries run on. */
final class LibraryCheck implements Check {
    private static final Duration LIMIT = Duration.ofSeconds(5);
    private static final int OUTPUT_LIMIT = 4_096;
    private static final int MAJOR = 2;
    /** The newest symbol that the packaged runtime asks for, as {@code objdump -T} shows it. */
    private static final int MINOR = 17;

    @Override
    public String name() {
        return "c-library";
    }

    @Override
    public String wanted(Patient patient) {
        return "glibc 2.17 or newer";
    }

    @Override
    public List<Diagnosis> examine(Patient patient) throws IOException, InterruptedException {
        CommandRunner.Result result =
                patient.commands().run(List.of("getconf", "GNU_LIBC_VERSION"), LIMIT, OUTPUT_LIMIT);
        Optional<Release> release = result.ok() ? Release.in(result.output()) : Optional.empty();
        if (release.isEmpty()) {
            return List.of(Diagnosis.problem(
                    name(),
                    "not glibc: " + (result.output() + result.error()).strip(),
                    "run the agent as a container, which brings its own"));
        }
        String found = "glibc " + release.get().major() + "." + release.get().minor();
        return List.of(
                release.get().before(MAJOR, MINOR)
                        ? Diagnosis.problem(name(), found, "run the agent as a container, which brings its own")
                        : Diagnosis.ok(name(), found));
    }
}
