package io.gpunode.agent.kubernetes;

import java.io.IOException;
import java.time.Duration;

/** Something that others want done at the API server when it can be reached. Turns are taken by the connection's thread alone. */
interface Errand {
    /** When there is nothing to do. */
    Duration NOTHING = Duration.ofHours(1);

    /**
     * Does what is due, with one request or two.
     *
     * @param node the own node's name
     * @return until when there is nothing more to do; zero for more
     * @throws IOException when the server cannot be reached or does not know the agent; what was not done is kept for the next turn
     */
    Duration turn(ApiClient api, String node) throws IOException, InterruptedException;
}
