package io.gpunode.agent.mig;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.testing.Configs;
import io.gpunode.agent.time.SystemTime;
import io.gpunode.nvml.simulator.NvmlSimulator;
import io.gpunode.nvml.simulator.SimulatedProfile;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/** A node of simulated GPUs of any chips, read through the door as a command reads it. Closing it asks the referee. */
public final class SimulatedMigNode implements AutoCloseable {
    /** A chip, with the numbers that its boards report. */
    public enum Chip {
        A30("NVIDIA A30", "0x20B710DE", 24576, "ampere", "a30"),
        A100_40("NVIDIA A100-SXM4-40GB", "0x20B010DE", 40960, "ampere", "a100-40gb"),
        A100_80("NVIDIA A100-SXM4-80GB", "0x20B210DE", 81920, "ampere", "a100-80gb"),
        H100("NVIDIA H100 80GB HBM3", "0x233010DE", 81559, "hopper", "h100-80gb"),
        H100_94("NVIDIA H100 NVL", "0x232110DE", 95830, "hopper", "h100-94gb"),
        H100_96("NVIDIA GH200 480GB", "0x234210DE", 97871, "hopper", "h100-96gb"),
        H200("NVIDIA H200", "0x233510DE", 143771, "hopper", "h200"),
        B200("NVIDIA B200", "0x290110DE", 183359, "blackwell", "b200"),
        GB200("NVIDIA GB200", "0x294110DE", 189471, "blackwell", "gb200"),
        RTX_PRO_6000("NVIDIA RTX PRO 6000 Blackwell Server Edition", "0x2BB510DE", 97887, "blackwell", "rtx-pro-6000"),
        /** Without MIG. */
        L4("NVIDIA L4", "0x27B810DE", 23034, "ada", "");

        private final String model;

        Chip(String product, String deviceId, int memoryMebibytes, String architecture, String table) {
            this.model = "model " + name() + " name=\"" + product + "\" device-id=" + deviceId + " memory="
                    + memoryMebibytes + " architecture=" + architecture
                    + (table.isEmpty() ? "" : " mig-table=" + table);
        }
    }

    private final NvmlSimulator simulator;
    private final Path root;

    private SimulatedMigNode(Path root, NvmlSimulator simulator) {
        this.root = root;
        this.simulator = simulator;
    }

    /** A node with these GPUs, in PCI order, MIG off. */
    public static SimulatedMigNode of(Path root, Chip... chips) {
        return of(root, "580.95.05", chips);
    }

    /** The same with another driver. */
    public static SimulatedMigNode of(Path root, String driver, Chip... chips) {
        StringBuilder text = new StringBuilder("driver version=" + driver + " cuda=12.8\n");
        List.of(chips).stream()
                .distinct()
                .forEach(chip -> text.append(chip.model).append('\n'));
        for (int i = 0; i < chips.length; i++) {
            text.append("gpu ")
                    .append(i)
                    .append(" model=")
                    .append(chips[i])
                    .append(" pci=0000:1")
                    .append(i)
                    .append(":00.0 uuid=")
                    .append(uuid(i))
                    .append('\n');
        }
        return new SimulatedMigNode(
                root, NvmlSimulator.install(root, SimulatedProfile.parse("chips", text.toString())));
    }

    /** One of the simulator's own profiles. */
    public static SimulatedMigNode named(Path root, String profile) {
        return new SimulatedMigNode(root, NvmlSimulator.install(root, profile));
    }

    /** The UUID of a GPU of {@link #of}. */
    public static String uuid(int gpu) {
        return "GPU-00000000-0000-0000-0000-00000000000" + gpu;
    }

    /** Changes the node by the simulator's rules. */
    public SimulatedMigNode apply(String rules) {
        simulator.apply(rules);
        return this;
    }

    /** Switches a GPU's MIG mode on and makes these instances. */
    public SimulatedMigNode split(int gpu, String... profiles) {
        StringBuilder rules = new StringBuilder("set gpu=" + gpu + " mig-mode=on mig-pending=on\n");
        for (String profile : profiles) {
            rules.append("mig gpu=")
                    .append(gpu)
                    .append(" profile=")
                    .append(profile)
                    .append('\n');
        }
        return apply(rules.toString());
    }

    /** The node's control. */
    public NvmlSimulator simulator() {
        return simulator;
    }

    /** What an agent or a command on this node runs with. */
    public AgentConfig config() {
        return Configs.of("GPU_NODE_AGENT_HOST_ROOT=" + root);
    }

    /** The GPUs, read as a command reads them. */
    public List<MigGpu> read() throws Exception {
        return MigReader.read(config(), new SystemHostFiles(root), SystemTime.monotonic(), SystemTime.wall());
    }

    /** The same with a limit, by one who calls a call overdue before it. */
    List<MigGpu> read(Duration limit) throws Exception {
        AgentConfig config = Configs.of("GPU_NODE_AGENT_HOST_ROOT=" + root, "GPU_NODE_AGENT_NVML_CALL_DEADLINE=500ms");
        return MigReader.read(config, new SystemHostFiles(root), SystemTime.monotonic(), SystemTime.wall(), limit);
    }

    /** Lets go of calls that hang, and waits until a reader that gave up has shut NVML down after all. */
    void awaitClosed() throws InterruptedException {
        simulator.releaseHangs();
        for (Thread thread : Thread.getAllStackTraces().keySet()) {
            if (thread.getName().equals("nvml-close")) {
                thread.join(Duration.ofSeconds(20));
            }
        }
    }

    @Override
    public void close() {
        simulator.close();
    }
}
