package io.gpunode.nvml;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gpunode.nvml.NvmlMig.ComputeInstance;
import io.gpunode.nvml.NvmlMig.ComputeInstanceProfile;
import io.gpunode.nvml.NvmlMig.GpuInstance;
import io.gpunode.nvml.NvmlMig.GpuInstanceProfile;
import io.gpunode.nvml.NvmlMig.Placement;
import java.nio.file.Path;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** MIG geometry: reading it, changing it, and what is refused. */
@Timeout(30)
class MigTest {
    private static final int ONE_SLICE = 19;
    private static final int TWO_SLICES = 14;
    private static final int THREE_SLICES = 9;
    /** The GPU of the profile that is not split; MIG mode is off there. */
    private static final int WHOLE = 7;

    private static final int EMPTY = 6;

    @TempDir
    private Path directory;

    private SimulatedNode open() throws Exception {
        SimulatedNode node = SimulatedNode.open(directory, "8xa100-80gb-mig");
        node.simulator.apply("mig gpu=6 clear");
        return node;
    }

    private static void refused(NvmlReturn code, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        NvmlException.class,
                        e -> assertThat(e.is(code)).as(e.getMessage()).isTrue());
    }

    @Test
    void profilesHaveTheDriversNamesAndTheChipsNumbers() throws Exception {
        try (SimulatedNode node = open()) {
            // When
            List<GpuInstanceProfile> profiles = node.nvml.mig().gpuInstanceProfiles(node.nvml.deviceByIndex(EMPTY));
            // Then
            assertThat(profiles)
                    .extracting(GpuInstanceProfile::name)
                    .containsExactly(
                            "MIG 1g.10gb",
                            "MIG 2g.20gb",
                            "MIG 3g.40gb",
                            "MIG 4g.40gb",
                            "MIG 7g.80gb",
                            "MIG 1g.10gb+me",
                            "MIG 1g.20gb");
            assertThat(profiles.get(5))
                    .isEqualTo(new GpuInstanceProfile(7, 20, "MIG 1g.10gb+me", 1, 1, 14, 1, 1, 0, 1, 1, 9856));
        }
    }

    @Test
    void aDriverWithoutNamesStillTellsTheProfiles() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "old-driver-470")) {
            // When
            List<GpuInstanceProfile> profiles = node.nvml.mig().gpuInstanceProfiles(node.nvml.deviceByIndex(0));
            // Then
            assertThat(profiles)
                    .hasSize(7)
                    .allSatisfy(profile -> assertThat(profile.name()).isEmpty());
            assertThat(profiles.getFirst().id()).isEqualTo(ONE_SLICE);
        }
    }

    @Test
    void instancesAreMadeWhereTheyAreWanted() throws Exception {
        try (SimulatedNode node = open()) {
            NvmlMig mig = node.nvml.mig();
            NvmlDevice gpu = node.nvml.deviceByIndex(EMPTY);
            assertThat(mig.gpuInstancePlacements(gpu, TWO_SLICES))
                    .containsExactly(new Placement(0, 2), new Placement(2, 2), new Placement(4, 2));
            // When
            GpuInstance made = mig.createGpuInstance(gpu, TWO_SLICES, new Placement(2, 2));
            // Then
            assertThat(made).isEqualTo(new GpuInstance(4, TWO_SLICES, new Placement(2, 2)));
            assertThat(mig.gpuInstances(gpu, TWO_SLICES)).containsExactly(made);
            assertThat(mig.gpuInstances(gpu, ONE_SLICE)).isEmpty();
            assertThat(mig.gpuInstanceCapacity(gpu, TWO_SLICES)).isEqualTo(2);
            assertThat(mig.gpuInstanceCapacity(gpu, THREE_SLICES)).isEqualTo(1);
        }
    }

    @Test
    void computeInstancesShareAGpuInstance() throws Exception {
        try (SimulatedNode node = open()) {
            NvmlMig mig = node.nvml.mig();
            NvmlDevice gpu = node.nvml.deviceByIndex(EMPTY);
            int half = mig.createGpuInstance(gpu, THREE_SLICES).id();
            assertThat(mig.computeInstanceProfiles(gpu, half))
                    .extracting(ComputeInstanceProfile::name)
                    .containsExactly("MIG 1c.3g.40gb", "MIG 2c.3g.40gb", "MIG 3g.40gb");
            assertThat(mig.computeInstancePlacements(gpu, half, 0)).hasSize(3);
            // When
            ComputeInstance two = mig.createComputeInstance(gpu, half, 1);
            ComputeInstance one = mig.createComputeInstance(gpu, half, 0, new Placement(2, 1));
            // Then
            assertThat(two).isEqualTo(new ComputeInstance(0, 1, new Placement(0, 2)));
            assertThat(mig.computeInstances(gpu, half, 0)).containsExactly(one);
            assertThat(mig.computeInstanceCapacity(gpu, half, 0)).isZero();
            NvmlDevice device = node.nvml.migDevice(gpu, 1);
            assertThat(node.nvml.computeInstanceId(device)).isEqualTo(one.id());
            assertThat(node.nvml.migAttributes(device).computeInstanceSlices()).isEqualTo(1);
        }
    }

    @Test
    void whatIsInUseIsNotDestroyed() throws Exception {
        try (SimulatedNode node = open()) {
            NvmlMig mig = node.nvml.mig();
            NvmlDevice gpu = node.nvml.deviceByIndex(EMPTY);
            int instance = mig.createGpuInstance(gpu, ONE_SLICE).id();
            int compute = mig.createComputeInstance(gpu, instance, 0).id();
            node.simulator.apply("process gpu=6 mig=0 pid=4711");
            // When / Then
            refused(NvmlReturn.IN_USE, () -> mig.destroyComputeInstance(gpu, instance, compute));
            refused(NvmlReturn.IN_USE, () -> mig.destroyGpuInstance(gpu, instance));
            node.simulator.apply("process gpu=6 mig=0 pid=4711 end");
            mig.destroyComputeInstance(gpu, instance, compute);
            mig.destroyGpuInstance(gpu, instance);
            refused(NvmlReturn.NOT_FOUND, () -> mig.destroyGpuInstance(gpu, instance));
            assertThat(mig.gpuInstances(gpu, ONE_SLICE)).isEmpty();
        }
    }

    @Test
    void impossibleWishesAreRefused() throws Exception {
        try (SimulatedNode node = open()) {
            NvmlMig mig = node.nvml.mig();
            NvmlDevice gpu = node.nvml.deviceByIndex(EMPTY);
            mig.createGpuInstance(gpu, ONE_SLICE);
            mig.createGpuInstance(gpu, ONE_SLICE);
            mig.createGpuInstance(gpu, TWO_SLICES);
            // When / Then: another order would have had room
            refused(NvmlReturn.INSUFFICIENT_RESOURCES, () -> mig.createGpuInstance(gpu, THREE_SLICES));
            refused(
                    NvmlReturn.INSUFFICIENT_RESOURCES,
                    () -> mig.createGpuInstance(gpu, ONE_SLICE, new Placement(6, 1)));
            refused(NvmlReturn.INVALID_ARGUMENT, () -> mig.createGpuInstance(gpu, TWO_SLICES, new Placement(1, 2)));
            refused(NvmlReturn.NOT_SUPPORTED, () -> mig.createGpuInstance(node.nvml.deviceByIndex(WHOLE), ONE_SLICE));
        }
    }

    @Test
    void theModeIsPendingWhileSomebodyHoldsTheGpu() throws Exception {
        try (SimulatedNode node = open()) {
            NvmlDevice gpu = node.nvml.deviceByIndex(WHOLE);
            node.simulator.apply("process gpu=7 pid=4711");
            // When
            int activation = node.nvml.mig().setMode(gpu, true);
            // Then
            assertThat(NvmlReturn.of(activation)).isEqualTo(NvmlReturn.IN_USE);
            assertThat(node.nvml.migMode(gpu)).isEqualTo(new Nvml.Mode(false, true));
            node.simulator.apply("process gpu=7 pid=4711 end");
            assertThat(node.nvml.mig().setMode(gpu, true)).isZero();
            assertThat(node.nvml.migMode(gpu)).isEqualTo(new Nvml.Mode(true, true));
        }
    }
}
