package io.gpunode.agent.podresources;

import io.gpunode.agent.time.Tick;
import java.util.List;
import java.util.Map;

/**
 * Which containers hold which devices, as the kubelet's PodResources API last answered.
 *
 * @param byDevice device id as the kubelet holds it (also {@code <uuid>::<n>} replicas) → its users, in the kubelet's order
 * @param readAt when the answer came; the picture is kept when later calls fail, so its age matters
 * @param error why the last call failed; empty when it did not
 */
public record PodResourcesPicture(Map<String, List<PodUse>> byDevice, Tick readAt, String error) {}
