package io.gpunode.agent.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(30)
class NodeLabelWriterTest {
    private static final String COUNT = "nvidia.com/gpu.count";
    private static final String PRODUCT = "nvidia.com/gpu.product";
    private static final Map<String, String> EIGHT = Map.of(COUNT, "8", PRODUCT, "NVIDIA-H100");
    private static final Duration HOUR = Duration.ofHours(1);

    @TempDir
    Path root;

    private FakeApiServer server;
    private Harness agent;
    private NodeLabelWriter writer;

    @BeforeEach
    void connect() throws Exception {
        server = FakeApiServer.plain(Harness.NODE);
        server.labels(Map.of("zone", "a"));
        agent = Harness.connectedTo(server, root);
        writer = agent.connection.labelWriter().orElseThrow();
        agent.watching();
    }

    @AfterEach
    void end() {
        agent.close();
        server.close();
    }

    private static void want(NodeLabelWriter writer, Map<String, String> labels) {
        writer.want(new TreeMap<>(labels));
    }

    private int writes() {
        return server.requests("apply").size();
    }

    /** Until this many were answered, and the agent knows. */
    private void written(int writes) throws InterruptedException {
        written(agent, writes);
    }

    private void written(Harness by, int writes) throws InterruptedException {
        by.turnUntil(() -> writes() >= writes
                && by.connection.labelWriter().orElseThrow().status().applied() > 0);
    }

    /** Lets the watch bring what the server has. */
    private void seen(Harness by) throws InterruptedException {
        Harness.until(() -> by.connection
                .ownNode()
                .current()
                .map(node -> node.labels().equals(server.labels()))
                .orElse(false));
    }

    private void pass(Harness by, Duration time, Duration step) throws InterruptedException {
        for (Duration passed = Duration.ZERO; passed.compareTo(time) < 0; passed = passed.plus(step)) {
            by.time.advance(step);
            server.bookmark();
            Harness.until(
                    () -> by.connection.status().lastContact().orElseThrow().isZero());
            by.connection.turn();
        }
    }

    private void pass(Duration time) throws InterruptedException {
        pass(agent, time, Duration.ofMinutes(1));
    }

    private Harness restarted() throws Exception {
        agent.close();
        agent = Harness.connectedTo(server, root);
        writer = agent.connection.labelWriter().orElseThrow();
        agent.watching();
        return agent;
    }

    @Test
    void wantedLabelsAreAppliedUnderAManagerOfTheirOwn() throws Exception {
        // Given
        want(writer, EIGHT);

        // When
        written(1);

        // Then
        FakeApiServer.Request request = server.requests("apply").getFirst();
        assertThat(request.path()).isEqualTo("/api/v1/nodes/node-a?fieldManager=gpu-node-agent-labels");
        assertThat(request.contentType()).isEqualTo("application/apply-patch+yaml");
        assertThat(request.accept()).startsWith("application/json;as=PartialObjectMetadata");
        assertThat(request.body())
                .isEqualTo(
                        "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"node-a\",\"uid\":\"uid-1\",\"labels\":{"
                                + "\"nvidia.com/gpu.count\":\"8\",\"nvidia.com/gpu.product\":\"NVIDIA-H100\"}}}");
        assertThat(server.labels()).containsAllEntriesOf(EIGHT).containsEntry("zone", "a");
        assertThat(writer.status()).isEqualTo(new LabelWriterStatus(2, 2, new TreeMap<>(), new TreeMap<>(), "", 1));
    }

    @Test
    void atRestNothingIsSent() throws Exception {
        // Given
        want(writer, EIGHT);
        written(1);

        // When
        want(writer, EIGHT);
        pass(HOUR);

        // Then
        assertThat(writes()).isEqualTo(1);
    }

    @Test
    void aRestartedAgentThatWantsTheSameSendsNothing() throws Exception {
        // Given
        want(writer, EIGHT);
        written(1);
        restarted();

        // When
        want(writer, EIGHT);
        pass(HOUR);

        // Then
        assertThat(writes()).isEqualTo(1);
        assertThat(writer.status().applied()).isEqualTo(2);
    }

    @Test
    void aRestartedAgentRemovesWhatItWantsNoMoreAndNothingElse() throws Exception {
        // Given
        want(writer, EIGHT);
        written(1);
        restarted();

        // When
        want(writer, Map.of(COUNT, "4"));
        written(2);

        // Then
        assertThat(server.labels()).containsExactlyInAnyOrderEntriesOf(Map.of("zone", "a", COUNT, "4"));
    }

    @Test
    void nothingWantedAnyMoreRemovesAllOfThem() throws Exception {
        // Given
        want(writer, EIGHT);
        written(1);

        // When
        want(writer, Map.of());
        agent.turnUntil(() -> writes() >= 2 && writer.status().reason().isEmpty());
        pass(HOUR);

        // Then
        assertThat(server.labels()).isEqualTo(Map.of("zone", "a"));
        assertThat(writes()).isEqualTo(2);
    }

    @Test
    void agentsThatStartTogetherWriteApart() throws Exception {
        // Given
        want(writer, EIGHT);

        // When
        Duration pause = agent.connection.turn();

        // Then
        assertThat(writes()).isZero();
        assertThat(pause).isLessThanOrEqualTo(Duration.ofSeconds(5)).isPositive();
        agent.time.advance(pause);
        agent.connection.turn();
        assertThat(writes()).isEqualTo(1);
    }

    @Test
    void aWishThatFlapsIsWrittenAtMostEveryTenSeconds() throws Exception {
        // Given
        want(writer, EIGHT);
        written(1);

        // When
        for (int second = 0; second < 60; second++) {
            want(writer, Map.of(COUNT, Integer.toString(second)));
            agent.connection.turn();
            agent.time.advance(Duration.ofSeconds(1));
        }

        // Then
        assertThat(writes()).isBetween(5, 8);
    }

    @Test
    void aLabelThatSomebodyChangedIsPutRight() throws Exception {
        // Given
        want(writer, EIGHT);
        written(1);

        // When
        server.setLabels("kubectl-label", Map.of(COUNT, "0"));
        seen(agent);
        written(2);

        // Then
        assertThat(server.labels()).containsEntry(COUNT, "8");
        assertThat(server.requests("apply").getLast().path()).endsWith("&force=true");
    }

    @Test
    void aLabelThatSomebodyRemovedIsPutRight() throws Exception {
        // Given
        want(writer, EIGHT);
        written(1);

        // When
        server.removeLabel(COUNT);
        seen(agent);
        written(2);

        // Then
        assertThat(server.labels()).containsEntry(COUNT, "8");
    }

    @Test
    void aLabelThatSomebodyChangedIsPutRightByAnAgentThatFoundItRight() throws Exception {
        // Given
        want(writer, EIGHT);
        written(1);
        restarted();
        want(writer, EIGHT);
        pass(Duration.ofMinutes(5));

        // When
        server.setLabels("kubectl-label", Map.of(COUNT, "0"));
        seen(agent);
        written(2);

        // Then
        assertThat(server.labels()).containsEntry(COUNT, "8");
    }

    @Test
    void whoeverChangesALabelAgainAndAgainIsAnsweredOnceAnHour() throws Exception {
        // Given
        want(writer, EIGHT);
        written(1);

        // When
        for (int minute = 0; minute < 150; minute++) {
            if ("8".equals(server.labels().get(COUNT))) {
                server.setLabels("other-operator", Map.of(COUNT, "0"));
                seen(agent);
            }
            pass(agent, Duration.ofMinutes(1), Duration.ofMinutes(1));
        }

        // Then
        assertThat(writes()).isBetween(3, 5);
        assertThat(writer.status().conflicts()).isEqualTo(Map.of(COUNT, "other-operator"));
        assertThat(server.labels()).containsEntry(PRODUCT, "NVIDIA-H100").containsEntry(COUNT, "0");
    }

    @Test
    void aLabelThatWasFoughtForIsTakenWhenItIsLetGo() throws Exception {
        // Given
        want(writer, EIGHT);
        written(1);
        server.setLabels("kubectl-label", Map.of(COUNT, "0"));
        seen(agent);
        written(2);
        server.setLabels("kubectl-label", Map.of(COUNT, "0"));
        seen(agent);
        pass(Duration.ofMinutes(5));
        assertThat(writer.status().conflicts()).containsKey(COUNT);

        // When
        server.removeLabel(COUNT);
        seen(agent);
        written(3);

        // Then
        assertThat(server.labels()).containsEntry(COUNT, "8");
    }

    @Test
    void twoAgentsWithOneNodeNameCalmDown() throws Exception {
        // Given
        Map<String, String> four = Map.of(COUNT, "4", "nvidia.com/mig.capable", "true");
        try (Harness other = Harness.connectedTo(server, root)) {
            other.watching();
            NodeLabelWriter second = other.connection.labelWriter().orElseThrow();

            // When
            want(writer, EIGHT);
            want(second, four);
            for (int minute = 0; minute < 150; minute++) {
                for (Harness each : List.of(agent, other)) {
                    seen(each);
                    pass(each, Duration.ofMinutes(1), Duration.ofMinutes(1));
                }
            }

            // Then
            assertThat(writes()).isBetween(4, 2 + 2 * 3);
            assertThat(server.labels()).containsKey(COUNT);
        }
    }

    @Test
    void aLabelThatSomebodyElseManagesIsLeftToThem() throws Exception {
        // Given
        server.setLabels("nfd-master", Map.of(COUNT, "7"));
        seen(agent);

        // When
        want(writer, EIGHT);
        written(1);
        pass(HOUR);

        // Then
        assertThat(server.labels()).containsEntry(COUNT, "7").containsEntry(PRODUCT, "NVIDIA-H100");
        assertThat(writer.status().conflicts()).isEqualTo(Map.of(COUNT, "nfd-master"));
        assertThat(writes()).isEqualTo(1);
    }

    @Test
    void aLabelThatItsManagerLetsGoIsTaken() throws Exception {
        // Given
        server.setLabels("nfd-master", Map.of(COUNT, "7"));
        seen(agent);
        want(writer, EIGHT);
        written(1);

        // When
        server.removeLabel(COUNT);
        seen(agent);
        written(2);

        // Then
        assertThat(server.labels()).containsEntry(COUNT, "8");
        assertThat(writer.status().conflicts()).isEmpty();
    }

    @Test
    void theSameValueOfSomebodyElseIsShared() throws Exception {
        // Given
        server.setLabels("nfd-master", Map.of(COUNT, "8"));
        seen(agent);

        // When
        want(writer, EIGHT);
        written(1);

        // Then
        assertThat(server.managers(COUNT)).containsExactlyInAnyOrder("nfd-master", NodeLabelWriter.FIELD_MANAGER);
        assertThat(writer.status().applied()).isEqualTo(2);
    }

    @Test
    void aWriterThatIsToTakeLabelsTakesThem() throws Exception {
        // Given
        server.setLabels("nfd-master", Map.of(COUNT, "7"));
        try (Harness taker = Harness.takingLabels(server, root)) {
            taker.watching();

            // When
            want(taker.connection.labelWriter().orElseThrow(), EIGHT);
            written(taker, 1);

            // Then
            assertThat(server.labels()).containsEntry(COUNT, "8");
            assertThat(server.managers(COUNT)).containsExactly(NodeLabelWriter.FIELD_MANAGER);
        }
    }

    @Test
    void aConflictThatTheWatchDidNotTellOfCostsThatLabelAlone() throws Exception {
        // Given
        server.hideManagers();
        server.setLabels("nfd-master", Map.of(COUNT, "7"));
        seen(agent);

        // When
        want(writer, EIGHT);
        written(2);
        pass(Duration.ofMinutes(30));

        // Then
        assertThat(writes()).isEqualTo(2);
        assertThat(server.labels()).containsEntry(COUNT, "7").containsEntry(PRODUCT, "NVIDIA-H100");
        assertThat(writer.status().conflicts()).isEqualTo(Map.of(COUNT, "nfd-master"));
    }

    @Test
    void aLabelThatALostConflictWasAboutIsTakenAMinuteAfterItWasLetGo() throws Exception {
        // Given
        server.hideManagers();
        server.setLabels("nfd-master", Map.of(COUNT, "7"));
        seen(agent);
        want(writer, EIGHT);
        written(2);

        // When
        server.removeLabel(COUNT);
        seen(agent);
        pass(Duration.ofMinutes(3));

        // Then
        assertThat(server.labels()).containsEntry(COUNT, "8");
        assertThat(writer.status().conflicts()).isEmpty();
    }

    @Test
    void aLostConflictIsForgottenWithTheNodeThatItWasAbout() throws Exception {
        // Given
        server.hideManagers();
        server.setLabels("nfd-master", Map.of(COUNT, "7"));
        seen(agent);
        want(writer, EIGHT);
        written(2);

        // When
        server.deleteNode();
        server.labels(Map.of("new", "node"));
        seen(agent);
        written(3);

        // Then
        assertThat(server.labels()).containsAllEntriesOf(EIGHT);
    }

    @Test
    void whereNobodySaysWhoManagesWhatValuesCount() throws Exception {
        // Given
        server.hideManagers();
        want(writer, EIGHT);
        written(1);
        restarted();

        // When
        want(writer, EIGHT);
        pass(HOUR);

        // Then
        assertThat(writes()).isEqualTo(1);
    }

    @Test
    void aNodeThatWasMadeAnewGetsThemAgain() throws Exception {
        // Given
        want(writer, EIGHT);
        written(1);

        // When
        server.deleteNode();
        server.labels(Map.of("new", "node"));
        seen(agent);
        written(2);

        // Then
        assertThat(server.labels()).containsAllEntriesOf(EIGHT).containsEntry("new", "node");
        assertThat(server.requests("apply").getLast().body()).contains("\"uid\":\"uid-1-next\"");
    }

    @Test
    void aDeletedNodeIsNotMade() throws Exception {
        // Given
        want(writer, EIGHT);
        written(1);
        server.deleteNode();
        Harness.until(() -> agent.connection.ownNode().present().isEmpty());

        // When
        want(writer, Map.of(COUNT, "1"));
        pass(HOUR);

        // Then
        assertThat(writes()).isEqualTo(1);
        assertThat(writer.status().reason()).isEqualTo("the Node object is not known");
        assertThat(agent.connection.status().reason()).contains("was deleted");
    }

    @ParameterizedTest
    @CsvSource({
        "409, 'uid mismatch: the provided object specified uid, and no existing object was found', ''",
        "422, 'Node is invalid: metadata.uid: field is immutable', 'metadata.uid'"
    })
    void aNodeThatIsAnotherWithoutTheWatchKnowingIsTriedAgainSoon(int status, String message, String field)
            throws Exception {
        // Given
        server.next(
                "apply",
                FakeApiServer.Fault.answer(
                        status,
                        "{\"message\":\"" + message
                                + "\",\"details\":{\"causes\":[{\"reason\":\"FieldValueInvalid\",\"field\":\"" + field
                                + "\"}]}}"));
        want(writer, EIGHT);

        // When
        agent.turnUntil(() -> writes() == 1);
        pass(agent, Duration.ofSeconds(5), Duration.ofSeconds(1));

        // Then
        assertThat(server.labels()).containsAllEntriesOf(EIGHT);
    }

    @ParameterizedTest
    @CsvSource({"'nvidia.com/gpu.machine', 'a b'", "'nvidia.com/gpu.machine', '-x'", "'nvidia.com/gpu machine', 'x'"})
    void aLabelThatKubernetesDoesNotTakeCostsNoOther(String key, String value) throws Exception {
        // Given
        Map<String, String> wanted = new TreeMap<>(EIGHT);
        wanted.put(key, value);

        // When
        want(writer, wanted);
        written(1);

        // Then
        assertThat(server.labels()).containsAllEntriesOf(EIGHT).doesNotContainKey(key);
        assertThat(writer.status().leftOut()).containsOnlyKeys(key);
    }

    @Test
    void aValueThatTheServerDoesNotTakeCostsNoOther() throws Exception {
        // Given
        server.next(
                "apply",
                FakeApiServer.Fault.answer(
                        422,
                        "{\"kind\":\"Status\",\"message\":\"Node is invalid\",\"reason\":\"Invalid\",\"details\":{\"causes\":[{\"reason\":"
                                + "\"FieldValueInvalid\",\"message\":\"Invalid value: \\\"NVIDIA-H100\\\": not today\",\"field\":\"metadata.labels\"}]}}"));

        // When
        want(writer, EIGHT);
        written(2);
        pass(Duration.ofMinutes(30));

        // Then
        assertThat(writes()).isEqualTo(2);
        assertThat(server.labels()).containsEntry(COUNT, "8").doesNotContainKey(PRODUCT);
        assertThat(writer.status().leftOut().get(PRODUCT)).contains("not today");
    }

    @Test
    void aLabelThatAKubeletMayNotSetCostsNoOther() throws Exception {
        // Given
        Map<String, String> wanted = new TreeMap<>(EIGHT);
        wanted.put("node-restriction.kubernetes.io/gpu", "true");
        server.next(
                "apply",
                FakeApiServer.Fault.status(
                        403,
                        "nodes node-a is forbidden: is not allowed to modify labels: node-restriction.kubernetes.io/gpu"));

        // When
        want(writer, wanted);
        written(2);

        // Then
        assertThat(server.labels()).containsAllEntriesOf(EIGHT).doesNotContainKey("node-restriction.kubernetes.io/gpu");
        assertThat(writer.status().leftOut().get("node-restriction.kubernetes.io/gpu"))
                .contains("NodeRestriction")
                .contains("service account");
    }

    @Test
    void whatIsForbiddenIsSaidWithTheRuleAndTriedAgainMuchLater() throws Exception {
        // Given
        server.next("apply", FakeApiServer.Fault.status(403, "cannot patch resource nodes"));
        want(writer, EIGHT);
        agent.turnUntil(() -> writes() == 1);

        // When
        pass(Duration.ofMinutes(9));

        // Then
        assertThat(writes()).isEqualTo(1);
        assertThat(writer.status().reason()).contains("allow the verb patch on the resource nodes");
        written(2);
        assertThat(writer.status().reason()).isEmpty();
    }

    @Test
    void aServerThatIsBusyIsLeftAloneForAsLongAsItAsks() throws Exception {
        // Given
        server.next(
                "apply",
                new FakeApiServer.Fault(
                        429, "{\"message\":\"slow down\"}", Map.of("Retry-After", "100"), false, false));
        want(writer, EIGHT);
        agent.turnUntil(() -> writes() == 1);

        // When
        pass(agent, Duration.ofSeconds(95), Duration.ofSeconds(5));

        // Then
        assertThat(writes()).isEqualTo(1);
        written(2);
    }

    @ParameterizedTest
    @CsvSource({"500, '{}'", "503, '<html>'", "404, '{\"message\":\"nodes not found\"}'", "200, '<html>'", "200, '{}'"})
    void anAnswerThatIsNoneIsFollowedByAnotherTry(int status, String body) throws Exception {
        // Given
        server.next("apply", FakeApiServer.Fault.answer(status, body));

        // When
        want(writer, EIGHT);
        written(2);

        // Then
        assertThat(server.labels()).containsAllEntriesOf(EIGHT);
        assertThat(writer.status().reason()).isEmpty();
    }

    @Test
    void aServerThatKnowsNoServerSideApplyIsSaid() throws Exception {
        // Given
        server.next("apply", FakeApiServer.Fault.status(415, "the body of the request was in an unknown format"));

        // When
        want(writer, EIGHT);
        agent.turnUntil(() -> !writer.status().reason().isEmpty());
        pass(Duration.ofMinutes(9));

        // Then
        assertThat(writes()).isEqualTo(1);
        assertThat(writer.status().reason()).contains("no server-side apply");
    }

    @Test
    void aWriteThatIsNotAnsweredIsTriedAgainAndLeavesTheWatchAlone() throws Exception {
        // Given
        agent.close();
        agent = Harness.impatient(server, root);
        writer = agent.connection.labelWriter().orElseThrow();
        agent.watching();
        server.next("apply", FakeApiServer.Fault.hang());

        // When
        want(writer, EIGHT);
        written(2);

        // Then
        assertThat(server.labels()).containsAllEntriesOf(EIGHT);
        assertThat(agent.connection.status().watching()).isTrue();
    }

    @Test
    void aWishFromWhileTheServerWasAwayIsWrittenAfterwards() throws Exception {
        // Given
        want(writer, EIGHT);
        written(1);
        server.stop();
        agent.turnUntil(() -> !agent.connection.status().watching());

        // When
        want(writer, Map.of(COUNT, "2"));
        agent.connection.turn();
        server.start();
        written(2);

        // Then
        assertThat(server.labels()).containsExactlyInAnyOrderEntriesOf(Map.of("zone", "a", COUNT, "2"));
    }

    @Test
    void aWatchThatIsLateIsNotTakenForAChange() throws Exception {
        // Given
        server.delay();
        server.labels(Map.of("zone", "b"));
        want(writer, EIGHT);
        written(1);

        // When
        for (int second = 0; second < 60; second++) {
            agent.time.advance(Duration.ofSeconds(1));
            agent.connection.turn();
        }
        server.tell();
        seen(agent);
        pass(Duration.ofMinutes(5));

        // Then
        assertThat(writes()).isEqualTo(1);
    }
}
