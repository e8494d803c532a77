package io.gpunode.agent.kubernetes;

import java.io.IOException;
import java.time.Duration;

/** Something that others want done at the API server when it can be reached. Turns are taken by the connection's thread alone. */
interface Errand {
    /** When there is nothing to do. */
    Duration NOTHING = Duration.ofHours(1);

    /**
     * Does what is due, with three requests at most.
     *
     * @param node the own node's name
     * @return until when there is nothing more to do; zero for more
     * @throws UnreachableException when the server cannot be reached or does not accept the agent
     * @throws IOException when the request has failed in another way; what was not done is kept for the next turn, which comes later
     */
    Duration turn(ApiClient api, String node) throws IOException, InterruptedException;
}
