package io.gpunode.agent.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.kubernetes.NodeFeatureWriter.Usability;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(30)
class NodeFeatureWriterTest {
    private static final String COUNT = "nvidia.com/gpu.count";
    private static final Map<String, String> EIGHT = Map.of(COUNT, "8", "nvidia.com/gpu.product", "NVIDIA-H100");
    private static final Duration HOUR = Duration.ofHours(1);

    @TempDir
    Path root;

    private FakeApiServer server;
    private Harness agent;
    private NodeFeatureWriter writer;

    @BeforeEach
    void connect() throws Exception {
        server = FakeApiServer.plain(Harness.NODE);
        server.labels(Map.of());
        server.serveFeatures(true);
        agent = Harness.connectedTo(server, root);
        writer = agent.connection.featureWriter().orElseThrow();
        agent.watching();
    }

    @AfterEach
    void end() {
        agent.close();
        server.close();
    }

    private void want(Map<String, String> labels) {
        writer.want(new TreeMap<>(labels));
    }

    private void written() throws InterruptedException {
        agent.turnUntil(() -> writer.status().written());
    }

    private void pass(Duration time) throws InterruptedException {
        for (Duration passed = Duration.ZERO; passed.compareTo(time) < 0; passed = passed.plusMinutes(1)) {
            agent.time.advance(Duration.ofMinutes(1));
            server.bookmark();
            Harness.until(
                    () -> agent.connection.status().lastContact().orElseThrow().isZero());
            agent.connection.turn();
        }
    }

    private long featureRequests() {
        return server.requests().stream()
                .filter(request -> request.path().startsWith("/apis/nfd"))
                .count();
    }

    /** node-feature-discovery labels the node from the object. */
    private void labelled() throws InterruptedException {
        server.setLabels("nfd-master", server.feature());
        Harness.until(() -> agent.connection
                .ownNode()
                .current()
                .map(node -> node.labels().equals(server.labels()))
                .orElse(false));
        agent.connection.turn();
    }

    @Test
    void wantedLabelsAreInAnObjectThatBelongsToTheNode() throws Exception {
        // Given
        want(EIGHT);

        // When
        written();

        // Then
        assertThat(server.feature()).isEqualTo(EIGHT);
        FakeApiServer.Request request = server.requests("applyFeature").getFirst();
        assertThat(request.path())
                .isEqualTo("/apis/nfd.k8s-sigs.io/v1alpha1/namespaces/gpu/nodefeatures/nvidia-features-for-node-a"
                        + "?fieldManager=gpu-node-agent-labels&force=true");
        assertThat(request.body())
                .isEqualTo(
                        "{\"apiVersion\":\"nfd.k8s-sigs.io/v1alpha1\",\"kind\":\"NodeFeature\",\"metadata\":{\"name\":\"nvidia-features-for-node-a\","
                                + "\"namespace\":\"gpu\",\"labels\":{\"nfd.node.kubernetes.io/node-name\":\"node-a\"},\"ownerReferences\":[{\"apiVersion\":\"v1\","
                                + "\"kind\":\"Node\",\"name\":\"node-a\",\"uid\":\"uid-1\"}]},\"spec\":{\"labels\":{\"nvidia.com/gpu.count\":\"8\","
                                + "\"nvidia.com/gpu.product\":\"NVIDIA-H100\"}}}");
        assertThat(writer.status().object()).isEqualTo("gpu/nvidia-features-for-node-a");
    }

    @Test
    void whileNobodyWantsItNothingIsAsked() throws Exception {
        // When
        pass(HOUR);

        // Then
        assertThat(featureRequests()).isZero();
    }

    @Test
    void atRestNothingIsSent() throws Exception {
        // Given
        want(EIGHT);
        written();
        labelled();
        long before = featureRequests();

        // When
        pass(HOUR.multipliedBy(2));

        // Then
        assertThat(featureRequests()).isEqualTo(before);
        assertThat(writer.status().taken()).isTrue();
    }

    @Test
    void aRestartThatChangesNothingReadsOnly() throws Exception {
        // Given
        want(EIGHT);
        written();
        agent.close();
        agent = Harness.connectedTo(server, root);
        writer = agent.connection.featureWriter().orElseThrow();
        agent.watching();

        // When
        want(EIGHT);
        written();
        pass(HOUR);

        // Then
        assertThat(server.requests("applyFeature")).hasSize(1);
    }

    @Test
    void whatIsWantedNoMoreIsRemoved() throws Exception {
        // Given
        want(EIGHT);
        written();

        // When
        want(Map.of(COUNT, "4"));
        agent.turnUntil(() -> server.requests("applyFeature").size() == 2);

        // Then
        assertThat(server.feature()).isEqualTo(Map.of(COUNT, "4"));
    }

    @Test
    void theObjectOfFeatureDiscoveryIsTakenOverWithoutWhatIsNotWanted() throws Exception {
        // Given
        server.feature(Map.of(COUNT, "7", "nvidia.com/old", "x"));

        // When
        want(EIGHT);
        written();

        // Then
        assertThat(server.feature()).isEqualTo(EIGHT);
        assertThat(server.requests("patchFeature")).hasSize(1);
        assertThat(server.requests("patchFeature").getFirst().body())
                .isEqualTo("{\"spec\":{\"labels\":{\"nvidia.com/old\":null}}}");
    }

    @Test
    void anObjectThatSomebodyDeletedIsMadeAgainWhenTheNodeLosesItsLabels() throws Exception {
        // Given
        want(EIGHT);
        written();
        labelled();
        pass(Duration.ofMinutes(11));
        server.deleteFeature();

        // When
        server.removeLabel(COUNT);
        agent.turnUntil(() -> !server.feature().isEmpty());

        // Then
        assertThat(server.feature()).isEqualTo(EIGHT);
    }

    @Test
    void labelsThatGoWithTheObjectInPlaceAreAskedForOnce() throws Exception {
        // Given
        want(EIGHT);
        written();
        labelled();
        pass(Duration.ofMinutes(11));

        // When
        server.removeLabel(COUNT);
        agent.turnUntil(() -> server.requests("feature").size() == 2);
        pass(HOUR);

        // Then
        assertThat(server.requests("feature")).hasSize(2);
        assertThat(server.requests("applyFeature")).hasSize(1);
        assertThat(writer.status().taken()).isFalse();
    }

    @Test
    void aNodeThatWasMadeAnewBecomesTheOwner() throws Exception {
        // Given
        want(EIGHT);
        written();

        // When
        server.deleteNode();
        server.labels(Map.of("new", "node"));
        agent.turnUntil(() -> server.requests("applyFeature").size() == 2);

        // Then
        assertThat(server.requests("applyFeature").getLast().body()).contains("\"uid\":\"uid-1-next\"");
    }

    @Test
    void aServerWithoutSuchObjectsIsSaidAndAskedAgainAfterAnHour() throws Exception {
        // Given
        server.serveFeatures(false);
        AtomicInteger told = new AtomicInteger();

        // When
        writer.find(told::incrementAndGet);
        agent.turnUntil(() -> writer.usability() == Usability.NOT_SERVED);
        pass(Duration.ofMinutes(59));

        // Then
        assertThat(featureRequests()).isEqualTo(1);
        assertThat(told).hasValue(1);
        assertThat(writer.status().reason()).contains("install node-feature-discovery");
        server.serveFeatures(true);
        pass(Duration.ofMinutes(61));
        assertThat(writer.usability()).isEqualTo(Usability.USABLE);
        assertThat(told).hasValue(2);
        assertThat(server.requests("applyFeature")).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({"feature", "applyFeature"})
    void whatIsForbiddenIsSaidWithTheRule(String kind) throws Exception {
        // Given
        server.next(kind, FakeApiServer.Fault.status(403, "nodefeatures is forbidden"));

        // When
        want(EIGHT);
        agent.turnUntil(() -> writer.usability() == Usability.FORBIDDEN);
        pass(Duration.ofMinutes(9));

        // Then
        assertThat(writer.status().reason()).contains("on the resource nodefeatures of nfd.k8s-sigs.io");
        assertThat(server.requests(kind)).hasSize(1);
        written();
    }

    @ParameterizedTest
    @CsvSource({
        "discovery, 500, '{}'",
        "discovery, 200, '<html>'",
        "feature, 503, '<html>'",
        "applyFeature, 429, '{}'",
        "applyFeature, 200, '<html>'",
        "applyFeature, 409, '{}'"
    })
    void anAnswerThatIsNoneIsFollowedByAnotherTry(String kind, int status, String body) throws Exception {
        // Given
        server.next(kind, FakeApiServer.Fault.answer(status, body));

        // When
        want(EIGHT);
        written();

        // Then
        assertThat(server.requests(kind)).hasSizeGreaterThanOrEqualTo(2);
        assertThat(server.feature()).isEqualTo(EIGHT);
    }

    @Test
    void whatMayBeReadAndNotWrittenIsNotUsable() throws Exception {
        // Given
        server.next(
                "tryFeature",
                FakeApiServer.Fault.status(403, "cannot patch nodefeatures"),
                FakeApiServer.Fault.status(403, "cannot patch nodefeatures"));
        List<Usability> told = new ArrayList<>();

        // When
        writer.find(() -> told.add(writer.usability()));
        agent.turnUntil(() -> writer.usability() == Usability.FORBIDDEN);
        pass(HOUR.multipliedBy(2).plusMinutes(1));

        // Then
        assertThat(told).containsExactly(Usability.FORBIDDEN);
        assertThat(server.requests("tryFeature")).hasSize(2);
        assertThat(writer.status().reason()).contains("create and patch");
    }

    @ParameterizedTest
    @CsvSource({"200", "400"})
    void whatTheServerWouldTakeIsUsableAndNothingIsWritten(int status) throws Exception {
        // Given: a webhook that does not know trials answers with 400
        server.next("tryFeature", FakeApiServer.Fault.answer(status, "{}"));

        // When
        writer.find(() -> {});
        agent.turnUntil(() -> writer.usability() == Usability.USABLE);

        // Then
        assertThat(server.requests("tryFeature").getFirst().path()).contains("&dryRun=All");
        assertThat(server.requests("applyFeature")).isEmpty();
        assertThat(server.feature()).isEmpty();
    }

    @Test
    void anotherWriterIsAnsweredAtOnceAndThenOnceAnHour() throws Exception {
        // Given
        Map<String, String> theirs = Map.of(COUNT, "7", "nvidia.com/gpu.product", "NVIDIA-H100");
        want(EIGHT);
        written();
        labelled();
        pass(Duration.ofMinutes(1));

        // When
        for (int minute = 0; minute < 180; minute++) {
            server.feature(theirs);
            labelled();
            pass(Duration.ofMinutes(1));
            if (server.feature().equals(EIGHT)) {
                labelled();
                pass(Duration.ofMinutes(1));
            }
        }

        // Then
        assertThat(server.requests("applyFeature")).hasSizeBetween(4, 5);
    }

    @Test
    void anotherWriterIsNamedWhileItsValuesAreOnTheNode() throws Exception {
        // Given
        Map<String, String> theirs = Map.of(COUNT, "7", "nvidia.com/gpu.product", "NVIDIA-H100");
        want(EIGHT);
        written();
        labelled();
        pass(Duration.ofMinutes(1));
        for (int i = 0; i < 2; i++) {
            server.feature(theirs);
            labelled();
            while (!server.feature().equals(EIGHT)) {
                pass(Duration.ofMinutes(1));
            }
            labelled();
            pass(Duration.ofMinutes(1));
        }

        // When
        server.feature(theirs);
        labelled();
        pass(NodeFeatureWriter.UNTIL_TAKEN.plusMinutes(1));

        // Then
        assertThat(writer.status().reason()).contains("stop NVIDIA's gpu-feature-discovery");
    }

    @Test
    void anObjectThatNobodyTakesIsAProblemAfterAWhile() throws Exception {
        // Given
        want(EIGHT);
        written();

        // When
        pass(NodeFeatureWriter.UNTIL_TAKEN.plusMinutes(1));

        // Then
        assertThat(writer.status().reason())
                .contains("look at node-feature-discovery's master")
                .contains(COUNT);
        labelled();
        assertThat(writer.status().reason()).isEmpty();
    }

    @Test
    void whatAnEarlierLifeHasLeftIsTakenAway() throws Exception {
        // Given
        want(EIGHT);
        written();
        agent.close();
        agent = Harness.connectedTo(server, root);
        writer = agent.connection.featureWriter().orElseThrow();
        agent.watching();

        // When
        writer.clearLeftover();
        agent.turnUntil(() -> server.feature().isEmpty());
        pass(HOUR);

        // Then
        assertThat(server.requests("applyFeature")).hasSize(2);
    }

    @Test
    void theObjectOfFeatureDiscoveryIsNoLeftover() throws Exception {
        // Given
        server.feature(EIGHT);

        // When
        writer.clearLeftover();
        agent.turnUntil(() -> !server.requests("feature").isEmpty());
        pass(HOUR);

        // Then
        assertThat(server.feature()).isEqualTo(EIGHT);
        assertThat(featureRequests()).isEqualTo(1);
    }

    @Test
    void nothingWantedTakesNothingOfOthersAway() throws Exception {
        // Given
        want(EIGHT);
        written();
        server.feature(Map.of("nvidia.com/theirs", "x"));

        // When
        want(Map.of());
        agent.turnUntil(() -> !server.feature().containsKey(COUNT));
        pass(HOUR);

        // Then
        assertThat(server.feature()).isEqualTo(Map.of("nvidia.com/theirs", "x"));
        assertThat(writer.status().reason()).isEmpty();
    }

    @Test
    void aNamespaceThatIsMissingIsSaidInTheServersWords() throws Exception {
        // Given
        server.next("applyFeature", FakeApiServer.Fault.status(404, "namespaces gpu not found"));

        // When
        want(EIGHT);
        agent.turnUntil(() -> !writer.status().reason().isEmpty());

        // Then
        assertThat(writer.status().reason()).contains("namespaces gpu not found");
        written();
    }

    @Test
    void aServerThatHoldsSomethingElseIsNotAskedAgainAndAgain() throws Exception {
        // Given
        String other =
                "{\"metadata\":{\"labels\":{\"nfd.node.kubernetes.io/node-name\":\"node-a\"},\"ownerReferences\":[{\"uid\":\"uid-1\"}]},"
                        + "\"spec\":{\"labels\":{}}}";
        server.next("applyFeature", FakeApiServer.Fault.answer(200, other), FakeApiServer.Fault.answer(200, other));

        // When
        want(EIGHT);
        agent.turnUntil(() -> !writer.status().reason().isEmpty());
        pass(Duration.ofMinutes(9));

        // Then
        assertThat(server.requests("applyFeature")).hasSize(1);
        assertThat(writer.status().reason()).contains("admission webhook");
    }

    @Test
    void aLabelThatKubernetesDoesNotTakeCostsNoOther() throws Exception {
        // Given
        Map<String, String> wanted = new HashMap<>(EIGHT);
        wanted.put("nvidia.com/gpu.machine", "a b");

        // When
        want(wanted);
        agent.turnUntil(() -> !server.feature().isEmpty());

        // Then
        assertThat(server.feature()).isEqualTo(EIGHT);
        assertThat(writer.status().leftOut()).containsOnlyKeys("nvidia.com/gpu.machine");
    }
}
