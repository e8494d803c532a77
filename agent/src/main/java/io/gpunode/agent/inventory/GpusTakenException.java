package io.gpunode.agent.inventory;

/** Somebody else does something with the GPUs that suffers nobody beside; the message says what. */
public final class GpusTakenException extends Exception {
    private static final long serialVersionUID = 1L;

    GpusTakenException(String what, Throwable cause) {
        super(what, cause);
    }
}
