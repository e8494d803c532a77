package io.gpunode.agent.podresources;

import org.jspecify.annotations.Nullable;

/**
 * A container that holds a device.
 *
 * @param claim the resource claim through which it holds it; null for a device of a device plugin
 */
public record PodUse(
        String namespace,
        String pod,
        String container,
        @Nullable Claim claim) {
    /**
     * A device that a DRA driver prepared for a claim.
     *
     * @param name of the ResourceClaim
     * @param namespace of the ResourceClaim
     * @param driver the DRA driver's name, for example {@code gpu.nvidia.com}
     * @param pool of the driver's ResourceSlice, mostly the node's name
     * @param device its name in the pool
     */
    public record Claim(String name, String namespace, String driver, String pool, String device) {}

    /** Of a device plugin's device. */
    public PodUse(String namespace, String pod, String container) {
        this(namespace, pod, container, null);
    }

    /** Whether it is the same container, however it came to the device. */
    public boolean sameContainer(PodUse other) {
        return container.equals(other.container) && samePod(other);
    }

    /** Whether it is the same pod. */
    public boolean samePod(PodUse other) {
        return pod.equals(other.pod) && namespace.equals(other.namespace);
    }
}
