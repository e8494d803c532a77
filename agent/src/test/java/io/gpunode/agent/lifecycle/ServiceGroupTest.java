package io.gpunode.agent.lifecycle;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchException;

import io.gpunode.agent.time.SystemTime;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(20)
class ServiceGroupTest {
    private static final Duration LIMIT = Duration.ofSeconds(5);

    private final List<String> calls = new CopyOnWriteArrayList<>();

    @Test
    void startsInOrder() throws Exception {
        // Given
        ServiceGroup group = group(new Recorder("a"), new Recorder("b"), new Recorder("c"));

        // When
        group.start();

        // Then
        assertThat(calls).containsExactly("start a", "start b", "start c");
    }

    @Test
    void stopsInReverse() throws Exception {
        // Given
        ServiceGroup group = group(new Recorder("a"), new Recorder("b"), new Recorder("c"));
        group.start();
        calls.clear();

        // When
        group.stop(LIMIT);

        // Then
        assertThat(calls).containsExactly("stop c", "stop b", "stop a");
    }

    @Test
    void aFailedStartStopsWhatHadStarted() {
        // Given
        Recorder failing = new Recorder("c");
        failing.startFailure = new IllegalStateException("port taken");
        ServiceGroup group = group(new Recorder("a"), new Recorder("b"), failing, new Recorder("d"));

        // When
        Exception thrown = catchException(group::start);

        // Then
        assertThat(thrown).isSameAs(failing.startFailure);
        assertThat(calls).containsExactly("start a", "start b", "start c", "stop b", "stop a");
    }

    @Test
    void noFailureOfStoppingIsLost() throws Exception {
        // Given
        Recorder first = new Recorder("a");
        first.stopFailure = new IllegalStateException("a failed");
        Recorder last = new Recorder("c");
        last.stopFailure = new IllegalStateException("c failed");
        ServiceGroup group = group(first, new Recorder("b"), last);
        group.start();

        // When
        Exception thrown = catchException(() -> group.stop(LIMIT));

        // Then
        assertThat(thrown).isSameAs(last.stopFailure);
        assertThat(thrown.getSuppressed()).containsExactly(new Throwable[] {first.stopFailure});
        assertThat(calls).endsWith("stop c", "stop b", "stop a");
    }

    @Test
    void aServiceThatNeverStopsCostsItsShareOnly() throws Exception {
        // Given
        Recorder hung = new Recorder("b");
        hung.stopGate = new CountDownLatch(1);
        ServiceGroup group = group(new Recorder("a"), hung);
        group.start();

        // When / Then
        assertThatThrownBy(() -> group.stop(Duration.ofMillis(300)))
                .isInstanceOf(TimeoutException.class)
                .hasMessageContaining("b did not stop");
        assertThat(calls).endsWith("stop b", "stop a");
        hung.stopGate.countDown();
    }

    private static ServiceGroup group(Service... services) {
        return new ServiceGroup("group", List.of(services), SystemTime.monotonic(), LIMIT);
    }

    private final class Recorder implements Service {
        private final String name;
        private @Nullable Exception startFailure;
        private @Nullable Exception stopFailure;
        private CountDownLatch stopGate = new CountDownLatch(0);

        Recorder(String name) {
            this.name = name;
        }

        @Override
        public String name() {
            return name;
        }

        @Override
        public void start() throws Exception {
            calls.add("start " + name);
            if (startFailure != null) {
                throw startFailure;
            }
        }

        @Override
        public void stop(Duration limit) throws Exception {
            calls.add("stop " + name);
            boolean open = false;
            while (!open) {
                try {
                    stopGate.await();
                    open = true;
                } catch (InterruptedException e) {
                    // The fault that is modelled: nothing ends it.
                }
            }
            if (stopFailure != null) {
                throw stopFailure;
            }
        }
    }
}
