package io.gpunode.agent.kubernetes;

/** The way to the API server is described in a way that cannot be used; the message names place, value and next step. */
final class AccessException extends Exception {
    AccessException(String message) {
        super(message);
    }

    AccessException(String message, Throwable cause) {
        super(message, cause);
    }
}
