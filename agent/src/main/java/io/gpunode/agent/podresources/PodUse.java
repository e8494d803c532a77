package io.gpunode.agent.podresources;

/** A container that holds a device. */
public record PodUse(String namespace, String pod, String container) {}
