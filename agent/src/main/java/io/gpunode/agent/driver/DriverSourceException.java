package io.gpunode.agent.driver;

/** A driver could not be made ready. Nothing of the running driver was changed. The message says what, where, and what to do. */
public final class DriverSourceException extends Exception {
    private static final long serialVersionUID = 1L;

    private final Kind kind;

    /** What failed, for those who decide whether another try makes sense. */
    public enum Kind {
        /** The configuration wants something that the source does not have, or that this node cannot use. */
        UNUSABLE(false),
        /** What was brought is damaged, altered, cut short or not what it says. */
        DAMAGED(false),
        /** The network, a repository or a server did not give it. */
        UNREACHABLE(true),
        /** A disk is full or cannot be written. */
        STORAGE(true),
        /** The kernel's headers, a compiler or a program is missing or does not fit. */
        TOOLS(true),
        /** A program was run and failed. */
        FAILED(true),
        /** Another process is at it. */
        BUSY(true);

        private final boolean passing;

        Kind(boolean passing) {
            this.passing = passing;
        }

        /** Whether it may be gone at another try without a change of the configuration. */
        public boolean passing() {
            return passing;
        }
    }

    public DriverSourceException(Kind kind, String message) {
        super(message);
        this.kind = kind;
    }

    public DriverSourceException(Kind kind, String message, Throwable cause) {
        super(message, cause);
        this.kind = kind;
    }

    /** What kind of failure it is. */
    public Kind kind() {
        return kind;
    }
}
