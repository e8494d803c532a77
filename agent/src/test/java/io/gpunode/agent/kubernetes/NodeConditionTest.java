package io.gpunode.agent.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.json.JsonValue;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(30)
class NodeConditionTest {
    private static final NodeCondition.Wish WELL =
            new NodeCondition.Wish(NodeCondition.Status.TRUE, "GpusHealthy", "all 8 GPUs are healthy");
    private static final NodeCondition.Wish ILL =
            new NodeCondition.Wish(NodeCondition.Status.FALSE, "GpuUnhealthy", "GPU 3 is broken");
    private static final NodeCondition.Wish UNKNOWN = new NodeCondition.Wish(
            NodeCondition.Status.UNKNOWN, "DriverNotReady", "NVML is being opened for the first time");
    private static final NodeCondition.Wish STILL_UNKNOWN =
            new NodeCondition.Wish(NodeCondition.Status.UNKNOWN, "DriverNotReady", "the driver is not loaded");
    private static final NodeCondition.Wish WORSE =
            new NodeCondition.Wish(NodeCondition.Status.FALSE, "GpuUnhealthy", "GPUs 3 and 4 are broken");

    @TempDir
    Path root;

    private FakeApiServer server;
    private Harness agent;
    private NodeCondition condition;

    @BeforeEach
    void connect() throws Exception {
        server = FakeApiServer.plain(Harness.NODE);
        server.labels(Map.of());
        agent = Harness.connectedTo(server, root);
        condition = agent.connection.condition().orElseThrow();
        agent.watching();
    }

    @AfterEach
    void end() throws Exception {
        agent.close();
        server.close();
    }

    private JsonValue written(int patches) throws Exception {
        agent.turnUntil(() -> server.requests("status").size() >= patches);
        return JsonValue.parse(server.requests("status").getLast().body())
                .member("status")
                .member("conditions")
                .elements()
                .getFirst();
    }

    private void idle() throws InterruptedException {
        for (int i = 0; i < 10; i++) {
            agent.time.advance(Duration.ofMinutes(1));
            server.bookmark();
            Harness.until(
                    () -> agent.connection.status().lastContact().orElseThrow().isZero());
            agent.connection.turn();
        }
    }

    @Test
    void aWishIsPatchedIntoTheStatus() throws Exception {
        // Given
        condition.want(ILL);

        // When
        JsonValue written = written(1);

        // Then
        assertThat(server.requests("status").getFirst().contentType())
                .isEqualTo("application/strategic-merge-patch+json");
        assertThat(server.requests("status").getFirst().accept())
                .startsWith("application/json;as=PartialObjectMetadata");
        assertThat(written.member("type").textOr("")).isEqualTo("GpuHealthy");
        assertThat(written.member("status").textOr("")).isEqualTo("False");
        assertThat(written.member("reason").textOr("")).isEqualTo("GpuUnhealthy");
        assertThat(written.member("message").textOr("")).isEqualTo("GPU 3 is broken");
        assertThat(written.member("lastTransitionTime").textOr(""))
                .isEqualTo(written.member("lastHeartbeatTime").textOr("-"));
    }

    @Test
    void theSameWishIsWrittenOnce() throws Exception {
        // Given
        condition.want(WELL);
        written(1);

        // When
        condition.want(WELL);
        idle();

        // Then
        assertThat(server.requests("status")).hasSize(1);
    }

    @Test
    void anotherMessageIsNoTransition() throws Exception {
        // Given
        condition.want(ILL);
        String since = written(1).member("lastTransitionTime").textOr("");
        agent.time.advance(Duration.ofMinutes(1));

        // When
        condition.want(WORSE);
        JsonValue written = written(2);

        // Then
        assertThat(written.member("lastTransitionTime").textOr("")).isEqualTo(since);
        assertThat(written.member("lastHeartbeatTime").textOr("")).isNotEqualTo(since);
    }

    @Test
    void whatTheObjectSaysAlreadyIsNotWritten() throws Exception {
        // Given
        server.conditions(
                "{\"type\":\"Ready\",\"status\":\"True\"},{\"type\":\"GpuHealthy\",\"status\":\"True\",\"reason\":\"GpusHealthy\","
                        + "\"message\":\"all 8 GPUs are healthy\",\"lastTransitionTime\":\"2025-01-01T00:00:00Z\"}");

        // When
        condition.want(WELL);
        agent.turnUntil(() -> !server.requests("node").isEmpty());
        idle();

        // Then
        assertThat(server.requests("status")).isEmpty();
    }

    @Test
    void theTimeOfTheLastTransitionOutlivesARestart() throws Exception {
        // Given
        server.conditions(
                "{\"type\":\"GpuHealthy\",\"status\":\"False\",\"reason\":\"GpuUnhealthy\",\"message\":\"another\",\"lastTransitionTime\":\"2025-01-01T00:00:00Z\"}");

        // When
        condition.want(ILL);

        // Then
        assertThat(written(1).member("lastTransitionTime").textOr("")).isEqualTo("2025-01-01T00:00:00Z");
    }

    @Test
    void aFlappingWishIsWrittenAtMostEveryTenSeconds() throws Exception {
        // Given
        condition.want(WELL);
        written(1);
        long before = agent.time.now().nanos();

        // When
        condition.want(ILL);
        agent.connection.turn();
        condition.want(WORSE);
        JsonValue written = written(2);

        // Then
        assertThat(Duration.ofNanos(agent.time.now().nanos() - before)).isGreaterThanOrEqualTo(Duration.ofSeconds(8));
        assertThat(written.member("message").textOr("")).isEqualTo("GPUs 3 and 4 are broken");
    }

    @Test
    void aDriverThatTakesItsTimeTakesNothingBack() throws Exception {
        // Given
        condition.want(WELL);
        agent.turnUntil(() -> server.requests("status").size() == 1);
        condition.want(UNKNOWN);
        agent.time.advance(NodeCondition.UNKNOWN_FOR.minusSeconds(1));
        condition.want(STILL_UNKNOWN);
        agent.connection.turn();

        // When
        condition.want(WELL);
        idle();

        // Then
        assertThat(server.requests("status")).hasSize(1);
    }

    @Test
    void whatStaysUnknownIsSaid() throws Exception {
        // Given
        condition.want(WELL);
        agent.turnUntil(() -> server.requests("status").size() == 1);
        condition.want(UNKNOWN);
        agent.time.advance(NodeCondition.UNKNOWN_FOR.minusSeconds(1));
        condition.want(STILL_UNKNOWN);
        agent.connection.turn();

        // When
        agent.time.advance(Duration.ofSeconds(1));
        agent.connection.turn();

        // Then
        assertThat(server.requests("status").getLast().body()).contains("Unknown", "the driver is not loaded");
    }

    @Test
    void theObjectOfAnotherNodeIsNotOurs() throws Exception {
        // Given
        server.next("node", FakeApiServer.Fault.answer(200, "{\"kind\":\"Node\",\"metadata\":{\"name\":\"node-b\"}}"));
        condition.want(WELL);

        // When
        agent.turnUntil(() -> !server.requests("status").isEmpty());

        // Then
        assertThat(server.requests("node")).hasSize(2);
    }

    @Test
    void aNodeThatWasMadeAnewGetsItAgain() throws Exception {
        // Given
        condition.want(WELL);
        written(1);
        server.deleteNode();
        server.labels(Map.of("new", "node"));
        Harness.until(() -> agent.label("new").equals("node"));

        // When
        JsonValue written = written(2);

        // Then
        assertThat(written.member("status").textOr("")).isEqualTo("True");
    }

    @Test
    void aNodeThatIsGoneIsNotAskedFor() throws Exception {
        // Given
        condition.want(WELL);
        written(1);
        server.deleteNode();
        Harness.until(() -> agent.connection.ownNode().present().isEmpty());
        int reads = server.requests("node").size();

        // When
        condition.want(ILL);
        for (int i = 0; i < 60; i++) {
            agent.time.advance(Duration.ofSeconds(1));
            agent.connection.turn();
        }

        // Then
        assertThat(server.requests("node")).hasSize(reads);
        assertThat(server.requests("status")).hasSize(1);
    }

    @Test
    void aNodeThatCannotBeReadIsNotANodeWithoutTheCondition() throws Exception {
        // Given
        server.conditions(
                "{\"type\":\"GpuHealthy\",\"status\":\"False\",\"reason\":\"GpuUnhealthy\",\"message\":\"another\",\"lastTransitionTime\":\"2025-01-01T00:00:00Z\"}");
        server.next(
                "node",
                new FakeApiServer.Fault(429, "{\"message\":\"slow down\"}", Map.of("Retry-After", "100"), false, false),
                FakeApiServer.Fault.status(500, "etcd is away"));
        condition.want(ILL);
        agent.turnUntil(() -> !server.requests("node").isEmpty());
        agent.time.advance(Duration.ofSeconds(97));
        agent.connection.turn();
        assertThat(server.requests("node")).hasSize(1);

        // When
        JsonValue written = written(1);

        // Then
        assertThat(written.member("lastTransitionTime").textOr("")).isEqualTo("2025-01-01T00:00:00Z");
        assertThat(server.requests("node")).hasSize(3);
    }

    @Test
    void whatIsForbiddenIsTriedAgainMuchLater() throws Exception {
        // Given
        server.next("status", FakeApiServer.Fault.status(403, "nodes/status is forbidden"));
        condition.want(WELL);
        written(1);

        // When
        idle();

        // Then
        assertThat(server.requests("status")).hasSizeBetween(1, 2);
        written(2);
    }
}
