package io.gpunode.benchmarks;

import io.gpunode.agent.config.AgentConfig.DeviceSelection;
import io.gpunode.agent.config.AgentConfig.MigStrategy;
import io.gpunode.agent.config.AgentConfig.Resources;
import io.gpunode.agent.config.AgentConfig.SharedResource;
import io.gpunode.agent.config.AgentConfig.Sharing;
import io.gpunode.agent.config.AgentConfig.TimeSlicing;
import io.gpunode.agent.labels.FeatureLabels;
import io.gpunode.agent.labels.HostFacts;
import io.gpunode.agent.labels.LabelSettings;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuHealth;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.GpuSample;
import io.gpunode.agent.model.LaneState;
import io.gpunode.agent.model.MigAttributes;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.model.PciAddress;
import io.gpunode.agent.model.Reading;
import io.gpunode.agent.model.Topology;
import io.gpunode.agent.model.XidCounts;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.SortedMap;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.NullUnmarked;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** Feature labels for JMH; run by {@link LabelsBenchmark}. */
@State(Scope.Benchmark)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@NullUnmarked // JMH sets the fields.
public class LabelCalls {
    private static final int GPUS = 8;
    private static final int DEVICES_OF_A_GPU = 7;
    private static final Instant AT = Instant.EPOCH;

    private NodeSnapshot whole;
    private NodeSnapshot split;
    private LabelSettings settings;
    private HostFacts facts;

    /** Makes the pictures. */
    @Setup
    public void make() {
        whole = picture(false);
        split = picture(true);
        List<SharedResource> shared = List.of(
                new SharedResource("nvidia.com/gpu", "", DeviceSelection.All.INSTANCE, 4),
                new SharedResource("nvidia.com/mig-1g.10gb", "", DeviceSelection.All.INSTANCE, 4));
        settings = new LabelSettings(
                MigStrategy.MIXED,
                "nvidia.com/gpu",
                Resources.NONE,
                new Sharing(new TimeSlicing(false, false, shared)),
                true,
                true,
                OptionalLong.of(1));
        facts = new HostFacts("NVIDIA DGX H100", Reading.of(true), Reading.of(Optional.empty()));
    }

    /** Eight GPUs of seven MIG devices each. */
    @Benchmark
    public SortedMap<String, String> migDevices() {
        return FeatureLabels.of(split, settings, facts);
    }

    /** Eight GPUs. */
    @Benchmark
    public SortedMap<String, String> wholeGpus() {
        return FeatureLabels.of(whole, settings, facts);
    }

    /** What a method of this class measures, in words. */
    static String describe(String method) {
        return switch (method) {
            case "migDevices" -> "labels of " + GPUS + " × " + DEVICES_OF_A_GPU + " MIG devices";
            case "wholeGpus" -> "labels of " + GPUS + " GPUs";
            default -> method;
        };
    }

    private static NodeSnapshot picture(boolean split) {
        List<Gpu> gpus = new ArrayList<>();
        for (int gpu = 0; gpu < GPUS; gpu++) {
            List<MigDevice> devices = new ArrayList<>();
            for (int device = 0; split && device < DEVICES_OF_A_GPU; device++) {
                devices.add(device(gpu, device));
            }
            gpus.add(gpu(gpu, split, devices));
        }
        NvmlState open = new NvmlState.Open(
                "/usr/lib/libnvidia-ml.so.1", "12.580.65.06", "580.65.06", 13_000, 1, Map.of(), List.of(), AT);
        return new NodeSnapshot(1, 1, AT, open, gpus, Topology.EMPTY);
    }

    private static Gpu gpu(int index, boolean split, List<MigDevice> devices) {
        return new Gpu(
                new GpuId("GPU-00000000-0000-0000-0000-00000000000" + index),
                index,
                index,
                new PciAddress(0, 0x10 + index, 0, 0),
                "NVIDIA H100 80GB HBM3",
                Reading.of("1650" + index),
                Reading.of("96.00.74.00.01"),
                Reading.of("9.0"),
                OptionalInt.of(9),
                OptionalLong.of(85_520_809_984L),
                Reading.of(true),
                OptionalInt.of(0x030200),
                OptionalInt.of(index / 4),
                Reading.of(split),
                devices,
                new Reading.Unsupported<>("not on an NVSwitch fabric"),
                GpuHealth.Healthy.CLEAN,
                LaneState.Responsive.INSTANCE,
                new Reading.NotRead<>(),
                XidCounts.NONE,
                GpuSample.EMPTY,
                Reading.of(List.of()));
    }

    private static MigDevice device(int gpu, int index) {
        return new MigDevice(
                new GpuId("MIG-00000000-0000-0000-0000-0000000000" + gpu + index),
                index,
                index + 7,
                0,
                "1g.10gb",
                1,
                1,
                9_856,
                new MigAttributes(16, 1, 1, 0, 1, 0),
                OptionalInt.empty(),
                OptionalInt.empty(),
                GpuHealth.Healthy.CLEAN,
                GpuSample.EMPTY);
    }
}
