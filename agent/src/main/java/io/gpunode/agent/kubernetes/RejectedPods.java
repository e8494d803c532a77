package io.gpunode.agent.kubernetes;

import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.lifecycle.Backoff;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.io.IOException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * Deletes pods of the own node that the kubelet has turned away because their GPUs were not there, so that whoever controls them makes them anew: those that
 * were bound to the node before a reboot, or came while the driver was exchanged. Looks once the GPUs are there again and once more {@link #LOOK_AGAIN}
 * later, and then not before they have been away again. Left alone is what nobody would make anew, and what a Job has counted.
 *
 * <p>Owned by the connection's thread; others tell it what they see.
 */
public final class RejectedPods implements Errand {
    private static final Log LOG = Log.of(RejectedPods.class);

    /** The kubelet's status of a pod may come later than its devices. */
    static final Duration LOOK_AGAIN = Duration.ofSeconds(30);

    static final Duration WHILE_REFUSED = Duration.ofMinutes(10);
    /** Between two looks at whether the GPUs are there. */
    private static final Duration FIRST_LOOK = Duration.ofSeconds(1);

    /** The kubelet's reason when a device manager says no (pkg/kubelet/lifecycle). */
    private static final String ADMISSION = "UnexpectedAdmissionError";
    /** Followed by the resource that the node has too little of. */
    private static final String OUT_OF = "OutOf";

    private static final int TOO_MANY_REQUESTS = 429;
    private static final int UNAVAILABLE = 503;

    private final GpuResources resources;
    private final BooleanSupplier there;
    private final MonotonicClock clock;
    private final Runnable wake;
    private final Backoff looks;
    private final Backoff backoff;
    private final PodPages<Pod> pages = new PodPages<>(false, "status.phase=Failed");
    private final Deque<Pod> found = new ArrayDeque<>();
    /** Since the last list. */
    private @Nullable Refusal refusal;

    /** How often the GPUs have gone away; they are away at the start. */
    private final AtomicLong absences = new AtomicLong(1);

    private volatile boolean seen;

    private long ended;
    private long looking;
    private boolean second;
    private Tick notBefore;
    private volatile RejectedPodsStatus status = new RejectedPodsStatus(0, "");

    /** The last pod that was not deleted, and why. */
    private record Refusal(Pod pod, ApiAnswer answer) {}

    private record Pod(String namespace, String name, String uid) {
        String path() {
            return namespace + "/" + name;
        }
    }

    /**
     * @param there whether the kubelet may give GPUs away. Quick, never blocks
     * @param wake asks for a turn
     */
    RejectedPods(
            GpuResources resources,
            BooleanSupplier there,
            MonotonicClock clock,
            RandomGenerator random,
            Runnable wake) {
        this.resources = resources;
        this.there = there;
        this.clock = clock;
        this.wake = wake;
        this.looks = new Backoff(FIRST_LOOK, LOOK_AGAIN, random);
        this.backoff = new Backoff(Duration.ofSeconds(2), Duration.ofMinutes(5), random);
        this.notBefore = clock.now();
    }

    /** Whether the agent has the GPUs, told whenever that may have changed. One thread at a time; never blocks. */
    public void seen(boolean present) {
        if (seen && !present) {
            absences.incrementAndGet();
            wake.run();
        }
        seen = present;
    }

    /** How it stands. Any thread. */
    public RejectedPodsStatus status() {
        return status;
    }

    @Override
    public Duration turn(ApiClient api, String node) throws IOException, InterruptedException {
        long absence = absences.get();
        if (absence == ended) {
            return NOTHING;
        }
        if (absence != looking) {
            looking = absence;
            second = false;
            found.clear();
            refusal = null;
            pages.restart();
            looks.reset();
            backoff.reset();
        }
        Duration pause = notBefore.since(clock.now());
        if (pause.isPositive()) {
            return pause;
        }
        if (!there.getAsBoolean()) {
            return looks.next();
        }
        Pod next = found.peek();
        return next == null ? list(api, node) : delete(api, next);
    }

    private Duration list(ApiClient api, String node) throws IOException, InterruptedException {
        return switch (pages.next(api, node, this::rejected)) {
            case PodPages.Page.More<Pod> _ -> Duration.ZERO;
            case PodPages.Page.Last<Pod>(List<Pod> all, String _) -> {
                found.addAll(all);
                yield found.isEmpty() ? lookedAt() : Duration.ZERO;
            }
            case PodPages.Page.Refused<Pod>(ApiAnswer answer) -> refused("list", "pods", answer);
        };
    }

    /** All that were found have been asked for: those that are left are found again, with what has come since. */
    private Duration lookedAt() {
        Refusal left = refusal;
        if (left != null) {
            refusal = null;
            return refused("delete", "pod " + left.pod.path(), left.answer);
        }
        backoff.reset();
        status = new RejectedPodsStatus(status.deleted(), "");
        if (second) {
            ended = looking;
            return NOTHING;
        }
        second = true;
        notBefore = clock.now().plus(LOOK_AGAIN);
        return LOOK_AGAIN;
    }

    private Duration delete(ApiClient api, Pod pod) throws IOException, InterruptedException {
        ApiAnswer answer =
                api.delete("/api/v1/namespaces/" + encoded(pod.namespace) + "/pods/" + encoded(pod.name), options(pod));
        // Another of this name, or none any more: what was turned away is gone.
        boolean gone = answer.status() == ApiAnswer.NOT_FOUND || answer.status() == ApiAnswer.CONFLICT;
        if (!answer.ok() && !gone && isAboutAll(answer)) {
            return refused("delete", "pod " + pod.path(), answer);
        }
        found.remove();
        if (!answer.ok() && !gone) {
            refusal = new Refusal(pod, answer);
        } else if (answer.ok()) {
            status = new RejectedPodsStatus(status.deleted() + 1, "");
            LOG.info("a pod that the kubelet had turned away for want of GPUs is deleted", "pod", pod.path());
        }
        return found.isEmpty() ? lookedAt() : Duration.ZERO;
    }

    /** A server in trouble; all else may be a webhook's or a role's answer for one pod, and not for the next. */
    private static boolean isAboutAll(ApiAnswer answer) {
        return answer.retryAfter().isPresent()
                || answer.status() == ApiAnswer.UNAUTHORIZED
                || answer.status() == TOO_MANY_REQUESTS
                || answer.status() == UNAVAILABLE;
    }

    private Duration refused(String verb, String what, ApiAnswer answer) {
        boolean forbidden = answer.status() == ApiAnswer.FORBIDDEN;
        Duration asks = answer.retryAfter().orElse(Duration.ZERO);
        Duration own = forbidden ? WHILE_REFUSED : backoff.next();
        Duration pause = own.compareTo(asks) >= 0 ? own : asks;
        notBefore = clock.now().plus(pause);
        // RBAC's words; a webhook forbids, too.
        boolean lacksVerb = forbidden && answer.message().contains("cannot " + verb + " resource");
        String why = "the API server refused to " + verb + " " + what + ": " + answer.reason()
                + (lacksVerb
                        ? "; allow the verb " + verb + " on the resource pods (docs/kubernetes.md has the role)"
                        : "");
        if (!why.equals(status.reason())) {
            LOG.warn("pods that the kubelet has turned away stay; tried again later", "error", why);
        }
        status = new RejectedPodsStatus(status.deleted(), why);
        return pause;
    }

    private Optional<Pod> rejected(JsonValue pod) {
        JsonValue metadata = pod.member("metadata");
        JsonValue said = pod.member("status");
        if (!said.member("phase").textOr("").equals("Failed")
                || !metadata.member("deletionTimestamp").absent()
                || !isMadeAnew(metadata)
                || !isForWantOfGpus(pod, said)) {
            return Optional.empty();
        }
        return Optional.of(new Pod(
                metadata.member("namespace").textOr(""),
                metadata.member("name").textOr(""),
                metadata.member("uid").textOr("")));
    }

    private static boolean isMadeAnew(JsonValue metadata) {
        String kind = GpuPod.controller(metadata)
                .map(owner -> owner.member("kind").textOr(""))
                .orElse("");
        // The kubelet's own pods come from its files; a Job makes another by itself and keeps this one as a failure.
        return !kind.isEmpty() && !kind.equals("Node") && !kind.equals("Job");
    }

    private boolean isForWantOfGpus(JsonValue pod, JsonValue said) {
        String reason = said.member("reason").textOr("");
        Set<String> wanted = GpuPod.held(pod.member("spec"), resources).keySet();
        if (reason.equals(ADMISSION)) {
            // Other device managers say no under the same reason; the message names the resource.
            String message = said.member("message").textOr("");
            return wanted.stream().anyMatch(message::contains);
        }
        return reason.startsWith(OUT_OF) && wanted.contains(reason.substring(OUT_OF.length()));
    }

    /** This pod and no other of its name. */
    private static String options(Pod pod) {
        return JsonWriter.compact()
                .beginObject()
                .member("apiVersion", "v1")
                .member("kind", "DeleteOptions")
                .name("preconditions")
                .beginObject()
                .member("uid", pod.uid)
                .endObject()
                .endObject()
                .toString();
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }
}
