package io.gpunode.benchmarks;

import io.gpunode.agent.gpu.CallRecord;
import io.gpunode.agent.gpu.GpuAccess;
import io.gpunode.agent.inventory.Inventory;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.model.WantedReadings;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.SystemTime;
import io.gpunode.nvml.NvmlLibraries;
import io.gpunode.nvml.simulator.NvmlSimulator;
import io.gpunode.nvml.simulator.SimulatedProfile;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;

/** What one sampling of a node costs: CPU time of the whole process, and NVML calls for each GPU. */
final class SamplingBenchmark implements Benchmark {
    private static final Duration INTERVAL = Duration.ofMillis(100);
    private static final Duration PATIENCE = Duration.ofMinutes(1);
    private static final int ROUNDS = 200;

    /** What the default fields show. */
    private static final Set<Quantity> DEFAULT = EnumSet.of(
            Quantity.SM_CLOCK_MHZ,
            Quantity.MEMORY_CLOCK_MHZ,
            Quantity.MEMORY_TEMPERATURE_CELSIUS,
            Quantity.ENERGY_MILLIJOULES,
            Quantity.MEMORY_COPY_UTILIZATION_PERCENT,
            Quantity.ENCODER_UTILIZATION_PERCENT,
            Quantity.DECODER_UTILIZATION_PERCENT,
            Quantity.MEMORY_FREE_BYTES,
            Quantity.MEMORY_RESERVED_BYTES,
            Quantity.REMAPPED_ROWS_CORRECTABLE,
            Quantity.NVLINK_BANDWIDTH_MEGABYTES_PER_SECOND,
            Quantity.VGPU_LICENSED,
            Quantity.GRAPHICS_ENGINE_ACTIVE,
            Quantity.TENSOR_ACTIVE,
            Quantity.DRAM_ACTIVE,
            Quantity.PCIE_SENT_BYTES_PER_SECOND,
            Quantity.PCIE_RECEIVED_BYTES_PER_SECOND);

    @Override
    public String describe() {
        return "CPU time and NVML calls of one sampling, by what is wanted";
    }

    @Override
    public void run(Settings settings, Report report) throws Exception {
        report.begin(
                "sampling",
                "In process on the simulator, whose own work is included, with both compilers. CPU time is that of the process. The"
                        + " identity of each GPU, which is read at every twelfth sampling, is included as well.");
        SimulatedProfile h100 = SimulatedProfile.named("8xh100");
        int rounds = settings.quick() ? ROUNDS / 10 : ROUNDS;
        WantedReadings shown = WantedReadings.of(DEFAULT, Set.of(), Set.of());
        measure("8 H100, health and status only", h100, WantedReadings.ALWAYS, rounds, report);
        measure("8 H100, default fields", h100, shown, rounds, report);
        measure("8 H100, every field, every link", h100, WantedReadings.EVERYTHING, rounds, report);
        measure("8 × 7 MIG devices, default fields", Profiles.sevenfold(h100, "1g.10gb"), shown, rounds, report);
        measure("16 H100, every field, every link", Profiles.doubled(h100), WantedReadings.EVERYTHING, rounds, report);
        report.end();
    }

    private static void measure(
            String figure, SimulatedProfile profile, WantedReadings wanted, int rounds, Report report)
            throws Exception {
        Path folder = Files.createTempDirectory("gpu-bench-");
        try (NvmlSimulator simulator = NvmlSimulator.install(folder, profile)) {
            MonotonicClock clock = SystemTime.monotonic();
            GpuAccess access = new GpuAccess(
                    () -> NvmlLibraries.open(simulator.library()),
                    Duration.ofSeconds(5),
                    clock,
                    SystemTime.wall(),
                    new CallRecord(Meters.NONE, SystemTime.wall()));
            access.want(wanted);
            Inventory inventory = new Inventory(
                    access,
                    new SystemHostFiles(folder),
                    INTERVAL,
                    INTERVAL,
                    clock,
                    SystemTime.wall(),
                    new Heartbeats(clock),
                    Meters.NONE);
            inventory.start();
            try {
                pictures(inventory, 20);
                long calls = simulator.totalCalls();
                long cpu = cpuNanos();
                pictures(inventory, rounds);
                double perRound = (double) (cpuNanos() - cpu) / rounds;
                double callsOfAGpu = (double) (simulator.totalCalls() - calls)
                        / rounds
                        / profile.gpus().size();
                report.row(
                        figure,
                        String.format(
                                Locale.ROOT, "%,.2f ms of CPU, %.0f calls for each GPU", perRound / 1e6, callsOfAGpu),
                        rounds);
            } finally {
                inventory.stop(Duration.ofSeconds(5));
            }
        } finally {
            delete(folder);
        }
    }

    /** Waits for so many samplings of all GPUs. */
    private static void pictures(Inventory inventory, int count) throws InterruptedException, TimeoutException {
        CountDownLatch samplings = new CountDownLatch(count);
        Samplings seen = new Samplings(samplings);
        try (var _ = inventory.subscribe("benchmark", seen::take)) {
            if (!samplings.await(PATIENCE.toSeconds(), TimeUnit.SECONDS)) {
                throw new TimeoutException("the node is not sampled");
            }
        }
    }

    /** Counts samplings of the last GPU: pictures are published for other reasons, too. Owned by its subscription. */
    private static final class Samplings {
        private final CountDownLatch left;
        private long last;

        Samplings(CountDownLatch left) {
            this.left = left;
        }

        void take(NodeSnapshot picture) {
            if (picture.gpus().isEmpty()) {
                return;
            }
            long at = picture.gpus().getLast().sample().sampledAtEpochMillis();
            if (at != last) {
                last = at;
                left.countDown();
            }
        }
    }

    private static long cpuNanos() {
        return ManagementFactory.getPlatformMXBean(com.sun.management.OperatingSystemMXBean.class)
                .getProcessCpuTime();
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }
}
