package io.gpunode.agent.lifecycle;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gpunode.agent.time.ManualTime;
import io.gpunode.agent.time.SystemTime;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(20)
class DutyCycleTest {
    private static final Duration LONG = Duration.ofHours(1);
    private static final Duration BOUND = Duration.ofSeconds(30);

    private final Heartbeats heartbeats = new Heartbeats(SystemTime.monotonic());
    private final Semaphore turned = new Semaphore(0);

    @Test
    void turnsOnceWhenStarted() throws Exception {
        // Given
        DutyCycle cycle = counting();

        // When
        cycle.start();

        // Then
        assertThat(turned.tryAcquire(5, TimeUnit.SECONDS)).isTrue();
        cycle.stop(BOUND);
        assertThat(cycle.turns()).isEqualTo(1);
    }

    @Test
    void turnsAgainWhenWoken() throws Exception {
        // Given
        DutyCycle cycle = counting();
        cycle.start();
        turned.acquire();

        // When
        cycle.wake();

        // Then
        assertThat(turned.tryAcquire(5, TimeUnit.SECONDS)).isTrue();
        cycle.stop(BOUND);
    }

    @Test
    void aWakeDuringATurnIsNotLost() throws Exception {
        // Given
        CountDownLatch entered = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        AtomicInteger turns = new AtomicInteger();
        DutyCycle cycle = new DutyCycle("test", BOUND, heartbeats, () -> {
            if (turns.incrementAndGet() == 1) {
                entered.countDown();
                go.await();
            }
            turned.release();
            return LONG;
        });
        cycle.start();
        entered.await();

        // When
        cycle.wake();
        go.countDown();

        // Then
        assertThat(turned.tryAcquire(2, 5, TimeUnit.SECONDS)).isTrue();
        cycle.stop(BOUND);
    }

    @Test
    void goesOnAfterATurnThatThrew() throws Exception {
        // Given
        AtomicInteger turns = new AtomicInteger();
        DutyCycle cycle = new DutyCycle("test", BOUND, heartbeats, () -> {
            if (turns.incrementAndGet() == 1) {
                throw new IllegalStateException("on purpose");
            }
            turned.release();
            return LONG;
        });

        // When
        cycle.start();

        // Then
        assertThat(turned.tryAcquire(5, TimeUnit.SECONDS)).isTrue();
        assertThat(cycle.failures()).isEqualTo(1);
        cycle.stop(BOUND);
    }

    @Test
    void beatsWhileItHasNothingToDo() throws Exception {
        // Given
        DutyCycle cycle = new DutyCycle("test", Duration.ofMillis(200), heartbeats, () -> {
            turned.release();
            return LONG;
        });
        cycle.start();
        turned.acquire();
        CountDownLatch aWhile = new CountDownLatch(1);

        // When
        boolean ended = aWhile.await(500, TimeUnit.MILLISECONDS);

        // Then
        assertThat(ended).isFalse();
        assertThat(heartbeats.read()).singleElement().satisfies(pulse -> {
            assertThat(pulse.name()).isEqualTo("test");
            assertThat(pulse.age()).isLessThan(Duration.ofMillis(450));
        });
        cycle.stop(BOUND);
    }

    @Test
    void isNoLongerAskedAboutOnceItEnded() throws Exception {
        // Given
        DutyCycle cycle = counting();
        cycle.start();

        // When
        cycle.stop(BOUND);

        // Then
        assertThat(heartbeats.read()).isEmpty();
    }

    @Test
    void isLateOnceAnErrorHasEndedIt() throws Exception {
        // Given
        ManualTime time = new ManualTime();
        Heartbeats watched = new Heartbeats(time);
        DutyCycle cycle = new DutyCycle("test", BOUND, watched, () -> {
            turned.release();
            throw new InternalError("on purpose");
        });
        cycle.start();
        turned.acquire();
        // It has no turn left to end: this only waits for its thread.
        cycle.stop(BOUND);

        // When
        time.advance(BOUND.plusSeconds(1));

        // Then
        assertThat(watched.ok()).isFalse();
        assertThat(watched.read()).extracting(Heartbeats.Pulse::name).containsExactly("test");
    }

    @Test
    void stopInterruptsATurnThatBlocks() throws Exception {
        // Given
        CountDownLatch entered = new CountDownLatch(1);
        CountDownLatch never = new CountDownLatch(1);
        DutyCycle cycle = new DutyCycle("test", BOUND, heartbeats, () -> {
            entered.countDown();
            never.await();
            return LONG;
        });
        cycle.start();
        entered.await();

        // When
        cycle.stop(Duration.ofMillis(400));

        // Then
        assertThat(heartbeats.read()).isEmpty();
    }

    @Test
    void stopSaysWhereATurnIsStuckThatIgnoresInterrupts() throws Exception {
        // Given
        CountDownLatch entered = new CountDownLatch(1);
        CountDownLatch release = new CountDownLatch(1);
        DutyCycle cycle = new DutyCycle("stuck-one", BOUND, heartbeats, () -> {
            entered.countDown();
            boolean done = false;
            while (!done) {
                try {
                    release.await();
                    done = true;
                } catch (InterruptedException e) {
                    // This is the fault: an interrupt does not end it.
                }
            }
            return LONG;
        });
        cycle.start();
        entered.await();

        // When / Then
        assertThatThrownBy(() -> cycle.stop(Duration.ofMillis(100)))
                .isInstanceOf(TimeoutException.class)
                .hasMessageContaining("stuck-one");
        release.countDown();
    }

    @Test
    void turnsByHandWithoutAThread() throws Exception {
        // Given
        ManualTime time = new ManualTime();
        DutyCycle cycle = new DutyCycle("test", BOUND, new Heartbeats(time), () -> {
            turned.release();
            return LONG;
        });

        // When
        Duration wait = cycle.turnByHand();

        // Then
        assertThat(wait).isEqualTo(LONG);
        assertThat(turned.availablePermits()).isEqualTo(1);
    }

    private DutyCycle counting() {
        return new DutyCycle("test", BOUND, heartbeats, () -> {
            turned.release();
            return LONG;
        });
    }
}
