package io.gpunode.agent.admin;

import java.time.Duration;
import java.util.Map;
import java.util.Optional;

/**
 * A web configuration: who is answered, and how.
 *
 * @param tls how connections are encrypted; empty for plain HTTP
 * @param users bcrypt hashes by user; empty when everybody is answered
 * @param headers set on every answer
 * @param rate how many requests are answered; empty for any number
 */
record WebConfig(Optional<ServerTls> tls, Map<String, String> users, Map<String, String> headers, Optional<Rate> rate) {
    /** Plain HTTP for everybody. */
    static final WebConfig NONE = new WebConfig(Optional.empty(), Map.of(), Map.of(), Optional.empty());

    /**
     * A token bucket.
     *
     * @param interval in which one request comes free; more than zero
     * @param burst how many may be asked at once; at least 1
     */
    record Rate(Duration interval, int burst) {}

    WebConfig {
        users = Map.copyOf(users);
        headers = Map.copyOf(headers);
    }
}
