package io.gpunode.agent.deviceplugin;

import io.grpc.Status;

/**
 * A request that cannot be met, with what the kubelet (and so {@code kubectl describe pod}) is told: what was asked, why not, what to do.
 * Has no stack trace: it is an answer, not an accident.
 */
final class AllocationRefusedException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final Status.Code code;

    AllocationRefusedException(Status.Code code, String message) {
        super(message, null, false, false);
        this.code = code;
    }

    Status.Code code() {
        return code;
    }
}
