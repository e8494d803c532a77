package io.gpunode.agent.labels;

import io.gpunode.agent.config.AgentConfig.DeviceReference;
import io.gpunode.agent.config.AgentConfig.DeviceSelection;
import io.gpunode.agent.config.AgentConfig.MigStrategy;
import io.gpunode.agent.config.AgentConfig.NamePattern;
import io.gpunode.agent.config.AgentConfig.SharedResource;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.MigDevice;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Which devices are shared, and by how many. Sharing is configured by resource, so devices are named first, by the rules by which the device
 * plugin names them.
 */
final class SharedDevices {
    private final Map<GpuId, SharedResource> shared = new HashMap<>();

    private SharedDevices() {}

    private record Candidate(Gpu gpu, @Nullable MigDevice mig, String resource) {
        GpuId id() {
            return mig == null ? gpu.id() : mig.id();
        }
    }

    /** @param gpus in PCI order */
    static SharedDevices of(List<Gpu> gpus, LabelSettings settings) {
        SharedDevices found = new SharedDevices();
        List<SharedResource> wanted = settings.sharing().timeSlicing().resources();
        if (!wanted.isEmpty()) {
            List<Candidate> candidates = candidates(gpus, settings);
            for (SharedResource resource : wanted) {
                found.choose(resource, candidates);
            }
        }
        return found;
    }

    /** How this device is shared; null when it is not. */
    @Nullable SharedResource of(GpuId device) {
        return shared.get(device);
    }

    private static List<Candidate> candidates(List<Gpu> gpus, LabelSettings settings) {
        List<Candidate> candidates = new ArrayList<>();
        Map<String, String> resourcesOfProfiles = new HashMap<>();
        for (Gpu gpu : gpus) {
            if (!gpu.migEnabled() || settings.migStrategy() == MigStrategy.NONE) {
                candidates.add(new Candidate(
                        gpu, null, first(settings.resources().gpus(), gpu.name(), settings.resourceName())));
                continue;
            }
            for (MigDevice mig : gpu.migDevices()) {
                String resource =
                        resourcesOfProfiles.computeIfAbsent(mig.profile(), profile -> migResource(profile, settings));
                candidates.add(new Candidate(gpu, mig, resource));
            }
        }
        return candidates;
    }

    private static String migResource(String profile, LabelSettings settings) {
        String otherwise = settings.migStrategy() == MigStrategy.SINGLE
                ? settings.resourceName()
                : Label.PREFIX + FeatureLabels.migResource(profile);
        return first(settings.resources().mig(), profile, otherwise);
    }

    private static String first(List<NamePattern> patterns, String text, String otherwise) {
        for (NamePattern pattern : patterns) {
            if (pattern.fits(text)) {
                return pattern.name();
            }
        }
        return otherwise;
    }

    private void choose(SharedResource resource, List<Candidate> candidates) {
        int left = switch (resource.devices()) {
            case DeviceSelection.First(int count) -> count;
            case DeviceSelection.All _, DeviceSelection.Named _ -> Integer.MAX_VALUE;
        };
        for (Candidate candidate : candidates) {
            if (left > 0 && candidate.resource().equals(resource.name()) && chosen(resource.devices(), candidate)) {
                shared.putIfAbsent(candidate.id(), resource);
                left--;
            }
        }
    }

    private static boolean chosen(DeviceSelection selection, Candidate candidate) {
        return switch (selection) {
            case DeviceSelection.All _, DeviceSelection.First _ -> true;
            case DeviceSelection.Named(List<DeviceReference> devices) -> {
                for (DeviceReference device : devices) {
                    if (device.names(candidate.gpu(), candidate.mig())) {
                        yield true;
                    }
                }
                yield false;
            }
        };
    }
}
