package io.gpunode.agent.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(30)
class RejectedPodsTest {
    private static final String NO_DEVICES =
            "Allocate failed due to requested number of devices unavailable for nvidia.com/gpu. Requested: 1, Available: 0, which is unexpected";

    @TempDir
    Path root;

    private final Failed pods = new Failed();
    private FakeApiServer server;
    private Harness agent;
    private RejectedPods rejected;
    private volatile boolean there;

    /** Pods that have failed, and what was deleted. */
    private static final class Failed implements FakeApiServer.More {
        private final Map<String, String> pods = new LinkedHashMap<>();
        private final List<String> deleted = new CopyOnWriteArrayList<>();
        private final List<String> refused = new CopyOnWriteArrayList<>();
        private int status = 200;
        private String message = "no";

        synchronized void add(String name, String owner, String reason, String message) {
            pods.put(
                    name,
                    "{\"metadata\":{\"namespace\":\"team\",\"name\":\"" + name + "\",\"uid\":\"uid-" + name + "\""
                            + (owner.isEmpty()
                                    ? ""
                                    : ",\"ownerReferences\":[{\"kind\":\"" + owner
                                            + "\",\"name\":\"owner\",\"controller\":true}]")
                            + "},\"spec\":{\"containers\":[{\"name\":\"main\",\"resources\":{\"limits\":{\"nvidia.com/gpu\":\"1\"}}}]}"
                            + ",\"status\":{\"phase\":\"Failed\",\"reason\":\"" + reason + "\",\"message\":\"" + message
                            + "\"}}");
        }

        @Override
        public String kind(String method, String path) {
            if (path.startsWith(
                    "/api/v1/pods?fieldSelector=spec.nodeName%3D" + Harness.NODE + "%2Cstatus.phase%3DFailed&")) {
                return "failed";
            }
            return method.equals("DELETE") && path.startsWith("/api/v1/namespaces/team/pods/") ? "delete" : "";
        }

        @Override
        public synchronized FakeApiServer.Fault answer(String kind, String path, String body) {
            if (kind.equals("failed")) {
                return FakeApiServer.Fault.answer(
                        200,
                        "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":["
                                + String.join(",", pods.values()) + "]}");
            }
            String name = path.substring(path.lastIndexOf('/') + 1);
            if (status != 200 && (refused.isEmpty() || refused.contains(name))) {
                return FakeApiServer.Fault.status(status, message.replace("\"", "\\\""));
            }
            if (!body.contains("\"preconditions\":{\"uid\":\"uid-" + name + "\"}")) {
                return FakeApiServer.Fault.status(409, "the UID in the precondition does not match");
            }
            pods.remove(name);
            deleted.add(name);
            return FakeApiServer.Fault.answer(200, "{\"kind\":\"Pod\"}");
        }
    }

    @BeforeEach
    void connect() throws Exception {
        server = FakeApiServer.plain(Harness.NODE);
        server.labels(Map.of());
        server.knows(pods);
        agent = Harness.connectedTo(server, root);
        rejected = agent.connection.deleteRejectedPods(new GpuResources(Set.of()), () -> there);
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

    @ParameterizedTest
    @CsvSource({
        "ReplicaSet, UnexpectedAdmissionError, nvidia.com/gpu, true",
        "StatefulSet, OutOfnvidia.com/gpu, Pod was rejected, true",
        "ReplicaSet, UnexpectedAdmissionError, vendor.example/fpga, false",
        "ReplicaSet, OutOfcpu, Pod was rejected, false",
        "ReplicaSet, Evicted, nvidia.com/gpu, false",
        "ReplicaSet, '', nvidia.com/gpu, false",
        "Job, UnexpectedAdmissionError, nvidia.com/gpu, false",
        "Node, UnexpectedAdmissionError, nvidia.com/gpu, false",
        "'', UnexpectedAdmissionError, nvidia.com/gpu, false"
    })
    void onlyWhatWasTurnedAwayForWantOfGpusAndComesAgainIsDeleted(
            String owner, String reason, String message, boolean deleted) throws Exception {
        // Given
        pods.add("web", owner, reason, message);
        there = true;

        // When
        turns(120);

        // Then
        assertThat(pods.deleted).isEqualTo(deleted ? List.of("web") : List.of());
        assertThat(rejected.status().deleted()).isEqualTo(deleted ? 1 : 0);
    }

    @Test
    void nothingIsAskedWhileThereAreNoGpus() throws Exception {
        // Given
        pods.add("web", "ReplicaSet", "UnexpectedAdmissionError", NO_DEVICES);

        // When
        turns(120);

        // Then
        assertThat(server.requests("failed")).isEmpty();
        there = true;
        turns(40);
        assertThat(pods.deleted).containsExactly("web");
    }

    @Test
    void itIsLookedTwiceAndNotAgainBeforeTheGpusWereAway() throws Exception {
        // Given
        there = true;
        turns(60);
        pods.add("late", "ReplicaSet", "UnexpectedAdmissionError", NO_DEVICES);
        turns(600);
        int asked = server.requests("failed").size();
        List<String> before = List.copyOf(pods.deleted);

        // When
        rejected.seen(true);
        rejected.seen(false);
        rejected.seen(true);
        turns(60);

        // Then
        assertThat(asked).isEqualTo(2);
        assertThat(before).isEmpty();
        assertThat(pods.deleted).containsExactly("late");
        assertThat(server.requests("failed")).hasSize(4);
    }

    @Test
    void anAgentThatMayNotSaysWhichVerbItLacks() throws Exception {
        // Given
        pods.add("web", "ReplicaSet", "UnexpectedAdmissionError", NO_DEVICES);
        pods.status = 403;
        pods.message = "pods \"web\" is forbidden: User \"agent\" cannot delete resource \"pods\" in API group \"\"";
        there = true;

        // When
        turns(60);

        // Then
        assertThat(rejected.status().reason()).contains("allow the verb delete on the resource pods");
        assertThat(server.requests("delete")).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(ints = {403, 422, 500})
    void onePodThatMayNotBeDeletedKeepsNoOther(int status) throws Exception {
        // Given
        for (String name : List.of("kept", "web", "db")) {
            pods.add(name, "ReplicaSet", "UnexpectedAdmissionError", NO_DEVICES);
        }
        pods.refused.add("kept");
        pods.status = status;
        pods.message = "admission webhook \"keep.example\" denied the request";
        there = true;

        // When
        turns(60);

        // Then
        assertThat(pods.deleted).containsExactly("web", "db");
        assertThat(rejected.status().reason())
                .contains("refused to delete pod team/kept", "keep.example")
                .doesNotContain("allow the verb");
    }

    @Test
    void whatComesWhileAPodMayNotBeDeletedIsDeleted() throws Exception {
        // Given
        pods.add("kept", "ReplicaSet", "UnexpectedAdmissionError", NO_DEVICES);
        pods.refused.add("kept");
        pods.status = 403;
        there = true;
        turns(60);
        pods.add("late", "ReplicaSet", "UnexpectedAdmissionError", NO_DEVICES);

        // When
        turns((int) RejectedPods.WHILE_REFUSED.toSeconds() + 60);

        // Then
        assertThat(pods.deleted).containsExactly("late");
        assertThat(server.requests("failed")).hasSizeLessThan(5);
    }

    @Test
    void aPodThatMayBeDeletedInTheEndIsNoReasonAnyMore() throws Exception {
        // Given
        pods.add("kept", "ReplicaSet", "UnexpectedAdmissionError", NO_DEVICES);
        pods.status = 403;
        there = true;
        turns(60);
        String before = rejected.status().reason();

        // When
        pods.status = 200;
        turns((int) RejectedPods.WHILE_REFUSED.toSeconds() + 60);

        // Then
        assertThat(before).contains("team/kept");
        assertThat(rejected.status()).isEqualTo(new RejectedPodsStatus(1, ""));
    }

    @Test
    void aServerThatAlwaysFailsIsAskedLessAndLess() throws Exception {
        // Given
        pods.add("web", "ReplicaSet", "UnexpectedAdmissionError", NO_DEVICES);
        pods.status = 500;
        there = true;

        // When
        turns(1_200);

        // Then
        assertThat(server.requests("delete")).hasSizeBetween(3, 15);
    }

    @Test
    void aServerInTroubleIsAskedAgain() throws Exception {
        // Given
        pods.add("web", "ReplicaSet", "UnexpectedAdmissionError", NO_DEVICES);
        server.next("delete", FakeApiServer.Fault.status(503, "busy"));
        there = true;

        // When
        turns(60);

        // Then
        assertThat(pods.deleted).containsExactly("web");
        assertThat(rejected.status().reason()).isEmpty();
    }
}
