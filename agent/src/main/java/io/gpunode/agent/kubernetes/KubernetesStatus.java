package io.gpunode.agent.kubernetes;

import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * How the connection to the API server stands.
 *
 * @param state {@code off}, {@code not-configured}, {@code unusable}, {@code failing} or {@code connected}
 * @param reason what is missing, with the next step; empty when nothing is
 * @param server its address; empty while none is known
 * @param credentials where they were found
 * @param node the name of the own Node object
 * @param labels how many labels it has; absent while nothing is known of it
 * @param lastContact since the server was last heard
 * @param requests since the agent started
 * @param eventsWaiting that could not be sent yet
 */
public record KubernetesStatus(
        String state,
        String reason,
        String server,
        String credentials,
        String node,
        boolean watching,
        OptionalLong labels,
        Optional<Duration> lastContact,
        long requests,
        int eventsWaiting) {
    /** The state while the server answers. */
    public static final String CONNECTED = "connected";
}
