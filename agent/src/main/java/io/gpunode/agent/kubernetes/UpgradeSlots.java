package io.gpunode.agent.kubernetes;

import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.json.JsonWriter;
import java.io.IOException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.OffsetDateTime;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * So many nodes of a cluster may exchange their drivers at once: a Lease (coordination.k8s.io/v1) for each slot, held in the node's name for a bounded time. A slot
 * is free when nobody holds it, or its time is over; the server's version of the object decides between two who want it. For one thread.
 */
final class UpgradeSlots {
    private static final String NAME = "gpu-node-agent-driver-upgrade-";
    /** By which they are listed. */
    static final String LABEL = "gpunode.io/driver-upgrade-slot";

    private static final String MERGE_PATCH = "application/merge-patch+json";
    /** Clocks of nodes differ. */
    private static final Duration GRACE = Duration.ofMinutes(1);
    /** How often the list is read again because others were faster. */
    private static final int TRIES = 3;

    private static final int HOLDERS_TOLD = 5;

    private final int slots;
    private final String namespace;
    private final InstantSource wall;

    /** What came of asking. */
    sealed interface Answer {
        /** This node has it. */
        record Taken(String lease) implements Answer {}

        /** Others have them all. */
        record Full(List<String> holders) implements Answer {}

        /** The server refused; also when it always says that somebody was faster, and its list has nobody. */
        record Refused(String verb, ApiAnswer answer) implements Answer {}
    }

    private record Slot(String name, String version, String holder, Instant until) {}

    /**
     * @param slots how many; for {@link #release} any number
     * @param namespace in which the leases are
     */
    UpgradeSlots(int slots, String namespace, InstantSource wall) {
        this.slots = slots;
        this.namespace = namespace;
        this.wall = wall;
    }

    /** Takes a slot, or keeps the one that this node has. */
    Answer take(ApiClient api, String node, Duration time) throws IOException, InterruptedException {
        for (int tries = 1; ; tries++) {
            ApiAnswer listed = api.get(path("") + "?labelSelector=" + LABEL, "application/json");
            if (!listed.ok()) {
                return new Answer.Refused("list", listed);
            }
            Map<String, Slot> there = slots(listed.object());
            List<String> holders = new ArrayList<>();
            String wanted = "";
            for (int number = 1; number <= slots; number++) {
                Slot slot = there.get(NAME + number);
                if (slot != null && slot.holder.equals(node)) {
                    wanted = slot.name;
                    break;
                }
                if (slot != null && isHeld(slot)) {
                    if (holders.size() < HOLDERS_TOLD) {
                        holders.add(slot.holder + " (until " + slot.until + ")");
                    }
                } else if (wanted.isEmpty()) {
                    wanted = NAME + number;
                }
            }
            if (wanted.isEmpty()) {
                return new Answer.Full(holders);
            }
            Slot old = there.get(wanted);
            ApiAnswer written = old == null
                    ? api.create(path("") + "?fieldManager=" + DrainedNode.MANAGER, lease(wanted, "", node, time))
                    : api.patch(
                            path(wanted) + "?fieldManager=" + DrainedNode.MANAGER,
                            MERGE_PATCH,
                            lease(wanted, old.version, node, time));
            if (written.ok()) {
                return new Answer.Taken(wanted);
            }
            // One that was listed may be gone by now; a new one that has no place has no namespace.
            boolean faster =
                    written.status() == ApiAnswer.CONFLICT || (old != null && written.status() == ApiAnswer.NOT_FOUND);
            if (!faster || (tries == TRIES && holders.isEmpty())) {
                return new Answer.Refused(old == null ? "create" : "patch", written);
            }
            if (tries == TRIES) {
                return new Answer.Full(holders);
            }
        }
    }

    /** Gives back what this node has; nothing where it has none. Empty when that was done, else what the server said. */
    List<String> release(ApiClient api, String node) throws IOException, InterruptedException {
        for (int tries = 1; ; tries++) {
            ApiAnswer listed = api.get(path("") + "?labelSelector=" + LABEL, "application/json");
            if (!listed.ok()) {
                // Where the namespace is gone there is no slot in it.
                return listed.status() == ApiAnswer.NOT_FOUND ? List.of() : List.of(listed.reason());
            }
            List<String> refused = new ArrayList<>();
            boolean changed = false;
            for (Slot slot : slots(listed.object()).values()) {
                if (slot.holder.equals(node)) {
                    ApiAnswer answer = api.patch(
                            path(slot.name) + "?fieldManager=" + DrainedNode.MANAGER,
                            MERGE_PATCH,
                            lease(slot.name, slot.version, null, Duration.ZERO));
                    if (!answer.ok() && answer.status() != ApiAnswer.NOT_FOUND) {
                        refused.add(slot.name + ": " + answer.reason());
                        changed |= answer.status() == ApiAnswer.CONFLICT;
                    }
                }
            }
            if (!changed || tries == TRIES) {
                return refused;
            }
        }
    }

    private boolean isHeld(Slot slot) {
        return !slot.holder.isEmpty() && wall.instant().isBefore(slot.until.plus(GRACE));
    }

    private static Map<String, Slot> slots(JsonValue list) {
        Map<String, Slot> slots = new HashMap<>();
        for (JsonValue lease : list.member("items").elements()) {
            JsonValue metadata = lease.member("metadata");
            JsonValue spec = lease.member("spec");
            String name = metadata.member("name").textOr("");
            slots.put(
                    name,
                    new Slot(
                            name,
                            metadata.member("resourceVersion").textOr(""),
                            spec.member("holderIdentity").textOr(""),
                            instant(spec.member("renewTime").textOr(""))
                                    .plusSeconds(spec.member("leaseDurationSeconds")
                                            .wholeNumber()
                                            .orElse(0))));
        }
        return slots;
    }

    /** One that cannot be read is long over. */
    private static Instant instant(String text) {
        try {
            return text.isEmpty() ? Instant.EPOCH : OffsetDateTime.parse(text).toInstant();
        } catch (DateTimeException e) {
            return Instant.EPOCH;
        }
    }

    private String lease(String name, String version, @Nullable String holder, Duration time) {
        JsonWriter json = JsonWriter.compact()
                .beginObject()
                .member("apiVersion", "coordination.k8s.io/v1")
                .member("kind", "Lease")
                .name("metadata")
                .beginObject()
                .member("name", name)
                .member("namespace", namespace);
        if (!version.isEmpty()) {
            json.member("resourceVersion", version);
        }
        json.name("labels").beginObject().member(LABEL, "").endObject().endObject();
        json.name("spec").beginObject().member("holderIdentity", holder);
        if (holder != null) {
            // A MicroTime has its six digits.
            String now =
                    wall.instant().truncatedTo(ChronoUnit.SECONDS).toString().replace("Z", ".000000Z");
            json.member("leaseDurationSeconds", time.toSeconds())
                    .member("acquireTime", now)
                    .member("renewTime", now);
        }
        return json.endObject().endObject().toString();
    }

    private String path(String name) {
        return "/apis/coordination.k8s.io/v1/namespaces/" + URLEncoder.encode(namespace, StandardCharsets.UTF_8)
                + "/leases" + (name.isEmpty() ? "" : "/" + name);
    }
}
