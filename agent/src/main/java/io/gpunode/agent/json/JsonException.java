package io.gpunode.agent.json;

/** A text is not the JSON that was expected; the message says why, and where. */
public final class JsonException extends Exception {
    JsonException(String message) {
        super(message);
    }

    JsonException(String what, int offset) {
        super("not JSON at character " + (offset + 1) + ": " + what);
    }
}
