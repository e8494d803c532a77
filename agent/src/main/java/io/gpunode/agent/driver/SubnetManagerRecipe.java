package io.gpunode.agent.driver;

import io.gpunode.agent.config.AgentConfig.Driver.Use;
import io.gpunode.agent.os.ProcessIdentity;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** {@code nvlsm}: the fabric manager of NVLink's fifth generation speaks to it through a socket, which is there when it works. */
final class SubnetManagerRecipe implements DaemonRecipe {
    private static final Path RUN = Path.of("/run/nvidia-fabricmanager");
    private static final Path SOCKET = RUN.resolve("fm_sm_ipc.socket");
    private static final Path PID_FILE = RUN.resolve("nvlsm.pid");
    private static final String CONFIGURATION = "usr/share/nvidia/nvlsm/nvlsm.conf";

    private final DaemonHost host;
    private final NvLinkFabric fabric;

    SubnetManagerRecipe(DaemonHost host, NvLinkFabric fabric) {
        this.host = host;
        this.fabric = fabric;
    }

    @Override
    public DaemonKind kind() {
        return DaemonKind.SUBNET_MANAGER;
    }

    @Override
    public Need need() throws IOException {
        if (host.settings().fabricManager() == Use.OFF) {
            return new Need(false, "driver.fabricManager is off");
        }
        return fabric.generation() == NvLinkFabric.Generation.BEHIND_CARD
                ? new Need(true, "the node's NVLink switches are managed through a network card")
                : new Need(false, "the node has no NVLink switches that are managed through a network card");
    }

    @Override
    public Optional<Path> program(Path userspaceRoot) {
        return host.first(userspaceRoot, List.of("opt/nvidia/nvlsm/sbin/nvlsm"));
    }

    @Override
    public Command command(StagedDriver driver, Path program) throws CannotException, IOException {
        Files.createDirectories(host.files().resolve(RUN));
        return new Command(
                List.of(
                        program.toString(),
                        "--config",
                        driver.userspaceRoot().resolve(CONFIGURATION).toString(),
                        "--guid",
                        port(fabric),
                        "--pid_file",
                        PID_FILE.toString(),
                        "--log_file",
                        "stdout"),
                host.loaderPath(driver.userspaceRoot()),
                false);
    }

    /** The port that both are given. */
    static String port(NvLinkFabric fabric) throws CannotException, IOException {
        return fabric.managementPort()
                .orElseThrow(() -> new CannotException(
                        DaemonFault.NO_MANAGEMENT_PORT,
                        "no card with SW_MNG in its product data has a usable port in /sys/class/infiniband"));
    }

    @Override
    public Optional<ProcessIdentity> find() throws IOException {
        return host.running(kind().program());
    }

    @Override
    public boolean isReady(ProcessIdentity process) {
        return host.files().exists(SOCKET);
    }

    @Override
    public List<Path> leftovers() {
        return List.of(SOCKET, PID_FILE);
    }

    @Override
    public Optional<Path> log() {
        return Optional.empty();
    }
}
