package io.gpunode.agent.admin;

import io.gpunode.agent.net.TrustAnybody;
import java.nio.ByteBuffer;
import java.security.GeneralSecurityException;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLEngineResult.HandshakeStatus;
import javax.net.ssl.SSLException;
import javax.net.ssl.TrustManager;

/** A handshake of a server's engine with a client that trusts anybody and speaks all that this Java runtime can, in memory. */
final class TlsTrial {
    /** More steps than any handshake has. */
    private static final int MOST_STEPS = 200;

    private final SSLEngine server;

    TlsTrial(SSLEngine server) {
        this.server = server;
    }

    /**
     * Runs it.
     *
     * @throws SSLException what a client would be told
     */
    void run() throws SSLException {
        SSLEngine client = client();
        ByteBuffer toServer = ByteBuffer.allocate(4 * client.getSession().getPacketBufferSize());
        ByteBuffer toClient = ByteBuffer.allocate(4 * client.getSession().getPacketBufferSize());
        client.beginHandshake();
        server.beginHandshake();
        for (int step = 0; step < MOST_STEPS; step++) {
            advance(client, toClient, toServer);
            advance(server, toServer, toClient);
            if (ended(client) && ended(server) && toServer.position() == 0 && toClient.position() == 0) {
                return;
            }
        }
        throw new SSLException("the handshake does not come to an end");
    }

    private static boolean ended(SSLEngine engine) {
        return engine.getHandshakeStatus() == HandshakeStatus.NOT_HANDSHAKING;
    }

    /** One step of one side; both buffers are filled up to their position. */
    private static void advance(SSLEngine engine, ByteBuffer in, ByteBuffer out) throws SSLException {
        Runnable task = engine.getDelegatedTask();
        while (task != null) {
            task.run();
            task = engine.getDelegatedTask();
        }
        ByteBuffer nothing = ByteBuffer.allocate(engine.getSession().getApplicationBufferSize());
        if (in.position() > 0) {
            in.flip();
            engine.unwrap(in, nothing);
            in.compact();
        }
        if (engine.getHandshakeStatus() == HandshakeStatus.NEED_WRAP) {
            SSLEngineResult result = engine.wrap(ByteBuffer.allocate(0), out);
            if (result.getStatus() == SSLEngineResult.Status.BUFFER_OVERFLOW) {
                throw new SSLException("the certificates are too large");
            }
        }
    }

    private static SSLEngine client() throws SSLException {
        try {
            SSLContext context = SSLContext.getInstance("TLS");
            // The question is whether the server can shake hands, not whether it should be trusted.
            context.init(null, new TrustManager[] {new TrustAnybody()}, null);
            SSLEngine engine = context.createSSLEngine();
            engine.setUseClientMode(true);
            return engine;
        } catch (GeneralSecurityException e) {
            throw new SSLException("the Java runtime has no TLS", e);
        }
    }
}
