package io.gpunode.agent.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(30)
class OwnPodsTest {
    @TempDir
    private Path root;

    private final Answers answers = new Answers();
    private FakeApiServer server;
    private Harness harness;
    private OwnPods pods;

    @BeforeEach
    void connect() throws Exception {
        server = FakeApiServer.tls(Harness.NODE);
        server.knows(answers);
        harness = Harness.connectedTo(server, root);
        pods = harness.connection.watchPods(Set.of("app", "team")::contains);
    }

    @AfterEach
    void close() {
        harness.close();
        server.close();
    }

    @Test
    void thePodsAreListedInPagesAndThenWatched() throws Exception {
        // Given
        answers.list("\"continue\":\"c1\"", pod("train", "u1", "Running", "\"app\":\"x\",\"secret\":\"y\"", "4f4f"));
        answers.list("\"resourceVersion\":\"7\"", pod("web", "u2", "Running", "", ""));
        answers.watch(
                event("ADDED", "8", pod("late", "u3", "Pending", "", "")),
                event("MODIFIED", "9", pod("web", "u2", "Succeeded", "", "")));

        // When
        harness.turnUntil(() -> pods.current().size() == 3);
        harness.turnUntil(() -> Objects.requireNonNull(pods.current().get("u2")).ended());

        // Then
        assertThat(pods.current().get("u1"))
                .isEqualTo(new NodePod("ml", "train", "u1", "u1", false, Map.of("app", "x"), Map.of("4f4f", "main")));
        assertThat(answers.paths.get(0)).startsWith("/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-a&limit=");
        assertThat(answers.paths.get(1)).endsWith("&continue=c1");
        assertThat(answers.paths.get(2))
                .isEqualTo("/api/v1/pods?watch=true&allowWatchBookmarks=true"
                        + "&fieldSelector=spec.nodeName%3Dnode-a&resourceVersion=7");
    }

    @Test
    void aPodThatIsDeletedIsForgottenAndTheWatchGoesOnWhereItEnded() throws Exception {
        // Given
        answers.list("\"resourceVersion\":\"7\"", pod("train", "u1", "Running", "", ""));
        answers.watch(event("DELETED", "8", pod("train", "u1", "Running", "", "")), bookmark("12"));

        // When
        harness.turnUntil(() -> answers.paths.size() >= 3);

        // Then
        assertThat(pods.current()).isEmpty();
        assertThat(answers.paths.get(2)).endsWith("resourceVersion=12");
    }

    @Test
    void aStaticPodIsKnownByTheKubeletsUid() throws Exception {
        // Given
        answers.list(
                "\"resourceVersion\":\"7\"",
                annotated("u1", "0123abcd", ",\"kubernetes.io/config.mirror\":\"0123abcd\"", "Node"));

        // When
        harness.turnUntil(() -> !pods.current().isEmpty());

        // Then
        assertThat(pods.current()).containsOnlyKeys("0123abcd");
        assertThat(Objects.requireNonNull(pods.current().get("0123abcd")).uid()).isEqualTo("u1");
    }

    @Test
    void anAnnotationTakesNoOtherPodsPlace() throws Exception {
        // Given
        String mirror = ",\"kubernetes.io/config.mirror\":\"x\"";
        answers.list(
                "\"resourceVersion\":\"7\"",
                annotated("annotated", "victim", "", "Node"),
                annotated("unowned", "victim", mirror, "ReplicaSet"),
                annotated("mirrored", "victim", mirror, "Node"),
                annotated("victim", "victim", "", "ReplicaSet"));

        // When
        harness.turnUntil(() -> !pods.current().isEmpty());

        // Then
        assertThat(pods.current())
                .hasSize(4)
                .allSatisfy((uid, pod) -> assertThat(pod.uid()).isEqualTo(uid));
    }

    @Test
    void aPodThatIsTooLargeIsListedByItsMetadataAlone() throws Exception {
        // Given
        String large = "x".repeat(ApiClient.LARGEST_POD_BYTES);
        for (int pages = 0; pages < 3; pages++) {
            answers.list("\"resourceVersion\":\"" + large + "\"");
        }
        answers.list("\"resourceVersion\":\"7\"", pod("train", "u1", "", "", ""));

        // When
        harness.turnUntil(() -> !pods.current().isEmpty());

        // Then
        assertThat(pods.current()).containsOnlyKeys("u1");
        assertThat(answers.paths.subList(2, 4)).allMatch(path -> path.endsWith("&limit=1"));
    }

    @Test
    void afterAnEventThatIsTooLargeTheWatchGoesOnFromAList() throws Exception {
        // Given
        answers.list("\"resourceVersion\":\"7\"", pod("train", "u1", "Running", "", ""));
        answers.watch("{\"type\":\"" + "x".repeat(ApiClient.LARGEST_POD_BYTES) + "\"}");
        answers.list("\"resourceVersion\":\"20\"", pod("web", "u2", "Running", "", ""));

        // When
        harness.turnUntil(() -> pods.current().containsKey("u2"));

        // Then
        assertThat(pods.current()).containsOnlyKeys("u2");
    }

    @Test
    void aListThatExpiresTwiceIsARefusal() throws Exception {
        // Given
        for (int lists = 0; lists < 2; lists++) {
            answers.list("\"continue\":\"c1\"");
            answers.lists.add(FakeApiServer.Fault.status(410, "the continue parameter is too old"));
        }

        // When
        harness.turnUntil(() -> !pods.problem().isEmpty());

        // Then
        assertThat(pods.problem()).contains("refused to list").contains("too old");
        assertThat(answers.paths).hasSize(4);
    }

    @Test
    void newsFromTooLongAgoAreReplacedByAList() throws Exception {
        // Given
        answers.list("\"resourceVersion\":\"7\"", pod("train", "u1", "Running", "", ""));
        answers.watch("{\"type\":\"ERROR\",\"object\":{\"code\":410,\"message\":\"too old resource version\"}}");
        answers.list("\"resourceVersion\":\"20\"", pod("web", "u2", "Running", "", ""));

        // When
        harness.turnUntil(() -> pods.current().containsKey("u2"));

        // Then
        assertThat(pods.current()).containsOnlyKeys("u2");
    }

    @Test
    void aLineThatIsNoEventIsAProblemAndWhatWasKnownStays() throws Exception {
        // Given
        answers.list("\"resourceVersion\":\"7\"", pod("train", "u1", "Running", "", ""));
        answers.watch("{\"type\":\"SURPRISE\"}");

        // When
        harness.turnUntil(() -> pods.problem().contains("SURPRISE"));

        // Then
        assertThat(pods.current()).containsOnlyKeys("u1");
    }

    @Test
    void aServerThatForbidsItIsToldWithTheNextStepAndTheNodeIsWatchedStill() throws Exception {
        // Given
        answers.faults.add(FakeApiServer.Fault.status(403, "pods is forbidden"));

        // When
        harness.turnUntil(() -> !pods.problem().isEmpty());

        // Then
        assertThat(pods.problem()).contains("get, list and watch").contains("resource pods");
        assertThat(pods.current()).isEmpty();
        harness.watching();
    }

    private static String annotated(String uid, String hash, String moreAnnotations, String owner) {
        return "{\"metadata\":{\"namespace\":\"ml\",\"name\":\"" + uid + "\",\"uid\":\"" + uid
                + "\",\"annotations\":{\"kubernetes.io/config.hash\":\"" + hash + "\"" + moreAnnotations
                + "},\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"" + owner + "\",\"name\":\"o\"}]}}";
    }

    private static String pod(String name, String uid, String phase, String labels, String containerId) {
        return "{\"metadata\":{\"namespace\":\"ml\",\"name\":\"" + name + "\",\"uid\":\"" + uid + "\",\"labels\":{"
                + labels + "}},\"status\":{\"phase\":\"" + phase + "\",\"containerStatuses\":["
                + (containerId.isEmpty()
                        ? ""
                        : "{\"name\":\"main\",\"containerID\":\"containerd://" + containerId + "\"}")
                + "]}}";
    }

    private static String event(String type, String version, String pod) {
        return "{\"type\":\"" + type + "\",\"object\":"
                + pod.replaceFirst("\"metadata\":\\{", "\"metadata\":{\"resourceVersion\":\"" + version + "\",") + "}";
    }

    private static String bookmark(String version) {
        return "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"" + version + "\"}}}";
    }

    /** What the server answers about pods, in order; a watch ends after its last line, and is empty when nothing is left to say. */
    private static final class Answers implements FakeApiServer.More {
        private final Deque<FakeApiServer.Fault> lists = new ArrayDeque<>();
        private final Deque<FakeApiServer.Fault> watches = new ArrayDeque<>();
        private final Deque<FakeApiServer.Fault> faults = new ArrayDeque<>();
        private final List<String> paths = new CopyOnWriteArrayList<>();

        private synchronized void list(String metadata, String... items) {
            lists.add(FakeApiServer.Fault.answer(
                    200, "{\"metadata\":{" + metadata + "},\"items\":[" + String.join(",", items) + "]}"));
        }

        private synchronized void watch(String... lines) {
            watches.add(FakeApiServer.Fault.answer(200, String.join("\n", lines) + "\n"));
        }

        @Override
        public String kind(String method, String path) {
            return path.startsWith("/api/v1/pods?") ? "pods" : "";
        }

        @Override
        public synchronized FakeApiServer.Fault answer(String kind, String path, String body) {
            paths.add(path);
            FakeApiServer.Fault fault = faults.poll();
            if (fault != null) {
                return fault;
            }
            FakeApiServer.Fault next = path.contains("watch=true") ? watches.poll() : lists.poll();
            return next == null ? FakeApiServer.Fault.answer(200, "\n") : next;
        }
    }
}
