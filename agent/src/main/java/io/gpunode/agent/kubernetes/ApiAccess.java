package io.gpunode.agent.kubernetes;

import java.net.URI;
import java.util.Optional;

/**
 * Which API server, whom to believe that it is, and who the agent is there. Holds where secrets are read, not the secrets (but for those that are in
 * a kubeconfig itself), and prints none.
 *
 * @param server {@code https://host:port} with an optional path, no slash at the end
 * @param authority certificates (PEM) of who may vouch for the server; empty for those of the Java runtime
 * @param unchecked whether any server is believed ({@code insecure-skip-tls-verify})
 * @param origin where all this was found, for people
 */
record ApiAccess(URI server, Optional<Source> authority, boolean unchecked, Identity identity, String origin) {
    /** Who the agent is. */
    sealed interface Identity {
        /** Nobody. */
        record Anonymous() implements Identity {}

        /** The bearer of a token. */
        record Token(Source token) implements Identity {}

        /** The holder of a certificate; both are PEM and may be one file. */
        record Certificate(Source certificate, Source key) implements Identity {}
    }

    /** Without anything secret. */
    @Override
    public String toString() {
        return server + " by " + origin;
    }
}
