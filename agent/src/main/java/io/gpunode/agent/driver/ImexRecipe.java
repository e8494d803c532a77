package io.gpunode.agent.driver;

import io.gpunode.agent.os.CommandRunner;
import io.gpunode.agent.os.ProcessIdentity;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * {@code nvidia-imex}, in the foreground with its own configuration otherwise. Its control program says when it has found the other nodes. One that runs in a
 * container belongs to a compute domain there, and is nobody's business here.
 */
final class ImexRecipe implements DaemonRecipe {
    private static final Path CONFIGURATION = Path.of("/etc/nvidia-imex/config.cfg");
    private static final Path NODES = Path.of("/etc/nvidia-imex/nodes_config.cfg");
    private static final Path OWN_CONFIGURATION = DaemonHost.DIRECTORY.resolve("imex.cfg");
    private static final String LOG = "/var/log/nvidia-imex.log";
    private static final int CONFIGURATION_LIMIT = 256 << 10;
    private static final Duration ANSWER = Duration.ofSeconds(5);
    private static final int ANSWER_LIMIT = 64 << 10;

    private final DaemonHost host;

    ImexRecipe(DaemonHost host) {
        this.host = host;
    }

    @Override
    public DaemonKind kind() {
        return DaemonKind.IMEX;
    }

    @Override
    public Need need() {
        return switch (host.settings().imex()) {
            case OFF -> new Need(false, "driver.imex is off");
            case ON -> new Need(true, "driver.imex is on");
            case AUTO ->
                host.files().exists(NODES)
                        ? new Need(true, NODES + " names the nodes of a domain")
                        : new Need(false, "there is no " + NODES);
        };
    }

    @Override
    public Optional<Path> program(Path userspaceRoot) {
        return host.first(userspaceRoot, List.of("usr/bin/nvidia-imex"));
    }

    @Override
    public Command command(StagedDriver driver, Path program) throws IOException {
        String text = host.files().readText(CONFIGURATION, CONFIGURATION_LIMIT).orElse("");
        host.files()
                .replace(
                        OWN_CONFIGURATION,
                        KeyValueFile.with(text, Map.of("DAEMONIZE", "0")).getBytes(StandardCharsets.UTF_8),
                        "rw-r--r--");
        return new Command(
                List.of(program.toString(), "-c", OWN_CONFIGURATION.toString()),
                host.loaderPath(driver.userspaceRoot()),
                false);
    }

    @Override
    public Optional<ProcessIdentity> find() throws IOException {
        return host.running(kind().program())
                .filter(process -> host.processes().container(process.pid()).isEmpty());
    }

    @Override
    public boolean isReady(ProcessIdentity process) throws IOException, InterruptedException {
        String program = process.executable() + "-ctl";
        CommandRunner.Result result = host.commands()
                .run(
                        List.of(
                                program,
                                "-c",
                                (host.files().exists(OWN_CONFIGURATION) ? OWN_CONFIGURATION : CONFIGURATION).toString(),
                                "-q"),
                        ANSWER,
                        ANSWER_LIMIT);
        return result.ok()
                && result.output().lines().anyMatch(line -> line.strip().equals("READY"));
    }

    @Override
    public List<Path> leftovers() {
        return List.of();
    }

    @Override
    public Optional<Path> log() throws IOException {
        String text = host.files().readText(CONFIGURATION, CONFIGURATION_LIMIT).orElse("");
        return Optional.of(Path.of(KeyValueFile.value(text, "LOG_FILE_NAME")
                        .filter(name -> name.startsWith("/"))
                        .orElse(LOG)))
                .map(Path::normalize);
    }
}
