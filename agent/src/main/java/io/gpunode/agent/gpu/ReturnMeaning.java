package io.gpunode.agent.gpu;

import io.gpunode.nvml.NvmlReturn;

/** What NVML's return codes mean to the agent: the one place that says so. */
public enum ReturnMeaning {
    /** It worked. */
    SUCCESS,
    /** This GPU, driver or mode does not offer it, or this process may not ask; asking again soon gives the same. */
    UNSUPPORTED,
    /** The GPU is gone from the bus or from NVML's list. */
    LOST,
    /** The GPU works again only after a reset. */
    RESET_NEEDED,
    /** NVML has no driver to talk to, or one of another release: the session is of no more use. */
    DRIVER_GONE,
    /** It failed this time. */
    TRANSIENT;

    /** The meaning of an {@code nvmlReturn_t} number, also of one that this release of the agent has no name for. */
    public static ReturnMeaning of(int code) {
        NvmlReturn named = NvmlReturn.of(code);
        if (named == null) {
            return TRANSIENT;
        }
        return switch (named) {
            case SUCCESS -> SUCCESS;
            // An argument that the agent always gives and that a driver refuses is a field or an option that this
            // driver is too old for.
            case NOT_SUPPORTED,
                    FUNCTION_NOT_FOUND,
                    ARGUMENT_VERSION_MISMATCH,
                    INVALID_ARGUMENT,
                    NO_PERMISSION,
                    NOT_FOUND,
                    VGPU_ECC_NOT_SUPPORTED,
                    FREQ_NOT_SUPPORTED,
                    RESET_TYPE_NOT_SUPPORTED,
                    DEPRECATED -> UNSUPPORTED;
            case GPU_IS_LOST, GPU_NOT_FOUND -> LOST;
            case RESET_REQUIRED -> RESET_NEEDED;
            case UNINITIALIZED, DRIVER_NOT_LOADED, LIB_RM_VERSION_MISMATCH -> DRIVER_GONE;
            case ALREADY_INITIALIZED,
                    INSUFFICIENT_SIZE,
                    INSUFFICIENT_POWER,
                    TIMEOUT,
                    IRQ_ISSUE,
                    LIBRARY_NOT_FOUND,
                    CORRUPTED_INFOROM,
                    OPERATING_SYSTEM,
                    IN_USE,
                    MEMORY,
                    NO_DATA,
                    INSUFFICIENT_RESOURCES,
                    NOT_READY,
                    INVALID_STATE,
                    UNKNOWN -> TRANSIENT;
        };
    }
}
