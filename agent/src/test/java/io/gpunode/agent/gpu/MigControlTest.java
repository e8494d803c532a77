package io.gpunode.agent.gpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import io.gpunode.nvml.Nvml;
import io.gpunode.nvml.NvmlException;
import io.gpunode.nvml.NvmlReturn;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What becomes of a question while the lane is overdue. */
@Timeout(30)
class MigControlTest {
    private static final long OVERDUE = Duration.ofMinutes(2).toNanos();

    private final CountDownLatch began = new CountDownLatch(1);
    private final CountDownLatch returned = new CountDownLatch(1);
    private final AtomicInteger looks = new AtomicInteger();
    private volatile boolean late;
    /** The call in flight returns when it was looked at for the third time since it was overdue. */
    private final MonotonicClock clock = () -> {
        if (late && looks.incrementAndGet() == 3) {
            returned.countDown();
        }
        return new Tick(late ? OVERDUE : 0);
    };

    private final Lane lane =
            new Lane("test", Duration.ofSeconds(1), clock, new CallRecord(Meters.NONE, () -> Instant.EPOCH), () -> {});
    private final MigControl control = new MigControl(new GpuId("GPU-0"), answeringNotFound(), lane);

    @AfterEach
    void close() {
        returned.countDown();
        lane.close(() -> {});
    }

    private static Nvml answeringNotFound() {
        return (Nvml) Proxy.newProxyInstance(
                Nvml.class.getClassLoader(), new Class<?>[] {Nvml.class}, (_, method, _) -> {
                    throw new NvmlException(method.getName(), NvmlReturn.NOT_FOUND.code(), "GPU-0", "");
                });
    }

    private void overdue(String function) throws Exception {
        lane.submit(() -> {
            try {
                lane.call(CallGroup.MIG, function, () -> {
                    began.countDown();
                    awaitReturn();
                    return 0;
                });
            } catch (NvmlException e) {
                throw new IllegalStateException(e);
            }
        });
        began.await();
        late = true;
    }

    private void awaitReturn() {
        try {
            returned.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void aChangeThatIsOverdueIsWaitedForAndThenTheQuestionIsAsked() throws Exception {
        // Given
        overdue("nvmlGpuInstanceDestroy");

        // When
        MigFault fault = catchThrowableOfType(MigFault.class, control::use);

        // Then
        assertThat(fault).hasMessage("deviceByUuid answers NOT_FOUND");
    }

    @Test
    void anotherCallThatIsOverdueIsNotWaitedFor() throws Exception {
        // Given
        overdue("nvmlDeviceGetTemperature");

        // When
        MigFault fault = catchThrowableOfType(MigFault.class, control::use);

        // Then
        assertThat(fault).hasMessageContaining("an earlier one has not returned");
        assertThat(fault.kind()).isEqualTo(MigFault.Kind.LOST);
    }
}
