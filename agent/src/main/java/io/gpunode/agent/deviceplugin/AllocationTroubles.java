package io.gpunode.agent.deviceplugin;

import java.util.List;

/**
 * Hears what keeps pods of this node from getting GPUs, for the cluster to be told. Called on the registration loop and on the event loop: must be
 * quick and must not block.
 */
public interface AllocationTroubles {
    /** Nobody listens. */
    AllocationTroubles UNHEARD = new AllocationTroubles() {
        @Override
        public void refused(String resource, String why) {}

        @Override
        public void unserved(String resource, String why) {}

        @Override
        public void served(String resource) {}

        @Override
        public void leftOut(List<String> devices, String why) {}
    };

    /** An Allocate was refused, so a pod has failed; {@code why} is what the kubelet was told. */
    void refused(String resource, String why);

    /** The kubelet has not taken the resource for a while, so no pod gets any of it. Once for each {@code why}, until it is {@link #served}. */
    void unserved(String resource, String why);

    /** The kubelet has taken a resource that was told as {@link #unserved}. */
    void served(String resource);

    /** No resource offers these devices; {@code why} has the next step. Once for each {@code why}, until it is otherwise. */
    void leftOut(List<String> devices, String why);
}
