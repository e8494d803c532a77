package io.gpunode.agent.admin;

import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelPipeline;
import io.netty.handler.ssl.SslHandler;
import java.io.IOException;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Executor;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.TrustManager;

/**
 * How connections are encrypted: the certificate, whom it asks for one, and what of TLS is spoken. Immutable; loaded only where TLS is configured. The
 * Java runtime's own TLS does the work.
 */
final class ServerTls {
    private static final char[] NO_PASSWORD = new char[0];

    /** Of clients that do not take their session with them as a ticket; the runtime would keep 20,480. */
    private static final int MOST_SESSIONS = 64;

    private static final int SESSION_SECONDS = 3_600;

    static {
        // A client that negotiates again and again costs what a new connection costs, without counting as one.
        if (System.getProperty("jdk.tls.rejectClientInitiatedRenegotiation") == null) {
            System.setProperty("jdk.tls.rejectClientInitiatedRenegotiation", "true");
        }
    }

    /** Whether a client has to show a certificate. */
    enum ClientCertificate {
        NOT_ASKED,
        ASKED,
        REQUIRED
    }

    /**
     * What of TLS is spoken; empty lists stand for what the Java runtime thinks best.
     *
     * @param protocols as the runtime names them, at least one
     * @param cipherSuites as the runtime names them
     * @param namedGroups as the runtime names them, the preferred one first
     * @param serverChooses whether the order of {@code cipherSuites} counts and not the client's
     */
    record Terms(List<String> protocols, List<String> cipherSuites, List<String> namedGroups, boolean serverChooses) {}

    private final SSLContext context;
    private final SSLParameters parameters = new SSLParameters();
    private final X509Certificate certificate;
    private final Optional<ClientCertificates> clients;

    /**
     * Puts it together.
     *
     * @param chain the server's certificate first
     * @param clients who checks clients' certificates; empty when none is asked for
     * @throws GeneralSecurityException when the runtime cannot do it, for example because the key's algorithm is unknown to its TLS
     */
    ServerTls(
            List<X509Certificate> chain,
            PrivateKey key,
            ClientCertificate clientCertificate,
            Optional<ClientCertificates> clients,
            Terms terms)
            throws GeneralSecurityException, IOException {
        this.certificate = chain.getFirst();
        this.clients = clients;
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        store.setKeyEntry("server", key, NO_PASSWORD, chain.toArray(new Certificate[0]));
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(store, NO_PASSWORD);
        this.context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), clients.stream().toArray(TrustManager[]::new), null);
        context.getServerSessionContext().setSessionCacheSize(MOST_SESSIONS);
        context.getServerSessionContext().setSessionTimeout(SESSION_SECONDS);
        parameters.setProtocols(terms.protocols().toArray(new String[0]));
        if (!terms.cipherSuites().isEmpty()) {
            parameters.setCipherSuites(terms.cipherSuites().toArray(new String[0]));
        }
        if (!terms.namedGroups().isEmpty()) {
            parameters.setNamedGroups(terms.namedGroups().toArray(new String[0]));
        }
        parameters.setUseCipherSuitesOrder(terms.serverChooses());
        switch (clientCertificate) {
            case NOT_ASKED -> {}
            case ASKED -> parameters.setWantClientAuth(true);
            case REQUIRED -> parameters.setNeedClientAuth(true);
        }
    }

    /** The cipher suites that this Java runtime can be told to use. */
    static List<String> supportedCipherSuites() {
        try {
            return List.of(SSLContext.getDefault().getSupportedSSLParameters().getCipherSuites());
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("the Java runtime has no TLS", e);
        }
    }

    /** When the server's certificate ends. */
    Instant expires() {
        return certificate.getNotAfter().toInstant();
    }

    /** Since when the server's certificate is good. */
    Instant begins() {
        return certificate.getNotBefore().toInstant();
    }

    /** Whether clients may or must show a certificate. */
    boolean asksClients() {
        return clients.isPresent();
    }

    /** Whether clients' certificates have to have one of certain names. */
    boolean asksForNames() {
        return clients.isPresent() && clients.get().asksForNames();
    }

    /** Shakes hands with itself, over no network: what fails here would fail with every client. */
    void tryOut() throws SSLException {
        new TlsTrial(engine(false)).run();
    }

    /**
     * The handler of one connection.
     *
     * @param worker does the reckoning of handshakes
     */
    ChannelHandler newHandler(Executor worker) {
        SslHandler handler = new SslHandler(engine(true), worker);
        // The connection's own deadline ends a handshake that does not come to an end.
        handler.setHandshakeTimeoutMillis(0);
        return handler;
    }

    /** Tells the client of a connection that nothing more comes. */
    static void sayGoodbye(ChannelPipeline pipeline) {
        SslHandler handler = pipeline.get(SslHandler.class);
        if (handler != null) {
            var _ = handler.closeOutbound();
        }
    }

    private SSLEngine engine(boolean askClients) {
        SSLEngine engine = context.createSSLEngine();
        engine.setUseClientMode(false);
        engine.setSSLParameters(parameters);
        if (!askClients) {
            engine.setWantClientAuth(false);
        }
        return engine;
    }
}
