package io.gpunode.agent.kubernetes;

import java.io.IOException;

/** There is no connection to the API server, or the server does not accept who the agent is: no request can go better than this one. */
final class UnreachableException extends IOException {
    private static final long serialVersionUID = 1L;

    UnreachableException(String message) {
        super(message);
    }

    UnreachableException(String message, Throwable cause) {
        super(message, cause);
    }
}
