package io.gpunode.agent.os;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.OptionalInt;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Which systemd the host has. */
public final class SystemdVersion {
    /** What sd_booted(3) looks at. */
    private static final Path BOOTED = Path.of("/run/systemd/system");

    private static final Pattern VERSION = Pattern.compile("systemd (\\d{1,5})\\b.*", Pattern.DOTALL);
    private static final Duration LIMIT = Duration.ofSeconds(5);
    private static final int OUTPUT_LIMIT = 4_096;

    private SystemdVersion() {}

    /** Whether systemd runs the host. */
    public static boolean booted(HostFiles files) {
        return files.exists(BOOTED);
    }

    /** Its number, such as 257; empty where there is no systemd, and where it cannot be asked. */
    public static OptionalInt of(CommandRunner commands, HostFiles files) throws InterruptedException {
        if (!booted(files)) {
            return OptionalInt.empty();
        }
        try {
            CommandRunner.Result result = commands.run(List.of("systemctl", "--version"), LIMIT, OUTPUT_LIMIT);
            Matcher matcher = VERSION.matcher(result.output());
            return result.ok() && matcher.matches()
                    ? OptionalInt.of(Integer.parseInt(matcher.group(1)))
                    : OptionalInt.empty();
        } catch (IOException e) {
            return OptionalInt.empty();
        }
    }
}
