package io.gpunode.agent.health;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.kubernetes.NodeEvent;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.testing.FakeSnapshotSource;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.ManualTime;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class PictureAnnouncementsTest {
    private static final Duration SAMPLING = Duration.ofSeconds(5);

    private final Snapshots node = Snapshots.h100x8();
    private final ManualTime time = new ManualTime();
    private final List<NodeEvent> events = new ArrayList<>();
    private FakeSnapshotSource source = new FakeSnapshotSource(node.build());

    private void begin() {
        new PictureAnnouncements(source, Optional.of(events::add), time).start();
    }

    private void beginWith(NvmlState state) {
        source = new FakeSnapshotSource(node.nvml(state).build());
        begin();
    }

    private static NvmlState open(String version) {
        return new NvmlState.Open("/l", "12." + version, version, 12_040, 2, Map.of(), List.of(), Snapshots.AT);
    }

    /** The same GPUs a sampling later. */
    private void sample() {
        time.advance(SAMPLING);
        source.publish(node.build());
    }

    private void split(int gpu, String... profiles) {
        var devices = new io.gpunode.agent.model.MigDevice[profiles.length];
        for (int i = 0; i < profiles.length; i++) {
            devices[i] = Snapshots.migDevice(gpu, i, profiles[i]);
        }
        source.publish(node.mig(gpu, devices).build());
    }

    private List<String> messages() {
        return events.stream().map(NodeEvent::message).toList();
    }

    @Test
    void aStartOnANodeThatWorksIsNoNews() {
        // Given
        beginWith(new NvmlState.Waiting(NvmlState.Waiting.STARTING, "NVML has not been asked yet", "", Snapshots.AT));

        // When
        split(3, "1g.10gb");
        source.publish(node.reopened(1).build());
        sample();

        // Then
        assertThat(events).isEmpty();
    }

    @Test
    void aDriverThatIsMissingAtTheStartIsToldWithTheNextStep() {
        // When
        beginWith(new NvmlState.Waiting(
                "driver-not-loaded", "the NVIDIA driver is not loaded", "load it: modprobe nvidia", Snapshots.AT));

        // Then
        assertThat(events)
                .containsExactly(new NodeEvent(
                        true,
                        "DriverNotReady",
                        "driver-not-loaded",
                        "no GPU can be used: the NVIDIA driver is not loaded. Next step: load it: modprobe nvidia"));
    }

    @Test
    void aDriverThatComesUpIsTold() {
        // Given
        source = new FakeSnapshotSource(node.waiting().build());
        begin();

        // When
        source.publish(node.reopened(1).build());

        // Then
        assertThat(events).hasSize(2);
        assertThat(events.getLast())
                .isEqualTo(new NodeEvent(
                        false, "DriverReady", "550.163.01", "the GPUs can be used: NVIDIA driver 550.163.01, 8 GPUs"));
    }

    @Test
    void aDriverThatGoesIsToldOnceForEachKindOfWaiting() {
        // Given
        begin();
        source.publish(node.waiting().build());

        // When
        source.publish(node.nvml(new NvmlState.Waiting(
                        "driver-not-loaded", "the NVIDIA driver is still not loaded", "", Snapshots.AT))
                .build());
        source.publish(node.nvml(new NvmlState.Waiting("library-not-found", "there is no library", "", Snapshots.AT))
                .build());

        // Then
        assertThat(messages())
                .containsExactly(
                        "the NVIDIA driver 550.163.01 went away, no GPU can be used: the NVIDIA driver is not loaded."
                                + " Next step: load it: modprobe nvidia",
                        "no GPU can be used: there is no library");
        assertThat(events).allMatch(NodeEvent::warning);
    }

    @Test
    void gpusThatAreWithdrawnOnPurposeAndComeBackAreNoWarning() {
        // Given
        begin();

        // When
        source.publish(node.withdrawn().build());
        source.publish(node.reopened(2).build());

        // Then
        assertThat(events)
                .containsExactly(
                        new NodeEvent(
                                false,
                                "GpusWithdrawn",
                                "driver reload",
                                "the agent let go of the GPUs (driver reload); no pod gets one until they are back"),
                        new NodeEvent(
                                false,
                                "GpusBack",
                                "550.163.01",
                                "the GPUs are back: NVIDIA driver 550.163.01, 8 GPUs"));
    }

    @Test
    void gpusThatDoNotComeBackAreAWarning() {
        // Given
        begin();
        source.publish(node.withdrawn().build());

        // When
        source.publish(node.waiting().build());

        // Then
        assertThat(events.getLast().warning()).isTrue();
        assertThat(events.getLast().message())
                .startsWith("the GPUs did not come back: the NVIDIA driver is not loaded");
    }

    @Test
    void anotherVersionOfTheDriverIsOneEvent() {
        // Given
        begin();
        source.publish(node.withdrawn().build());

        // When
        source.publish(node.nvml(open("575.57.08")).build());

        // Then
        assertThat(events).extracting(NodeEvent::reason).containsExactly("GpusWithdrawn", "DriverVersionChanged");
        assertThat(events.getLast().message())
                .isEqualTo("the NVIDIA driver changed from 550.163.01 to 575.57.08; 8 GPUs");
    }

    @Test
    void aGpuThatIsSplitAnewIsOneEventHoweverManyStepsItTook() {
        // Given
        split(3, "1g.10gb", "1g.10gb", "3g.40gb");
        begin();
        source.publish(node.mig(3).build());
        time.advance(Duration.ofSeconds(1));
        split(3, "4g.40gb");
        time.advance(Duration.ofSeconds(1));
        split(3, "4g.40gb", "1g.20gb");

        // When
        sample();
        sample();

        // Then
        assertThat(events)
                .containsExactly(new NodeEvent(
                        false,
                        "MigLayoutChanged",
                        Snapshots.uuid(3) + " 2x 1g.10gb + 1x 3g.40gb > 1x 1g.20gb + 1x 4g.40gb",
                        "GPU " + Snapshots.uuid(3) + " (index 3, PCI 0000:61:00.0) was split anew: from 2x 1g.10gb +"
                                + " 1x 3g.40gb to 1x 1g.20gb + 1x 4g.40gb"));
    }

    @Test
    void eachGpuThatIsSplitIsAnEvent() {
        // Given
        begin();
        split(0, "7g.80gb");
        source.publish(node.mig(1).build());

        // When
        sample();

        // Then
        assertThat(messages())
                .satisfiesExactly(
                        first -> assertThat(first)
                                .endsWith("(index 0, PCI 0000:1b:00.0) was split anew: from MIG off to 1x 7g.80gb"),
                        second -> assertThat(second)
                                .endsWith(
                                        "(index 1, PCI 0000:43:00.0) was split anew: from MIG off to MIG on without devices"));
    }

    @Test
    void aLayoutThatIsAsBeforeAgainIsNoNews() {
        // Given
        split(0, "7g.80gb");
        begin();
        source.publish(node.mig(0).build());
        split(0, "7g.80gb");

        // When
        sample();

        // Then
        assertThat(events).isEmpty();
    }

    @Test
    void aLayoutThatADriverReloadHasLostIsTold() {
        // Given
        split(0, "7g.80gb");
        begin();
        source.publish(node.withdrawn().build());
        source.publish(node.reopened(2).mig(0).build());

        // When
        sample();

        // Then
        assertThat(events)
                .extracting(NodeEvent::reason)
                .containsExactly("GpusWithdrawn", "GpusBack", "MigLayoutChanged");
    }

    @Test
    void nothingIsToldWhereEventsAreOff() {
        // Given
        new PictureAnnouncements(source, Optional.empty(), time).start();

        // When
        source.publish(node.waiting().build());

        // Then
        assertThat(source.subscriptions()).isZero();
        assertThat(events).isEmpty();
    }
}
