package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.json.JsonException;
import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.kubernetes.FakeApiServer;
import io.gpunode.agent.kubernetes.FakePods;
import io.gpunode.agent.kubernetes.KubeletWord;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.testing.Configs;
import io.gpunode.agent.testing.InMemory;
import io.gpunode.agent.time.SystemTime;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Changes of the driver of a node whose cluster is asked: label, cordon and slot meet on one API server. */
@Timeout(30)
class DriverInClusterTest {
    private static final DriverTarget OLD = FakeDriverNode.target("1.0.1", Map.of());
    private static final DriverTarget NEW = FakeDriverNode.target("2.0.2", Map.of());

    private final Path directory;
    private final FakeDriverNode node = new FakeDriverNode();
    private final Cluster cluster = new Cluster();
    private DriverTransaction transaction;

    /** The API server, with the pods of the node and one slot. */
    private static final class Cluster implements FakeApiServer.More, AutoCloseable {
        private static final String LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
        private static final String LABEL = "nvidia.com/gpu-driver-upgrade-state";

        private static final FakeApiServer.Fault FORBIDDEN =
                FakeApiServer.Fault.answer(403, "{\"kind\":\"Status\",\"message\":\"forbidden\"}");

        private final FakeApiServer server = FakeApiServer.plain("node-a");
        private final FakePods pods = FakePods.of(server);
        /** What the label said, one after the other. */
        private final List<String> told = new ArrayList<>();
        /** Who held the slot, one after the other; empty for nobody. */
        private final List<String> holders = new ArrayList<>();
        /** What comes in the place of the next answers to writes of the slot, which are carried out. */
        private final Deque<FakeApiServer.Fault> instead = new ArrayDeque<>();
        /** Whether neither cordon nor slot may be changed. */
        private boolean forbids;
        /** What the label is not let say. */
        private String refused = "";

        Cluster() {
            server.knows(this);
        }

        @Override
        public String kind(String method, String path) {
            if (path.startsWith(LEASES)) {
                return method.equals("GET") ? "leases" : "writeLease";
            }
            return pods.kind(method, path);
        }

        @Override
        public synchronized FakeApiServer.Fault answer(String kind, String path, String body) {
            try {
                return switch (kind) {
                    case "leases" -> FakeApiServer.Fault.answer(200, leases());
                    case "writeLease" -> {
                        if (forbids) {
                            yield FORBIDDEN;
                        }
                        holders.add(JsonValue.parse(body)
                                .member("spec")
                                .member("holderIdentity")
                                .textOr(""));
                        yield instead.isEmpty()
                                ? FakeApiServer.Fault.answer(201, "{\"kind\":\"Lease\"}")
                                : instead.removeFirst();
                    }
                    case "cordon" -> patch(kind, path, body);
                    default -> pods.answer(kind, path, body);
                };
            } catch (JsonException e) {
                throw new IllegalStateException(e);
            }
        }

        private String leases() {
            return "{\"kind\":\"LeaseList\",\"items\":["
                    + (holders.isEmpty()
                            ? ""
                            : "{\"metadata\":{\"name\":\"gpu-node-agent-driver-upgrade-1\"},\"spec\":{\"holderIdentity\":\""
                                    + holders.getLast() + "\"}}")
                    + "]}";
        }

        private FakeApiServer.Fault patch(String kind, String path, String body) throws JsonException {
            JsonValue labels = JsonValue.parse(body).member("metadata").member("labels");
            if (labels.members().containsKey(LABEL)
                    && labels.member(LABEL).text().isEmpty()) {
                told.add("");
                return FakeApiServer.Fault.answer(200, "{\"kind\":\"Node\"}");
            }
            String state = labels.member(LABEL).textOr("");
            if (forbids && state.isEmpty()) {
                return FORBIDDEN;
            }
            if (!state.isEmpty()) {
                if (state.equals(refused)) {
                    return FakeApiServer.Fault.answer(500, "{\"kind\":\"Status\",\"message\":\"no leader\"}");
                }
                told.add(state);
            }
            return pods.answer(kind, path, body);
        }

        @Override
        public void close() {
            server.close();
        }
    }

    /** The driver of the one, and the cluster of the other. */
    private record Operations(FakeDriverNode node, HostDriverOperations cluster) implements DriverOperations {
        @Override
        public DriverPicture observe() {
            return node.observe();
        }

        @Override
        public DriverPicture observeModules() {
            return node.observeModules();
        }

        @Override
        public HolderTable holders() {
            return node.holders();
        }

        @Override
        public List<String> perform(DriverStep step) throws DriverStepException {
            return node.perform(step);
        }

        @Override
        public void keep(DriverTarget current, List<DriverTarget> others) throws DriverStepException {
            node.keep(current, others);
        }

        @Override
        public void retryDaemons() {
            node.retryDaemons();
        }

        @Override
        public void takeTurn() throws DriverStepException, InterruptedException {
            cluster.takeTurn();
        }

        @Override
        public ClusterTurn.Asked asks() {
            return cluster.asks();
        }

        @Override
        public ClusterTurn.Asked endTurn(ClusterTurn.Asked asked, ClusterTurn.State state) throws InterruptedException {
            return cluster.endTurn(asked, state);
        }

        @Override
        public boolean settleLabel() throws InterruptedException {
            return cluster.settleLabel();
        }

        @Override
        public boolean canDrain() {
            return cluster.canDrain();
        }

        @Override
        public void drain(boolean inTurn) throws DriverStepException, InterruptedException {
            cluster.drain(inTurn);
            node.holders = FakeDriverNode.nobody();
        }

        @Override
        public boolean undrain(boolean sure) throws InterruptedException {
            return cluster.undrain(sure);
        }
    }

    DriverInClusterTest(@TempDir(factory = InMemory.class) Path directory) {
        this.directory = directory;
        this.transaction = transaction();
    }

    private DriverTransaction transaction() {
        return transaction("GPU_NODE_AGENT_DRIVER_UPGRADE_SLOTS=1", "GPU_NODE_AGENT_DRIVER_UPGRADE_STATE_LABEL=true");
    }

    private DriverTransaction transaction(String... settings) {
        List<String> all = new ArrayList<>(List.of(settings));
        all.add("KUBECONFIG=/kubeconfig");
        AgentConfig config = Configs.of(all.toArray(String[]::new));
        SystemHostFiles files = new SystemHostFiles(directory);
        DriverNode host =
                new DriverNode(config, files, files, Map.of(), "1.2.3", SystemTime.monotonic(), SystemTime.wall());
        HostDriverOperations asking = host.operations(
                config.driver(), host.parts(false), DriverDoor.NONE, () -> new KubeletWord.Holding(Set.of()), _ -> {});
        return new DriverTransaction(
                files,
                DriverTransaction.STATE_DIRECTORY,
                new Operations(node, asking),
                (_, _) -> {},
                SystemTime.monotonic());
    }

    @BeforeEach
    void aDriverThatAPodUses() throws IOException, InterruptedException {
        Files.writeString(directory.resolve("kubeconfig"), """
                clusters: [{name: a, cluster: {server: '%s'}}]
                users: [{name: a, user: {token: secret}}]
                contexts: [{name: a, context: {cluster: a, user: a}}]
                current-context: a
                """.formatted(cluster.server.url()));
        assertThat(transaction.change(OLD, false)).isInstanceOf(DriverOutcome.Done.class);
        node.holders = FakeDriverNode.somebody();
        cluster.pods.add("ml", "train");
        transaction = transaction();
    }

    @AfterEach
    void end() {
        cluster.close();
    }

    @Test
    void anExchangeThatEvictsPodsTellsEachStateAndGivesEverythingBack() throws Exception {
        // When
        DriverOutcome outcome = transaction.change(NEW, true);

        // Then
        assertThat(outcome).isInstanceOf(DriverOutcome.Done.class);
        assertThat(cluster.pods.evicted()).containsExactly("ml/train");
        assertThat(cluster.told)
                .containsExactly("pod-restart-required", "drain-required", "pod-restart-required", "upgrade-done");
        assertThat(cluster.holders).containsExactly("node-a", "");
        assertThat(cluster.pods.unschedulable()).isFalse();
    }

    @Test
    void aLabelThatStaysBehindKeepsNoCordon() throws Exception {
        // Given
        cluster.refused = "upgrade-done";

        // When
        DriverOutcome outcome = transaction.change(NEW, true);

        // Then
        assertThat(outcome).isInstanceOf(DriverOutcome.Done.class);
        assertThat(cluster.pods.operatorState()).isEqualTo("pod-restart-required");
        assertThat(cluster.pods.unschedulable()).isFalse();
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 504})
    void aSlotThatTheServerMayHaveGivenIsGivenBack(int status) throws Exception {
        // Given
        cluster.instead.add(
                status == 0
                        ? FakeApiServer.Fault.lost()
                        : FakeApiServer.Fault.answer(status, "{\"kind\":\"Status\",\"message\":\"too slow\"}"));

        // When
        DriverOutcome outcome = transaction.change(NEW, true);

        // Then
        assertThat(outcome)
                .isInstanceOfSatisfying(
                        DriverOutcome.Untouched.class,
                        kept -> assertThat(kept.why()).isEqualTo(DriverOutcome.Why.NOT_ITS_TURN));
        assertThat(cluster.holders).containsExactly("node-a", "");
        assertThat(transaction.isInterrupted()).isFalse();
        assertThat(transaction.remembered().owed()).isEqualTo(DriverMemory.Owed.NOTHING);
    }

    @Test
    void whatCannotBeGivenBackAtOnceIsGivenBackLater() throws Exception {
        // Given
        node.atStep = () -> cluster.forbids = true;
        DriverOutcome outcome = transaction.change(NEW, true);
        boolean cordoned = cluster.pods.unschedulable();
        DriverMemory.Owed owed = transaction.remembered().owed();
        boolean early = transaction().settle(true);
        cluster.forbids = false;

        // When
        boolean settled = transaction().settle(true);

        // Then
        assertThat(outcome).isInstanceOf(DriverOutcome.Done.class);
        assertThat(cordoned).isTrue();
        assertThat(owed).isEqualTo(new DriverMemory.Owed(true, List.of("kube-system")));
        assertThat(List.of(early, settled)).containsExactly(false, true);
        assertThat(cluster.pods.unschedulable()).isFalse();
        assertThat(cluster.holders.getLast()).isEmpty();
        assertThat(transaction.remembered().owed()).isEqualTo(DriverMemory.Owed.NOTHING);
    }

    @Test
    void whatAJournalOfNoUseHasTakenIsLookedUpWhereItIsWritten() throws Exception {
        // Given
        node.faults.put(node.performed + 5, FakeDriverNode.Fault.ENDS_AFTER);
        assertThat(catchThrowable(() -> transaction.change(NEW, true))).isInstanceOf(FakeDriverNode.Ended.class);
        node.restartAgent();
        Files.writeString(directory.resolve("var/lib/gpu-node-agent/driver.journal"), "of no use");
        boolean cordoned = cluster.pods.unschedulable();

        // When
        transaction().recover();

        // Then
        assertThat(cordoned).isTrue();
        assertThat(cluster.pods.unschedulable()).isFalse();
        assertThat(cluster.holders).containsExactly("node-a", "");
        assertThat(cluster.pods.operatorState()).isEqualTo("upgrade-required");
        assertThat(transaction.remembered().owed()).isEqualTo(DriverMemory.Owed.NOTHING);
    }

    @Test
    void aJournalOfNoUseLeavesACordonByHandAlone() throws Exception {
        // Given
        Files.writeString(directory.resolve("var/lib/gpu-node-agent/driver.journal"), "of no use");
        cluster.pods.cordonedByHand(true);

        // When
        transaction().recover();

        // Then
        assertThat(cluster.pods.unschedulable()).isTrue();
        assertThat(transaction.remembered().owed()).isEqualTo(DriverMemory.Owed.NOTHING);
    }

    @Test
    void aJournalOfNoUseOwesANodeWithoutAnApiServerNothing() throws Exception {
        // Given
        Files.writeString(directory.resolve("var/lib/gpu-node-agent/driver.journal"), "of no use");
        Files.delete(directory.resolve("kubeconfig"));

        // When
        transaction("GPU_NODE_AGENT_DRIVER_UPGRADE_SLOTS=0").recover();

        // Then
        assertThat(transaction.isInterrupted()).isFalse();
        assertThat(transaction.remembered().owed()).isEqualTo(DriverMemory.Owed.NOTHING);
    }

    @Test
    void aLabelThatIsNotWantedAnyMoreIsTakenAway() throws Exception {
        // Given
        node.holders = FakeDriverNode.nobody();
        assertThat(transaction.change(NEW, true)).isInstanceOf(DriverOutcome.Done.class);

        // When
        boolean settled = transaction("GPU_NODE_AGENT_DRIVER_UPGRADE_SLOTS=1").settle(true);

        // Then
        assertThat(settled).isTrue();
        assertThat(cluster.told.getLast()).isEmpty();
        assertThat(transaction().settle(true)).isTrue();
        assertThat(cluster.told).containsExactly("pod-restart-required", "upgrade-done", "");
    }

    @Test
    void anUnloadThatEvictsPodsTellsNothingAndLiftsItsCordon() throws Exception {
        // When
        DriverOutcome outcome = transaction.change(DriverTarget.NONE, true);

        // Then
        assertThat(outcome).isInstanceOf(DriverOutcome.Done.class);
        assertThat(cluster.pods.evicted()).containsExactly("ml/train");
        assertThat(cluster.told).isEmpty();
        assertThat(cluster.holders).isEmpty();
        assertThat(cluster.pods.unschedulable()).isFalse();
    }

    @Test
    void podsThatStayGiveTheTurnBack() throws Exception {
        // Given
        cluster.pods.add("me", "experiment").ownedBy("");

        // When
        DriverOutcome outcome = transaction.change(NEW, true);

        // Then
        assertThat(outcome).isInstanceOf(DriverOutcome.Untouched.class);
        assertThat(cluster.pods.operatorState()).isEqualTo("upgrade-required");
        assertThat(cluster.holders).containsExactly("node-a", "");
        assertThat(cluster.pods.unschedulable()).isFalse();
    }
}
