package io.gpunode.agent.admin;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.net.Pem;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.SystemTime;
import java.io.IOException;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.Principal;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedKeyManager;
import javax.net.ssl.X509KeyManager;
import org.jspecify.annotations.Nullable;

/** A server with a web configuration in a folder of its own, and clients for it. */
final class Web implements AutoCloseable {
    /** Made by the script beside them. */
    static final Path FIXTURES = Path.of("src", "test", "resources", "http");

    /** alice: correct horse; cost 4. */
    static final String ALICE = "$2y$04$zmnaJz0NgUGKjV7a8kkPHub5XAnwiQ3EEUyvM5mOWRv548.YgAHcW";

    static final String METRICS = "up 1\n";
    private static final Duration LIMIT = Duration.ofSeconds(5);

    private final Path folder;
    private @Nullable AdminServer server;

    Web(Path folder) {
        this.folder = folder;
    }

    Path file() {
        return folder.resolve("web.yml");
    }

    /** Puts a fixture into the folder. */
    Web copy(String fixture, String name) throws IOException {
        Path hidden = folder.resolve("." + name);
        Files.copy(FIXTURES.resolve(fixture), hidden, StandardCopyOption.REPLACE_EXISTING);
        Files.move(hidden, folder.resolve(name), StandardCopyOption.ATOMIC_MOVE);
        return this;
    }

    /** Writes the web configuration as editors do: beside it, then in its place. */
    Web write(String text) throws IOException {
        Path hidden = folder.resolve(".web.yml");
        Files.writeString(hidden, text);
        Files.move(hidden, file(), StandardCopyOption.ATOMIC_MOVE);
        return this;
    }

    Web start() throws IOException {
        return start(Page.of("text/plain; version=0.0.4", body -> body.write(METRICS)), LIMIT);
    }

    Web start(Page metrics, Duration request) throws IOException {
        AdminServer made = new AdminServer(
                new AgentConfig.Http(
                        List.of("127.0.0.1:0"),
                        false,
                        folder.resolve("local.sock").toString(),
                        file().toString(),
                        LIMIT,
                        LIMIT,
                        16),
                new AdminStates(Snapshots.t4().build()).build(SystemTime.monotonic()),
                metrics,
                Meters.NONE,
                SystemTime.wall());
        made.start(new Connections.Limits(request, LIMIT, LIMIT, 16));
        server = made;
        return this;
    }

    AdminServer server() {
        AdminServer started = server;
        if (started == null) {
            throw new IllegalStateException("the test has not started the server");
        }
        return started;
    }

    /** A connection without TLS. */
    Socket plain() throws IOException {
        Socket socket =
                new Socket(server().address().getAddress(), server().address().getPort());
        socket.setSoTimeout(20_000);
        return socket;
    }

    /** A connection with TLS, its handshake done; shows a certificate where one is named. */
    SSLSocket encrypted(String... client) throws IOException, GeneralSecurityException {
        SSLSocket socket = unshaken(client);
        socket.startHandshake();
        return socket;
    }

    /** A connection with TLS before its handshake. */
    SSLSocket unshaken(String... client) throws IOException, GeneralSecurityException {
        SSLContext context = SSLContext.getInstance("TLS");
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        KeyStore own = empty();
        for (String name : client) {
            own.setKeyEntry(
                    name,
                    Pem.privateKey(fixture(name + ".key"), name),
                    new char[0],
                    Pem.certificates(fixture(name + ".pem"), name).toArray(new Certificate[0]));
        }
        keys.init(own, new char[0]);
        KeyStore trusted = empty();
        trusted.setCertificateEntry(
                "a", Pem.certificates(fixture("authority.pem"), "a").getFirst());
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(trusted);
        KeyManager[] shown = client.length == 0
                ? keys.getKeyManagers()
                : new KeyManager[] {new Shown(client[0], (X509KeyManager) keys.getKeyManagers()[0])};
        context.init(shown, trust.getTrustManagers(), null);
        SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(plain(), "127.0.0.1", 0, true);
        socket.setUseClientMode(true);
        return socket;
    }

    /** Shows its certificate whoever the server says that it trusts. */
    private static final class Shown extends X509ExtendedKeyManager {
        private final String alias;
        private final X509KeyManager keys;

        Shown(String alias, X509KeyManager keys) {
            this.alias = alias;
            this.keys = keys;
        }

        @Override
        public String[] getClientAliases(String type, Principal[] issuers) {
            return new String[] {alias};
        }

        @Override
        public String chooseClientAlias(String[] types, Principal[] issuers, Socket socket) {
            return alias;
        }

        @Override
        public String[] getServerAliases(String type, Principal[] issuers) {
            return new String[0];
        }

        @Override
        public @Nullable String chooseServerAlias(String type, Principal[] issuers, Socket socket) {
            return null;
        }

        @Override
        public X509Certificate[] getCertificateChain(String name) {
            return keys.getCertificateChain(name);
        }

        @Override
        public PrivateKey getPrivateKey(String name) {
            return keys.getPrivateKey(name);
        }
    }

    private static KeyStore empty() throws IOException, GeneralSecurityException {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        return store;
    }

    static String fixture(String name) throws IOException {
        return Files.readString(FIXTURES.resolve(name));
    }

    /** A fixture as the value of an inline key. */
    static String inline(String name) throws IOException {
        return "|\n    " + fixture(name).strip().replace("\n", "\n    ") + "\n";
    }

    static String basic(String user, String password) {
        return "Authorization: Basic "
                + Base64.getEncoder().encodeToString((user + ":" + password).getBytes(StandardCharsets.UTF_8)) + "\r\n";
    }

    /** Asks for a path and reads the whole answer. */
    static String get(Socket socket, String path, String headers) throws IOException {
        return exchange(socket, "GET " + path + " HTTP/1.1\r\nHost: a\r\n" + headers + "Connection: close\r\n\r\n");
    }

    /** Sends and reads until the server closes. */
    static String exchange(Socket socket, String request) throws IOException {
        send(socket, request);
        return readAll(socket);
    }

    static void send(Socket socket, String text) throws IOException {
        try {
            socket.getOutputStream().write(text.getBytes(StandardCharsets.ISO_8859_1));
        } catch (SSLException e) {
            throw e;
        } catch (SocketException e) {
            // The server may have answered and closed before it has read everything.
        }
    }

    static String readAll(Socket socket) throws IOException {
        StringBuilder text = new StringBuilder();
        byte[] buffer = new byte[8_192];
        try (socket) {
            int count = socket.getInputStream().read(buffer);
            while (count >= 0) {
                text.append(new String(buffer, 0, count, StandardCharsets.UTF_8));
                count = socket.getInputStream().read(buffer);
            }
        } catch (SSLException e) {
            throw e;
        } catch (SocketException e) {
            // A reset is how the kernel closes a connection with unread input.
        }
        return text.toString();
    }

    @Override
    public void close() {
        AdminServer started = server;
        if (started != null) {
            started.stop(LIMIT);
        }
    }
}
