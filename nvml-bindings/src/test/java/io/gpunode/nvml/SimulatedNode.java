package io.gpunode.nvml;

import io.gpunode.nvml.simulator.NvmlSimulator;
import java.nio.file.Path;
import java.time.Duration;

/** A simulated node with its library open, for one test. Closing it asks the referee. */
final class SimulatedNode implements AutoCloseable {
    final NvmlSimulator simulator;
    final Nvml nvml;

    private SimulatedNode(NvmlSimulator simulator, Nvml nvml) {
        this.simulator = simulator;
        this.nvml = nvml;
    }

    static SimulatedNode open(Path driverRoot, String profile) throws NvmlOpenException {
        NvmlSimulator simulator = NvmlSimulator.install(driverRoot, profile);
        return new SimulatedNode(simulator, NvmlLibraries.open(simulator.library()));
    }

    @Override
    public void close() {
        simulator.releaseHangs();
        nvml.close(Duration.ofSeconds(10));
        simulator.close();
    }
}
