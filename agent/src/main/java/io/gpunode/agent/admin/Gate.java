package io.gpunode.agent.admin;

import io.gpunode.agent.admin.PasswordCheck.Verdict;
import io.gpunode.agent.time.MonotonicClock;
import io.netty.channel.EventLoop;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Whom the server answers, as the web configuration in force says. Owned by the event loop. */
final class Gate {
    private final Supplier<WebConfig> inForce;
    private final EventLoop loop;
    private final MonotonicClock clock;
    private final Executor worker;
    private @Nullable RequestRate rate;
    private @Nullable PasswordCheck passwords;

    /**
     * @param inForce the newest web configuration; any thread
     * @param worker one thread for what takes long
     */
    Gate(Supplier<WebConfig> inForce, EventLoop loop, MonotonicClock clock, Executor worker) {
        this.inForce = inForce;
        this.loop = loop;
        this.clock = clock;
        this.worker = worker;
    }

    WebConfig config() {
        return inForce.get();
    }

    /** Whether one request more may be answered now; if so it counts. */
    boolean withinRate(WebConfig config) {
        if (config.rate().isEmpty()) {
            return true;
        }
        WebConfig.Rate wanted = config.rate().get();
        RequestRate bucket = rate;
        if (bucket == null || !bucket.rate().equals(wanted)) {
            bucket = new RequestRate(wanted, clock.now());
            rate = bucket;
        }
        return bucket.take(clock.now());
    }

    /**
     * Tells, now or later on the loop, whether a request is one of a user. Only where there are users.
     *
     * @param authorization the request's header of that name; empty when it has none
     */
    void admit(WebConfig config, String authorization, Consumer<Verdict> then) {
        Optional<Credentials> credentials = Credentials.parse(authorization);
        if (credentials.isEmpty()) {
            then.accept(Verdict.WRONG);
            return;
        }
        PasswordCheck check = passwords;
        if (check == null) {
            check = new PasswordCheck(loop, worker);
            passwords = check;
        }
        check.check(config.users(), credentials.get(), then);
    }

    /** Tells no more to somebody who was to be told later. */
    void forget(Consumer<Verdict> then) {
        PasswordCheck check = passwords;
        if (check != null) {
            check.forget(then);
        }
    }
}
