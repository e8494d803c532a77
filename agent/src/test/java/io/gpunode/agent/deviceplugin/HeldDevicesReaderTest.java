package io.gpunode.agent.deviceplugin;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.podresources.PodResourcesPicture;
import io.gpunode.agent.podresources.PodResourcesSource;
import io.gpunode.agent.podresources.PodUse;
import io.gpunode.agent.testing.FakeSnapshotSource;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.ManualTime;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(10)
class HeldDevicesReaderTest {
    private final ManualTime clock = new ManualTime();
    private final Snapshots node = Snapshots.h100x8().mig(1, Snapshots.migDevice(0, 3, 0, "3g.40gb"));
    private final FakeSnapshotSource source = new FakeSnapshotSource(node.build());
    private @Nullable PodResourcesPicture picture;
    private Duration interval = Duration.ofSeconds(10);
    private final HeldDevicesReader reader = new HeldDevicesReader(
            new PodResourcesSource() {
                @Override
                public Optional<PodResourcesPicture> current() {
                    return Optional.ofNullable(picture);
                }

                @Override
                public Duration interval() {
                    return interval;
                }
            },
            source,
            clock);

    @Test
    void devicesAreWhatTheirIdsSay() {
        // Given
        GpuId mig = node.build().gpus().get(1).migDevices().getFirst().id();
        told(Snapshots.uuid(0) + "::2", mig.uuid(), "GPU-of-another-node");

        // When
        HeldDevices held = reader.get();

        // Then
        assertThat(held.known()).isTrue();
        assertThat(held.holds())
                .containsOnly(
                        Map.entry(
                                Snapshots.uuid(0) + "::2",
                                new HeldDevices.Hold(Snapshots.id(0), Snapshots.id(0), true)),
                        Map.entry(mig.uuid(), new HeldDevices.Hold(mig, Snapshots.id(1), false)));
    }

    @Test
    void withoutAnAnswerOrWithAnOldOneNothingIsKnownButTheSlices() {
        // Given
        assertThat(reader.get().known()).isFalse();
        told(Snapshots.uuid(0));
        assertThat(reader.get().known()).isTrue();

        // When
        clock.advance(Duration.ofSeconds(61));

        // Then
        assertThat(reader.get().known()).isFalse();
        assertThat(reader.get().holds()).isEmpty();
        assertThat(reader.get()
                        .weight(node.build()
                                .gpus()
                                .get(1)
                                .migDevices()
                                .getFirst()
                                .id()))
                .isEqualTo(node.build().gpus().get(1).migDevices().getFirst().gpuSlices());
    }

    @Test
    void anAnswerCountsUntilTheNextOneIsOverdue() {
        // Given
        interval = Duration.ofHours(1);
        told(Snapshots.uuid(0));

        // When
        clock.advance(Duration.ofMinutes(119));

        // Then
        assertThat(reader.get().known()).isTrue();
        clock.advance(Duration.ofMinutes(2));
        assertThat(reader.get().known()).isFalse();
    }

    @Test
    void whatDidNotMoveIsNotWorkedOutAgain() {
        // Given
        told(Snapshots.uuid(0));
        HeldDevices before = reader.get();

        // When
        clock.advance(Duration.ofSeconds(5));
        PodResourcesPicture last = picture;
        picture = last == null ? null : new PodResourcesPicture(last.byDevice(), clock.now(), "");

        // Then
        assertThat(reader.get()).isSameAs(before);
        told(Snapshots.uuid(2));
        assertThat(reader.get()).isNotSameAs(before);
    }

    private void told(String... ids) {
        Map<String, List<PodUse>> byDevice = new HashMap<>();
        for (String id : ids) {
            byDevice.put(id, List.of(new PodUse("default", "pod", "main")));
        }
        picture = new PodResourcesPicture(byDevice, clock.now(), "");
    }
}
