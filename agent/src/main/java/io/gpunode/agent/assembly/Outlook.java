package io.gpunode.agent.assembly;

import io.gpunode.agent.cdi.CdiStatus;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.NvmlState;

/** What of the GPUs is to be expected, for who waits for them before the kubelet is started. */
enum Outlook {
    /** They are known, and whoever starts containers finds them described, or is told why not. */
    DESCRIBED,
    /** There is no driver on this node, or the agent let go of it. */
    NONE,
    /** A driver is installed, and its modules are not loaded. */
    DRIVER_MISSING,
    /** They are being looked at. */
    COMING;

    /** @param suspended whether somebody keeps NVML closed; else it is being opened again where the picture still says so */
    static Outlook of(NodeSnapshot picture, CdiStatus specifications, boolean suspended) {
        return switch (picture.nvml()) {
            case NvmlState.Open _ -> {
                boolean nothing = picture.gpus().isEmpty() && picture.unidentified() == 0;
                yield nothing
                                || specifications.written()
                                || !specifications.error().isEmpty()
                        ? DESCRIBED
                        : COMING;
            }
            case NvmlState.Waiting waiting ->
                switch (waiting.kind()) {
                    case NvmlState.Waiting.LIBRARY_NOT_FOUND -> NONE;
                    case NvmlState.Waiting.DRIVER_NOT_LOADED -> DRIVER_MISSING;
                    default -> COMING;
                };
            case NvmlState.Withdrawn _ -> suspended ? NONE : COMING;
        };
    }
}
