package io.gpunode.agent.mig;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.gpu.CloseOutcome;
import io.gpunode.agent.gpu.GpuAccess;
import io.gpunode.agent.inventory.GpusTakenException;
import io.gpunode.agent.inventory.Inventory;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.time.MonotonicClock;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Set;

/** The way to the GPUs through the agent's inventory, which owns NVML and can let go of it. */
final class InventoryDoor implements MigDoor {
    /** Whose suspension it is. */
    private static final String OWNER = "mig";

    private static final Duration LET_GO_LIMIT = Duration.ofSeconds(10);

    private final AgentConfig config;
    private final Inventory inventory;
    private final GpuAccess access;
    private final HostFiles host;
    private final MonotonicClock clock;
    private final InstantSource wall;

    InventoryDoor(
            AgentConfig config,
            Inventory inventory,
            GpuAccess access,
            HostFiles host,
            MonotonicClock clock,
            InstantSource wall) {
        this.config = config;
        this.inventory = inventory;
        this.access = access;
        this.host = host;
        this.clock = clock;
        this.wall = wall;
    }

    @Override
    public MigOperations beside(List<GpuId> order) {
        return new NvmlMigOperations(access::current, order);
    }

    @Override
    public MigChanger.Result alone(Work work) throws InterruptedException {
        CloseOutcome outcome;
        try {
            outcome = inventory.suspend(OWNER, "MIG mode is being switched", LET_GO_LIMIT);
        } catch (GpusTakenException e) {
            return new MigChanger.Result.Failed("the GPUs cannot be had alone: " + e.getMessage(), false);
        }
        try {
            if (outcome != CloseOutcome.CLOSED) {
                return new MigChanger.Result.Failed(
                        "the agent itself cannot let go of the GPUs: a call of the driver has not returned", false);
            }
            try (MigReader reader = MigReader.open(config, host, clock, wall)) {
                return work.run(reader.operations(reader.read()));
            } catch (MigReader.UnreadableException e) {
                return new MigChanger.Result.Failed(String.valueOf(e.getMessage()), false);
            }
        } finally {
            inventory.resume(OWNER);
        }
    }

    @Override
    public void changing(Set<GpuId> gpus) {
        inventory.hold(OWNER, gpus);
    }

    @Override
    public void changed() {
        inventory.hold(OWNER, Set.of());
    }

    @Override
    public String uncounted() {
        return inventory.unidentified().isEmpty()
                ? ""
                : "GPUs could not be identified (NVML index " + inventory.unidentified()
                        + "): counting without them would mean others";
    }
}
