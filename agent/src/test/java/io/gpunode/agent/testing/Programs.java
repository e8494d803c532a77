package io.gpunode.agent.testing;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;

/** Programs of other projects that tests are done with where they are there. */
public final class Programs {
    private Programs() {}

    /**
     * Where a program is; without it the test is skipped. An environment variable of its name in capitals goes before {@code PATH}.
     *
     * @param debianPackage what to install
     * @param names of the program; the first also names the environment variable
     */
    public static Path find(String debianPackage, String... names) {
        String variable = names[0].toUpperCase(Locale.ROOT);
        String named = System.getenv(variable);
        Stream<Path> candidates = named != null
                ? Stream.of(Path.of(named))
                : Stream.of(System.getenv("PATH").split(":", -1))
                        .flatMap(directory -> List.of(names).stream().map(name -> Path.of(directory, name)));
        Optional<Path> found = candidates.filter(Files::isExecutable).findFirst();
        assumeTrue(
                found.isPresent(),
                "skipped: no " + names[0] + " on PATH or in " + variable + " (Debian: apt-get install " + debianPackage
                        + ")");
        return found.orElseThrow();
    }
}
