package io.gpunode.agent.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Labels of the Node object that node-feature-discovery takes over. */
@Timeout(30)
class NodeLabelReleaseTest {
    private static final String COUNT = "nvidia.com/gpu.count";
    private static final String PART = "nvidia.com/gpu.deploy.dcgm";
    private static final Map<String, String> KEPT = Map.of(COUNT, "8");

    @TempDir
    Path root;

    private FakeApiServer server;
    private Harness agent;
    private NodeLabelWriter writer;

    @BeforeEach
    void written() throws Exception {
        server = FakeApiServer.plain(Harness.NODE);
        server.labels(Map.of("person", "x"));
        agent = Harness.connectedTo(server, root);
        writer = agent.connection.labelWriter().orElseThrow();
        agent.watching();
        writer.want(new TreeMap<>(Map.of(COUNT, "8", PART, "true")));
        agent.turnUntil(() -> writer.status().applied() == 2);
    }

    @AfterEach
    void end() {
        agent.close();
        server.close();
    }

    private void pass() throws InterruptedException {
        long end = agent.time.instant().getEpochSecond() + 120;
        agent.turnUntil(() -> agent.time.instant().getEpochSecond() >= end);
    }

    @Test
    void theyStayTheAgentsUntilNodeFeatureDiscoveryAnswersForThem() throws Exception {
        // Given
        writer.leave(new TreeMap<>(KEPT));

        // When
        pass();

        // Then
        assertThat(server.labels()).containsEntry(COUNT, "8").containsEntry(PART, "true");
        assertThat(server.managers(COUNT)).containsExactly(NodeLabelWriter.FIELD_MANAGER);
    }

    @Test
    void theyAreItsWithoutEverLeavingTheNode() throws Exception {
        // Given
        writer.leave(new TreeMap<>(KEPT));
        agent.connection.turn();

        // When
        server.featureDiscoveryAnswersFor("cpu-cpuid.AVX", COUNT);
        agent.turnUntil(() -> server.managers(COUNT).isEmpty());
        pass();

        // Then
        assertThat(server.labels()).isEqualTo(Map.of("person", "x", COUNT, "8"));
        assertThat(server.requests("apply")).hasSize(1);
        assertThat(server.requests("taint")).hasSize(1);
        assertThat(writer.status().wanted()).isZero();
    }

    @Test
    void anObjectThatChangedInBetweenIsReadAgain() throws Exception {
        // Given
        writer.leave(new TreeMap<>(KEPT));
        server.next("taint", FakeApiServer.Fault.status(422, "testing value failed"));

        // When
        server.featureDiscoveryAnswersFor(COUNT);
        agent.turnUntil(() -> server.managers(COUNT).isEmpty());

        // Then
        assertThat(server.requests("node")).hasSize(2);
        assertThat(server.labels()).containsEntry(COUNT, "8");
    }

    @Test
    void whoeverWantsThemHereAgainHasThemBack() throws Exception {
        // Given
        writer.leave(new TreeMap<>(KEPT));
        server.featureDiscoveryAnswersFor(COUNT);
        agent.turnUntil(() -> server.managers(COUNT).isEmpty());

        // When
        writer.want(new TreeMap<>(Map.of(COUNT, "4")));
        agent.turnUntil(() -> writer.status().applied() == 1);

        // Then
        assertThat(server.labels()).containsEntry(COUNT, "4");
        assertThat(server.managers(COUNT)).containsExactly(NodeLabelWriter.FIELD_MANAGER);
    }
}
