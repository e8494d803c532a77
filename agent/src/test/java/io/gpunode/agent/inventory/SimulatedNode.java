package io.gpunode.agent.inventory;

import io.gpunode.agent.gpu.CallRecord;
import io.gpunode.agent.gpu.GpuAccess;
import io.gpunode.agent.gpu.NvmlOpener;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.WantedReadings;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.SystemTime;
import io.gpunode.agent.time.Tick;
import io.gpunode.nvml.NvmlLibraries;
import io.gpunode.nvml.simulator.NvmlSimulator;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Predicate;

/**
 * An inventory over a simulated NVML that it loads as it would the real one, with short times. Collects every picture; closing it stops the
 * inventory and fails the test when NVML was misused.
 */
public final class SimulatedNode implements AutoCloseable {
    /** After it a call is overdue here. */
    public static final Duration CALL_DEADLINE = Duration.ofMillis(300);
    /** From one sampling to the next here. */
    public static final Duration SAMPLING = Duration.ofMillis(100);

    private static final Duration RETRY = Duration.ofMillis(50);
    private static final Duration PATIENCE = Duration.ofSeconds(15);

    private final NvmlSimulator simulator;
    private final GpuAccess access;
    private final Inventory inventory;
    private final Heartbeats heartbeats;
    private final MonotonicClock clock = SystemTime.monotonic();
    private final List<NodeSnapshot> pictures = new ArrayList<>();
    private boolean stopped;

    /**
     * @param directory stands for the host's root
     * @param profile of the simulator
     */
    public SimulatedNode(Path directory, String profile) {
        this(directory, NvmlSimulator.install(directory.resolve("driver"), profile));
    }

    /** The same with a simulator of the test's own making. */
    public SimulatedNode(Path directory, NvmlSimulator simulator) {
        this(directory, simulator, () -> NvmlLibraries.open(simulator.library()));
    }

    /** The same with a call deadline of the test's own. */
    public SimulatedNode(Path directory, String profile, Duration callDeadline) {
        this(directory, NvmlSimulator.install(directory.resolve("driver"), profile), callDeadline);
    }

    private SimulatedNode(Path directory, NvmlSimulator simulator, Duration callDeadline) {
        this(directory, simulator, () -> NvmlLibraries.open(simulator.library()), callDeadline);
    }

    /** The same with an opener of the test's own making. */
    public SimulatedNode(Path directory, NvmlSimulator simulator, NvmlOpener opener) {
        this(directory, simulator, opener, CALL_DEADLINE);
    }

    private SimulatedNode(Path directory, NvmlSimulator simulator, NvmlOpener opener, Duration callDeadline) {
        this.simulator = simulator;
        this.heartbeats = new Heartbeats(clock);
        this.access = new GpuAccess(
                opener, callDeadline, clock, SystemTime.wall(), new CallRecord(Meters.NONE, SystemTime.wall()));
        access.want(WantedReadings.EVERYTHING);
        this.inventory = new Inventory(
                access,
                new SystemHostFiles(directory),
                RETRY,
                SAMPLING,
                clock,
                SystemTime.wall(),
                heartbeats,
                Meters.NONE);
        inventory.subscribe("test", this::collect);
    }

    /** The node's control. */
    public NvmlSimulator simulator() {
        return simulator;
    }

    /** What is tested. */
    public Inventory inventory() {
        return inventory;
    }

    /** Its door. */
    public GpuAccess access() {
        return access;
    }

    /** Its loops. */
    public Heartbeats heartbeats() {
        return heartbeats;
    }

    /** Starts the inventory and waits until every GPU has been sampled. */
    public SimulatedNode started() {
        inventory.start();
        await(
                "every GPU sampled",
                picture -> picture.open()
                        && !picture.gpus().isEmpty()
                        && picture.gpus().stream().allMatch(gpu -> gpu.sample().sampledAtEpochMillis() > 0));
        return this;
    }

    private void collect(NodeSnapshot picture) {
        synchronized (pictures) {
            pictures.add(picture);
            pictures.notifyAll();
        }
    }

    /** Every picture so far. */
    public List<NodeSnapshot> pictures() {
        synchronized (pictures) {
            return List.copyOf(pictures);
        }
    }

    /** Waits for a picture, the newest one included. */
    public NodeSnapshot await(String what, Predicate<NodeSnapshot> wanted) {
        Tick deadline = clock.now().plus(PATIENCE);
        synchronized (pictures) {
            while (true) {
                NodeSnapshot newest = pictures.isEmpty() ? inventory.current() : pictures.getLast();
                if (wanted.test(newest)) {
                    return newest;
                }
                long millis = deadline.since(clock.now()).toMillis();
                if (millis <= 0) {
                    throw new AssertionError(
                            "no picture with " + what + " within " + PATIENCE + "; the newest: " + newest);
                }
                waitFor(millis);
            }
        }
    }

    private void waitFor(long millis) {
        try {
            pictures.wait(millis);
        } catch (InterruptedException e) {
            throw new AssertionError("interrupted", e);
        }
    }

    /** Waits for a picture in which one GPU, by its place in the picture, is as wanted. */
    public Gpu awaitGpu(int place, String what, Predicate<Gpu> wanted) {
        return await(
                        what,
                        picture -> picture.gpus().size() > place
                                && wanted.test(picture.gpus().get(place)))
                .gpus()
                .get(place);
    }

    /** Waits for a picture that is newer than the newest. */
    public NodeSnapshot awaitNext(int publications) {
        long version = inventory.current().version() + publications;
        return await("version " + version, picture -> picture.version() >= version);
    }

    /** Subscribes for the length of the node's life. */
    public void subscribe(String name, Consumer<NodeSnapshot> consumer) {
        inventory.subscribe(name, consumer);
    }

    /** Stops the inventory; how long that took. */
    public Duration stop(Duration limit) throws Exception {
        stopped = true;
        Tick began = clock.now();
        inventory.stop(limit);
        return clock.now().since(began);
    }

    @Override
    public void close() {
        try {
            if (!stopped) {
                simulator.apply("clear all");
                stop(Duration.ofSeconds(5));
            }
            simulator.apply("clear all");
            awaitClosed();
        } catch (Exception e) {
            throw new AssertionError("the node did not stop", e);
        } finally {
            simulator.close();
        }
    }

    /** A session that was wedged is closed when its last call has returned. */
    private static void awaitClosed() throws InterruptedException {
        for (Thread thread : Thread.getAllStackTraces().keySet()) {
            if (thread.getName().equals("nvml-close")) {
                thread.join(PATIENCE);
            }
        }
    }
}
