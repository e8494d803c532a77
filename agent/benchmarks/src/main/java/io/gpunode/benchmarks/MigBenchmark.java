package io.gpunode.benchmarks;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.ConfigLoader;
import io.gpunode.agent.mig.MigDecision;
import io.gpunode.agent.mig.MigGpu;
import io.gpunode.agent.mig.MigLayout;
import io.gpunode.agent.mig.MigPlan;
import io.gpunode.agent.mig.MigPlanner;
import io.gpunode.agent.mig.MigReader;
import io.gpunode.agent.mig.MigRequest;
import io.gpunode.agent.mig.MigUse;
import io.gpunode.agent.mig.MigWish;
import io.gpunode.agent.model.MigGeometry;
import io.gpunode.agent.model.MigProfile;
import io.gpunode.agent.model.Reading;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.time.SystemTime;
import io.gpunode.nvml.simulator.NvmlSimulator;
import io.gpunode.nvml.simulator.SimulatedProfile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** MIG plans: of a node of eight GPUs, and of every wish that a GPU of each chip can fulfil. */
final class MigBenchmark implements Benchmark {
    private static final int PLANS = 20_000;
    private static final int GPUS = 8;
    private static final long BUDGET = TimeUnit.MILLISECONDS.toNanos(10);

    private static final ThreadMXBean THREAD = ManagementFactory.getThreadMXBean();

    private static final String CHIPS = """
            driver version=580.95.05 cuda=13.0
            model A30 name="A30" device-id=0x20B710DE memory=24576 architecture=ampere mig-table=a30
            model A100-40 name="A100 40 GB" device-id=0x20B010DE memory=40960 architecture=ampere mig-table=a100-40gb
            model A100-80 name="A100 80 GB" device-id=0x20B210DE memory=81920 architecture=ampere mig-table=a100-80gb
            model H100 name="H100" device-id=0x233010DE memory=81559 architecture=hopper mig-table=h100-80gb
            model H200 name="H200" device-id=0x233510DE memory=143771 architecture=hopper mig-table=h200
            model B200 name="B200" device-id=0x290110DE memory=183359 architecture=blackwell mig-table=b200
            model RTX name="RTX PRO 6000" device-id=0x2BB510DE memory=97887 architecture=blackwell mig-table=rtx-pro-6000
            gpu 0 model=A30 pci=0000:10:00.0 uuid=GPU-00000000-0000-0000-0000-000000000000
            gpu 1 model=A100-40 pci=0000:11:00.0 uuid=GPU-00000000-0000-0000-0000-000000000001
            gpu 2 model=A100-80 pci=0000:12:00.0 uuid=GPU-00000000-0000-0000-0000-000000000002
            gpu 3 model=H100 pci=0000:13:00.0 uuid=GPU-00000000-0000-0000-0000-000000000003
            gpu 4 model=H200 pci=0000:14:00.0 uuid=GPU-00000000-0000-0000-0000-000000000004
            gpu 5 model=B200 pci=0000:15:00.0 uuid=GPU-00000000-0000-0000-0000-000000000005
            gpu 6 model=RTX pci=0000:16:00.0 uuid=GPU-00000000-0000-0000-0000-000000000006
            """;

    @Override
    public String describe() {
        return "MIG plans of eight GPUs, and of every wish of every chip; a node's label to the new resources at the kubelet";
    }

    @Override
    public void run(Settings settings, Report report) throws Exception {
        report.begin(
                "mig",
                "Planning alone, in this process: no NVML call. Processor time is that of the planning thread, which does not count what others took on a busy machine. GPUs go from one fulfilled wish to the next, all wishes equally"
                        + " likely, so that their instances lie as they do after many changes.");
        List<MigGpu> chips = chips();
        long began = System.nanoTime();
        planned(chips.get(2), new MigWish.Devices(Map.of()));
        report.row("the first plan of one GPU in this process", Latencies.time(System.nanoTime() - began), 1);
        for (MigGpu chip : chips) {
            node(settings, report, chip);
        }
        for (MigGpu chip : chips) {
            everyWish(report, chip);
        }
        report.end();
        MigLabel.run(settings, report);
    }

    private static List<MigGpu> chips() throws Exception {
        Path root = Files.createTempDirectory("gpu-bench-");
        try (NvmlSimulator _ = NvmlSimulator.install(root, SimulatedProfile.parse("chips", CHIPS))) {
            AgentConfig config = new ConfigLoader(
                            Map.of("GPU_NODE_AGENT_HOST_ROOT", root.toString()),
                            () -> "benchmark",
                            root.resolve("none.yaml"),
                            _ -> Optional.empty())
                    .load(List.of(), Optional.empty())
                    .config();
            return MigReader.read(config, new SystemHostFiles(root), SystemTime.monotonic(), SystemTime.wall());
        } finally {
            try (Stream<Path> files = Files.walk(root)) {
                files.sorted(Comparator.reverseOrder()).forEach(MigBenchmark::delete);
            }
        }
    }

    private static void delete(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot remove " + file, e);
        }
    }

    /** Eight GPUs of a chip, each with a wish of its own, planned together. */
    private static void node(Settings settings, Report report, MigGpu chip) {
        List<MigWish.Devices> wishes = wishes(chip);
        Random random = new Random(1);
        MigGeometry[] now = new MigGeometry[GPUS];
        for (int i = 0; i < GPUS; i++) {
            now[i] = MigGeometry.EMPTY;
        }
        int plans = settings.samples(PLANS);
        Latencies latencies = new Latencies(plans);
        Latencies processor = new Latencies(plans);
        for (int i = -plans / 4; i < plans; i++) {
            List<MigRequest> requests = new ArrayList<>(GPUS);
            for (int gpu = 0; gpu < GPUS; gpu++) {
                requests.add(
                        new MigRequest(at(chip, now[gpu]), wishes.get(random.nextInt(wishes.size())), MigUse.NOBODY));
            }
            long began = System.nanoTime();
            long processorBegan = THREAD.getCurrentThreadCpuTime();
            MigDecision decision = MigPlanner.plan(requests);
            // The first quarter is for the compilers.
            if (i >= 0) {
                processor.add(THREAD.getCurrentThreadCpuTime() - processorBegan);
                latencies.add(System.nanoTime() - began);
            }
            List<MigPlan.OfGpu> made = plan(decision).gpus();
            for (int gpu = 0; gpu < GPUS; gpu++) {
                now[gpu] = geometry(made.get(gpu).after());
            }
        }
        report.row("plan of eight " + chip.name(), latencies);
        report.row(
                "processor time of a plan of eight " + chip.name(),
                processor.describe(),
                processor.count(),
                "max ≤ 10 ms",
                processor.max() <= BUDGET);
    }

    /** Every wish, from an empty GPU, and from every other fulfilled wish's geometry where these are not too many. */
    private static void everyWish(Report report, MigGpu chip) {
        List<MigWish.Devices> wishes = wishes(chip);
        List<MigGeometry> layouts = new ArrayList<>();
        Latencies empty = new Latencies(wishes.size());
        for (MigWish.Devices wish : wishes) {
            long began = System.nanoTime();
            MigPlan.OfGpu plan = planned(at(chip, MigGeometry.EMPTY), wish);
            empty.add(System.nanoTime() - began);
            layouts.add(geometry(plan.after()));
        }
        Latencies all = new Latencies(wishes.size() * wishes.size());
        for (MigGeometry layout : layouts) {
            for (MigWish.Devices wish : wishes) {
                long began = System.nanoTime();
                planned(at(chip, layout), wish);
                all.add(System.nanoTime() - began);
            }
        }
        report.row("search for each possible wish on an empty " + chip.name(), empty);
        report.row("search from each wish's layout to each other wish, " + chip.name(), all);
    }

    /** Every set of whole instances that the chip can have at the same time, as the planner itself finds out. */
    private static List<MigWish.Devices> wishes(MigGpu chip) {
        List<MigWish.Devices> found = new ArrayList<>();
        collect(at(chip, MigGeometry.EMPTY), new TreeMap<>(), 0, found);
        return found;
    }

    private static void collect(
            MigGpu empty, Map<MigWish.Kind, Integer> devices, int from, List<MigWish.Devices> found) {
        MigWish.Devices wish = new MigWish.Devices(devices);
        if (!(MigPlanner.plan(List.of(new MigRequest(empty, wish, MigUse.NOBODY))) instanceof MigDecision.Planned)) {
            return;
        }
        found.add(wish);
        List<MigProfile> profiles = empty.profiles().asOptional().orElseThrow();
        for (int i = from; i < profiles.size(); i++) {
            MigWish.Kind kind = MigWish.Kind.whole(profiles.get(i));
            Map<MigWish.Kind, Integer> more = new TreeMap<>(devices);
            more.merge(kind, 1, Integer::sum);
            collect(empty, more, i, found);
        }
    }

    private static MigPlan.OfGpu planned(MigGpu gpu, MigWish wish) {
        return plan(MigPlanner.plan(List.of(new MigRequest(gpu, wish, MigUse.NOBODY))))
                .gpus()
                .getFirst();
    }

    private static MigPlan plan(MigDecision decision) {
        if (decision instanceof MigDecision.Planned(MigPlan plan)) {
            return plan;
        }
        throw new IllegalStateException("a wish that is possible was refused: " + decision);
    }

    private static MigGpu at(MigGpu chip, MigGeometry geometry) {
        return new MigGpu(
                chip.id(),
                chip.index(),
                chip.pci(),
                chip.name(),
                chip.pciDeviceId(),
                chip.pciSubsystemId(),
                chip.architecture(),
                chip.passThrough(),
                Reading.of(geometry),
                chip.profiles());
    }

    /** A layout with ids, as a driver would give them. */
    private static MigGeometry geometry(MigLayout layout) {
        List<MigGeometry.GpuInstance> instances = new ArrayList<>();
        for (MigLayout.Instance instance : layout.instances()) {
            List<MigGeometry.ComputeInstance> parts = new ArrayList<>();
            for (MigLayout.Part part : instance.parts()) {
                parts.add(new MigGeometry.ComputeInstance(parts.size(), 0, part.slices(), part.placement()));
            }
            instances.add(
                    new MigGeometry.GpuInstance(instances.size(), instance.profileId(), instance.placement(), parts));
        }
        return new MigGeometry(layout.enabled(), layout.pending(), instances);
    }
}
