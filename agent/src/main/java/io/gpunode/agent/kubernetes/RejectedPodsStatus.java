package io.gpunode.agent.kubernetes;

/**
 * How {@link RejectedPods} stands.
 *
 * @param deleted how many pods since the start
 * @param reason what keeps it from deleting more; empty when nothing does
 */
public record RejectedPodsStatus(int deleted, String reason) {}
