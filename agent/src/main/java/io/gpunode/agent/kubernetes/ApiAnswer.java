package io.gpunode.agent.kubernetes;

import io.gpunode.agent.json.JsonValue;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * What the API server answered.
 *
 * @param status HTTP's
 * @param body at most {@link ApiClient#LARGEST_BODY_BYTES}
 * @param retryAfter how long it asks to be left alone
 */
record ApiAnswer(int status, String body, Optional<Duration> retryAfter) {
    static final int BAD_REQUEST = 400;
    static final int UNAUTHORIZED = 401;
    static final int FORBIDDEN = 403;
    static final int NOT_FOUND = 404;
    static final int CONFLICT = 409;
    static final int GONE = 410;
    static final int INVALID = 422;

    /** Whether it did what was asked. */
    boolean ok() {
        return status >= 200 && status < 300;
    }

    /** The object that it sent. */
    JsonValue object() throws IOException {
        try {
            return Texts.json(body);
        } catch (IOException e) {
            throw new IOException("the answer is no object (" + e.getMessage() + "); is this an API server?", e);
        }
    }

    /** The server's own words for a refusal. */
    String reason() {
        String message = message();
        // A proxy's page has none; its status says enough.
        return message.isEmpty() ? "HTTP status " + status : status + ": " + Texts.shortened(message, 300);
    }

    /** The server's own words, whole; empty where there are none. */
    String message() {
        try {
            return Texts.json(body).member("message").textOr("");
        } catch (IOException e) {
            return "";
        }
    }

    /** What it found wrong, one by one. */
    List<JsonValue> causes() {
        try {
            return Texts.json(body).member("details").member("causes").elements();
        } catch (IOException e) {
            return List.of();
        }
    }
}
