package io.gpunode.agent.os;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;

/** {@link Systemd} through {@code systemctl}, {@code busctl} and {@code journalctl}: a bus library would cost more memory than it is worth for a few calls. */
public final class SystemctlSystemd implements Systemd {
    /** There where systemd is the first process (sd_booted(3)). */
    private static final Path BOOTED = Path.of("/run/systemd/system");

    private static final Duration ANSWER = Duration.ofSeconds(10);
    private static final int OUTPUT_LIMIT = 64 << 10;
    private static final String PROPERTIES = "LoadState,ActiveState,UnitFileState,MainPID,Result";
    /** Two scopes with one name cannot be, also not when the first is on its way out. */
    private static final AtomicInteger SCOPES = new AtomicInteger();

    private final CommandRunner commands;
    private final HostFiles host;
    private final HostNamespace namespace;

    /**
     * @param own files as this process sees them
     * @param host where it sees host paths
     */
    public SystemctlSystemd(CommandRunner commands, HostFiles own, HostFiles host) {
        this.commands = commands;
        this.host = host;
        this.namespace = new HostNamespace(own);
    }

    @Override
    public boolean present() {
        // With a root elsewhere, what answers here is not what the host's paths belong to, unless its place can be
        // entered.
        return host.exists(BOOTED) && (namespace.apart() || host.resolve(BOOTED).equals(BOOTED));
    }

    @Override
    public Unit unit(String name) throws UnansweredException, InterruptedException {
        CommandRunner.Result result = run(List.of("systemctl", "show", "--property=" + PROPERTIES, "--", name), ANSWER);
        Map<String, String> values = new HashMap<>();
        result.output().lines().forEach(line -> {
            int equals = line.indexOf('=');
            if (equals > 0) {
                values.put(line.substring(0, equals), line.substring(equals + 1));
            }
        });
        if (!result.ok() || !values.containsKey("LoadState")) {
            throw unanswered("systemctl show " + name, result);
        }
        return new Unit(
                name,
                values.getOrDefault("LoadState", ""),
                values.getOrDefault("ActiveState", ""),
                values.getOrDefault("UnitFileState", ""),
                pid(values.getOrDefault("MainPID", "0")),
                values.getOrDefault("Result", ""));
    }

    @Override
    public void change(String name, boolean start, Duration limit) throws UnansweredException, InterruptedException {
        String verb = start ? "start" : "stop";
        CommandRunner.Result result = run(List.of("systemctl", "--no-ask-password", verb, "--", name), limit);
        // A job that failed has another status, too, and shows in the unit.
        if (result.timedOut()
                || result.error().contains("Failed to connect")
                || result.error().contains("timed out")) {
            throw unanswered("systemctl " + verb + " " + name, result);
        }
    }

    @Override
    public void setApart(int pid, String name, String description) throws UnansweredException, InterruptedException {
        CommandRunner.Result result = run(
                List.of(
                        "busctl",
                        "--timeout=" + ANSWER.toSeconds(),
                        "call",
                        "org.freedesktop.systemd1",
                        "/org/freedesktop/systemd1",
                        "org.freedesktop.systemd1.Manager",
                        "StartTransientUnit",
                        "ssa(sv)a(sa(sv))",
                        name + "-" + pid + "-" + SCOPES.incrementAndGet() + ".scope",
                        "fail",
                        "3",
                        "Description",
                        "s",
                        description,
                        "PIDs",
                        "au",
                        "1",
                        Integer.toString(pid),
                        "CollectMode",
                        "s",
                        "inactive-or-failed",
                        "0"),
                ANSWER.plusSeconds(1));
        if (!result.ok()) {
            throw unanswered("busctl StartTransientUnit", result);
        }
    }

    @Override
    public List<String> messages(String unitOrProgram, Duration age, int count) throws InterruptedException {
        if (!present()) {
            return List.of();
        }
        List<String> command = new ArrayList<>(List.of(
                "journalctl",
                "--quiet",
                "--no-pager",
                "--output=cat",
                "--boot",
                "--lines=" + count,
                "--since=-" + Math.max(1, age.toSeconds()) + "s"));
        if (unitOrProgram.endsWith(".service")) {
            command.add("--unit=" + unitOrProgram);
        } else {
            command.add("--identifier=" + unitOrProgram);
        }
        try {
            CommandRunner.Result result = commands.run(namespace.enter(command), ANSWER, OUTPUT_LIMIT);
            return result.ok() ? result.output().lines().toList() : List.of();
        } catch (IOException e) {
            return List.of();
        }
    }

    private CommandRunner.Result run(List<String> command, Duration limit)
            throws UnansweredException, InterruptedException {
        if (!present()) {
            throw new UnansweredException("this host does not run systemd, or it cannot be asked from here");
        }
        try {
            return commands.run(namespace.enter(command), limit, OUTPUT_LIMIT);
        } catch (IOException e) {
            throw new UnansweredException(command.getFirst() + " cannot be run: " + e.getMessage());
        }
    }

    private static UnansweredException unanswered(String what, CommandRunner.Result result) {
        String error = result.error().strip();
        return new UnansweredException(what + ": "
                + (result.timedOut()
                        ? "no answer in time"
                        : "status " + result.status() + (error.isEmpty() ? "" : ", " + error)));
    }

    private static int pid(String text) {
        try {
            return Integer.parseInt(text);
        } catch (NumberFormatException e) {
            return 0;
        }
    }
}
