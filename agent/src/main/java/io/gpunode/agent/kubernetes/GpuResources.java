package io.gpunode.agent.kubernetes;

import io.gpunode.agent.config.AgentConfig;
import java.util.HashSet;
import java.util.Set;

/**
 * Which extended resources are GPUs: those of NVIDIA's device plugin, whatever is configured now, for pods outlive configurations; and those that the
 * configuration names.
 *
 * @param named beside {@code nvidia.com/gpu*} and {@code nvidia.com/mig-*}
 */
public record GpuResources(Set<String> named) {
    private static final String WHOLE = "nvidia.com/gpu";
    private static final String MIG = "nvidia.com/mig-";
    private static final String SHARED = ".shared";

    public GpuResources {
        named = Set.copyOf(named);
    }

    /** With the names that a configuration gives, those of shares too. */
    public static GpuResources of(AgentConfig config) {
        Set<String> named = new HashSet<>();
        named.add(config.plugin().resourceName());
        config.resources().gpus().forEach(pattern -> named.add(pattern.name()));
        config.resources().mig().forEach(pattern -> named.add(pattern.name()));
        for (AgentConfig.SharedResource shared : config.sharing().timeSlicing().resources()) {
            named.add(shared.name());
            named.add(shared.rename().isEmpty() ? shared.name() + SHARED : shared.rename());
        }
        named.remove("");
        return new GpuResources(named);
    }

    /** Whether who has this holds a GPU. */
    boolean isGpu(String resource) {
        return resource.startsWith(WHOLE) || resource.startsWith(MIG) || named.contains(resource);
    }
}
