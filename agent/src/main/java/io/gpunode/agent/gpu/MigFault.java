package io.gpunode.agent.gpu;

import io.gpunode.nvml.NvmlException;
import io.gpunode.nvml.NvmlReturn;
import org.jspecify.annotations.Nullable;

/** NVML did not do what was asked of a GPU's MIG, or did not answer. */
public final class MigFault extends Exception {
    private static final long serialVersionUID = 1L;

    /** What it means for a change. */
    public enum Kind {
        /** Somebody uses what was to be changed. */
        IN_USE,
        /** It comes into force only after a reset that NVML cannot do. */
        RESET_NEEDED,
        /** This process may not; changes need root. */
        NO_PERMISSION,
        /** The GPU is gone, the driver is, or the call has not returned. */
        LOST,
        /** Any other answer. */
        FAILED
    }

    private final Kind kind;

    MigFault(Kind kind, String message, @Nullable Throwable cause) {
        super(message, cause);
        this.kind = kind;
    }

    static MigFault of(NvmlException failure) {
        return new MigFault(
                kind(failure), failure.function() + " answers " + NvmlReturn.nameOf(failure.code()), failure);
    }

    private static Kind kind(NvmlException failure) {
        if (failure.is(NvmlReturn.IN_USE)) {
            return Kind.IN_USE;
        }
        if (failure.is(NvmlReturn.NO_PERMISSION)) {
            return Kind.NO_PERMISSION;
        }
        return switch (ReturnMeaning.of(failure.code())) {
            case LOST, DRIVER_GONE -> Kind.LOST;
            case RESET_NEEDED -> Kind.RESET_NEEDED;
            case SUCCESS, UNSUPPORTED, TRANSIENT -> Kind.FAILED;
        };
    }

    /** What it means. */
    public Kind kind() {
        return kind;
    }
}
