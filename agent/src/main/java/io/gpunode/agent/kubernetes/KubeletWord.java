package io.gpunode.agent.kubernetes;

import java.util.Set;

/** What the kubelet of the node says of the pods that hold GPUs. That it says nothing is not that there are none. */
public sealed interface KubeletWord {
    /**
     * These do.
     *
     * @param pods {@code namespace/name}; none also where there is no kubelet to ask, as on another machine
     */
    record Holding(Set<String> pods) implements KubeletWord {
        public Holding {
            pods = Set.copyOf(pods);
        }
    }

    /**
     * It does not answer.
     *
     * @param why for people
     */
    record Silent(String why) implements KubeletWord {}
}
