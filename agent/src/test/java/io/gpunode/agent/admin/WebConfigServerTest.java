package io.gpunode.agent.admin;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gpunode.agent.config.AgentConfig;
import io.netty.channel.embedded.EmbeddedChannel;
import java.io.IOException;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLSocket;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** TLS, users and limits of a web configuration, over real sockets. */
@Timeout(60)
class WebConfigServerTest {
    private static final String TLS = "tls_server_config: {cert_file: server.pem, key_file: server.key}\n";
    private static final String USERS = "basic_auth_users: {alice: " + Web.ALICE + "}\n";

    private static final String SLOW =
            "basic_auth_users: {bob: $2b$13$zmnaJz0NgUGKjV7a8kkPHuqVrHe76TkrmMX1/C4wFypeU1by6xnUq}\n";
    private static final Duration LIMIT = Duration.ofSeconds(20);

    @TempDir
    private Path folder = Path.of("");

    private Web web = new Web(folder);

    @BeforeEach
    void layOut() throws IOException {
        web = new Web(folder)
                .copy("server.pem", "server.pem")
                .copy("server.key", "server.key")
                .copy("authority.pem", "authority.pem");
    }

    @AfterEach
    void stop() {
        web.close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"TLSv1.2", "TLSv1.3"})
    void answersThroughTls(String protocol) throws Exception {
        // Given
        web.write(TLS).start();
        SSLSocket socket = web.unshaken();
        socket.setEnabledProtocols(new String[] {protocol});

        // When
        String answer = Web.get(socket, "/metrics", "");

        // Then
        assertThat(answer).startsWith("HTTP/1.1 200 OK\r\n").endsWith(Web.METRICS);
        assertThat(socket.getSession().getProtocol()).isEqualTo(protocol);
    }

    @Test
    void answersLargePagesThroughTls() throws Exception {
        // Given
        byte[] large = new byte[3 << 20];
        web.write(TLS).start(Page.of("text/plain", body -> body.write(large, large.length)), Duration.ofSeconds(5));

        // When
        String answer = Web.get(web.encrypted(), "/metrics", "");

        // Then
        assertThat(answer.length()).isGreaterThan(large.length);
    }

    @Test
    void tellsAClientOfPlainHttpThatThisIsTls() throws IOException {
        // Given
        web.write(TLS).start();

        // When
        String answer = Web.get(web.plain(), "/metrics", "");

        // Then
        assertThat(answer)
                .isEqualTo("HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n");
    }

    @ParameterizedTest
    @CsvSource({
        "min_version: TLS13, TLSv1.2",
        "max_version: TLS12, TLSv1.3",
        "'max_version: TLS12, cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]', TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    })
    void refusesAClientThatSpeaksNothingOfWhatIsAllowed(String members, String offered) throws Exception {
        // Given
        web.write(TLS.replace("}", ", " + members + "}")).start();
        SSLSocket socket = web.unshaken();
        if (offered.startsWith("TLSv")) {
            socket.setEnabledProtocols(new String[] {offered});
        } else {
            socket.setEnabledProtocols(new String[] {"TLSv1.2"});
            socket.setEnabledCipherSuites(new String[] {offered});
        }

        // When / Then
        assertThatThrownBy(socket::startHandshake).isInstanceOf(SSLException.class);
        socket.close();
    }

    /** Who comes in, by the word, and by the certificate that the client shows. */
    @ParameterizedTest
    @CsvSource({
        "NoClientCert,               '',       true",
        "NoClientCert,               stranger, true",
        "RequestClientCert,          '',       true",
        "RequestClientCert,          stranger, true",
        "RequireAnyClientCert,       '',       false",
        "RequireClientCert,          '',       false",
        "RequireAnyClientCert,       stranger, true",
        "VerifyClientCertIfGiven,    '',       true",
        "VerifyClientCertIfGiven,    stranger, false",
        "VerifyClientCertIfGiven,    client,   true",
        "RequireAndVerifyClientCert, '',       false",
        "RequireAndVerifyClientCert, stranger, false",
        "RequireAndVerifyClientCert, client,   true",
    })
    void letsClientsInByTheirCertificates(String word, String client, boolean in) throws Exception {
        // Given
        String authority = word.contains("Verify") ? ", client_ca_file: authority.pem" : "";
        web.write(TLS.replace("}", ", client_auth_type: " + word + authority + "}"))
                .start();

        // When
        String answer = tryToGet(client);

        // Then
        assertThat(answer).startsWith(in ? "HTTP/1.1 200" : "refused");
    }

    @ParameterizedTest
    @CsvSource({
        "prometheus.example,          client, true",
        "10.0.0.7,                    client, true",
        "'\"2001:db8::7\"',           client, true",
        "spiffe://example/prometheus, client, true",
        "scraper@example,             client, true",
        "prometheus,                  client, false",
        "prometheus.example,          '',     false",
    })
    void letsClientsInByTheirNames(String name, String client, boolean in) throws Exception {
        // Given
        web.write(TLS.replace(
                        "}",
                        ", client_auth_type: VerifyClientCertIfGiven, client_ca_file: authority.pem, client_allowed_sans: [other, "
                                + name + "]}"))
                .start();

        // When
        String answer = tryToGet(client);

        // Then
        assertThat(answer).startsWith(in ? "HTTP/1.1 200" : "refused");
    }

    @ParameterizedTest
    @CsvSource({
        "alice, correct horse, 200",
        "alice, wrong,         401",
        "alice, '',            401",
        "Alice, correct horse, 401",
        "'',    correct horse, 401",
    })
    void letsUsersInByTheirPasswords(String user, String password, int status) throws IOException {
        // Given
        web.write(USERS).start();

        // When
        String answer = Web.get(web.plain(), "/metrics", Web.basic(user, password));

        // Then
        assertThat(answer).startsWith("HTTP/1.1 " + status);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", "Authorization: Basic\r\n", "Authorization: Basic ???\r\n", "Authorization: Bearer abc\r\n"})
    void asksForAPassword(String header) throws IOException {
        // Given
        web.write(USERS).start();

        // When
        String answer = Web.get(web.plain(), "/healthz", header);

        // Then
        assertThat(answer)
                .startsWith("HTTP/1.1 401 Unauthorized\r\n")
                .contains("www-authenticate: Basic realm=\"gpu-node-agent\"\r\n");
    }

    /** Made by another implementation of bcrypt. */
    @ParameterizedTest
    @CsvSource({
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx, $2b$04$zmnaJz0NgUGKjV7a8kkPHuKA2yRqBvXZZIZT32REwjXTV3IVLZM/C",
        "grün, $2a$04$zmnaJz0NgUGKjV7a8kkPHuB0NU85vDmvvUZwVopP9eMl06rWKXmwe",
    })
    void readsTheHashesOfOtherPrograms(String password, String hash) throws IOException {
        // Given
        web.write("basic_auth_users: {carol: " + hash + "}\n").start();

        // When
        String answer = Web.get(web.plain(), "/metrics", Web.basic("carol", password));

        // Then
        assertThat(answer).startsWith("HTTP/1.1 200");
    }

    @Test
    void answersUsersInTheOrderInWhichTheyAskOnOneConnection() throws IOException {
        // Given
        web.write(USERS).start();
        String good = "GET /metrics HTTP/1.1\r\nHost: a\r\n" + Web.basic("alice", "correct horse") + "\r\n";
        String bad = "GET /metrics HTTP/1.1\r\nHost: a\r\n" + Web.basic("alice", "wrong") + "\r\n";

        // When
        String answers = Web.exchange(
                web.plain(), good + bad + good + "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");

        // Then
        assertThat(answers.lines()
                        .map(line -> line.replaceFirst("^up 1", ""))
                        .filter(line -> line.startsWith("HTTP/1.1 ")))
                .containsExactly(
                        "HTTP/1.1 200 OK", "HTTP/1.1 401 Unauthorized", "HTTP/1.1 200 OK", "HTTP/1.1 401 Unauthorized");
    }

    /** The hash costs half a second or more; requests that need none of it go on being answered. */
    @Test
    void aSlowPasswordDelaysNobodyElse() throws IOException {
        // Given
        web.write("basic_auth_users: {alice: " + Web.ALICE
                        + ", bob: $2b$13$zmnaJz0NgUGKjV7a8kkPHuqVrHe76TkrmMX1/C4wFypeU1by6xnUq}\n")
                .start();
        Web.get(web.plain(), "/metrics", Web.basic("alice", "correct horse"));
        Socket slow = web.plain();
        Web.send(
                slow,
                "GET /metrics HTTP/1.1\r\nHost: a\r\n" + Web.basic("bob", "a guess") + "Connection: close\r\n\r\n");

        // When
        String answer = Web.get(web.plain(), "/metrics", Web.basic("alice", "correct horse"));

        // Then: the slow one is still being reckoned
        assertThat(answer).startsWith("HTTP/1.1 200");
        assertThat(slow.getInputStream().available()).isZero();
        assertThat(Web.readAll(slow)).startsWith("HTTP/1.1 401");
    }

    @Test
    void refusesGuessesThatComeFasterThanTheyCanBeChecked() throws IOException {
        // Given
        web.write("basic_auth_users: {bob: $2b$13$zmnaJz0NgUGKjV7a8kkPHuqVrHe76TkrmMX1/C4wFypeU1by6xnUq}\n")
                .start();
        List<Socket> guessing = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            Socket socket = web.plain();
            Web.send(socket, "GET / HTTP/1.1\r\nHost: a\r\n" + Web.basic("bob", "guess " + i) + "\r\n");
            guessing.add(socket);
        }

        // When
        String answer = Web.get(web.plain(), "/", Web.basic("bob", "another guess"));

        // Then
        assertThat(answer).startsWith("HTTP/1.1 503").contains("retry-after: 1\r\n");
        for (Socket socket : guessing) {
            socket.close();
        }
    }

    @Test
    void whoHasHisPasswordCheckedIsNoneOfThoseThatGiveWayFirst() throws IOException {
        // Given
        web.write(SLOW).start();
        Socket guessing = web.plain();
        Web.send(guessing, "GET / HTTP/1.1\r\nHost: a\r\n" + Web.basic("bob", "guess") + "Connection: close\r\n\r\n");
        assertThat(Web.get(web.plain(), "/", "")).startsWith("HTTP/1.1 401");

        // When
        List<Socket> idle = new ArrayList<>();
        for (int i = 0; i < Connections.MOST + 50; i++) {
            idle.add(web.plain());
        }

        // Then
        assertThat(Web.readAll(guessing)).startsWith("HTTP/1.1 401");
        for (Socket socket : idle) {
            socket.close();
        }
    }

    @Test
    void guessesDoNotKeepAnOldConfigurationInForce() throws IOException {
        // Given
        web.write(SLOW.replace("$2b$13$", "$2b$16$")).start();
        List<Socket> guessing = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            Socket socket = web.plain();
            Web.send(socket, "GET / HTTP/1.1\r\nHost: a\r\n" + Web.basic("bob", "guess " + i) + "\r\n");
            guessing.add(socket);
        }

        // When
        web.write("{}");
        while (!Web.get(web.plain(), "/", "").startsWith("HTTP/1.1 200")) {
            Thread.onSpinWait();
        }

        // Then: they are still being reckoned
        for (Socket socket : guessing) {
            assertThat(socket.getInputStream().available()).isZero();
            socket.close();
        }
    }

    @Test
    void connectionsOfBeforeTlsLeaveRoomForThatOfTls() throws Exception {
        // Given: however many scrapes are allowed
        web.write("{}").start();
        web.server().configure(new AgentConfig.Http(List.of(), false, "", "", LIMIT, LIMIT, 1_000));
        List<Socket> before = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            before.add(web.plain());
        }
        Web.get(web.plain(), "/healthz", "");
        assertThat(web.server().connectionCount()).isGreaterThanOrEqualTo(200);

        // When
        web.write(TLS);
        awaitPlainRefused();
        String answer = Web.get(web.encrypted(), "/metrics", "");

        // Then
        assertThat(answer).startsWith("HTTP/1.1 200");
        assertThat(web.server().connectionCount()).isLessThanOrEqualTo(Connections.MOST_ENCRYPTED);
        for (Socket socket : before) {
            socket.close();
        }
    }

    @Test
    void noHandshakeIsReckonedForAConnectionThatIsGone() {
        // Given
        EmbeddedChannel open = new EmbeddedChannel();
        EmbeddedChannel gone = new EmbeddedChannel();
        gone.close().syncUninterruptibly();
        List<String> reckoned = new ArrayList<>();

        // When
        TlsDoor.whileOpen(open, () -> reckoned.add("open")).run();
        TlsDoor.whileOpen(gone, () -> reckoned.add("gone")).run();

        // Then
        assertThat(reckoned).containsExactly("open");
        open.close().syncUninterruptibly();
    }

    @Test
    void handshakesOfClientsThatAreGoneShutNobodyOut() throws Exception {
        // Given: what a client says first
        web.write(TLS).start();
        SSLEngine engine = SSLContext.getDefault().createSSLEngine();
        engine.setUseClientMode(true);
        ByteBuffer hello = ByteBuffer.allocate(engine.getSession().getPacketBufferSize());
        engine.wrap(ByteBuffer.allocate(0), hello);

        // When
        for (int i = 0; i < 500; i++) {
            try (Socket socket = web.plain()) {
                socket.getOutputStream().write(hello.array(), 0, hello.position());
            }
        }

        // Then
        String answer = "";
        while (!answer.startsWith("HTTP/1.1 200")) {
            answer = tryToGet("");
        }
        assertThat(web.server().connectionCount()).isLessThanOrEqualTo(Connections.MOST_ENCRYPTED);
    }

    @Test
    void setsHeadersOnEveryAnswer() throws IOException {
        // Given
        web.write(
                        "http_server_config: {headers: {X-Frame-Options: deny, Content-Security-Policy: \"default-src 'self'\"}}\n")
                .start();

        // When
        String found = Web.get(web.plain(), "/metrics", "");
        String notFound = Web.get(web.plain(), "/nothing", "");

        // Then
        assertThat(found)
                .contains("X-Frame-Options: deny\r\n")
                .contains("Content-Security-Policy: default-src 'self'\r\n");
        assertThat(found.split("(?i)content-security-policy", -1)).hasSize(2);
        assertThat(notFound).contains("X-Frame-Options: deny\r\n");
    }

    @Test
    void answersNoMoreRequestsThanTheRateAllows() throws IOException {
        // Given
        web.write("rate_limit: {interval: 1h, burst: 3}\n").start();
        String request = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";

        // When
        String answers = Web.exchange(
                web.plain(), request.repeat(3) + "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");

        // Then
        assertThat(answers.split("HTTP/1.1 200 OK", -1)).hasSize(4);
        assertThat(answers).contains("HTTP/1.1 429 Too Many Requests").contains("retry-after: 1");
    }

    @Test
    void takesARenewedCertificateWithoutARestart() throws Exception {
        // Given
        web.write(TLS).start();
        SSLSocket before = web.encrypted();
        Web.send(before, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");

        // When
        web.copy("server-rsa.pem", "server.pem").copy("server-rsa.key", "server.key");

        // Then
        awaitSubject("CN=server-rsa");
        assertThat(before.getSession().getPeerPrincipal()).hasToString("CN=server");
        // A connection of before ends with its next answer.
        assertThat(Web.exchange(before, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"))
                .contains("connection: close");
    }

    /** As the kubelet does it: a link to a folder is swapped, and nothing that the links lead to is ever changed. */
    @Test
    void takesAMountedSecretThatIsReplaced() throws Exception {
        // Given
        for (String version : List.of("1", "2")) {
            Path data = Files.createDirectory(folder.resolve(".." + version));
            String name = version.equals("1") ? "server" : "server-rsa";
            Files.copy(Web.FIXTURES.resolve(name + ".pem"), data.resolve("tls.crt"));
            Files.copy(Web.FIXTURES.resolve(name + ".key"), data.resolve("tls.key"));
            Files.writeString(data.resolve("web.yml"), "tls_server_config: {cert_file: tls.crt, key_file: tls.key}\n");
        }
        Files.createSymbolicLink(folder.resolve("..data"), Path.of("..1"));
        for (String name : List.of("tls.crt", "tls.key", "web.yml")) {
            Files.createSymbolicLink(folder.resolve(name), Path.of("..data", name));
        }
        web.start();
        awaitSubject("CN=server");

        // When
        Files.createSymbolicLink(folder.resolve("..new"), Path.of("..2"));
        Files.move(folder.resolve("..new"), folder.resolve("..data"), StandardCopyOption.ATOMIC_MOVE);

        // Then
        awaitSubject("CN=server-rsa");
    }

    @Test
    void keepsWhatIsInForceWhenTheNewFileIsBroken() throws Exception {
        // Given
        web.write(TLS + USERS).start();

        // When
        web.write("basic_auth_users: {alice: secret}\n");
        String state = "";
        while (!state.contains("not a bcrypt hash")) {
            state = Web.get(web.encrypted(), "/state", Web.basic("alice", "correct horse"));
            assertThat(state).startsWith("HTTP/1.1 200");
        }

        // Then
        assertThat(state)
                .contains("web.yml:1:27: basic_auth_users.alice")
                .contains("\"users\": 1")
                .doesNotContain("secret");
    }

    @Test
    void followsUsersThatComeAndGo() throws IOException {
        // Given
        web.write(USERS).start();
        assertThat(Web.get(web.plain(), "/", Web.basic("alice", "correct horse")))
                .startsWith("HTTP/1.1 200");

        // When
        web.write(USERS.replace("alice", "bob"));

        // Then
        while (!Web.get(web.plain(), "/", Web.basic("bob", "correct horse")).startsWith("HTTP/1.1 200")) {
            Thread.onSpinWait();
        }
        assertThat(Web.get(web.plain(), "/", Web.basic("alice", "correct horse")))
                .startsWith("HTTP/1.1 401");
    }

    @Test
    void doesNotStartWithAFileThatCannotBeUsed() throws IOException {
        // Given
        web.write("tls_server_config: {cert_file: server.pem}\nbasic_auth_users: {alice: secret}\n");

        // When / Then
        assertThatThrownBy(web::start)
                .isInstanceOf(IOException.class)
                .hasMessageContaining("http.webConfigFile cannot be used")
                .hasMessageContaining("neither key_file nor key is given")
                .hasMessageContaining("not a bcrypt hash");
    }

    @Test
    void closesAHandshakeThatIsNeverFinished() throws Exception {
        // Given
        web.write(TLS).start(Page.of("text/plain", body -> body.write(Web.METRICS)), Duration.ofMillis(300));
        Socket half = web.plain();

        // When: the head of a record whose rest never comes
        Web.send(half, "\u0016\u0003\u0001\u0002\u0000\u0001");

        // Then
        assertThat(Web.readAll(half)).isEmpty();
        assertThat(Web.get(web.encrypted(), "/metrics", "")).startsWith("HTTP/1.1 200");
    }

    @Test
    void refusesWhatIsNoTls() throws Exception {
        // Given
        web.write(TLS).start();
        Socket socket = web.plain();

        // When
        Web.send(socket, "\u0000\u0001\u0002\u0003 no handshake at all");

        // Then: closed, perhaps with an alert
        assertThat(Web.readAll(socket)).doesNotContain("HTTP");
        assertThat(Web.get(web.encrypted(), "/metrics", "")).startsWith("HTTP/1.1 200");
    }

    private String tryToGet(String client) throws Exception {
        SSLSocket socket = client.isEmpty() ? web.unshaken() : web.unshaken(client);
        try {
            String answer = Web.get(socket, "/metrics", "");
            return answer.isEmpty() ? "refused" : answer;
        } catch (SSLException e) {
            return "refused: " + e.getMessage();
        }
    }

    private void awaitPlainRefused() throws IOException {
        String answer = "";
        while (!answer.startsWith("HTTP/1.0 400")) {
            answer = Web.get(web.plain(), "/healthz", "");
        }
    }

    private void awaitSubject(String subject) throws Exception {
        String found = "";
        while (!found.equals(subject)) {
            try (SSLSocket socket = web.encrypted()) {
                found = socket.getSession().getPeerPrincipal().getName();
            }
        }
    }
}
