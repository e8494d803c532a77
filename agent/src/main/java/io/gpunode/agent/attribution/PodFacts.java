package io.gpunode.agent.attribution;

import java.util.Map;

/**
 * What is known of a pod beside its name.
 *
 * @param uid empty while it is not known
 * @param labels those that are wanted; empty where the API server is not asked
 * @param ended whether the API server says that all its containers have ended for good, so that it uses nothing any more
 */
public record PodFacts(String uid, Map<String, String> labels, boolean ended) {
    /** Nothing. */
    public static final PodFacts NONE = new PodFacts("", Map.of(), false);
}
