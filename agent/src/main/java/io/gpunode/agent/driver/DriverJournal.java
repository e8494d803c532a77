package io.gpunode.agent.driver;

import io.gpunode.agent.json.JsonException;
import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.JournalFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The file that says which change of the driver is under way, so that the next process, or the next boot, can end it. It is written before each step
 * and removed when the change has ended. What is done follows from the two drivers that it names and from what is seen of the node; step and reason are
 * for people.
 */
final class DriverJournal {
    private static final Path NAME = Path.of("driver.journal");
    /** Where it lies on a node; it is there while a change is under way. */
    static final Path FILE = DriverTransaction.STATE_DIRECTORY.resolve(NAME);

    private final JournalFile file;
    /** What it says, where this process has written it last. */
    private @Nullable Entry written;

    DriverJournal(HostFiles files, Path stateDirectory) {
        this.file = new JournalFile(
                files,
                stateDirectory.resolve(NAME),
                "gpu-node-agent-driver-journal",
                1,
                "driver changes",
                "it is of no use and is removed; what is seen of the node counts");
    }

    /**
     * A change that is under way.
     *
     * @param from what was there when it began
     * @param to what is wanted
     * @param back whether it goes back
     * @param failedStep the step that failed, when it goes back
     * @param reason why it failed
     * @param step the number of the step that comes next, from 1; 0 before the first
     * @param next the step that comes next, for people
     * @param loading whether that step, or one of those before it, puts something into the kernel
     * @param bootId of the boot in which this was written; empty when the kernel has none
     * @param boots how many boots have tried it
     * @param drained whether the node was cordoned for it
     * @param asked what the cluster was asked for, or is about to be, which is to be given back
     */
    record Entry(
            DriverTarget from,
            DriverTarget to,
            boolean back,
            String failedStep,
            String reason,
            int step,
            String next,
            boolean loading,
            String bootId,
            int boots,
            boolean drained,
            ClusterTurn.Asked asked) {
        /** The same before its next step. */
        Entry before(int number, DriverStep coming, boolean loads) {
            return new Entry(
                    from,
                    to,
                    back,
                    failedStep,
                    reason,
                    number,
                    coming.text(),
                    loading || loads,
                    bootId,
                    boots,
                    drained,
                    asked);
        }

        /** The way back, after a step failed. */
        Entry back(String failed, String why) {
            return new Entry(from, to, true, failed, why, 0, "", loading, bootId, boots, drained, asked);
        }

        /** The same way back to another driver: the one before is not to be had any more. */
        Entry leadingBackTo(DriverTarget other) {
            return new Entry(other, to, back, failedStep, reason, step, next, loading, bootId, boots, drained, asked);
        }

        /** The same in another boot. */
        Entry inBoot(String id) {
            return new Entry(from, to, back, failedStep, reason, 0, "", false, id, boots + 1, drained, asked);
        }

        /** The same once the node is cordoned, or is about to be. */
        Entry cordoned() {
            return new Entry(from, to, back, failedStep, reason, step, next, loading, bootId, boots, true, asked);
        }

        /** The same once the cluster is asked for this, or is about to be. */
        Entry inTurn(ClusterTurn.Asked more) {
            return new Entry(
                    from, to, back, failedStep, reason, step, next, loading, bootId, boots, drained, asked.and(more));
        }

        /** The same with what another change has asked others for, too. */
        Entry asking(Entry other) {
            return new Entry(
                    from,
                    to,
                    back,
                    failedStep,
                    reason,
                    step,
                    next,
                    loading,
                    bootId,
                    boots,
                    drained || other.drained,
                    asked.and(other.asked));
        }

        /** The same with what earlier changes could not give back. */
        Entry owing(DriverMemory.Owed owed) {
            return new Entry(
                    from,
                    to,
                    back,
                    failedStep,
                    reason,
                    step,
                    next,
                    loading,
                    bootId,
                    boots,
                    drained || owed.cordoned(),
                    asked.and(new ClusterTurn.Asked(owed.slotNamespaces(), false)));
        }

        /** What it leads to. */
        DriverTarget goal() {
            return back ? from : to;
        }
    }

    /** Where it lies, as the host sees it. */
    Path file() {
        return file.file();
    }

    boolean exists() {
        return file.exists();
    }

    /** Writes it down; nothing happens when it says so already. */
    void write(Entry entry) throws IOException {
        if (entry.equals(written)) {
            return;
        }
        JsonWriter out = JsonWriter.pretty()
                .beginObject()
                .member("direction", entry.back ? "back" : "forward")
                .member("failedStep", entry.failedStep)
                .member("reason", entry.reason)
                .member("step", entry.step)
                .member("next", entry.next)
                .member("loading", entry.loading)
                .member("bootId", entry.bootId)
                .member("boots", entry.boots)
                .member("drained", entry.drained)
                .member("inTurn", !entry.asked.isNothing())
                .member("slotNamespaces", entry.asked.slotNamespaces())
                .member("stateLabel", entry.asked.label());
        DriverTargets.write(out.name("from"), entry.from);
        DriverTargets.write(out.name("to"), entry.to);
        file.write(out.endObject().toString());
        written = entry;
    }

    void remove() throws IOException {
        written = null;
        file.remove();
    }

    /**
     * What is under way; empty when nothing is.
     *
     * @param before what a journal of an agent that did not write it down is taken to have asked the cluster for
     * @throws JournalFile.UnreadableException when the file is of no use
     */
    Optional<Entry> read(ClusterTurn.Asked before) throws IOException, JournalFile.UnreadableException {
        Optional<String> body = file.read();
        if (body.isEmpty()) {
            return Optional.empty();
        }
        try {
            return Optional.of(entry(JsonValue.parse(body.get()), before));
        } catch (JsonException | IllegalArgumentException | ArithmeticException e) {
            throw file.unreadable("cannot be understood (" + e.getMessage() + ")");
        }
    }

    private static Entry entry(JsonValue json, ClusterTurn.Asked before) {
        String direction = json.member("direction").textOr("");
        if (!direction.equals("forward") && !direction.equals("back")) {
            throw new IllegalArgumentException("direction is \"" + direction + "\"");
        }
        return new Entry(
                DriverTargets.read(json.member("from")),
                DriverTargets.read(json.member("to")),
                direction.equals("back"),
                json.member("failedStep").textOr(""),
                json.member("reason").textOr(""),
                Math.toIntExact(json.member("step").wholeNumber().orElse(0)),
                json.member("next").textOr(""),
                json.member("loading").isTrue(),
                json.member("bootId").textOr(""),
                Math.toIntExact(json.member("boots").wholeNumber().orElse(0)),
                json.member("drained").isTrue(),
                asked(json, before));
    }

    private static ClusterTurn.Asked asked(JsonValue json, ClusterTurn.Asked before) {
        if (!json.member("inTurn").isTrue()) {
            return ClusterTurn.Asked.NOTHING;
        }
        JsonValue namespaces = json.member("slotNamespaces");
        return namespaces.absent()
                ? before
                : new ClusterTurn.Asked(
                        DriverTargets.texts(namespaces),
                        json.member("stateLabel").isTrue());
    }
}
