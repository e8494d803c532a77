package io.gpunode.agent.mig;

/** An operation on the hardware that did not do what was asked. */
public final class MigOperationException extends Exception {
    private static final long serialVersionUID = 1L;

    /** What it means for the change. */
    public enum Kind {
        /** Somebody uses what was to be changed. */
        IN_USE,
        /** The mode comes into force only when the machine was restarted. */
        RESTART_NEEDED,
        /** This process may not. */
        NO_PERMISSION,
        /** The GPU is gone, or does not answer. */
        LOST,
        /** It failed. */
        FAILED
    }

    private final Kind kind;

    public MigOperationException(Kind kind, String message) {
        super(message);
        this.kind = kind;
    }

    public MigOperationException(Kind kind, String message, Throwable cause) {
        super(message, cause);
        this.kind = kind;
    }

    /** What it means. */
    public Kind kind() {
        return kind;
    }

    /** The message; never null. */
    String text() {
        return String.valueOf(getMessage());
    }
}
