package io.gpunode.agent.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(30)
class StateLabelWriterTest {
    private static final String STATE = "nvidia.com/mig.config.state";

    @TempDir
    Path root;

    private FakeApiServer server;
    private Harness agent;
    private StateLabelWriter writer;

    @BeforeEach
    void connect() throws Exception {
        server = FakeApiServer.plain(Harness.NODE);
        agent = Harness.connectedTo(server, root);
        writer = agent.connection.migState().orElseThrow();
        agent.watching();
    }

    @AfterEach
    void end() {
        agent.close();
        server.close();
    }

    private int writes() {
        return server.requests("apply").size();
    }

    private void until(String state) throws InterruptedException {
        agent.turnUntil(() -> state.equals(server.labels().getOrDefault(STATE, "")));
    }

    @Test
    void aStateIsAppliedUnderAManagerOfItsOwnAndTakenFromWhoeverSetItBefore() throws Exception {
        // Given
        server.setLabels("nvidia-mig-manager", Map.of(STATE, "failed"));

        // When
        writer.want("pending");
        until("pending");

        // Then
        FakeApiServer.Request request = server.requests("apply").getFirst();
        assertThat(request.path()).isEqualTo("/api/v1/nodes/node-a?fieldManager=gpu-node-agent-mig&force=true");
        assertThat(request.body())
                .isEqualTo(
                        "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"node-a\",\"uid\":\"uid-1\","
                                + "\"labels\":{\"nvidia.com/mig.config.state\":\"pending\"}}}");
    }

    @Test
    void statesThatFollowEachOtherAreWrittenWithoutAPause() throws Exception {
        // Given
        writer.want("pending");
        agent.connection.turn();

        // When
        writer.want("success");
        agent.connection.turn();

        // Then
        assertThat(server.labels()).containsEntry(STATE, "success");
        assertThat(writes()).isEqualTo(2);
    }

    @Test
    void aStateThatTheNodeHasCostsNoRequest() throws Exception {
        // Given
        server.labels(Map.of(STATE, "success"));
        Harness.until(() -> agent.label(STATE).equals("success"));
        writer.want("success");

        // When
        agent.connection.turn();

        // Then
        assertThat(writes()).isZero();
    }

    @Test
    void whatSomebodyElseChangesIsPutRightOnceAMinute() throws Exception {
        // Given
        writer.want("success");
        until("success");
        server.setLabels("kubectl-label", Map.of(STATE, "failed"));
        Harness.until(() -> agent.label(STATE).equals("failed"));
        agent.connection.turn();
        assertThat(writes()).isOne();

        // When
        agent.time.advance(Duration.ofMinutes(1));
        agent.connection.turn();

        // Then
        assertThat(server.labels()).containsEntry(STATE, "success");
        assertThat(writes()).isEqualTo(2);
    }

    @Test
    void noStateTakesTheLabelAwayAndLeavesAnothers() throws Exception {
        // Given
        writer.want("success");
        until("success");

        // When
        writer.want("");
        until("");
        server.setLabels("kubectl-label", Map.of(STATE, "mine"));
        Harness.until(() -> agent.label(STATE).equals("mine"));
        agent.time.advance(Duration.ofMinutes(5));
        agent.connection.turn();

        // Then
        assertThat(server.labels()).containsEntry(STATE, "mine");
    }

    @Test
    void aRefusalIsSaidAndTriedAgainAfterTenMinutes() throws Exception {
        // Given
        server.next("apply", FakeApiServer.Fault.status(403, "nodes is forbidden"));
        writer.want("failed");
        agent.turnUntil(() -> !writer.problem().isEmpty());
        assertThat(writer.problem()).contains(STATE).contains("allow the verb patch");
        agent.connection.turn();
        assertThat(writes()).isOne();

        // When
        agent.time.advance(StateLabelWriter.WHILE_REFUSED);
        server.bookmark();
        until("failed");

        // Then
        assertThat(writer.problem()).isEmpty();
    }
}
