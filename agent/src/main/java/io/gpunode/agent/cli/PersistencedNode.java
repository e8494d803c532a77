package io.gpunode.agent.cli;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.driver.DaemonByHand;
import io.gpunode.agent.driver.DaemonKind;
import io.gpunode.agent.driver.DaemonOutcome;
import io.gpunode.agent.driver.DaemonStatus;
import io.gpunode.agent.driver.HostDaemons;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.os.CommandRunner;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.SystemCommandRunner;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.os.SystemHostProcesses;
import io.gpunode.agent.os.SystemctlSystemd;
import io.gpunode.agent.time.SystemTime;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import picocli.CommandLine.Mixin;

/** What the commands about the persistence daemon have in common: the node, and how they tell what came of it. */
final class PersistencedNode {
    @Mixin
    private ConfigurationOption configuration = new ConfigurationOption();

    /** This node, as a configuration has it. */
    record Node(AgentConfig config, HostDaemons daemons, DaemonByHand hand) {
        DaemonStatus status() throws InterruptedException {
            return daemons.observe().stream()
                    .filter(status -> status.kind() == DaemonKind.PERSISTENCED)
                    .findFirst()
                    .orElseThrow();
        }
    }

    /** Empty when the configuration cannot be used, which is then told. */
    Optional<Node> open(Shell shell) {
        Optional<AgentConfig> read = configuration.read(shell);
        if (read.isEmpty()) {
            return Optional.empty();
        }
        AgentConfig effective = read.get();
        HostFiles own = new SystemHostFiles(Path.of("/"));
        HostFiles host = new SystemHostFiles(effective.host().root());
        CommandRunner commands = new SystemCommandRunner();
        HostDaemons daemons = new HostDaemons(
                host,
                new SystemHostProcesses(own, host, SystemTime.monotonic()),
                new SystemctlSystemd(commands, own, host),
                commands,
                effective.driver().daemons(),
                effective.driver().limits().daemon(),
                false,
                SystemTime.monotonic());
        return Optional.of(new Node(effective, daemons, new DaemonByHand(host, daemons)));
    }

    /** For people, and programs. */
    static String text(DaemonStatus status, boolean json) {
        String keeper = keeper(status.keeper());
        if (json) {
            JsonWriter out = JsonWriter.pretty()
                    .beginObject()
                    .member("daemon", status.kind().program())
                    .member("state", word(status.state()))
                    .member("needed", status.needed())
                    .member("reason", status.reason())
                    .member("keeper", word(status.keeper()));
            if (status.process().isPresent()) {
                out.member("pid", status.process().get().pid())
                        .member("executable", status.process().get().executable());
            } else {
                out.name("pid").nullValue().name("executable").nullValue();
            }
            return out.member("restarts", status.restarts())
                            .member("text", status.text())
                            .endObject() + "\n";
        }
        StringBuilder out = new StringBuilder(status.kind().program())
                .append(": ")
                .append(word(status.state()).replace('-', ' '));
        status.process()
                .ifPresent(process -> out.append(", pid ")
                        .append(process.pid())
                        .append(keeper)
                        .append("\n  ")
                        .append(Text.printable(process.executable())));
        out.append("\n  ")
                .append(status.needed() ? "needed: " : "not needed: ")
                .append(Text.printable(status.reason()));
        if (!status.text().isEmpty()) {
            out.append("\n  ").append(Text.printable(status.text()));
        }
        return out.append('\n').toString();
    }

    private static String keeper(DaemonStatus.Keeper keeper) {
        return switch (keeper) {
            case AGENT -> ", started by the agent";
            case SYSTEMD -> ", started by its unit";
            case CONTAINER -> ", started by its container";
            case SOMEBODY -> ", started by somebody else";
            case NOBODY -> "";
        };
    }

    /** Tells what came of it. */
    static int tell(Shell shell, DaemonOutcome outcome, boolean json) {
        if (json) {
            shell.out().print(json(outcome));
            return (outcome.ok() ? ExitCode.OK : ExitCode.FAILURE).code();
        }
        switch (outcome) {
            case DaemonOutcome.Ready ready ->
                shell.out()
                        .println((ready.already()
                                        ? "it runs already, pid "
                                        : "started in " + ready.took().toMillis() + " ms, pid ")
                                + ready.process().pid()
                                + keeper(ready.keeper()));
            case DaemonOutcome.NotNeeded not -> shell.out().println("not started: " + Text.printable(not.reason()));
            case DaemonOutcome.Gone gone ->
                shell.out()
                        .println(
                                gone.already()
                                        ? "it does not run; it stays stopped until it is started by hand or the machine starts anew"
                                        : (gone.killed() ? "it did not listen and was killed" : "stopped") + " in "
                                                + gone.took().toMillis()
                                                + " ms; it stays so until it is started by hand or the machine starts anew");
            case DaemonOutcome.Failed failed -> {
                shell.err().println(Text.printable(failed.line()));
                failed.evidence().forEach(line -> shell.err().println("  " + Text.printable(line)));
                shell.err().println("next step: " + failed.fault().remedy());
            }
        }
        return (outcome.ok() ? ExitCode.OK : ExitCode.FAILURE).code();
    }

    private static String json(DaemonOutcome outcome) {
        JsonWriter out = JsonWriter.pretty().beginObject();
        switch (outcome) {
            case DaemonOutcome.Ready ready ->
                out.member("outcome", "ready")
                        .member("already", ready.already())
                        .member("pid", ready.process().pid())
                        .member("keeper", word(ready.keeper()))
                        .member("tookMillis", ready.took().toMillis());
            case DaemonOutcome.NotNeeded not ->
                out.member("outcome", "not-needed").member("reason", not.reason());
            case DaemonOutcome.Gone gone ->
                out.member("outcome", "stopped")
                        .member("already", gone.already())
                        .member("killed", gone.killed())
                        .member("tookMillis", gone.took().toMillis());
            case DaemonOutcome.Failed failed ->
                out.member("outcome", "failed")
                        .member("fault", word(failed.fault()))
                        .member("text", failed.line())
                        .member("next", failed.fault().remedy())
                        .member("evidence", failed.evidence());
        }
        return out.endObject() + "\n";
    }

    /** Tells what would be done. */
    static int would(Shell shell, Optional<String> order, boolean json) {
        if (json) {
            JsonWriter out = JsonWriter.pretty().beginObject().name("steps").beginArray();
            order.ifPresent(out::value);
            shell.out().println(out.endArray().endObject());
        } else {
            shell.out().println(order.map(Text::printable).orElse("nothing to do"));
        }
        return ExitCode.OK.code();
    }

    static String word(Enum<?> value) {
        return value.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
