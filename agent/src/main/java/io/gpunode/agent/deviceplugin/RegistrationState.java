package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.net.SocketFile;
import io.gpunode.agent.time.Tick;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * Where one resource stands with the kubelet. Each state looks at what is to be seen now and says what follows: the next state, whether to
 * register now, and when to look again unless something happens before. Pure; {@link KubeletRegistration} does the looking and the doing.
 *
 * <p>Facts (kubelet device manager): a kubelet that starts deletes all sockets of the directory and makes {@code kubelet.sock} anew; it may be
 * seen before it listens. It dials after Register for up to 10 s. It never opens a lost stream again.
 */
sealed interface RegistrationState {
    /** Files are looked at this often; inotify tells earlier. */
    Duration POLL = Duration.ofSeconds(1);

    /**
     * The same while the kubelet's stream is open: a kubelet that ends or starts again ends the stream, which wakes the loop, so that there is little
     * left to find by looking.
     */
    Duration SETTLED_POLL = Duration.ofSeconds(10);

    /** Nobody refused anything: it is served again in quick succession. */
    Outcome OWN_REMOVED = new Outcome("the plugin's own socket was removed", true);

    /** A fixed word for {@code status} and metrics. */
    String word();

    /** One sentence for people. */
    String reason();

    /** What follows from what is seen now, unless a newer agent serves the resource; see {@link #after}. */
    Step next(Observation seen);

    /** What follows from what is seen now. */
    static Step after(RegistrationState state, Observation seen) {
        return seen.newer().isEmpty() || state instanceof Stopped
                ? state.next(seen)
                : Step.to(new SteppedAside(seen.newer()));
    }

    /**
     * What is to be seen.
     *
     * @param kubelet at the kubelet's registration socket
     * @param own at the plugin's socket
     * @param served the plugin's socket as the running server made it; missing when there is no server
     * @param newer the socket of an agent that serves the same resource and started later; empty when there is none
     * @param contested whether another agent has begun or ceased to serve the resource since the registration, so that its own may have come
     *     after this one's: the kubelet goes by the last
     * @param notReady why there is nothing to register yet; empty when there is
     * @param streams open ListAndWatch streams
     * @param streamsOpened how many were ever opened
     * @param left whether somebody connected to the running server and nobody is connected any more
     * @param outcome of the attempt in flight, once it has ended
     * @param found whether the kubelet finds the plugin instead of being called: it may take its time
     */
    record Observation(
            Tick now,
            SocketFile kubelet,
            SocketFile own,
            SocketFile served,
            String newer,
            boolean contested,
            String notReady,
            int streams,
            long streamsOpened,
            boolean left,
            @Nullable Outcome outcome,
            boolean found) {
        /** Whether the socket that is served on is no longer at its place. */
        boolean ownRemoved() {
            return served instanceof SocketFile.Present && !own.equals(served);
        }
    }

    /**
     * How Register, or serving before it, ended.
     *
     * @param error empty when it succeeded
     * @param unreachable whether nobody took the call, as opposed to the kubelet refusing it
     */
    record Outcome(String error, boolean unreachable) {
        static final Outcome SUCCESS = new Outcome("", false);

        boolean succeeded() {
            return error.isEmpty();
        }
    }

    /** What follows: the state, whether to serve and register now, and the longest wait until the next look. */
    record Step(RegistrationState state, boolean register, Duration pause) {
        static Step to(RegistrationState state) {
            return new Step(state, false, POLL);
        }
    }

    /** There is nothing to register yet. */
    record NotReady(String why) implements RegistrationState {
        @Override
        public String word() {
            return "not-ready";
        }

        @Override
        public String reason() {
            return "nothing to register yet: " + why;
        }

        @Override
        public Step next(Observation seen) {
            return begin(seen, Attempts.FIRST);
        }
    }

    /** There is no kubelet socket. */
    record NoKubelet(String why) implements RegistrationState {
        @Override
        public String word() {
            return "no-kubelet";
        }

        @Override
        public String reason() {
            return why;
        }

        @Override
        public Step next(Observation seen) {
            return begin(seen, Attempts.FIRST);
        }
    }

    /**
     * Register is in flight, or the socket lies where the kubelet finds it.
     *
     * @param openedBefore streams ever opened when it began; a kubelet may open its stream before it answers
     * @param found whether the kubelet is to find the socket
     */
    record Registering(SocketFile.Present kubelet, Tick since, Attempts attempts, long openedBefore, boolean found)
            implements RegistrationState {
        /** The call has a deadline of its own; this is for an answer that got lost. */
        private static final Duration LIMIT = Duration.ofSeconds(20);

        @Override
        public String word() {
            return "registering";
        }

        @Override
        public String reason() {
            return found
                    ? "the kubelet has not found the socket in its plugins_registry directory yet; is it running? (systemctl status kubelet)"
                    : "the kubelet has not answered yet";
        }

        @Override
        public Step next(Observation seen) {
            if (!seen.kubelet().equals(kubelet)) {
                return begin(seen, Attempts.FIRST);
            }
            Outcome outcome = seen.outcome();
            if (outcome == null && seen.ownRemoved()) {
                // The kubelet could not dial back, and would try for 10 s.
                return failed(OWN_REMOVED, seen);
            }
            if (outcome == null) {
                return !found && seen.now().reached(since.plus(LIMIT))
                        ? failed(
                                new Outcome("no answer from the kubelet within " + LIMIT.toSeconds() + " s", true),
                                seen)
                        : Step.to(this);
            }
            if (!outcome.succeeded()) {
                return failed(outcome, seen);
            }
            return new Registered(kubelet, seen.now(), attempts, openedBefore, false).next(seen);
        }

        private Step failed(Outcome outcome, Observation seen) {
            return Retrying.after(outcome, kubelet, attempts, seen.now());
        }
    }

    /** An attempt failed; the next one follows after a pause, or at once when the kubelet's socket is made anew. */
    record Retrying(SocketFile.Present kubelet, Tick until, Attempts attempts, String error)
            implements RegistrationState {
        static Step after(Outcome outcome, SocketFile.Present kubelet, Attempts attempts, Tick now) {
            Attempts failed = attempts.failed(now);
            Duration pause = failed.pause(now, outcome.unreachable());
            return new Step(new Retrying(kubelet, now.plus(pause), failed, outcome.error()), false, pause);
        }

        @Override
        public String word() {
            return "retrying";
        }

        @Override
        public String reason() {
            return error;
        }

        @Override
        public Step next(Observation seen) {
            if (!seen.kubelet().equals(kubelet)) {
                return begin(seen, Attempts.FIRST);
            }
            if (seen.now().reached(until)) {
                return begin(seen, attempts);
            }
            Duration left = until.since(seen.now());
            return new Step(this, false, left.compareTo(POLL) < 0 ? left : POLL);
        }
    }

    /**
     * The kubelet has taken the registration.
     *
     * @param openedBefore streams ever opened when the registration began
     * @param watched whether the kubelet has opened its stream since
     */
    record Registered(SocketFile.Present kubelet, Tick at, Attempts attempts, long openedBefore, boolean watched)
            implements RegistrationState {
        /** The kubelet dials for 10 s and then gives up for good, without telling. */
        private static final Duration STREAM_LIMIT = Duration.ofSeconds(15);
        /** A stream that lived this long was not part of a quarrel. */
        private static final Duration SETTLED = Duration.ofSeconds(10);

        /** Whether it is so fresh that a newer agent may have registered before it. */
        boolean fresh(Tick now) {
            return !now.reached(at.plus(SETTLED));
        }

        @Override
        public String word() {
            return "registered";
        }

        @Override
        public String reason() {
            return watched ? "the kubelet watches the devices" : "the kubelet has not asked for the devices yet";
        }

        @Override
        public Step next(Observation seen) {
            if (seen.kubelet() instanceof SocketFile.Present present && !present.equals(kubelet)) {
                return begin(seen, Attempts.FIRST);
            }
            if (seen.contested()) {
                return begin(seen, Attempts.FIRST);
            }
            if (seen.ownRemoved()) {
                return lost(OWN_REMOVED, seen);
            }
            if (seen.streams() > 0) {
                // Also when kubelet.sock is gone: the kubelet that listened there has its lists all the same, and a new
                // one makes a new file.
                return new Step(
                        watched ? this : new Registered(kubelet, at, attempts, openedBefore, true),
                        false,
                        seen.kubelet().equals(kubelet) ? SETTLED_POLL : POLL);
            }
            if (!seen.kubelet().equals(kubelet)) {
                return begin(seen, Attempts.FIRST);
            }
            if (watched || seen.streamsOpened() > openedBefore) {
                return lost(new Outcome("the kubelet ended its ListAndWatch stream", false), seen);
            }
            if (seen.left()) {
                // Kubelets before 1.36 do so when an older agent's stream ends just now (kubernetes#121994).
                return lost(
                        new Outcome(
                                "the kubelet took the registration and closed its connection before it asked for the devices",
                                false),
                        seen);
            }
            Tick limit = at.plus(STREAM_LIMIT);
            if (seen.now().reached(limit)) {
                return lost(
                        new Outcome(
                                "the kubelet took the registration and did not ask for the devices within "
                                        + STREAM_LIMIT.toSeconds()
                                        + " s; see its log (journalctl -u kubelet | grep -i 'device plugin'), and with SELinux ausearch -m avc -ts recent",
                                false),
                        seen);
            }
            return Step.to(this);
        }

        /** The first loss is repaired at once. Losses in quick succession are a quarrel with another plugin or a sick kubelet. */
        private Step lost(Outcome why, Observation seen) {
            if (seen.now().reached(at.plus(SETTLED)) || attempts.failures() == 0) {
                Attempts next = seen.now().reached(at.plus(SETTLED)) ? Attempts.FIRST : attempts;
                return begin(seen, next.failed(seen.now()));
            }
            return Retrying.after(why, kubelet, attempts, seen.now());
        }
    }

    /**
     * An agent that started later serves the same resource: an upgrade with two agents at once. Kubelets before 1.36 take each list for the resource's,
     * whoever sends it, so this one sends no more; and it ends nothing, because the end of its stream would end the newer one's too
     * (kubernetes#121994). Unless it has just registered: then the kubelet may have taken its registration for the last, so it ends its server, and the
     * newer agent, which sees the socket go, registers again.
     *
     * @param newer the other one's socket
     */
    record SteppedAside(String newer) implements RegistrationState {
        @Override
        public String word() {
            return "stepped-aside";
        }

        @Override
        public String reason() {
            return "a newer gpu-node-agent serves this resource on " + newer + "; this one goes on if that one ends";
        }

        @Override
        public Step next(Observation seen) {
            return begin(seen, Attempts.FIRST);
        }
    }

    /** The agent is going down, or the resource is no longer offered. */
    record Stopped(String why) implements RegistrationState {
        @Override
        public String word() {
            return "stopped";
        }

        @Override
        public String reason() {
            return why;
        }

        @Override
        public Step next(Observation seen) {
            return Step.to(this);
        }
    }

    /**
     * Failures in a row.
     *
     * @param firstFailure when the first of them was; meaningless when there is none
     */
    record Attempts(int failures, Tick firstFailure) {
        static final Attempts FIRST = new Attempts(0, new Tick(0));

        /** A socket that was just made listens within this time, so it is dialled in quick succession. */
        private static final Duration FAST = Duration.ofSeconds(2);

        private static final long FAST_FIRST_MILLIS = 1;
        private static final long FAST_LIMIT_MILLIS = 20;
        private static final long SLOW_FIRST_MILLIS = 100;
        private static final long UNREACHABLE_LIMIT_MILLIS = 2_000;
        private static final long REFUSED_LIMIT_MILLIS = 10_000;

        Attempts failed(Tick now) {
            return new Attempts(
                    failures == Integer.MAX_VALUE ? failures : failures + 1, failures == 0 ? now : firstFailure);
        }

        /** How long until the next one. */
        Duration pause(Tick now, boolean unreachable) {
            long millis;
            if (unreachable && !now.reached(firstFailure.plus(FAST))) {
                millis = doubled(FAST_FIRST_MILLIS, FAST_LIMIT_MILLIS);
            } else {
                millis = doubled(SLOW_FIRST_MILLIS, unreachable ? UNREACHABLE_LIMIT_MILLIS : REFUSED_LIMIT_MILLIS);
            }
            return Duration.ofMillis(millis);
        }

        private long doubled(long first, long limit) {
            int doublings = Math.min(failures - 1, 20);
            return Math.min(limit, first << Math.max(0, doublings));
        }
    }

    /** Registers when there is something to register and somebody to register with. */
    private static Step begin(Observation seen, Attempts attempts) {
        if (!seen.notReady().isEmpty()) {
            return Step.to(new NotReady(seen.notReady()));
        }
        return switch (seen.kubelet()) {
            case SocketFile.Missing _ ->
                Step.to(new NoKubelet(
                        "there is no kubelet socket; is the kubelet running? (systemctl status kubelet)"));
            case SocketFile.Unusable(String why) -> Step.to(new NoKubelet(why));
            case SocketFile.Present kubelet ->
                new Step(
                        new Registering(kubelet, seen.now(), attempts, seen.streamsOpened(), seen.found()), true, POLL);
        };
    }
}
