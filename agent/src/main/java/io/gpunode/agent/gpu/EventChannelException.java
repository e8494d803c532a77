package io.gpunode.agent.gpu;

import io.gpunode.nvml.NvmlException;

/** Waiting for events, or preparing to, failed; the cause says how. */
public final class EventChannelException extends Exception {
    private static final long serialVersionUID = 1L;

    EventChannelException(NvmlException cause) {
        super(cause.getMessage(), cause);
    }
}
