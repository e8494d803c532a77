package io.gpunode.agent.kubernetes;

import io.gpunode.agent.config.ConfigMapSource;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/**
 * The ConfigMap that says which metric fields are shown, read again each {@link #PAUSE}: it is one small object that changes a few times a year, which
 * is not worth a watch. What was read last stays, also when the object is deleted or the server says no more.
 *
 * <p>Reading is the connection's thread's; the text is for any thread.
 */
public final class FieldConfigMap implements Errand, ConfigMapSource {
    static final Duration PAUSE = Duration.ofSeconds(30);
    static final Duration WHILE_REFUSED = Duration.ofMinutes(1);

    private static final Log LOG = Log.of(FieldConfigMap.class);
    private static final String KEY = "metrics";

    private final String map;
    private final String path;
    private final MonotonicClock clock;
    private final List<Runnable> listeners = new CopyOnWriteArrayList<>();

    private volatile @Nullable String text;
    private volatile String problem = "the API server has not told of it yet";
    private Tick due;

    /** @param map its namespace and name with a colon between them */
    FieldConfigMap(String map, MonotonicClock clock) {
        int colon = map.indexOf(':');
        this.map = map;
        this.path = "/api/v1/namespaces/" + map.substring(0, colon) + "/configmaps/" + map.substring(colon + 1);
        this.clock = clock;
        this.due = clock.now();
    }

    @Override
    public Answer text(String wanted) {
        String read = text;
        if (!wanted.equals(map)) {
            return new Answer.Unknown("it is read from the next start on");
        }
        return read == null ? new Answer.Unknown(problem) : new Answer.Text(read);
    }

    /**
     * Names who is told.
     *
     * @param changed called when the text differs from the one before, the first one included; quick, on the connection's thread
     */
    public void onChange(Runnable changed) {
        listeners.add(changed);
    }

    @Override
    public Duration turn(ApiClient api, String node) throws IOException, InterruptedException {
        Tick now = clock.now();
        Duration left = due.since(now);
        if (left.isPositive()) {
            return left;
        }
        ApiAnswer answer = api.get(path, "application/json");
        boolean good = answer.ok();
        String why = good ? "" : answer.reason();
        if (answer.status() == ApiAnswer.FORBIDDEN) {
            why += "; allow the verb get on it (docs/kubernetes.md has the role)";
        }
        if (good) {
            String read = answer.object().member("data").member(KEY).textOr("");
            if (read.isBlank()) {
                why = "it has nothing under the key " + KEY;
            } else if (!read.equals(text)) {
                text = read;
                listeners.forEach(Runnable::run);
            }
        }
        told(why);
        Duration asked = answer.retryAfter().orElse(Duration.ZERO);
        Duration pause = good ? PAUSE : asked.compareTo(WHILE_REFUSED) > 0 ? asked : WHILE_REFUSED;
        due = now.plus(pause);
        return pause;
    }

    private void told(String why) {
        if (!why.isEmpty() && !why.equals(problem)) {
            LOG.warn(
                    "the ConfigMap of the metric fields cannot be used; "
                            + (text == null
                                    ? "the field file or the default counts"
                                    : "what was read of it last stays"),
                    "map",
                    map,
                    "error",
                    why);
        }
        problem = why;
    }
}
