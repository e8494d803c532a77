package io.gpunode.agent.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.NodeLabels;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.Map;
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
class ApiConnectionTest {
    private static final String CONFIG = "nvidia.com/device-plugin.config";

    @TempDir
    Path root;

    private FakeApiServer server;

    @BeforeEach
    void startServer() {
        server = FakeApiServer.plain(Harness.NODE);
        server.labels(Map.of(CONFIG, "a"));
    }

    @AfterEach
    void stopServer() {
        server.close();
    }

    @Test
    void withoutCredentialsNothingIsAsked() throws Exception {
        // Given
        try (Harness agent = Harness.on(root)) {
            // When
            agent.turnUntil(() -> !agent.connection.status().reason().isEmpty());

            // Then
            assertThat(agent.connection.status().state()).isEqualTo("not-configured");
            assertThat(server.requests()).isEmpty();
        }
    }

    @Test
    void theFirstSecondBelongsToTheKubelet() throws Exception {
        // Given
        try (Harness agent = Harness.connectedTo(server, root)) {
            // When
            Duration pause = agent.connection.turn();

            // Then
            assertThat(pause).isBetween(Duration.ofMillis(1_500), Duration.ofMillis(2_500));
            assertThat(server.requests()).isEmpty();
        }
    }

    @Test
    void theOwnNodeIsListedOnceAndWatchedFromThere() throws Exception {
        // Given
        try (Harness agent = Harness.connectedTo(server, root)) {
            // When
            agent.watching();

            // Then
            assertThat(agent.label(CONFIG)).isEqualTo("a");
            assertThat(server.requests())
                    .extracting(FakeApiServer.Request::path)
                    .containsExactly(
                            "/api/v1/nodes?fieldSelector=metadata.name%3Dnode-a",
                            "/api/v1/nodes?watch=true&allowWatchBookmarks=true&fieldSelector=metadata.name%3Dnode-a&resourceVersion=101");
            assertThat(server.requests()).allSatisfy(request -> {
                assertThat(request.authorization()).isEqualTo("Bearer token-1");
                assertThat(request.accept()).startsWith("application/json;as=PartialObjectMetadata");
            });
        }
    }

    @Test
    void aKubeconfigThatComesLaterIsFound() throws Exception {
        // Given
        try (Harness agent = Harness.on(root)) {
            agent.turnUntil(() -> !agent.connection.status().reason().isEmpty());
            server.token("");
            agent.kubeconfig("""
                    {clusters: [{name: c, cluster: {server: "%s"}}], contexts: [{name: x, context: {cluster: c}}], current-context: x}
                    """.formatted(server.url()));

            // When
            agent.watching();

            // Then
            assertThat(agent.label(CONFIG)).isEqualTo("a");
        }
    }

    @Test
    void aChangedLabelIsToldOnce() throws Exception {
        // Given
        try (Harness agent = Harness.connectedTo(server, root)) {
            CopyOnWriteArrayList<String> seen = new CopyOnWriteArrayList<>();
            agent.connection.ownNode().onChange(() -> seen.add(agent.label(CONFIG)));
            agent.watching();

            // When
            server.labels(Map.of(CONFIG, "b"));
            server.labels(Map.of(CONFIG, "b", "other", "x"));
            server.labels(Map.of());

            // Then
            Harness.until(() -> seen.size() == 3);
            assertThat(seen).containsExactly("a", "b", "(none)");
        }
    }

    @Test
    void atRestThereIsNoRequestBesideTheWatch() throws Exception {
        // Given
        try (Harness agent = Harness.connectedTo(server, root)) {
            agent.watching();
            int before = server.requests().size();

            // When
            for (int minute = 0; minute < 55; minute++) {
                agent.time.advance(Duration.ofMinutes(1));
                server.bookmark();
                Harness.until(() ->
                        agent.connection.status().lastContact().orElseThrow().isZero());
                agent.connection.turn();
            }

            // Then
            assertThat(server.requests()).hasSize(before);
        }
    }

    @Test
    void aWatchThatTheServerEndsGoesOnWhereItWas() throws Exception {
        // Given
        try (Harness agent = Harness.connectedTo(server, root)) {
            agent.watching();
            server.bookmark();
            agent.time.advance(Duration.ofMinutes(5));
            Harness.until(
                    () -> agent.connection.status().lastContact().orElseThrow().isPositive());
            server.endWatches();
            Harness.until(() -> !agent.connection.status().watching());

            // When
            agent.watching();

            // Then
            assertThat(server.requests("list")).hasSize(1);
            assertThat(server.requests("watch"))
                    .last()
                    .satisfies(request -> assertThat(request.path()).endsWith("resourceVersion=102"));
        }
    }

    @Test
    void nothingIsMissedOverABrokenConnection() throws Exception {
        // Given
        try (Harness agent = Harness.connectedTo(server, root)) {
            agent.watching();
            server.send("{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"name\":\"node-a\",\"lab");
            server.breakWatches();
            Harness.until(() -> !agent.connection.status().watching());
            server.labels(Map.of(CONFIG, "b"));

            // When
            agent.watching();

            // Then
            Harness.until(() -> agent.label(CONFIG).equals("b"));
            assertThat(server.requests("list")).hasSize(1);
        }
    }

    @Test
    void aVersionThatIsTooOldIsListedAgain() throws Exception {
        // Given
        try (Harness agent = Harness.connectedTo(server, root)) {
            agent.watching();
            server.breakWatches();
            Harness.until(() -> !agent.connection.status().watching());
            server.labels(Map.of(CONFIG, "b"));
            server.compact();

            // When
            agent.turnUntil(() -> agent.label(CONFIG).equals("b"));

            // Then
            assertThat(server.requests("list")).hasSize(2);
        }
    }

    @Test
    void aWatchRefusedWith410IsListedAgain() throws Exception {
        // Given
        server.next("watch", FakeApiServer.Fault.status(410, "Expired"));
        try (Harness agent = Harness.connectedTo(server, root)) {
            // When
            agent.watching();

            // Then
            assertThat(server.requests("list")).hasSize(2);
        }
    }

    @Test
    void anApiServerThatRestartsIsFoundAgain() throws Exception {
        // Given
        try (Harness agent = Harness.connectedTo(server, root)) {
            agent.watching();
            server.stop();
            agent.turnUntil(() -> agent.connection.status().state().equals("failing"));
            assertThat(agent.label(CONFIG)).isEqualTo("a");
            server.labels(Map.of(CONFIG, "b"));
            server.start();

            // When
            agent.watching();

            // Then
            Harness.until(() -> agent.label(CONFIG).equals("b"));
        }
    }

    @Test
    void aRenewedTokenIsReadForTheNextRequest() throws Exception {
        // Given
        try (Harness agent = Harness.connectedTo(server, root)) {
            agent.watching();
            agent.token("token-2");
            server.token("token-2");
            server.breakWatches();
            Harness.until(() -> !agent.connection.status().watching());

            // When
            agent.watching();

            // Then
            assertThat(server.requests("watch"))
                    .last()
                    .satisfies(request -> assertThat(request.authorization()).isEqualTo("Bearer token-2"));
        }
    }

    @Test
    void anExpiredTokenIsSaidAndTriedAgain() throws Exception {
        // Given
        try (Harness agent = Harness.connectedTo(server, root)) {
            server.token("token-2");
            agent.turnUntil(() -> agent.connection.status().state().equals("failing"));
            assertThat(agent.connection.status().reason())
                    .contains(
                            "does not accept the kubelet's own credentials in /etc/kubernetes/kubelet.conf (401: Unauthorized)");
            agent.token("token-2");

            // When
            agent.watching();

            // Then
            assertThat(agent.connection.status().reason()).isEmpty();
        }
    }

    @Test
    void aForbiddenWatchSaysWhatToAllowAndEventsStillGo() throws Exception {
        // Given
        server.next("list", FakeApiServer.Fault.status(403, "nodes is forbidden"));
        try (Harness agent = Harness.connectedTo(server, root)) {
            // When
            agent.connection.events().orElseThrow().announce(new NodeEvent(true, "GpuUnhealthy", "gpu", "broken"));
            agent.turnUntil(() -> !server.requests("event").isEmpty());

            // Then
            assertThat(agent.connection.status().state()).isEqualTo("connected");
            assertThat(agent.connection.status().reason())
                    .contains("nodes is forbidden")
                    .contains("get, list and watch on the resource nodes");
            assertThat(server.requests("list")).hasSize(1);
        }
    }

    @Test
    void aServerThatHangsIsGivenUpInTime() throws Exception {
        // Given
        server.next("list", FakeApiServer.Fault.hang());
        try (Harness agent = Harness.impatient(server, root)) {
            // When
            agent.turnUntil(() -> agent.connection.status().state().equals("failing"));

            // Then
            assertThat(agent.connection.status().reason()).contains("has not answered within 1500 ms");
            agent.watching();
        }
    }

    @Test
    void aWatchThatFallsSilentIsReplaced() throws Exception {
        // Given
        try (Harness agent = Harness.connectedTo(server, root)) {
            agent.watching();
            agent.time.advance(OwnNode.LONGEST_SILENCE.minusSeconds(1));
            agent.connection.turn();
            assertThat(server.requests("watch")).hasSize(1);
            agent.time.advance(Duration.ofSeconds(1));

            // When
            agent.turnUntil(() -> server.requests("watch").size() == 2);

            // Then
            agent.watching();
            assertThat(server.requests("list")).hasSize(2);
        }
    }

    @Test
    void whereBookmarksComeEachMinuteAConnectionWithoutTheOtherEndIsNoticedInMinutes() throws Exception {
        // Given
        try (Harness agent = Harness.connectedTo(server, root)) {
            agent.watching();
            for (int minute = 0; minute < 3; minute++) {
                agent.time.advance(Duration.ofMinutes(1));
                server.bookmark();
                Harness.until(() ->
                        agent.connection.status().lastContact().orElseThrow().isZero());
            }
            agent.time.advance(OwnNode.LONGEST_SILENCE_AMONG_BOOKMARKS.minusSeconds(1));
            Duration left = agent.connection.turn();
            assertThat(server.requests("watch")).hasSize(1);
            assertThat(left).isEqualTo(Duration.ofSeconds(1));

            // When
            agent.turnUntil(() -> server.requests("watch").size() == 2);

            // Then
            agent.watching();
            assertThat(server.requests("list")).hasSize(2);
        }
    }

    @Test
    void bytesThatNeverMakeALineAreSilence() throws Exception {
        // Given
        try (Harness agent = Harness.connectedTo(server, root)) {
            agent.watching();
            for (int minute = 0; minute < 10; minute++) {
                agent.time.advance(Duration.ofMinutes(1));
                server.send("\n {");
            }

            // When
            agent.turnUntil(() -> server.requests("watch").size() == 2);

            // Then
            agent.watching();
        }
    }

    @Test
    void aServerThatWentBackInTimeIsListedAgain() throws Exception {
        // Given
        try (Harness agent = Harness.connectedTo(server, root)) {
            agent.watching();
            server.labels(Map.of(CONFIG, "b"));
            Harness.until(() -> agent.label(CONFIG).equals("b"));
            server.goBackTo(50);

            // When
            server.labels(Map.of(CONFIG, "restored"));
            Harness.until(() -> !agent.connection.status().watching());
            agent.turnUntil(() -> agent.label(CONFIG).equals("restored"));

            // Then
            agent.watching();
            assertThat(server.requests("list")).hasSize(2);
            assertThat(server.requests("watch").getLast().path()).endsWith("resourceVersion=51");
        }
    }

    @Test
    void theSameEventTwiceIsToldOnce() throws Exception {
        // Given
        try (Harness agent = Harness.connectedTo(server, root)) {
            CopyOnWriteArrayList<String> seen = new CopyOnWriteArrayList<>();
            agent.watching();
            agent.label(CONFIG);
            agent.connection.ownNode().onChange(() -> seen.add(agent.label(CONFIG)));
            String event =
                    "{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"name\":\"node-a\",\"resourceVersion\":\"102\",\"labels\":{\""
                            + CONFIG + "\":\"b\"}}}}\n";

            // When
            server.send(event + event + event.replace("102", "103").replace("\"b\"", "\"c\""));

            // Then
            Harness.until(() -> agent.label(CONFIG).equals("c"));
            assertThat(seen).containsExactly("b", "c");
            assertThat(agent.connection.status().watching()).isTrue();
        }
    }

    @Test
    void aPageInThePlaceOfTheWatchIsSaid() throws Exception {
        // Given
        server.next("watch", FakeApiServer.Fault.page(200));
        try (Harness agent = Harness.connectedTo(server, root)) {
            // When
            agent.turnUntil(() -> agent.connection.status().state().equals("failing"));

            // Then
            assertThat(agent.connection.status().reason())
                    .contains("answered with HTTP status 200 and no object; is this an API server? A proxy");
            agent.watching();
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {429, 500, 502, 503, 504})
    void aServerThatCannotJustNowIsAskedAgainForTheWatchAlone(int status) throws Exception {
        // Given
        server.next("watch", FakeApiServer.Fault.status(status, "not now"));
        try (Harness agent = Harness.connectedTo(server, root)) {
            agent.turnUntil(() -> !agent.connection.status().reason().isEmpty());
            assertThat(agent.connection.status().reason()).contains(status + ": not now");

            // When
            agent.watching();

            // Then
            assertThat(server.requests("list")).hasSize(1);
            assertThat(agent.connection.status().reason()).isEmpty();
        }
    }

    @Test
    void aWatchThatTheServerBreaksOffWithAnErrorIsListedAgainAfterAWait() throws Exception {
        // Given
        try (Harness agent = Harness.connectedTo(server, root)) {
            agent.watching();
            agent.time.advance(Duration.ofMinutes(1));
            server.send("{\"type\":\"ERROR\",\"object\":{\"code\":500,\"message\":\"etcd is away\"}}\n");
            Harness.until(() -> !agent.connection.status().watching());

            // When
            agent.connection.turn();
            Duration pause = agent.connection.turn();

            // Then
            assertThat(pause).isBetween(Duration.ofMillis(700), Duration.ofSeconds(2));
            assertThat(agent.connection.status().reason()).contains("500: etcd is away");
            agent.watching();
            assertThat(server.requests("list")).hasSize(2);
        }
    }

    @Test
    void anAnswerThatEndsTooEarlyIsSaid() throws Exception {
        // Given
        server.next("list", FakeApiServer.Fault.cutShort("{\"kind\":\"NodeList\",\"metadata\":{\"resourceVers"));
        try (Harness agent = Harness.connectedTo(server, root)) {
            // When
            agent.turnUntil(() -> agent.connection.status().state().equals("failing"));

            // Then
            assertThat(agent.connection.status().reason()).startsWith(server.url());
            agent.watching();
        }
    }

    @Test
    void anAnswerThatComesByteByByteIsGivenUpInTime() throws Exception {
        // Given
        server.next("list", FakeApiServer.Fault.drip("{\"kind\":\"" + "x".repeat(1_000) + "\"}"));
        try (Harness agent = Harness.impatient(server, root)) {
            // When
            agent.turnUntil(() -> agent.connection.status().state().equals("failing"));

            // Then
            assertThat(agent.connection.status().reason()).contains("has not answered within 1500 ms");
            agent.watching();
        }
    }

    @Test
    void aNameThatCannotBeResolvedIsSaid() throws Exception {
        // Given
        try (Harness agent = Harness.connectedTo(server, root)) {
            // Longer than a name can be: no resolver asks anybody for it.
            String noName = "a.".repeat(130) + "invalid";
            agent.kubeconfig(
                    "{clusters: [{name: c, cluster: {server: 'http://%s'}}], contexts: [{name: x, context: {cluster: c}}], current-context: x}"
                            .formatted(noName));

            // When
            agent.turnUntil(() -> agent.connection.status().state().equals("failing"));

            // Then
            assertThat(agent.connection.status().reason())
                    .isEqualTo("http://" + noName + ": the name " + noName + " is not known to DNS");
        }
    }

    @Test
    void aServerThatOnlyAProxyReachesIsReached() throws Exception {
        // Given
        try (Harness agent = Harness.on(root);
                ForwardingProxy proxy = new ForwardingProxy(server.port())) {
            agent.kubeconfig(
                    "{clusters: [{name: c, cluster: {server: 'http://api.invalid', proxy-url: 'http://127.0.0.1:%d'}}], contexts: [{name: x, context: {cluster: c}}], current-context: x}"
                            .formatted(proxy.port()));

            // When
            agent.watching();

            // Then
            assertThat(agent.label(CONFIG)).isEqualTo("a");
            assertThat(proxy.firstLines()).first().asString().startsWith("GET http://api.invalid/api/v1/nodes?");
        }
    }

    @Test
    void aServerThatDoesNotTakeTheVersionIsListedAgain() throws Exception {
        // Given
        server.next("watch", FakeApiServer.Fault.status(400, "invalid resource version"));
        try (Harness agent = Harness.connectedTo(server, root)) {
            // When
            agent.watching();

            // Then
            assertThat(server.requests("list")).hasSize(2);
        }
    }

    @Test
    void aVersionIsNotTakenToTheNextConnection() throws Exception {
        // Given
        try (Harness agent = Harness.connectedTo(server, root)) {
            agent.watching();
            server.stop();
            agent.turnUntil(() -> agent.connection.status().state().equals("failing"));
            server.start();

            // When
            agent.watching();

            // Then
            assertThat(server.requests("list")).hasSize(2);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "200 | <html>Please log in</html>  | is this an API server?",
                "200 | {\"kind\":\"NodeList\"}     | is this an API server?",
                "200 | ''                          | is this an API server?",
                "302 | ''                          | HTTP status 302",
                "500 | {\"message\":\"etcd is away\"} | 500: etcd is away",
                "503 | <html>                      | HTTP status 503",
            })
    void anAnswerThatIsNoneIsSaid(int status, String body, String reason) throws Exception {
        // Given
        server.next("list", FakeApiServer.Fault.answer(status, body));
        try (Harness agent = Harness.connectedTo(server, root)) {
            // When
            agent.turnUntil(() -> !agent.connection.status().reason().isEmpty());

            // Then
            assertThat(agent.connection.status().reason()).contains(reason);
            agent.watching();
        }
    }

    @Test
    void anObjectOf20MebibytesIsNotTaken() throws Exception {
        // Given
        server.next("list", FakeApiServer.Fault.answer(200, "{\"a\":\"" + "x".repeat(20 << 20) + "\"}"));
        try (Harness agent = Harness.connectedTo(server, root)) {
            // When
            agent.turnUntil(() -> agent.connection.status().state().equals("failing"));

            // Then
            agent.watching();
        }
    }

    @Test
    void aLineOf20MebibytesEndsTheWatchOnly() throws Exception {
        // Given
        try (Harness agent = Harness.connectedTo(server, root)) {
            agent.watching();

            // When
            server.send("{\"type\":\"MODIFIED\",\"object\":{\"a\":\"" + "x".repeat(20 << 20) + "\"}}\n");

            // Then
            Harness.until(() -> !agent.connection.status().watching());
            agent.watching();
            assertThat(agent.label(CONFIG)).isEqualTo("a");
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "not json",
                "[1,2",
                "{\"type\":\"WHAT\"}",
                "{\"type\":\"ERROR\",\"object\":{\"code\":500,\"message\":\"oops\"}}",
                "{}"
            })
    void aLineThatIsNoEventEndsTheWatchOnly(String line) throws Exception {
        // Given
        try (Harness agent = Harness.connectedTo(server, root)) {
            agent.watching();

            // When
            server.send(line + "\n");

            // Then
            Harness.until(() -> !agent.connection.status().watching());
            agent.watching();
            assertThat(agent.label(CONFIG)).isEqualTo("a");
        }
    }

    @Test
    void anotherNodesObjectIsNotOurs() throws Exception {
        // Given
        try (Harness agent = Harness.connectedTo(server, root)) {
            agent.watching();
            server.send(
                    "{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"name\":\"node-b\",\"resourceVersion\":\"102\",\"labels\":{\""
                            + CONFIG + "\":\"evil\"}}}}\n");

            // When
            server.labels(Map.of(CONFIG, "a", "other", "x"));

            // Then
            Harness.until(() -> agent.label("other").equals("x"));
            assertThat(agent.label(CONFIG)).isEqualTo("a");
        }
    }

    @Test
    void aDeletedNodeKeepsItsLabelsUntilItIsThereAgain() throws Exception {
        // Given
        try (Harness agent = Harness.connectedTo(server, root)) {
            agent.watching();
            agent.connection.turn();
            server.send(
                    "{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"node-b\",\"resourceVersion\":\"101\"}}}\n");
            assertThat(agent.connection.status().reason()).isEmpty();
            server.deleteNode();
            server.bookmark();

            // When
            Harness.until(() -> !agent.connection.status().reason().isEmpty());
            String meanwhile = agent.label(CONFIG);
            String reason = agent.connection.status().reason();
            server.labels(Map.of(CONFIG, "new"));

            // Then
            assertThat(meanwhile).isEqualTo("a");
            assertThat(reason)
                    .isEqualTo("the Node node-a was deleted; its last labels stay in force until it is there again");
            Harness.until(() -> agent.label(CONFIG).equals("new"));
            assertThat(agent.connection.status().reason()).isEmpty();
        }
    }

    @Test
    void aNodeThatCameBackWithoutAWordIsSeenAfterTheSilence() throws Exception {
        // Given
        try (Harness agent = Harness.connectedTo(server, root)) {
            agent.watching();
            server.deleteNode();
            Harness.until(() -> !agent.connection.status().reason().isEmpty());
            server.silently(() -> server.labels(Map.of(CONFIG, "new")));

            // When
            agent.time.advance(OwnNode.LONGEST_SILENCE);
            agent.turnUntil(() -> agent.label(CONFIG).equals("new"));

            // Then
            assertThat(agent.connection.ownNode().current().orElseThrow().uid()).isEqualTo("uid-1-next");
            agent.watching();
            assertThat(agent.connection.status().reason()).isEmpty();
        }
    }

    @Test
    void aNodeThatIsNotRegisteredYetIsWaitedForByTheWatch() throws Exception {
        // Given
        server.notRegistered();
        try (Harness agent = Harness.connectedTo(server, root)) {
            agent.watching();
            assertThat(agent.connection.ownNode().current()).isEmpty();
            assertThat(agent.connection.status().reason())
                    .isEqualTo(
                            "there is no Node node-a; set host.nodeName (NODE_NAME) if the kubelet registers under another name");
            assertThat(agent.connection.ownNode().label(CONFIG))
                    .isEqualTo(new NodeLabels.Answer.Unknown(
                            agent.connection.status().reason()));

            // When
            server.labels(Map.of(CONFIG, "late"));

            // Then
            Harness.until(() -> agent.label(CONFIG).equals("late"));
            assertThat(server.requests()).hasSize(2);
            assertThat(agent.connection.status().reason()).isEmpty();
        }
    }

    @Test
    void retryAfterIsHonoured() throws Exception {
        // Given
        server.next(
                "list",
                new FakeApiServer.Fault(
                        429, "{\"message\":\"too many requests\"}", Map.of("Retry-After", "100"), false, false));
        try (Harness agent = Harness.connectedTo(server, root)) {
            agent.turnUntil(() -> !server.requests("list").isEmpty());

            // When
            agent.time.advance(Duration.ofSeconds(97));
            agent.connection.turn();

            // Then
            assertThat(server.requests("list")).hasSize(1);
            agent.watching();
        }
    }

    @Test
    void aKubeletsCertificateOpensTlsAndNamesTheNode() throws Exception {
        // Given
        try (FakeApiServer secure = FakeApiServer.tls(Harness.NODE);
                Harness agent = Harness.on(root)) {
            secure.labels(Map.of(CONFIG, "tls"));
            kubelet(agent, secure, "certificate-authority: ../pki/ca.pem");

            // When
            agent.watching();

            // Then
            assertThat(agent.label(CONFIG)).isEqualTo("tls");
            assertThat(secure.requests().getFirst().peer()).contains("CN=system:node:node-a");
        }
    }

    @Test
    void aRenewedCertificateIsUsedForTheNextConnection() throws Exception {
        // Given
        try (FakeApiServer secure = FakeApiServer.tls(Harness.NODE);
                Harness agent = Harness.on(root)) {
            kubelet(agent, secure, "certificate-authority: ../pki/ca.pem");
            agent.watching();
            Path pem = root.resolve("etc/pki/kubelet-client-current.pem");
            Files.writeString(
                    pem,
                    Files.readString(FakeApiServer.FIXTURES.resolve("admin.pem"))
                            + Files.readString(FakeApiServer.FIXTURES.resolve("admin-pkcs1.key")));
            secure.breakWatches();
            Harness.until(() -> !agent.connection.status().watching());

            // When
            agent.watching();

            // Then
            assertThat(secure.requests("watch").getLast().peer()).contains("CN=admin");
        }
    }

    @Test
    void aServerOfAnotherAuthorityIsNotBelieved() throws Exception {
        // Given
        try (FakeApiServer secure = FakeApiServer.tls(Harness.NODE);
                Harness agent = Harness.on(root)) {
            kubelet(agent, secure, "certificate-authority: ../pki/admin.pem");
            Files.copy(FakeApiServer.FIXTURES.resolve("admin.pem"), root.resolve("etc/pki/admin.pem"));

            // When
            agent.turnUntil(() -> agent.connection.status().reason().contains("PKIX"));

            // Then
            assertThat(agent.connection.status().reason()).doesNotContain("PRIVATE");
            assertThat(secure.requests()).isEmpty();
        }
    }

    @Test
    void aServerWhoseCertificateHasAnotherNameIsNotBelieved() throws Exception {
        // Given
        try (FakeApiServer misnamed = FakeApiServer.misnamed(Harness.NODE);
                Harness agent = Harness.on(root)) {
            kubelet(agent, misnamed, "certificate-authority: ../pki/ca.pem");

            // When
            agent.turnUntil(() -> agent.connection
                    .status()
                    .reason()
                    .contains("No subject alternative names matching IP address 127.0.0.2 found"));

            // Then
            assertThat(agent.connection.status().state()).isEqualTo("failing");
            assertThat(misnamed.requests()).isEmpty();
        }
    }

    @Test
    void anEmptyFileOfAuthoritiesIsNotTheRuntimesOwn() throws Exception {
        // Given
        try (FakeApiServer secure = FakeApiServer.tls(Harness.NODE);
                Harness agent = Harness.on(root)) {
            kubelet(agent, secure, "certificate-authority: ../pki/empty.pem");
            Files.createFile(root.resolve("etc/pki/empty.pem"));

            // When
            agent.turnUntil(() -> agent.connection.status().state().equals("failing"));

            // Then
            assertThat(agent.connection.status().reason()).contains("there is no certificate in the authority of");
        }
    }

    @Test
    void theNodeThatTheCertificateNamesIsTheOneThatIsShown() throws Exception {
        // Given
        try (FakeApiServer secure = FakeApiServer.tls(Harness.NODE);
                Harness agent = Harness.named("another", root)) {
            kubelet(agent, secure, "certificate-authority: ../pki/ca.pem");

            // When
            agent.watching();

            // Then
            assertThat(agent.connection.status().node()).isEqualTo("node-a");
        }
    }

    @Test
    void checkingCanBeSwitchedOffInTheKubeconfig() throws Exception {
        // Given
        try (FakeApiServer secure = FakeApiServer.tls(Harness.NODE);
                Harness agent = Harness.on(root)) {
            kubelet(agent, secure, "insecure-skip-tls-verify: true");

            // When
            agent.watching();

            // Then
            assertThat(secure.requests("watch")).hasSize(1);
        }
    }

    @Test
    void anUnusableKubeconfigIsSaidWithItsPlace() throws Exception {
        // Given
        try (Harness agent = Harness.on(root)) {
            agent.kubeconfig("current-context: x\n");

            // When
            agent.turnUntil(() -> agent.connection.status().state().equals("unusable"));

            // Then
            assertThat(agent.connection.status().reason())
                    .isEqualTo("/etc/kubernetes/kubelet.conf: there is no \"x\" in contexts");
        }
    }

    @Test
    void whatASlowServerLeavesNoTimeForHasItsTurnInTheNext() throws Exception {
        // Given
        try (Harness agent = Harness.impatient(server, root)) {
            agent.watching();
            NodeCondition condition = agent.connection.condition().orElseThrow();
            condition.want(new NodeCondition.Wish(NodeCondition.Status.TRUE, "GpusHealthy", "all GPUs are healthy"));
            agent.turnUntil(() -> server.requests("status").size() == 1);
            agent.time.advance(Duration.ofMinutes(1));
            condition.want(new NodeCondition.Wish(NodeCondition.Status.FALSE, "GpuUnhealthy", "GPU 3 is broken"));
            server.next("event", FakeApiServer.Fault.hang());
            agent.connection.events().orElseThrow().announce(new NodeEvent(true, "GpuUnhealthy", "gpu", "broken"));
            Thread slow = Thread.ofPlatform().start(() -> {
                try {
                    server.await("event");
                    agent.time.advance(ApiConnection.LONGEST_TURN);
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            });

            // When
            Duration pause = agent.connection.turn();

            // Then
            slow.join();
            assertThat(pause).isZero();
            assertThat(server.requests("status")).hasSize(1);
            agent.connection.turn();
            assertThat(server.requests("status")).hasSize(2);
        }
    }

    @Test
    void stoppingDoesNotWaitForAServerThatHangs() throws Exception {
        // Given
        server.next("list", FakeApiServer.Fault.hang());
        Harness agent = Harness.connectedTo(server, root);
        agent.connection.turn();
        agent.time.advance(Duration.ofSeconds(5));
        agent.connection.start();
        server.await("list");

        // When
        long before = System.nanoTime();
        agent.connection.stop(Duration.ofSeconds(4));

        // Then: well before the call would have ended by itself
        assertThat(Duration.ofNanos(System.nanoTime() - before)).isLessThan(Harness.CALL_LIMIT.dividedBy(2));
    }

    private static void kubelet(Harness agent, FakeApiServer secure, String trust) throws IOException {
        Files.createDirectories(agent.root.resolve("etc/pki"));
        Files.copy(FakeApiServer.FIXTURES.resolve("ca.pem"), agent.root.resolve("etc/pki/ca.pem"));
        Files.copy(
                FakeApiServer.FIXTURES.resolve("kubelet-sec1.pem"),
                agent.root.resolve("etc/pki/kubelet-client-current.pem"),
                StandardCopyOption.REPLACE_EXISTING);
        agent.kubeconfig("""
                apiVersion: v1
                kind: Config
                clusters:
                - name: default-cluster
                  cluster:
                    server: %s
                    %s
                users:
                - name: default-auth
                  user:
                    client-certificate: /etc/pki/kubelet-client-current.pem
                    client-key: /etc/pki/kubelet-client-current.pem
                contexts:
                - name: default-context
                  context: {cluster: default-cluster, namespace: default, user: default-auth}
                current-context: default-context
                """.formatted(secure.url(), trust));
    }
}
