package io.gpunode.nvml;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.gpunode.nvml.NvmlEventSet.NvmlEvent;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Objects;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EventsTest {
    private static final Duration LONG = Duration.ofSeconds(20);

    @TempDir
    private Path directory;

    @AutoClose("shutdownNow")
    private final ExecutorService threads = Executors.newCachedThreadPool();

    @Test
    void anXidWakesTheWaiterWithItsGpuAndNumber() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "8xh100");
                NvmlEventSet set = node.nvml.createEventSet()) {
            NvmlDevice device = node.nvml.deviceByIndex(5);
            set.register(device, NvmlEventSet.XID_CRITICAL_ERROR);
            Future<NvmlEvent> waiting = threads.submit(() -> set.await(LONG));
            node.simulator.awaitCalls("nvmlEventSetWait_v2", 1, LONG);
            // When
            node.simulator.injectXid(5, 79);
            // Then
            assertThat(waiting.get(20, TimeUnit.SECONDS))
                    .isEqualTo(new NvmlEvent(device.address(), NvmlEventSet.XID_CRITICAL_ERROR, 79, -1, -1));
        }
    }

    @Test
    void aWaiterIsAwakeWithinMilliseconds() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "8xh100");
                NvmlEventSet set = node.nvml.createEventSet()) {
            set.register(node.nvml.deviceByIndex(0), NvmlEventSet.XID_CRITICAL_ERROR);
            long[] micros = new long[50];
            for (int i = 0; i < micros.length; i++) {
                Future<Long> waiting = threads.submit(() -> set.await(LONG) == null ? 0L : System.nanoTime());
                node.simulator.awaitCalls("nvmlEventSetWait_v2", i + 1, LONG);
                // When
                long injected = System.nanoTime();
                node.simulator.injectXid(0, 31);
                micros[i] = (waiting.get(20, TimeUnit.SECONDS) - injected) / 1000;
            }
            // Then: the median, for the machine may be busy with other things
            Arrays.sort(micros);
            System.Logger log = System.getLogger(EventsTest.class.getName());
            log.log(System.Logger.Level.INFO, "event to waiter: median {0} µs, worst {1} µs", micros[25], micros[49]);
            assertThat(micros[25]).isLessThan(20_000);
        }
    }

    @Test
    void eventsOfABurstComeOneByOneAndNoneIsLost() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "8xh100");
                NvmlEventSet set = node.nvml.createEventSet()) {
            set.register(node.nvml.deviceByIndex(0), NvmlEventSet.XID_CRITICAL_ERROR);
            for (int xid = 1; xid <= 20; xid++) {
                node.simulator.injectXid(0, xid);
            }
            for (int xid = 1; xid <= 20; xid++) {
                // When
                NvmlEvent event = Objects.requireNonNull(set.await(Duration.ZERO), "no event came");
                // Then
                assertThat(event.data()).isEqualTo(xid);
            }
            assertThat(set.await(Duration.ZERO)).isNull();
        }
    }

    @Test
    void anEventOfAMigDeviceNamesItsInstances() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "8xa100-80gb-mig");
                NvmlEventSet set = node.nvml.createEventSet()) {
            NvmlDevice parent = node.nvml.deviceByIndex(0);
            NvmlDevice mig = node.nvml.migDevice(parent, 0);
            set.register(parent, NvmlEventSet.XID_CRITICAL_ERROR);
            node.simulator.apply("event gpu=0 mig=0 xid=43");
            // When
            NvmlEvent event = Objects.requireNonNull(set.await(LONG), "no event came");
            // Then
            assertThat(event.deviceAddress()).isEqualTo(parent.address());
            assertThat(event.gpuInstanceId()).isEqualTo(node.nvml.gpuInstanceId(mig));
            assertThat(event.computeInstanceId()).isEqualTo(node.nvml.computeInstanceId(mig));
        }
    }

    @Test
    void aBrokenEventChannelIsAnExceptionWithItsCode() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "8xh100");
                NvmlEventSet set = node.nvml.createEventSet()) {
            node.simulator.apply("fault broken call=nvmlEventSetWait_v2 return=GPU_IS_LOST");
            // When
            NvmlException failure = catchThrowableOfType(NvmlException.class, () -> set.await(LONG));
            // Then
            assertThat(failure.is(NvmlReturn.GPU_IS_LOST)).isTrue();
        }
    }

    @Test
    void anOldDriversFirstWaitCallNamesNoInstances() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "old-driver-470");
                NvmlEventSet set = node.nvml.createEventSet()) {
            set.register(node.nvml.deviceByIndex(1), NvmlEventSet.XID_CRITICAL_ERROR);
            node.simulator.injectXid(1, 48);
            // When
            NvmlEvent event = Objects.requireNonNull(set.await(LONG), "no event came");
            // Then
            assertThat(event.data()).isEqualTo(48);
            assertThat(event.gpuInstanceId()).isEqualTo(-1);
        }
    }

    @Test
    void aClosedSetIsRefusedBeforeItReachesTheLibrary() throws Exception {
        try (SimulatedNode node = SimulatedNode.open(directory, "1xt4")) {
            NvmlEventSet set = node.nvml.createEventSet();
            set.close();
            set.close();
            // When
            Throwable thrown = catchThrowable(() -> set.await(Duration.ZERO));
            // Then
            assertThat(thrown).isInstanceOf(IllegalStateException.class).hasMessageContaining("closed");
            assertThat(node.simulator.calls("nvmlEventSetWait_v2")).isZero();
        }
    }
}
