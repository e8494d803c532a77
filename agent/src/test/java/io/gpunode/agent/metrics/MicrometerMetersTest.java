package io.gpunode.agent.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gpunode.agent.attribution.AttributionPicture;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.Tick;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class MicrometerMetersTest {
    private final Deque<Runnable> background = new ArrayDeque<>();
    private Tick now = new Tick(0);
    private final MicrometerMeters meters = new MicrometerMeters(background::add, () -> now, _ -> {});

    @Test
    void showsCountersTimersAndGauges() {
        // Given
        Meters.Counter counter = meters.counter("gpu_node_agent_grpc_requests", "Calls.", "method", "Allocate");
        Meters.Timer timer =
                meters.timer("gpu_node_agent_grpc_request_seconds", "Duration of calls.", "method", "Allocate");
        meters.gauge("gpu_node_agent_streams", "Open streams.", () -> 2);
        counter.increment();
        counter.add(4);
        timer.record(1_500_000_000L);
        timer.record(500_000_000L);

        // When
        String page = render();

        // Then
        assertThat(page)
                .contains("# TYPE gpu_node_agent_grpc_requests_total counter\n")
                .contains("gpu_node_agent_grpc_requests_total{method=\"Allocate\"} 5.0\n")
                .contains("# TYPE gpu_node_agent_grpc_request_seconds summary\n")
                .contains("gpu_node_agent_grpc_request_seconds_count{method=\"Allocate\"} 2\n")
                .contains("gpu_node_agent_grpc_request_seconds_sum{method=\"Allocate\"} 2.0\n")
                .contains("gpu_node_agent_grpc_request_seconds_max{method=\"Allocate\"} 1.5\n")
                .contains("gpu_node_agent_streams 2.0\n");
    }

    @Test
    void addsUpInTheSamePlaceWhenAskedTwice() {
        // Given
        meters.counter("gpu_node_agent_things", "Things.").add(2);
        meters.counter("gpu_node_agent_things", "Things.").add(3);

        // When
        String page = render();

        // Then
        assertThat(page).contains("gpu_node_agent_things_total 5.0\n");
    }

    @Test
    void showsMetersThatWereAskedForAfterTheFirstRendering() {
        // Given
        render();
        meters.counter("gpu_node_agent_late", "Came late.").increment();

        // When
        String page = render();

        // Then
        assertThat(page).contains("gpu_node_agent_late_total 1.0\n");
    }

    @Test
    void forgetsTheLargestDurationAfterTwoWindows() {
        // Given
        Meters.Timer timer = meters.timer("gpu_node_agent_work_seconds", "Work.");
        timer.record(9_000_000_000L);
        render();
        now = now.plus(Duration.ofMinutes(1));
        String afterOne = render();
        now = now.plus(Duration.ofMinutes(1));

        // When
        String afterTwo = render();

        // Then
        assertThat(afterOne).contains("gpu_node_agent_work_seconds_max 9.0\n");
        assertThat(afterTwo).contains("gpu_node_agent_work_seconds_max 0.0\n");
    }

    @Test
    void rendersNothingOnTheThreadThatScrapes() {
        // When
        Object rendering = meters.scraped();

        // Then
        assertThat(rendering).isNull();
        assertThat(background).hasSize(1);
    }

    @Test
    void neverQueuesASecondRendering() {
        // When
        for (int i = 0; i < 100; i++) {
            meters.scraped();
            meters.refresh();
        }

        // Then
        assertThat(background).hasSize(1);
    }

    @Test
    void rendersAtEachPublicationOnlyWhileSomebodyScrapes() {
        // Given
        render();
        meters.scraped();
        now = now.plus(Duration.ofSeconds(5));
        meters.refresh();
        int watched = background.size();
        background.clear();
        MicrometerMeters unwatched = new MicrometerMeters(background::add, () -> now, _ -> {});
        unwatched.refresh();
        background.remove().run();
        now = now.plus(Duration.ofSeconds(5));

        // When
        unwatched.refresh();

        // Then
        assertThat(watched).isEqualTo(1);
        assertThat(background).isEmpty();
    }

    @Test
    void keepsTheLastRenderingWhenOneFails() {
        // Given
        render();
        meters.gauge("gpu_node_agent_bad", "Fails.", () -> {
            throw new IllegalStateException("a fault of the test");
        });
        meters.counter("gpu_node_agent_good", "Works.").increment();

        // When
        String page = render();

        // Then: Micrometer shows a gauge that fails as NaN, which is no number
        assertThat(page).contains("gpu_node_agent_good_total 1.0\n").doesNotContain("gpu_node_agent_bad");
    }

    @Test
    void refusesAnotherShapeUnderTheSameName() {
        // Given
        meters.counter("gpu_node_agent_calls", "Calls.", "method", "a");

        // When / Then
        assertThatThrownBy(() -> meters.counter("gpu_node_agent_calls", "Calls.", "function", "a"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("the same tag keys");
    }

    @Test
    void refusesNamesThatTheRestOfThePageUses() {
        // When / Then
        assertThatThrownBy(() -> meters.gauge("gpu_node_agent_gpus", "GPUs.", () -> 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("page's own");
    }

    @Test
    void refusesEndlessTagValues() {
        // When / Then
        assertThatThrownBy(() -> {
                    for (int i = 0; i < 10_000; i++) {
                        meters.counter("gpu_node_agent_calls", "Calls.", "id", "id-" + i);
                    }
                })
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("endless values");
    }

    private String render() {
        meters.scraped();
        now = now.plus(Duration.ofSeconds(10));
        meters.refresh();
        while (!background.isEmpty()) {
            background.remove().run();
        }
        ExpositionWriter out = new ExpositionWriter();
        out.begin(ExpositionFormat.TEXT);
        new MetersCollector(meters).collect(scrape(), out);
        ByteArrayOutputStream page = new ByteArrayOutputStream();
        out.finish(page::write);
        return page.toString(StandardCharsets.UTF_8);
    }

    private Scrape scrape() {
        return new Scrape(Snapshots.t4().build(), null, AttributionPicture.EMPTY, now, 0);
    }
}
