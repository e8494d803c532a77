package io.gpunode.agent.driver;

import io.gpunode.agent.gpu.CloseOutcome;
import io.gpunode.agent.inventory.GpusTakenException;
import io.gpunode.agent.inventory.Inventory;
import java.time.Duration;
import java.util.List;

/** The agent's own hold on the GPUs, which it gives up before the driver goes. One thread. */
interface DriverDoor {
    /** There is no agent, or it has not begun. */
    DriverDoor NONE = new DriverDoor() {
        @Override
        public void letGo() {}

        @Override
        public void takeUp() {}
    };

    /**
     * Withdraws the GPUs from everybody and closes NVML.
     *
     * @throws DriverStepException when a call of the driver does not return
     */
    void letGo() throws DriverStepException, InterruptedException;

    /** Opens NVML again; what is there then is offered. */
    void takeUp();

    /** The agent's inventory, which owns NVML. */
    record OfInventory(Inventory inventory) implements DriverDoor {
        /** What the picture says while the GPUs are withdrawn. */
        static final String REASON = "driver reload";

        /** Whose suspension it is. */
        static final String OWNER = "driver";

        private static final Duration LIMIT = Duration.ofSeconds(10);

        @Override
        public void letGo() throws DriverStepException, InterruptedException {
            CloseOutcome outcome;
            try {
                outcome = inventory.suspend(OWNER, REASON, LIMIT);
            } catch (GpusTakenException e) {
                throw new DriverStepException(
                        "the agent itself has the GPUs: " + e.getMessage() + ". Try again when that has ended",
                        true,
                        List.of());
            }
            if (outcome != CloseOutcome.CLOSED) {
                throw new DriverStepException(
                        "the agent itself cannot let go of the GPUs: a call of the driver has not returned within "
                                + LIMIT.toSeconds() + " s. Restart the agent: systemctl restart gpu-node-agent",
                        true,
                        List.of());
            }
        }

        @Override
        public void takeUp() {
            inventory.resume(OWNER);
        }
    }
}
