package io.gpunode.agent.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(30)
class StartupTaintTest {
    private static final String OURS = "{\"key\":\"nvidia.com/gpu-not-ready\",\"effect\":\"NoSchedule\"}";
    private static final String OURS_TOO =
            "{\"key\":\"nvidia.com/gpu-not-ready\",\"value\":\"true\",\"effect\":\"NoExecute\"}";
    private static final String OTHER = "{\"key\":\"other\",\"effect\":\"NoSchedule\"}";
    private static final String ANOTHER =
            "{\"key\":\"another\",\"effect\":\"NoExecute\",\"timeAdded\":\"2025-01-01T00:00:00Z\"}";
    private static final String EIGHT = "\"cpu\":\"64\",\"nvidia.com/gpu\":\"8\"";

    @TempDir
    Path root;

    private FakeApiServer server;
    private Harness agent;
    private StartupTaint taint;
    private volatile Set<String> offered = Set.of("nvidia.com/gpu");

    @BeforeEach
    void connect() throws Exception {
        server = FakeApiServer.plain(Harness.NODE);
        server.labels(Map.of());
        server.taint(OTHER, OURS, ANOTHER, OURS_TOO);
        server.allocatable(EIGHT);
        agent = Harness.connectedTo(server, root);
        taint = agent.connection.startupTaint().orElseThrow();
        agent.watching();
    }

    @AfterEach
    void end() {
        agent.close();
        server.close();
    }

    private void turns(int seconds) throws InterruptedException {
        for (int i = 0; i < seconds; i++) {
            agent.time.advance(Duration.ofSeconds(1));
            agent.connection.turn();
        }
    }

    private void until(String state) throws InterruptedException {
        agent.turnUntil(() -> taint.status().state().equals(state));
    }

    @Test
    void itGoesWhenTheGpusAreAllocatableAndNoOtherTaintWithIt() throws Exception {
        // Given
        server.annotate("another", "one");

        // When
        taint.waitFor(() -> offered);
        until("removed");

        // Then
        assertThat(server.taints()).containsExactly(OTHER, ANOTHER);
        FakeApiServer.Request request = server.requests("taint").getFirst();
        assertThat(request.contentType()).isEqualTo("application/json-patch+json");
        assertThat(request.body())
                .isEqualTo("[{\"op\":\"test\",\"path\":\"/metadata/uid\",\"value\":\"uid-1\"},"
                        + "{\"op\":\"test\",\"path\":\"/spec/taints/3\",\"value\":" + OURS_TOO
                        + "},{\"op\":\"remove\",\"path\":\"/spec/taints/3\"},"
                        + "{\"op\":\"test\",\"path\":\"/spec/taints/1\",\"value\":" + OURS
                        + "},{\"op\":\"remove\",\"path\":\"/spec/taints/1\"},"
                        + "{\"op\":\"add\",\"path\":\"/metadata/annotations/gpunode.io~1startup-taint\","
                        + "\"value\":\"uid-1 nvidia.com/gpu-not-ready\"}]");
    }

    @Test
    void itStaysWhileTheAgentOffersNothingAndNothingIsAsked() throws Exception {
        // Given
        offered = Set.of();

        // When
        taint.waitFor(() -> offered);
        turns(60);

        // Then
        assertThat(server.taints()).hasSize(4);
        assertThat(server.requests("node")).isEmpty();
        assertThat(taint.status().state()).isEqualTo("waiting");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "\"nvidia.com/gpu\":\"0\""})
    void itStaysUntilTheNodeSaysThatTheGpusAreAllocatable(String before) throws Exception {
        // Given
        server.allocatable(before);
        taint.waitFor(() -> offered);
        turns(60);
        assertThat(server.requests("node")).hasSizeBetween(1, 4);
        assertThat(taint.status().reason()).contains("nvidia.com/gpu is allocatable");
        assertThat(server.taints()).hasSize(4);

        // When
        server.allocatable(EIGHT);
        until("removed");

        // Then
        assertThat(server.taints()).containsExactly(OTHER, ANOTHER);
    }

    @Test
    void eachOfferedResourceMustBeAllocatable() throws Exception {
        // Given
        offered = Set.of("nvidia.com/gpu", "nvidia.com/mig-1g.10gb");

        // When
        taint.waitFor(() -> offered);
        turns(20);

        // Then
        assertThat(taint.status().reason()).contains("nvidia.com/mig-1g.10gb");
        assertThat(server.requests("taint")).isEmpty();
    }

    @Test
    void aNodeWithoutItIsReadOnce() throws Exception {
        // Given
        server.taint(OTHER);

        // When
        taint.waitFor(() -> offered);
        until("absent");
        turns(300);

        // Then
        assertThat(server.requests("node")).hasSize(1);
        assertThat(server.requests("taint")).hasSize(1);
    }

    @Test
    void aNodeWithoutItWhichMayNotBeAnnotatedIsLeftAlone() throws Exception {
        // Given
        server.taint(OTHER);
        server.next("taint", FakeApiServer.Fault.status(403, "cannot patch nodes"));
        taint.waitFor(() -> offered);

        // When
        until("absent");
        turns(300);

        // Then
        assertThat(server.requests("taint")).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void oneThatComesLaterStaysWhenTheAgentIsStartedAnew(boolean hadOne) throws Exception {
        // Given
        if (!hadOne) {
            server.taint(OTHER);
        }
        taint.waitFor(() -> offered);
        until(hadOne ? "removed" : "absent");
        server.taint(OURS);
        agent.close();
        agent = Harness.connectedTo(server, root);
        taint = agent.connection.startupTaint().orElseThrow();
        agent.watching();

        // When
        taint.waitFor(() -> offered);
        until("absent");
        turns(300);

        // Then
        assertThat(server.taints()).containsExactly(OURS);
    }

    @Test
    void whileTheAgentOffersNothingItLooksMoreAndMoreSeldom() throws Exception {
        // Given
        offered = Set.of();
        taint.waitFor(() -> offered);
        turns(60);

        // When
        Duration pause = agent.connection.turn();

        // Then
        assertThat(pause).isBetween(Duration.ofSeconds(20), StartupTaint.READ_ANYWAY);
    }

    @Test
    void oneThatComesLaterIsSomebodysWish() throws Exception {
        // Given
        taint.waitFor(() -> offered);
        until("removed");

        // When
        server.taint(OURS);
        turns(300);

        // Then
        assertThat(server.taints()).containsExactly(OURS);
    }

    @Test
    void aNodeThatWasMadeAnewLosesItAgain() throws Exception {
        // Given
        taint.waitFor(() -> offered);
        until("removed");

        // When
        server.deleteNode();
        server.taint(OURS);
        server.labels(Map.of("new", "node"));
        agent.turnUntil(() -> server.taints().isEmpty());

        // Then
        assertThat(server.requests("taint")).hasSize(2);
    }

    @Test
    void taintsThatChangeInBetweenAreReadAgain() throws Exception {
        // Given
        server.next("taint", FakeApiServer.Fault.status(422, "testing value /spec/taints/3 failed"));

        // When
        taint.waitFor(() -> offered);
        until("removed");

        // Then
        assertThat(server.requests("node")).hasSize(2);
        assertThat(server.taints()).containsExactly(OTHER, ANOTHER);
    }

    @Test
    void aKubeletsCredentialsAreToldWhatWouldDo() throws Exception {
        // Given
        server.next(
                "taint",
                FakeApiServer.Fault.status(403, "nodes is forbidden: node node-a is not allowed to modify taints"));

        // When
        taint.waitFor(() -> offered);
        until("refused");

        // Then
        assertThat(taint.status().reason())
                .contains("NodeRestriction")
                .contains("service account")
                .contains("kubectl taint node NODE nvidia.com/gpu-not-ready-");
        turns(60);
        assertThat(server.requests("taint")).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(strings = {"node", "taint"})
    void aServerThatForbidsIsAnsweredWithTheRule(String kind) throws Exception {
        // Given
        server.next(kind, FakeApiServer.Fault.status(403, "cannot do that to nodes"));

        // When
        taint.waitFor(() -> offered);
        until("refused");

        // Then
        assertThat(taint.status().reason())
                .contains("allow the verb " + (kind.equals("node") ? "get" : "patch") + " on the resource nodes");
    }

    @ParameterizedTest
    @ValueSource(ints = {429, 500, 404})
    void whatPassesIsTriedAgain(int status) throws Exception {
        // Given
        server.next("node", FakeApiServer.Fault.status(status, "not now"));
        server.next("taint", FakeApiServer.Fault.status(status, "not now"));

        // When
        taint.waitFor(() -> offered);
        until("removed");

        // Then
        assertThat(server.taints()).containsExactly(OTHER, ANOTHER);
    }
}
