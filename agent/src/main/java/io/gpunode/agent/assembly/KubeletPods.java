package io.gpunode.agent.assembly;

import io.gpunode.agent.kubernetes.KubeletWord;
import io.gpunode.agent.podresources.PodResourcesClient;
import io.gpunode.agent.podresources.PodResourcesPicture;
import io.gpunode.agent.podresources.PodUse;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** What the kubelet's own socket says of the pods that hold GPUs, for those who free the node of them. */
public final class KubeletPods {
    private KubeletPods() {}

    /** As of the last answer, unless one that came due since is missing. */
    public static KubeletWord word(PodResourcesClient client) {
        String error = client.error();
        if (!error.isEmpty()) {
            return new KubeletWord.Silent(error);
        }
        Optional<PodResourcesPicture> picture = client.current();
        if (picture.isEmpty()) {
            return new KubeletWord.Silent("it has not answered yet");
        }
        Set<String> pods = new HashSet<>();
        for (List<PodUse> uses : picture.get().byDevice().values()) {
            for (PodUse use : uses) {
                pods.add(use.namespace() + "/" + use.pod());
            }
        }
        return new KubeletWord.Holding(pods);
    }
}
