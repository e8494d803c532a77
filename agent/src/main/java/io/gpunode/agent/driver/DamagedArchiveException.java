package io.gpunode.agent.driver;

/** An archive is cut short, altered, hostile or of an unknown form. The message says what about it, without its name. */
final class DamagedArchiveException extends Exception {
    private static final long serialVersionUID = 1L;

    DamagedArchiveException(String message) {
        super(message);
    }

    DamagedArchiveException(String message, Throwable cause) {
        super(message, cause);
    }
}
