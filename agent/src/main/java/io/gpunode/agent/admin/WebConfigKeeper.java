package io.gpunode.agent.admin;

import io.gpunode.agent.config.ConfigWatch;
import io.gpunode.agent.config.Problem;
import io.gpunode.agent.config.Report;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.time.MonotonicClock;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;

/**
 * Keeps the web configuration in force: reads it at the start and whenever its file, or one that it names, has changed and stood still for a moment; what
 * cannot be used is told, and the one before stays. Looked at by one thread of its own; asked by any.
 */
final class WebConfigKeeper {
    private static final Log LOG = Log.of(WebConfigKeeper.class);

    private final Path file;
    private final InstantSource wall;
    private final ConfigWatch watch;
    private volatile State state;

    /**
     * @param refused why what was read last is not in force; empty when it is
     * @param notices what is accepted and should be known
     */
    private record State(WebConfig inForce, List<Problem> refused, List<Problem> notices) {}

    private WebConfigKeeper(Path file, InstantSource wall, ConfigWatch watch, State state) {
        this.file = file;
        this.wall = wall;
        this.watch = watch;
        this.state = state;
    }

    /**
     * Reads it for the first time.
     *
     * @throws IOException when it cannot be used; has every problem, one on a line
     */
    static WebConfigKeeper open(Path file, MonotonicClock clock, InstantSource wall, Meters meters) throws IOException {
        Report report = new Report(true);
        WebConfigReader reader = new WebConfigReader(file, report, wall.instant());
        Optional<WebConfig> read = reader.read(WebConfig.NONE);
        if (read.isEmpty()) {
            StringBuilder text = new StringBuilder("http.webConfigFile cannot be used");
            for (Problem problem : report.problems()) {
                text.append("\n  ").append(problem);
            }
            throw new IOException(text.toString());
        }
        tell(report.notices());
        WebConfigKeeper keeper = new WebConfigKeeper(
                file,
                wall,
                new ConfigWatch(reader.stamps(), clock),
                new State(read.get(), List.of(), List.copyOf(report.notices())));
        meters.gauge(
                "gpu_node_agent_http_config_last_read_good",
                "Whether the web configuration that was read last is the one in force: 1 or 0.",
                () -> keeper.state.refused.isEmpty() ? 1 : 0);
        meters.gauge(
                "gpu_node_agent_http_certificate_expiry_timestamp_seconds",
                "When the server's certificate ends, in seconds since 1970; no number without TLS.",
                () -> keeper.expires().map(end -> (double) end.getEpochSecond()).orElse(Double.NaN));
        return keeper;
    }

    WebConfig inForce() {
        return state.inForce;
    }

    private Optional<Instant> expires() {
        return state.inForce.tls().map(ServerTls::expires);
    }

    /** Looks whether it has changed, and reads it then. Its own thread. */
    void look() {
        try {
            if (watch.changed()) {
                read();
            }
        } catch (RuntimeException e) {
            LOG.error("the web configuration could not be read; the one before stays in force", e);
        }
    }

    private void read() {
        State before = state;
        Report report = new Report(true);
        WebConfigReader reader = new WebConfigReader(file, report, wall.instant());
        Optional<WebConfig> read = reader.read(before.inForce);
        watch.read(reader.stamps());
        if (read.isPresent()) {
            state = new State(read.get(), List.of(), List.copyOf(report.notices()));
            LOG.info("web configuration read again", "file", file);
            tell(report.notices());
            return;
        }
        state = new State(before.inForce, List.copyOf(report.problems()), before.notices);
        for (Problem problem : report.problems()) {
            LOG.error("the web configuration is not used, and the one before stays in force: " + problem);
        }
    }

    private static void tell(List<Problem> notices) {
        for (Problem notice : notices) {
            LOG.warn(notice.toString());
        }
    }

    /** Writes what an operator should know; no secret, and no user's name. */
    void write(JsonWriter json) {
        State now = state;
        json.beginObject()
                .member("file", file.toString())
                .member("tls", now.inForce.tls().isPresent())
                .member(
                        "clientCertificates",
                        now.inForce.tls().map(ServerTls::asksClients).orElse(false))
                .member("certificateExpires", expires().map(Instant::toString).orElse(null))
                .member("users", now.inForce.users().size())
                .member("refused", now.refused.stream().map(Problem::toString).toList())
                .member("notices", now.notices.stream().map(Problem::toString).toList())
                .endObject();
    }

    /** The same for people. */
    StatusLine line() {
        State now = state;
        String text = expires().map(end -> "Certificate until " + end + ". ").orElse("Without TLS. ")
                + (now.inForce.users().isEmpty()
                        ? "For everybody."
                        : now.inForce.users().size() + " users.");
        if (!now.refused.isEmpty()) {
            return new StatusLine(
                    "HTTP",
                    StatusLine.Tone.BAD,
                    "web configuration refused",
                    text + " What was read last is not in force: " + now.refused.getFirst());
        }
        List<String> notices = now.notices.stream().map(Problem::toString).toList();
        return new StatusLine(
                "HTTP",
                notices.isEmpty() ? StatusLine.Tone.GOOD : StatusLine.Tone.WARNING,
                now.inForce.tls().isPresent() ? "TLS" : "plain",
                text,
                notices.size() == 1 ? "1 notice" : notices.size() + " notices",
                notices);
    }
}
