package io.gpunode.agent.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.meters.Meters;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(30)
class NodeEventsTest {
    @TempDir
    Path root;

    private FakeApiServer server;
    private Harness agent;
    private NodeEvents events;

    @BeforeEach
    void connect() throws Exception {
        server = FakeApiServer.plain(Harness.NODE);
        server.labels(Map.of());
        agent = Harness.connectedTo(server, root);
        events = agent.connection.events().orElseThrow();
        agent.watching();
    }

    @AfterEach
    void end() throws Exception {
        agent.close();
        server.close();
    }

    private static NodeEvent unhealthy(int gpu) {
        return new NodeEvent(true, "GpuUnhealthy", "GPU-" + gpu, "GPU-" + gpu + " is broken");
    }

    private void impatient() throws Exception {
        agent.close();
        agent = Harness.impatient(server, root);
        events = agent.connection.events().orElseThrow();
        agent.watching();
    }

    private void sent(int events) throws InterruptedException {
        agent.turnUntil(() -> server.requests("event").size() >= events);
    }

    @Test
    void anEventNamesTheNodeAsKubeletsDo() throws Exception {
        // Given
        events.announce(unhealthy(3));

        // When
        sent(1);

        // Then
        FakeApiServer.Request request = server.requests("event").getFirst();
        JsonValue event = JsonValue.parse(request.body());
        JsonValue object = event.member("involvedObject");
        assertThat(request.contentType()).isEqualTo("application/json");
        assertThat(object.member("kind").textOr("")).isEqualTo("Node");
        assertThat(object.member("name").textOr("")).isEqualTo("node-a");
        assertThat(object.member("uid").textOr("")).isEqualTo("node-a");
        assertThat(event.member("type").textOr("")).isEqualTo("Warning");
        assertThat(event.member("reason").textOr("")).isEqualTo("GpuUnhealthy");
        assertThat(event.member("message").textOr("")).isEqualTo("GPU-3 is broken");
        assertThat(event.member("count").wholeNumber()).hasValue(1);
        assertThat(event.member("firstTimestamp").textOr("")).matches("2026-01-02T03:04:..Z");
        assertThat(event.member("metadata").member("name").textOr("")).matches("node-a\\.[0-9a-f]+");
    }

    @Test
    void theSameAgainIsCountedOnTheServer() throws Exception {
        // Given
        events.announce(unhealthy(3));
        sent(1);

        // When
        events.announce(unhealthy(3));
        agent.turnUntil(() -> !server.requests("patchEvent").isEmpty());

        // Then
        assertThat(server.requests("event")).hasSize(1);
        FakeApiServer.Request patch = server.requests("patchEvent").getFirst();
        assertThat(JsonValue.parse(patch.body()).member("count").wholeNumber()).hasValue(2);
        assertThat(patch.contentType()).isEqualTo("application/merge-patch+json");
    }

    @Test
    void theSameWhileItWaitsIsOneWithACount() throws Exception {
        // Given
        for (int i = 0; i < 1_000; i++) {
            events.announce(unhealthy(3));
        }

        // When
        sent(1);

        // Then
        assertThat(JsonValue.parse(server.requests("event").getFirst().body())
                        .member("count")
                        .wholeNumber())
                .hasValue(1_000);
        assertThat(events.waiting()).isZero();
    }

    @Test
    void theFirstTimeOfWhatWaitedIsKept() throws Exception {
        // Given
        events.announce(unhealthy(3));
        String first = agent.time.instant().truncatedTo(ChronoUnit.SECONDS).toString();
        agent.time.advance(Duration.ofMinutes(3));
        events.announce(unhealthy(3));

        // When
        sent(1);

        // Then
        JsonValue event = JsonValue.parse(server.requests("event").getFirst().body());
        assertThat(event.member("firstTimestamp").textOr("")).isEqualTo(first);
        assertThat(event.member("lastTimestamp").textOr("")).isGreaterThan(first);
    }

    @Test
    void anEventThatTheServerForgotIsMadeAnew() throws Exception {
        // Given
        events.announce(unhealthy(3));
        sent(1);
        server.forgetEvents();

        // When
        events.announce(unhealthy(3));
        sent(2);

        // Then
        assertThat(JsonValue.parse(server.requests("event").getLast().body())
                        .member("count")
                        .wholeNumber())
                .hasValue(1);
    }

    @Test
    void aFloodIsSlowedDownAndItsOldestDropped() throws Exception {
        // Given
        for (int i = 0; i < 100; i++) {
            events.announce(unhealthy(i));
        }

        // When
        long before = agent.time.now().nanos();
        sent(NodeEvents.BURST + 2);

        // Then
        assertThat(Duration.ofNanos(agent.time.now().nanos() - before)).isGreaterThan(NodeEvents.ONE_EVERY);
        assertThat(server.requests("event").getFirst().body()).contains("GPU-36 is broken");
        assertThat(server.requests("event")).hasSize(NodeEvents.BURST + 2);
        assertThat(events.waiting()).isEqualTo(NodeEvents.LONGEST_QUEUE - NodeEvents.BURST - 2);
    }

    @Test
    void whatCouldNotBeSentIsSentWhenTheServerIsBack() throws Exception {
        // Given
        server.stop();
        events.announce(unhealthy(1));
        agent.turnUntil(() -> agent.connection.status().state().equals("failing"));
        events.announce(unhealthy(2));
        server.start();

        // When
        sent(2);

        // Then
        assertThat(server.requests("event"))
                .extracting(FakeApiServer.Request::body)
                .satisfiesExactly(
                        first -> assertThat(first).contains("GPU-1 is broken"),
                        second -> assertThat(second).contains("GPU-2 is broken"));
    }

    @Test
    void newsOfYesterdayAreNotSent() throws Exception {
        // Given
        server.stop();
        events.announce(unhealthy(1));
        agent.turnUntil(() -> agent.connection.status().state().equals("failing"));
        agent.time.advance(Duration.ofHours(2));
        events.announce(unhealthy(2));
        server.start();

        // When
        sent(1);

        // Then
        assertThat(server.requests("event").getFirst().body()).contains("GPU-2 is broken");
    }

    @Test
    void aClockThatIsSetForwardMakesNoNewsOld() throws Exception {
        // Given
        server.stop();
        events.announce(unhealthy(1));
        agent.turnUntil(() -> agent.connection.status().state().equals("failing"));
        agent.time.setWall(agent.time.instant().plus(Duration.ofDays(400)));
        server.start();

        // When
        sent(1);

        // Then
        assertThat(server.requests("event").getFirst().body()).contains("GPU-1 is broken");
    }

    @ParameterizedTest
    @ValueSource(ints = {200, 201, 302})
    void aProxysPageIsNotTheServersWord(int status) throws Exception {
        // Given
        server.next("event", FakeApiServer.Fault.page(status));
        events.announce(unhealthy(1));

        // When
        sent(2);

        // Then
        Harness.until(() -> events.waiting() == 0);
        assertThat(server.events()).isEqualTo(1);
        assertThat(agent.connection.status().watching()).isTrue();
    }

    @Test
    void aServerThatAsksForTimeGetsIt() throws Exception {
        // Given
        server.next(
                "event", new FakeApiServer.Fault(429, "too many requests", Map.of("Retry-After", "100"), false, false));
        events.announce(unhealthy(1));
        sent(1);
        agent.time.advance(Duration.ofSeconds(97));

        // When
        agent.connection.turn();

        // Then
        assertThat(server.requests("event")).hasSize(1);
        sent(2);
    }

    @Test
    void aServerThatDiesAfterItStoredACountCountsItOnce() throws Exception {
        // Given
        events.announce(unhealthy(1));
        sent(1);
        server.next("patchEvent", FakeApiServer.Fault.cutShort("{"));
        events.announce(unhealthy(1));

        // When
        agent.turnUntil(() -> server.requests("patchEvent").size() == 2);

        // Then
        assertThat(server.requests("patchEvent"))
                .extracting(request -> JsonValue.parse(request.body())
                        .member("count")
                        .wholeNumber()
                        .orElseThrow())
                .containsExactly(2L, 2L);
        assertThat(server.events()).isEqualTo(1);
    }

    @Test
    void aBusyServerIsAskedAgainLater() throws Exception {
        // Given
        server.next(
                "event", FakeApiServer.Fault.status(500, "etcd is away"), FakeApiServer.Fault.status(429, "slow down"));
        events.announce(unhealthy(1));

        // When
        sent(3);

        // Then
        assertThat(events.waiting()).isZero();
        assertThat(agent.connection.status().state()).isEqualTo("connected");
    }

    @Test
    void whatIsForbiddenIsNotTriedAgainAtOnce() throws Exception {
        // Given
        server.next("event", FakeApiServer.Fault.status(403, "events is forbidden"));
        events.announce(unhealthy(1));
        sent(1);
        events.announce(unhealthy(2));

        // When
        agent.connection.turn();
        agent.time.advance(Duration.ofMinutes(9));
        agent.connection.turn();

        // Then
        assertThat(server.requests("event")).hasSize(1);
        assertThat(events.waiting()).isEqualTo(2);
        sent(3);
        assertThat(server.requests("event"))
                .extracting(FakeApiServer.Request::body)
                .satisfiesExactly(
                        first -> assertThat(first).contains("GPU-1 is broken"),
                        again -> assertThat(again).contains("GPU-1 is broken"),
                        second -> assertThat(second).contains("GPU-2 is broken"));
    }

    @Test
    void anEventWhoseAnswerDidNotComeIsKeptOnce() throws Exception {
        // Given
        impatient();
        server.next("event", FakeApiServer.Fault.storesAndHangs());
        events.announce(unhealthy(1));
        sent(1);
        events.announce(unhealthy(1));

        // When
        agent.turnUntil(() -> events.waiting() == 0);

        // Then
        assertThat(server.events()).isEqualTo(1);
        assertThat(JsonValue.parse(server.requests("patchEvent").getLast().body())
                        .member("count")
                        .wholeNumber())
                .hasValue(2);
    }

    @Test
    void anEventWhoseAnswerDoesNotComeDisturbsNothingElse() throws Exception {
        // Given
        impatient();
        int watches = server.requests("watch").size();
        NodeCondition condition = agent.connection.condition().orElseThrow();
        server.next("event", FakeApiServer.Fault.storesAndHangs());
        events.announce(unhealthy(1));
        condition.want(new NodeCondition.Wish(NodeCondition.Status.TRUE, "GpusHealthy", "all GPUs are healthy"));

        // When
        agent.turnUntil(() -> server.requests("status").size() == 1);

        // Then
        assertThat(server.requests("watch")).hasSize(watches);
        assertThat(agent.connection.status().state()).isEqualTo("connected");
        assertThat(agent.connection.status().watching()).isTrue();
        assertThat(server.requests("event")).isNotEmpty();
    }

    @Test
    void theNameOfALongNodeIsCutToAName() throws Exception {
        // Given
        String node = "a".repeat(199) + "." + "b".repeat(50);
        try (FakeApiServer other = FakeApiServer.plain(node)) {
            other.labels(Map.of());
            NodeEvents ofOther = agent.connection.events().orElseThrow();
            ofOther.announce(unhealthy(1));

            // When
            ApiClient api = new ApiClient(
                    new ApiAccess(
                            URI.create(other.url()),
                            Optional.empty(),
                            false,
                            new ApiAccess.Identity.Anonymous(),
                            "the test"),
                    "test",
                    new RequestMeters(Meters.NONE, agent.time),
                    Harness.CALL_LIMIT);
            try (api) {
                ofOther.turn(api, node);
            }

            // Then
            assertThat(JsonValue.parse(other.requests("event").getFirst().body())
                            .member("metadata")
                            .member("name")
                            .textOr(""))
                    .matches("a{199}\\.[0-9a-f]+");
        }
    }

    @Test
    void anEventThatTheServerDoesNotWantIsLeftOut() throws Exception {
        // Given
        server.next("event", FakeApiServer.Fault.status(422, "invalid"));
        events.announce(unhealthy(1));
        events.announce(unhealthy(2));

        // When
        sent(2);

        // Then
        assertThat(events.waiting()).isZero();
    }

    @Test
    void aLongMessageIsCutToWhatAnEventHolds() throws Exception {
        // Given
        events.announce(new NodeEvent(false, "GpuRemark", "x", "line one\n" + "y".repeat(5_000)));

        // When
        sent(1);

        // Then
        String message = JsonValue.parse(server.requests("event").getFirst().body())
                .member("message")
                .textOr("");
        assertThat(message).hasSize(1_024).startsWith("line one y").endsWith("…");
    }
}
