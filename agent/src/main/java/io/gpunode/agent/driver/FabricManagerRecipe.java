package io.gpunode.agent.driver;

import io.gpunode.agent.os.ProcessIdentity;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * {@code nv-fabricmanager}, in the foreground with its own configuration otherwise. It works when it takes commands: at the port or the socket that the
 * configuration names. Whether each GPU has joined the fabric NVML says, and the health check looks at that.
 */
final class FabricManagerRecipe implements DaemonRecipe {
    private static final String CONFIGURATION = "usr/share/nvidia/nvswitch/fabricmanager.cfg";
    private static final Path OWN_CONFIGURATION = DaemonHost.DIRECTORY.resolve("fabricmanager.cfg");
    private static final Path RUN = Path.of("/run/nvidia-fabricmanager");
    private static final Path TCP = Path.of("/proc/net/tcp");
    private static final String LOG = "/var/log/fabricmanager.log";
    private static final int DEFAULT_PORT = 6666;
    private static final int CONFIGURATION_LIMIT = 256 << 10;
    private static final int TABLE_LIMIT = 16 << 20;
    /** {@code TCP_LISTEN} in {@code /proc/net/tcp}. */
    private static final String LISTEN = " 0A ";

    private final DaemonHost host;
    private final NvLinkFabric fabric;

    FabricManagerRecipe(DaemonHost host, NvLinkFabric fabric) {
        this.host = host;
        this.fabric = fabric;
    }

    @Override
    public DaemonKind kind() {
        return DaemonKind.FABRIC_MANAGER;
    }

    @Override
    public Need need() throws IOException {
        return switch (host.settings().fabricManager()) {
            case OFF -> new Need(false, "driver.fabricManager is off");
            case ON -> new Need(true, "driver.fabricManager is on");
            case AUTO ->
                switch (fabric.generation()) {
                    case NONE -> new Need(false, "the node has no NVSwitches");
                    case OWN_DEVICES -> new Need(true, "the node has NVSwitches");
                    case BEHIND_CARD -> new Need(true, "the node's NVLink switches are managed through a network card");
                };
        };
    }

    @Override
    public Optional<Path> program(Path userspaceRoot) {
        return host.first(userspaceRoot, List.of("usr/bin/nv-fabricmanager"));
    }

    @Override
    public Command command(StagedDriver driver, Path program) throws CannotException, IOException {
        Path root = driver.userspaceRoot();
        Path configuration = root.resolve(CONFIGURATION);
        String text = host.files()
                .readText(configuration, CONFIGURATION_LIMIT)
                .orElseThrow(() -> new CannotException(DaemonFault.NOT_INSTALLED, "there is no " + configuration));
        Map<String, String> values = root.getNameCount() == 0
                ? Map.of("DAEMONIZE", "0")
                : Map.of(
                        "DAEMONIZE",
                        "0",
                        "TOPOLOGY_FILE_PATH",
                        root.resolve("usr/share/nvidia/nvswitch").toString(),
                        "DATABASE_PATH",
                        root.resolve("usr/share/nvidia/nvswitch").toString());
        host.files()
                .replace(
                        OWN_CONFIGURATION,
                        KeyValueFile.with(text, values).getBytes(StandardCharsets.UTF_8),
                        "rw-r--r--");
        // Its sockets and its pid go there, and it does not make it itself.
        Files.createDirectories(host.files().resolve(RUN));
        List<String> arguments = new ArrayList<>(List.of(program.toString(), "-c", OWN_CONFIGURATION.toString()));
        if (fabric.generation() == NvLinkFabric.Generation.BEHIND_CARD) {
            arguments.add("-g");
            arguments.add(SubnetManagerRecipe.port(fabric));
        }
        return new Command(arguments, host.loaderPath(root), false);
    }

    @Override
    public Optional<ProcessIdentity> find() throws IOException {
        return host.running(kind().program());
    }

    @Override
    public boolean isReady(ProcessIdentity process) throws IOException {
        String configuration = configuration();
        Optional<String> socket = KeyValueFile.value(configuration, "FM_CMD_UNIX_SOCKET_PATH");
        if (socket.isPresent() && socket.get().startsWith("/")) {
            return host.files().exists(Path.of(socket.get()).normalize());
        }
        return listens(KeyValueFile.value(configuration, "FM_CMD_PORT_NUMBER"));
    }

    /** The one that the agent has made for it, else the one that its unit gives it. */
    private String configuration() throws IOException {
        for (Path path : List.of(OWN_CONFIGURATION, Path.of("/").resolve(CONFIGURATION))) {
            Optional<String> text = host.files().readText(path, CONFIGURATION_LIMIT);
            if (text.isPresent()) {
                return text.get();
            }
        }
        return "";
    }

    private boolean listens(Optional<String> configured) throws IOException {
        int port = DEFAULT_PORT;
        try {
            port = Integer.parseInt(configured.orElse(String.valueOf(DEFAULT_PORT)));
        } catch (NumberFormatException e) {
            // It has refused that, too, and has ended.
        }
        String local = String.format(Locale.ROOT, ":%04X ", port);
        for (String line : host.files().readText(TCP, TABLE_LIMIT).orElse("").split("\n", -1)) {
            int at = line.indexOf(local);
            // The first address of a line is its own.
            if (at > 0 && at < line.indexOf(LISTEN)) {
                return true;
            }
        }
        return false;
    }

    @Override
    public List<Path> leftovers() {
        return List.of(RUN.resolve("nv-fabricmanager.pid"));
    }

    @Override
    public Optional<Path> log() throws IOException {
        return Optional.of(Path.of(KeyValueFile.value(configuration(), "LOG_FILE_NAME")
                        .filter(name -> name.startsWith("/"))
                        .orElse(LOG)))
                .map(Path::normalize);
    }

    @Override
    public DaemonFault explain(List<String> messages) {
        for (String message : messages) {
            String lower = message.toLowerCase(Locale.ROOT);
            if (lower.contains("version") && (lower.contains("match") || lower.contains("mismatch"))) {
                return DaemonFault.VERSION_MISMATCH;
            }
            if (lower.contains("topology")) {
                return DaemonFault.TOPOLOGY;
            }
        }
        return DaemonFault.EXITED;
    }

    @Override
    public boolean nothingToDo(List<String> messages) {
        return messages.stream().anyMatch(message -> message.contains("NV_WARN_NOTHING_TO_DO"));
    }
}
