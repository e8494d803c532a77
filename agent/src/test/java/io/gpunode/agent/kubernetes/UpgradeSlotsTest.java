package io.gpunode.agent.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.gpunode.agent.json.JsonException;
import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.time.ManualTime;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(30)
class UpgradeSlotsTest {
    private static final Duration AN_HOUR = Duration.ofHours(1);

    private final ManualTime time = new ManualTime();
    private final Leases leases = new Leases();
    private FakeApiServer server;
    private ApiClient api;

    /** Leases as the server keeps them: a patch holds for one version. */
    private static final class Leases implements FakeApiServer.More {
        private static final String PATH = "/apis/coordination.k8s.io/v1/namespaces/gpu-system/leases";

        private final Map<String, JsonValue> leases = new TreeMap<>();
        private final Map<String, Integer> versions = new TreeMap<>();
        private int faster;
        /** What comes in the place of the next answer to a write that was carried out. */
        private FakeApiServer.@Nullable Fault instead;

        @Override
        public String kind(String method, String path) {
            if (!path.startsWith(PATH)) {
                return "";
            }
            return switch (method) {
                case "GET" -> "leases";
                case "POST" -> "createLease";
                default -> "patchLease";
            };
        }

        @Override
        public synchronized FakeApiServer.Fault answer(String kind, String path, String body) {
            try {
                return switch (kind) {
                    case "leases" -> list();
                    case "createLease" -> put(JsonValue.parse(body), true);
                    default -> put(JsonValue.parse(body), false);
                };
            } catch (JsonException e) {
                throw new IllegalStateException(e);
            }
        }

        private FakeApiServer.Fault list() {
            StringBuilder items = new StringBuilder();
            leases.forEach((name, lease) -> items.append(items.isEmpty() ? "" : ",")
                    .append("{\"metadata\":{\"name\":\"")
                    .append(name)
                    .append("\",\"resourceVersion\":\"")
                    .append(versions.get(name))
                    .append("\"},\"spec\":{\"holderIdentity\":\"")
                    .append(lease.member("spec").member("holderIdentity").textOr(""))
                    .append("\",\"renewTime\":\"")
                    .append(lease.member("spec").member("renewTime").textOr(""))
                    .append("\",\"leaseDurationSeconds\":")
                    .append(lease.member("spec")
                            .member("leaseDurationSeconds")
                            .wholeNumber()
                            .orElse(0))
                    .append("}}"));
            return FakeApiServer.Fault.answer(200, "{\"kind\":\"LeaseList\",\"items\":[" + items + "]}");
        }

        private FakeApiServer.Fault put(JsonValue lease, boolean create) {
            JsonValue metadata = lease.member("metadata");
            String name = metadata.member("name").textOr("");
            if (faster > 0) {
                faster--;
                versions.merge(name, 1, Integer::sum);
                return FakeApiServer.Fault.status(409, "somebody was faster");
            }
            if (create == leases.containsKey(name)
                    || (!create
                            && !metadata.member("resourceVersion").textOr("").equals("" + versions.get(name)))) {
                return FakeApiServer.Fault.status(409, "the object has been modified");
            }
            if (!metadata.member("labels")
                    .member("gpunode.io/driver-upgrade-slot")
                    .text()
                    .isPresent()) {
                throw new IllegalStateException("a lease that no list would show: " + name);
            }
            leases.put(name, lease);
            versions.merge(name, 1, Integer::sum);
            FakeApiServer.Fault other = instead;
            instead = null;
            return other != null ? other : FakeApiServer.Fault.answer(create ? 201 : 200, "{\"kind\":\"Lease\"}");
        }

        private String holder(int number) {
            JsonValue lease = leases.get("gpu-node-agent-driver-upgrade-" + number);
            return lease == null
                    ? "(none)"
                    : lease.member("spec").member("holderIdentity").textOr("");
        }
    }

    @BeforeEach
    void connect() throws Exception {
        server = FakeApiServer.plain(Harness.NODE);
        server.knows(leases);
        api = new ApiClient(
                new ApiAccess(
                        URI.create(server.url()),
                        Optional.empty(),
                        false,
                        new ApiAccess.Identity.Anonymous(),
                        "the test"),
                "test",
                new RequestMeters(Meters.NONE, time),
                Harness.CALL_LIMIT);
    }

    @AfterEach
    void end() {
        api.close();
        server.close();
    }

    private UpgradeSlots slots(int count) {
        return new UpgradeSlots(count, "gpu-system", time.wall());
    }

    private boolean take(int count, String node) throws Exception {
        return slots(count).take(api, node, AN_HOUR) instanceof UpgradeSlots.Answer.Taken;
    }

    @Test
    void noMoreNodesThanThereAreSlotsHaveTheirTurn() throws Exception {
        // When
        List<Boolean> taken = List.of(take(2, "a"), take(2, "b"), take(2, "c"));

        // Then
        assertThat(taken).containsExactly(true, true, false);
        assertThat(slots(2).take(api, "c", AN_HOUR))
                .isInstanceOfSatisfying(
                        UpgradeSlots.Answer.Full.class,
                        full -> assertThat(full.holders())
                                .hasSize(2)
                                .first()
                                .asString()
                                .startsWith("a (until "));
    }

    @Test
    void aSlotThatIsGivenBackIsAnothers() throws Exception {
        // Given
        take(1, "a");

        // When
        List<String> refused = slots(1).release(api, "a");

        // Then
        assertThat(refused).isEmpty();
        assertThat(leases.holder(1)).isEmpty();
        assertThat(take(1, "b")).isTrue();
    }

    @Test
    void aSlotWhoseAnswerIsLostIsTheNodesAllTheSame() throws Exception {
        // Given
        leases.instead = FakeApiServer.Fault.lost();
        Throwable lost = catchThrowable(() -> take(2, "a"));

        // When
        boolean again = take(2, "a");

        // Then
        assertThat(lost).isInstanceOf(IOException.class);
        assertThat(again).isTrue();
        assertThat(List.of(leases.holder(1), leases.holder(2))).containsExactly("a", "(none)");
        assertThat(slots(2).release(api, "a")).isEmpty();
        assertThat(take(1, "b")).isTrue();
    }

    @Test
    void aReleaseWhoseAnswerIsLostIsMadeAgain() throws Exception {
        // Given
        take(1, "a");
        leases.instead = FakeApiServer.Fault.lost();
        Throwable lost = catchThrowable(() -> slots(1).release(api, "a"));
        take(1, "b");

        // When
        List<String> refused = slots(1).release(api, "a");

        // Then
        assertThat(lost).isInstanceOf(IOException.class);
        assertThat(refused).isEmpty();
        assertThat(leases.holder(1)).isEqualTo("b");
    }

    @Test
    void aSlotThatSomebodyHasTouchedMeanwhileIsGivenBackAllTheSame() throws Exception {
        // Given
        take(1, "a");
        leases.faster = 1;

        // When
        List<String> refused = slots(1).release(api, "a");

        // Then
        assertThat(refused).isEmpty();
        assertThat(leases.holder(1)).isEmpty();
    }

    @Test
    void aSlotThatIsAlwaysTouchedMeanwhileIsNotGivenBackAndThatIsSaid() throws Exception {
        // Given
        take(1, "a");
        leases.faster = 100;

        // When
        List<String> refused = slots(1).release(api, "a");

        // Then
        assertThat(refused).containsExactly("gpu-node-agent-driver-upgrade-1: 409: somebody was faster");
        assertThat(server.requests("patchLease")).hasSize(3);
    }

    @Test
    void aNodeThatAsksAgainAfterACrashHasNoSecondSlot() throws Exception {
        // Given
        take(3, "a");

        // When
        boolean again = take(3, "a");

        // Then
        assertThat(again).isTrue();
        assertThat(List.of(leases.holder(1), leases.holder(2))).containsExactly("a", "(none)");
    }

    @Test
    void theSlotOfANodeThatHasDiedIsFreeAfterItsTime() throws Exception {
        // Given
        take(1, "a");
        time.advance(AN_HOUR);
        boolean tooEarly = take(1, "b");

        // When
        time.advance(Duration.ofMinutes(2));
        boolean later = take(1, "b");

        // Then
        assertThat(List.of(tooEarly, later)).containsExactly(false, true);
        assertThat(slots(1).release(api, "a")).isEmpty();
        assertThat(leases.holder(1)).isEqualTo("b");
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, 1})
    void aClockThatJumpsCostsNoNodeItsOwnSlot(long days) throws Exception {
        // Given
        take(1, "a");
        InstantSource jumped = () -> time.wall().instant().plus(Duration.ofDays(days));
        UpgradeSlots slots = new UpgradeSlots(1, "gpu-system", jumped);

        // When
        UpgradeSlots.Answer again = slots.take(api, "a", AN_HOUR);
        List<String> refused = slots.release(api, "a");

        // Then
        assertThat(again).isInstanceOf(UpgradeSlots.Answer.Taken.class);
        assertThat(refused).isEmpty();
        assertThat(take(1, "b")).isTrue();
    }

    @Test
    void whoComesSecondLooksAgain() throws Exception {
        // Given
        take(1, "a");
        slots(1).release(api, "a");
        leases.faster = 1;

        // When
        boolean taken = take(1, "b");

        // Then
        assertThat(taken).isTrue();
        assertThat(server.requests("leases")).hasSize(4);
    }

    @Test
    void whoIsAlwaysSecondGivesUp() throws Exception {
        // Given
        take(1, "a");
        leases.faster = 100;

        // When
        UpgradeSlots.Answer answer = slots(2).take(api, "b", AN_HOUR);

        // Then
        assertThat(answer)
                .isInstanceOfSatisfying(
                        UpgradeSlots.Answer.Full.class,
                        full -> assertThat(full.holders())
                                .singleElement()
                                .asString()
                                .startsWith("a (until "));
        assertThat(server.requests("createLease")).hasSize(4);
    }

    @Test
    void aLeaseThatNoListShowsIsNotTakenForAnothersTurn() throws Exception {
        // Given: one of that name, made without the label
        leases.faster = 100;

        // When
        UpgradeSlots.Answer answer = slots(1).take(api, "b", AN_HOUR);

        // Then
        assertThat(answer).isInstanceOfSatisfying(UpgradeSlots.Answer.Refused.class, refused -> {
            assertThat(refused.verb()).isEqualTo("create");
            assertThat(refused.answer().status()).isEqualTo(409);
        });
        assertThat(server.requests("createLease")).hasSize(3);
    }

    @Test
    void aNamespaceThatDoesNotExistIsSaidToBeTheReason() throws Exception {
        // Given
        server.next("createLease", FakeApiServer.Fault.status(404, "namespaces gpu-system not found"));

        // When
        UpgradeSlots.Answer answer = slots(1).take(api, "b", AN_HOUR);

        // Then
        assertThat(answer)
                .isInstanceOfSatisfying(
                        UpgradeSlots.Answer.Refused.class,
                        refused -> assertThat(refused.answer().reason())
                                .isEqualTo("404: namespaces gpu-system not found"));
        assertThat(server.requests("createLease")).hasSize(1);
    }

    @Test
    void aSlotThatWasDeletedMeanwhileIsMadeAnew() throws Exception {
        // Given
        take(1, "a");
        slots(1).release(api, "a");
        server.next("patchLease", FakeApiServer.Fault.status(404, "gone"));

        // When
        boolean taken = take(1, "b");

        // Then
        assertThat(taken).isTrue();
    }

    @Test
    void aRefusalNamesTheVerb() throws Exception {
        // Given
        server.next("createLease", FakeApiServer.Fault.status(403, "forbidden"));

        // When
        UpgradeSlots.Answer answer = slots(1).take(api, "b", AN_HOUR);

        // Then
        assertThat(answer)
                .isInstanceOfSatisfying(
                        UpgradeSlots.Answer.Refused.class,
                        refused -> assertThat(refused.verb()).isEqualTo("create"));
    }
}
