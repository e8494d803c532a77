package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.NodeSnapshot;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** What CDI specs have, by hand. */
final class CdiCoverages {
    private static final String KIND = "k8s.device-plugin.nvidia.com/";

    private static final String CHANNEL = "imex-channel=";

    private CdiCoverages() {}

    /** Specs of all that a picture shows, by UUID and by index, and of these other devices ({@code gds=all}). */
    static CdiCoverage whole(NodeSnapshot snapshot, String... others) {
        Set<String> names = new HashSet<>();
        for (Gpu gpu : snapshot.gpus()) {
            names.add(KIND + "gpu=" + gpu.id());
            names.add(KIND + "gpu=" + gpu.index());
            for (MigDevice mig : gpu.migDevices()) {
                names.add(KIND + "gpu=" + mig.id());
                names.add(KIND + "gpu=" + gpu.index() + ":" + mig.index());
            }
        }
        List<Integer> channels = new ArrayList<>();
        for (String other : others) {
            if (other.startsWith(CHANNEL)) {
                channels.add(Integer.valueOf(other.substring(CHANNEL.length())));
            }
            names.add(KIND + other);
        }
        return new CdiCoverage(snapshot.structureVersion(), names, channels, "");
    }
}
