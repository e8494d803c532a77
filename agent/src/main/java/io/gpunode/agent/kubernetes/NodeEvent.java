package io.gpunode.agent.kubernetes;

/**
 * Something to tell about the node.
 *
 * @param warning whether a person should look at it
 * @param reason one word in CamelCase, what {@code kubectl get events} shows
 * @param subject what it is about; the same reason and subject again are the same event, counted
 * @param message for people, with the next step
 */
public record NodeEvent(boolean warning, String reason, String subject, String message) {
    /** What makes two of them one. */
    String key() {
        return reason + '/' + subject;
    }
}
