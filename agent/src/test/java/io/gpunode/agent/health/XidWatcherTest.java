package io.gpunode.agent.health;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.gpu.CloseOutcome;
import io.gpunode.agent.inventory.SimulatedNode;
import io.gpunode.agent.model.Finding;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuHealth;
import io.gpunode.agent.model.LaneState;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.model.Reading;
import io.gpunode.agent.model.XidEvent;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.SystemTime;
import io.gpunode.agent.time.Tick;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** XIDs from a simulated driver to the picture. */
@Timeout(60)
class XidWatcherTest {
    private static final Duration LIMIT = Duration.ofSeconds(5);

    private final MonotonicClock clock = SystemTime.monotonic();

    @TempDir
    private Path directory;

    @Test
    void aFatalXidIsInThePictureWithinMilliseconds() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "8xh100").started()) {
            XidWatcher watcher = watching(node, Duration.ofMinutes(5));
            // Given
            int rounds = 200;
            BlockingQueue<Tick> seen = new ArrayBlockingQueue<>(rounds);
            List<Long> wanted = Collections.synchronizedList(new ArrayList<>());
            node.subscribe("latency", picture -> {
                Tick now = clock.now();
                for (Gpu gpu : picture.gpus()) {
                    if (gpu.lastXid() instanceof Reading.Value<XidEvent>(XidEvent event)
                            && wanted.remove(event.xid())) {
                        seen.add(now);
                    }
                }
            });
            List<Long> micros = new ArrayList<>();

            // When
            for (int round = 0; round < rounds; round++) {
                wanted.add(1000L + round);
                Tick sent = clock.now();
                node.simulator().injectXid(round % 8, 1000 + round);
                Tick published = seen.poll(10, TimeUnit.SECONDS);
                assertThat(published).as("XID %s", 1000 + round).isNotNull();
                micros.add(published.since(sent).toNanos() / 1000);
            }

            // Then
            Collections.sort(micros);
            System.out.printf(
                    "XID -> picture: p50 %d us, p99 %d us, worst %d us%n",
                    micros.get(rounds / 2), micros.get(rounds * 99 / 100), micros.getLast());
            assertThat(micros.get(rounds / 2)).as("median, µs").isLessThan(20_000);
            assertThat(node.inventory().current().gpus())
                    .allSatisfy(gpu -> assertThat(gpu.healthy()).isFalse());
            watcher.stop(LIMIT);
        }
    }

    @Test
    void anXidMakesItsGpuUnhealthyAndNoOther() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4").started()) {
            XidWatcher watcher = watching(node, Duration.ofMinutes(5));
            String hit = node.simulator().profile().gpus().get(1).uuid();

            // When
            node.simulator().injectXid(1, 48);

            // Then
            NodeSnapshot picture = node.await(
                    "an unhealthy GPU", candidate -> candidate.gpus().stream().anyMatch(gpu -> !gpu.healthy()));
            assertThat(picture.gpus())
                    .filteredOn(gpu -> !gpu.healthy())
                    .singleElement()
                    .satisfies(gpu -> {
                        assertThat(gpu.id().uuid()).isEqualTo(hit);
                        assertThat(gpu.health().all())
                                .extracting(Finding::reason)
                                .containsExactly("XID 48: a double-bit ECC error");
                    });
            watcher.stop(LIMIT);
        }
    }

    @Test
    void aGpuIsHealthyAgainAfterAQuietInterval() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4").started()) {
            XidWatcher watcher = watching(node, Duration.ofSeconds(1));
            node.simulator().injectXid(0, 79);
            node.await("unhealthy", picture -> picture.gpus().stream().anyMatch(gpu -> !gpu.healthy()));

            // When
            NodeSnapshot after = node.await(
                    "healthy again", picture -> picture.gpus().stream().allMatch(Gpu::healthy));

            // Then
            assertThat(after.gpus()).allSatisfy(gpu -> assertThat(gpu.health()).isEqualTo(GpuHealth.Healthy.CLEAN));
            watcher.stop(LIMIT);
        }
    }

    @Test
    void everyGpuOfABurstIsSeen() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "8xh100").started()) {
            XidWatcher watcher = watching(node, Duration.ofMinutes(5));

            // When
            node.simulator().apply("event gpu=all xid=74 burst=20");

            // Then
            NodeSnapshot picture = node.await(
                    "all XIDs",
                    candidate -> candidate.gpus().stream()
                            .allMatch(gpu -> gpu.health().all().stream()
                                    .anyMatch(finding -> finding.reason().endsWith("(10 times or more)"))));
            assertThat(picture.gpus()).hasSize(8);
            watcher.stop(LIMIT);
        }
    }

    @Test
    void anXidOfAMigDeviceWithholdsItAndNoOther() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "8xa100-80gb-mig").started()) {
            XidWatcher watcher = watching(node, Duration.ofMinutes(5));
            int place = placeWithMig(node);
            MigDevice hit =
                    node.inventory().current().gpus().get(place).migDevices().get(1);
            int index = node.inventory().current().gpus().get(place).index();

            // When
            node.simulator().apply("event gpu=" + index + " mig=1 xid=95");

            // Then
            Gpu gpu = node.awaitGpu(
                    place,
                    "a MIG device withheld",
                    candidate -> candidate.migDevices().stream()
                            .anyMatch(mig -> mig.health() instanceof GpuHealth.Unhealthy));
            assertThat(gpu.healthy()).isTrue();
            assertThat(gpu.migDevices())
                    .filteredOn(mig -> mig.health() instanceof GpuHealth.Unhealthy)
                    .extracting(MigDevice::id)
                    .containsExactly(hit.id());
            watcher.stop(LIMIT);
        }
    }

    @Test
    void theDriversOtherEventsCountToo() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xgb200").started()) {
            XidWatcher watcher = watching(node, Duration.ofMinutes(5));

            // When
            node.simulator().apply("event gpu=2 type=unavailable");

            // Then
            NodeSnapshot picture = node.await(
                    "an unhealthy GPU", candidate -> candidate.gpus().stream().anyMatch(gpu -> !gpu.healthy()));
            assertThat(picture.gpus())
                    .filteredOn(gpu -> !gpu.healthy())
                    .singleElement()
                    .satisfies(gpu -> assertThat(gpu.health().all())
                            .extracting(Finding::check)
                            .containsExactly("event"));
            watcher.stop(LIMIT);
        }
    }

    private static int placeWithMig(SimulatedNode node) {
        List<Gpu> gpus = node.inventory().current().gpus();
        for (int place = 0; place < gpus.size(); place++) {
            if (gpus.get(place).migDevices().size() > 1) {
                return place;
            }
        }
        throw new AssertionError("no GPU with two MIG devices");
    }

    @Test
    void aHungLaneIsUnhealthyUntilItAnswers() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4").started()) {
            XidWatcher watcher = watching(node, Duration.ofMinutes(5));

            // When
            node.simulator().apply("fault stuck call=nvmlDeviceGetPowerUsage gpu=2 hang=until-released");

            // Then
            node.await(
                    "an unhealthy GPU",
                    picture -> picture.gpus().stream()
                            .anyMatch(gpu -> !gpu.healthy() && gpu.lane() instanceof LaneState.Unresponsive));
            node.simulator().apply("clear stuck");
            node.await("all healthy", picture -> picture.gpus().stream().allMatch(Gpu::healthy));
            watcher.stop(LIMIT);
        }
    }

    @Test
    void aHungGpuDoesNotHideTheXidsOfOthers() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4").started()) {
            // Given
            node.simulator().apply("fault stuck call=nvmlDeviceRegisterEvents gpu=0 hang=until-released");
            XidWatcher watcher = start(node, Duration.ofMinutes(5));
            node.simulator().awaitHung(1, Duration.ofSeconds(10));
            node.simulator().awaitCalls("nvmlEventSetWait_v2", 1, Duration.ofSeconds(10));

            // When
            node.simulator().injectXid(3, 48);

            // Then
            String hit = node.simulator().profile().gpus().get(3).uuid();
            node.await(
                    "the XID of GPU 3",
                    picture -> picture.gpus().stream()
                            .anyMatch(gpu -> gpu.id().uuid().equals(hit) && !gpu.healthy()));
            node.simulator().apply("clear stuck");
            watcher.stop(LIMIT);
        }
    }

    @Test
    void aSlowRegistrationDoesNotKeepTheOthersFromBeingWatched() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4", Duration.ofSeconds(10)).started()) {
            // Given: far from its deadline
            node.simulator().apply("fault stuck call=nvmlDeviceRegisterEvents gpu=0 hang=until-released");
            XidWatcher watcher = start(node, Duration.ofMinutes(5));
            node.simulator().awaitHung(1, Duration.ofSeconds(10));

            // When
            node.simulator().awaitCalls("nvmlEventSetWait_v2", 1, Duration.ofSeconds(4));
            node.simulator().injectXid(3, 48);

            // Then
            String hit = node.simulator().profile().gpus().get(3).uuid();
            node.await(
                    "the XID of GPU 3",
                    picture -> picture.gpus().stream()
                            .anyMatch(gpu -> gpu.id().uuid().equals(hit) && !gpu.healthy()));
            node.simulator().apply("clear stuck");
            watcher.stop(LIMIT);
        }
    }

    @Test
    void aSessionIsClosedAtOnceThoughItsEventChannelIsBackedOffFrom() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4").started()) {
            // Given: the watcher turns between the last picture and the closing, and then pauses for longer than the
            // limit
            AtomicLong inBetween = new AtomicLong();
            XidWatcher watcher = watching(node, Duration.ofMinutes(5));
            node.subscribe("in between", picture -> {
                if (picture.nvml() instanceof NvmlState.Withdrawn
                        && node.access().current() != null) {
                    node.simulator().awaitCalls("nvmlEventSetWait_v2", inBetween.get(), Duration.ofSeconds(5));
                    awaitPause();
                }
            });
            node.simulator().apply("fault broken call=nvmlEventSetWait_v2 return=UNKNOWN");
            long before = node.simulator().calls("nvmlEventSetWait_v2");
            node.simulator().awaitCalls("nvmlEventSetWait_v2", before + 3, Duration.ofSeconds(20));
            inBetween.set(before + 4);

            // When
            CloseOutcome outcome = node.inventory().suspend("driver", "driver reload", Duration.ofMillis(500));

            // Then
            assertThat(outcome).isEqualTo(CloseOutcome.CLOSED);
            watcher.stop(LIMIT);
        }
    }

    @Test
    void aBrokenEventChannelIsBackedOffFromAndOpenedAgain() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4").started()) {
            XidWatcher watcher = watching(node, Duration.ofMinutes(5));
            node.simulator().apply("fault broken call=nvmlEventSetWait_v2 return=UNKNOWN");
            long before = node.simulator().calls("nvmlEventSetWait_v2");
            Tick began = clock.now();
            node.simulator().awaitCalls("nvmlEventSetWait_v2", before + 5, Duration.ofSeconds(20));
            Duration fiveErrors = clock.now().since(began);
            long sets = node.simulator().calls("nvmlEventSetCreate");

            // When
            node.simulator().apply("clear broken");
            node.simulator()
                    .awaitCalls(
                            "nvmlEventSetWait_v2",
                            node.simulator().calls("nvmlEventSetWait_v2") + 1,
                            Duration.ofSeconds(20));
            node.simulator().injectXid(0, 48);

            // Then
            assertThat(fiveErrors).as("time of five errors").isGreaterThan(Duration.ofMillis(600));
            assertThat(sets).as("event sets created").isGreaterThan(1);
            node.await("the XID", picture -> picture.gpus().stream().anyMatch(gpu -> !gpu.healthy()));
            watcher.stop(LIMIT);
        }
    }

    @Test
    void aNewSessionIsWatchedToo() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4").started()) {
            XidWatcher watcher = watching(node, Duration.ofMinutes(5));
            CloseOutcome outcome = node.inventory().suspend("driver", "driver reload", Duration.ofSeconds(5));
            long waits = node.simulator().calls("nvmlEventSetWait_v2");

            // When
            node.inventory().resume("driver");
            node.simulator().awaitCalls("nvmlEventSetWait_v2", waits + 1, Duration.ofSeconds(20));
            node.simulator().injectXid(1, 48);

            // Then
            assertThat(outcome).isEqualTo(CloseOutcome.CLOSED);
            node.await("the XID", picture -> picture.gpus().stream().anyMatch(gpu -> !gpu.healthy()));
            watcher.stop(LIMIT);
        }
    }

    @Test
    void stopsBetweenTwoWaits() throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4").started()) {
            XidWatcher watcher = watching(node, Duration.ofMinutes(5));
            Tick began = clock.now();

            // When
            watcher.stop(LIMIT);

            // Then
            assertThat(clock.now().since(began)).isLessThan(Duration.ofSeconds(2));
        }
    }

    /** Until the loop waits for its next turn; in a native call its thread counts as running. */
    private static void awaitPause() {
        Thread loop = Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().equals("xid-watcher"))
                .findFirst()
                .orElseThrow();
        while (loop.getState() != Thread.State.TIMED_WAITING) {
            Thread.onSpinWait();
        }
    }

    /** A watcher that has registered with every GPU. */
    private XidWatcher watching(SimulatedNode node, Duration recoveryInterval) {
        XidWatcher watcher = start(node, recoveryInterval);
        node.simulator().awaitCalls("nvmlEventSetWait_v2", 1, Duration.ofSeconds(20));
        return watcher;
    }

    private XidWatcher start(SimulatedNode node, Duration recoveryInterval) {
        HealthKeeper keeper = new HealthKeeper(
                HealthConfigs.recoveringAfter(recoveryInterval),
                node.inventory(),
                node.inventory()::lookAgain,
                clock,
                SystemTime.wall());
        XidWatcher watcher = new XidWatcher(
                node.access(),
                node.inventory(),
                keeper,
                node.inventory()::lookAgain,
                clock,
                SystemTime.wall(),
                node.heartbeats());
        watcher.start();
        return watcher;
    }
}
