package io.gpunode.agent.driver;

import io.gpunode.agent.config.AgentConfig.Driver.Use;
import io.gpunode.agent.os.ProcessIdentity;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.regex.Pattern;

/**
 * {@code nvidia-persistenced}. It always goes into the background; its first process ends with status 0 when its socket listens and the GPUs are open. The pid
 * file is written long before that, stays when it fails, and is locked while it lives. Why it failed it tells the system log only.
 */
final class PersistencedRecipe implements DaemonRecipe {
    private static final Path DIRECTORY = Path.of("/run/nvidia-persistenced");
    private static final Path PID_FILE = DIRECTORY.resolve("nvidia-persistenced.pid");
    private static final Path SOCKET = DIRECTORY.resolve("socket");
    private static final Path GPUS = Path.of("/proc/driver/nvidia/gpus");
    private static final Path DEV = Path.of("/dev");
    private static final Pattern GPU_NODE = Pattern.compile("/dev/nvidia[0-9]+");
    private static final Path USERS = Path.of("/etc/passwd");
    private static final int USERS_LIMIT = 4 << 20;
    /** What NVIDIA's packages and Debian's call the user that it is run as. */
    private static final List<String> USER_NAMES = List.of("nvidia-persistenced", "nvpd");

    private static final List<String> PLACES =
            List.of("usr/bin/nvidia-persistenced", "usr/sbin/nvidia-persistenced", "bin/nvidia-persistenced");
    private static final String LIBRARY = "libnvidia-cfg.so.1";

    private final DaemonHost host;

    PersistencedRecipe(DaemonHost host) {
        this.host = host;
    }

    @Override
    public DaemonKind kind() {
        return DaemonKind.PERSISTENCED;
    }

    @Override
    public Need need() {
        return switch (host.settings().persistenced()) {
            case OFF -> new Need(false, "driver.persistenced is off");
            case ON -> new Need(true, "driver.persistenced is on");
            case AUTO -> new Need(true, "it keeps the GPUs initialised");
        };
    }

    @Override
    public Optional<Path> program(Path userspaceRoot) {
        return host.first(userspaceRoot, PLACES);
    }

    @Override
    public Command command(StagedDriver driver, Path program) throws IOException {
        List<String> arguments = new ArrayList<>(List.of(program.toString()));
        arguments.add(host.settings().persistenceMode() ? "--persistence-mode" : "--no-persistence-mode");
        user().ifPresent(name -> arguments.add("--user=" + name));
        // Below a root of its own the loader does not look.
        if (driver.userspaceRoot().getNameCount() > 0) {
            host.libraries(driver.userspaceRoot(), LIBRARY)
                    .ifPresent(directory -> arguments.add("--nvidia-cfg-path=" + directory));
        }
        return new Command(arguments, host.loaderPath(driver.userspaceRoot()), true);
    }

    private Optional<String> user() throws IOException {
        String users = host.files().readText(USERS, USERS_LIMIT).orElse("");
        return USER_NAMES.stream()
                .filter(name -> users.startsWith(name + ":") || users.contains("\n" + name + ":"))
                .findFirst();
    }

    @Override
    public Optional<ProcessIdentity> find() throws IOException {
        OptionalInt owner = host.processes().lockOwner(PID_FILE);
        if (owner.isPresent()) {
            Optional<ProcessIdentity> process = host.processes()
                    .identify(owner.getAsInt())
                    .filter(found -> found.program().equals(kind().program()));
            if (process.isPresent()) {
                return process;
            }
        }
        return host.running(kind().program());
    }

    @Override
    public boolean isReady(ProcessIdentity process) {
        return host.files().exists(SOCKET);
    }

    /** It says that it is ready also when it could not open a GPU; which ones it has, its descriptors say. */
    @Override
    public String remark(ProcessIdentity process) throws IOException {
        List<String> gpus = host.files().list(GPUS);
        if (gpus.isEmpty() || !host.settings().persistenceMode()) {
            return "";
        }
        long held = host.processes().openFiles(process.pid(), DEV).stream()
                .filter(path -> GPU_NODE.matcher(path.toString()).matches())
                .count();
        return held >= gpus.size()
                ? ""
                : "it holds " + held + " of " + gpus.size()
                        + " GPUs; the system log says why it could not open the others: journalctl -t nvidia-persistenced";
    }

    @Override
    public List<Path> leftovers() {
        return List.of(SOCKET, PID_FILE);
    }

    @Override
    public Optional<Path> log() {
        return Optional.empty();
    }

    @Override
    public DaemonFault explain(List<String> messages) {
        for (String message : messages) {
            if (message.contains("user") && (message.contains("Failed to find") || message.contains("unknown"))) {
                return DaemonFault.CANNOT_START;
            }
        }
        return DaemonFault.EXITED;
    }

    /** Whether it is left to the driver: one that has no such program does without. */
    boolean optional() {
        return host.settings().persistenced() == Use.AUTO;
    }
}
