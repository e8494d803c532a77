package io.gpunode.agent.admin;

import io.gpunode.agent.time.Tick;

/** The token bucket of {@code rate_limit}, over all clients. Owned by the event loop. */
final class RequestRate {
    private final WebConfig.Rate rate;

    /** When the bucket would be full again, were nothing taken any more. */
    private Tick full;

    /** @param now it begins full */
    RequestRate(WebConfig.Rate rate, Tick now) {
        this.rate = rate;
        this.full = now;
    }

    WebConfig.Rate rate() {
        return rate;
    }

    /** Takes one token; false when there is none. */
    boolean take(Tick now) {
        Tick from = now.reached(full) ? now : full;
        Tick after = from.plus(rate.interval());
        if (after.since(now).compareTo(rate.interval().multipliedBy(rate.burst())) > 0) {
            return false;
        }
        full = after;
        return true;
    }
}
