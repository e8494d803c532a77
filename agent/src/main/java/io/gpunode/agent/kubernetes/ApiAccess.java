package io.gpunode.agent.kubernetes;

import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.Optional;

/**
 * Which API server, whom to believe that it is, and who the agent is there. Holds where secrets are read, not the secrets (but for those that are in
 * a kubeconfig itself), and prints none.
 *
 * @param server {@code https://host:port} with an optional path, no slash at the end
 * @param authority certificates (PEM) of who may vouch for the server; empty for those of the Java runtime
 * @param unchecked whether any server is believed ({@code insecure-skip-tls-verify})
 * @param namespace that the agent belongs to there; empty where nothing says
 * @param proxy that leads there, by HTTP; its name is not resolved
 * @param origin where all this was found, for people
 */
record ApiAccess(
        URI server,
        Optional<Source> authority,
        boolean unchecked,
        Identity identity,
        String namespace,
        Optional<InetSocketAddress> proxy,
        String origin) {
    /** Without a namespace and a proxy. */
    ApiAccess(URI server, Optional<Source> authority, boolean unchecked, Identity identity, String origin) {
        this(server, authority, unchecked, identity, "", Optional.empty(), origin);
    }

    /** Who the agent is. */
    sealed interface Identity {
        /** Nobody. */
        record Anonymous() implements Identity {}

        /** The bearer of a token. */
        record Token(Source token) implements Identity {}

        /** The holder of a certificate; both are PEM and may be one file. */
        record Certificate(Source certificate, Source key) implements Identity {}
    }

    /** Reads an address as {@link #server} has it; empty when no connection could be made to it. */
    static Optional<URI> address(String text) {
        try {
            URI address = new URI(text.endsWith("/") ? text.substring(0, text.length() - 1) : text);
            boolean http = "https".equals(address.getScheme()) || "http".equals(address.getScheme());
            boolean port = address.getPort() == -1 || (address.getPort() > 0 && address.getPort() <= 65_535);
            if (http
                    && port
                    && address.getHost() != null
                    && address.getQuery() == null
                    && address.getFragment() == null
                    && address.getUserInfo() == null) {
                return Optional.of(address);
            }
        } catch (URISyntaxException e) {
            // None: whoever asked tells it, with its place.
        }
        return Optional.empty();
    }

    /** Without anything secret. */
    @Override
    public String toString() {
        return server + " by " + origin;
    }
}
