package io.gpunode.agent.cli;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.driver.DriverObserver;
import io.gpunode.agent.driver.HolderScan;
import io.gpunode.agent.driver.HostDriverObserver;
import io.gpunode.agent.driver.OpenDeviceScan;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.KernelModules;
import io.gpunode.agent.os.KmsgKernelLog;
import io.gpunode.agent.os.ProcOpenDevices;
import io.gpunode.agent.os.SystemCommandRunner;
import io.gpunode.agent.os.SystemDeviceNodes;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.os.SystemKernelModules;
import io.gpunode.agent.time.SystemTime;
import java.nio.file.Path;

/** What the commands about the driver look at this node with. */
final class DriverParts {
    private DriverParts() {}

    private static HostFiles own() {
        return new SystemHostFiles(Path.of("/"));
    }

    private static HostFiles host(AgentConfig config) {
        return new SystemHostFiles(config.host().root());
    }

    /** The kernel's modules. */
    static KernelModules modules(AgentConfig config) {
        return new SystemKernelModules(
                host(config),
                own(),
                new SystemCommandRunner(),
                () -> KmsgKernelLog.open(host(config)),
                SystemTime.monotonic());
    }

    /** What of the driver is on the node. */
    static DriverObserver observer(AgentConfig config) {
        return new HostDriverObserver(
                host(config),
                modules(config),
                new SystemDeviceNodes(host(config)),
                config.plugin().driverRoot());
    }

    /** Who holds it. */
    static HolderScan holders(AgentConfig config) {
        return new OpenDeviceScan(
                own(), host(config), new ProcOpenDevices(own(), SystemTime.monotonic()), SystemTime.monotonic());
    }
}
