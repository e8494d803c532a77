package io.gpunode.agent.json;

/** A text is not the JSON that was expected; the message says where. */
public final class JsonException extends Exception {
    JsonException(String what, int offset) {
        super("not JSON at character " + (offset + 1) + ": " + what);
    }
}
