package io.gpunode.agent.driver;

import io.gpunode.agent.json.JsonException;
import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.JournalFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * What is to be known at the next start: which driver was brought up last and how, which one before it, what is not to be tried by itself, and whether the
 * node has a label that tells of it. Losing it costs the way back to an earlier driver, and nothing else but that the label stays as it is. Written by whoever holds the node's driver lock.
 */
final class DriverMemory {
    private static final Log LOG = Log.of(DriverMemory.class);
    private static final Path NAME = Path.of("driver.state");

    private final JournalFile file;

    DriverMemory(HostFiles files, Path stateDirectory) {
        this.file = new JournalFile(
                files,
                stateDirectory.resolve(NAME),
                "gpu-node-agent-driver-state",
                1,
                "the driver's state",
                "it is not used");
    }

    /**
     * What a change that has ended could not give back.
     *
     * @param cordoned whether the node may be cordoned for it still
     * @param slotNamespaces where it may have a slot still
     */
    record Owed(boolean cordoned, List<String> slotNamespaces) {
        static final Owed NOTHING = new Owed(false, List.of());

        Owed {
            slotNamespaces = List.copyOf(slotNamespaces);
        }

        boolean isNothing() {
            return equals(NOTHING);
        }

        /** This and that. */
        Owed and(Owed more) {
            Set<String> namespaces = new LinkedHashSet<>(slotNamespaces);
            namespaces.addAll(more.slotNamespaces);
            return new Owed(cordoned || more.cordoned, List.copyOf(namespaces));
        }
    }

    /** What of the label that tells of the driver's upgrade is to be looked after. */
    enum Label {
        /** This agent has written none. */
        NONE,
        /** It may say that something is left to be done. */
        OPEN,
        /** It says that the driver was exchanged. */
        DONE
    }

    /**
     * What is remembered.
     *
     * @param current what was brought up last; {@link DriverTarget#NONE} when nothing was
     * @param previous what was there before it
     * @param unloadedInBoot id of the boot in which somebody unloaded the driver by hand: it is not loaded again before the next one
     * @param givenUp the {@linkplain DriverTarget#wording wording} of what is not to be tried by itself, and why; empty for nothing
     * @param label that of the node
     * @param owed what is to be given back
     */
    record Content(
            DriverTarget current,
            DriverTarget previous,
            String unloadedInBoot,
            String givenUp,
            Label label,
            Owed owed) {
        static final Content NOTHING =
                new Content(DriverTarget.NONE, DriverTarget.NONE, "", "", Label.NONE, Owed.NOTHING);

        /** After a driver was brought up. What was given up stays so while another one runs in its place. */
        Content with(DriverTarget next) {
            // The same one for another kernel, or built anew, is nothing that anybody goes back from.
            boolean another = !current.isNone() && !current.text().equals(next.text());
            return new Content(next, another ? current : previous, "", hasGivenUp(next) ? "" : givenUp, label, owed);
        }

        Content unloadedIn(String bootId) {
            return new Content(current, previous, bootId, givenUp, label, owed);
        }

        /** @param reason why, for people */
        Content havingGivenUp(DriverTarget target, String reason) {
            return new Content(current, previous, unloadedInBoot, target.wording() + ": " + reason, label, owed);
        }

        Content forgiven() {
            return new Content(current, previous, unloadedInBoot, "", label, owed);
        }

        Content labelled(Label now) {
            return new Content(current, previous, unloadedInBoot, givenUp, now, owed);
        }

        Content owing(Owed now) {
            return new Content(current, previous, unloadedInBoot, givenUp, label, now);
        }

        /** Whether this driver, with these parameters, is not to be tried by itself. */
        boolean hasGivenUp(DriverTarget target) {
            return givenUp.startsWith(target.wording() + ": ");
        }

        /** Why it is not tried, with the next step. */
        String refusal() {
            return givenUp + "; it is not tried by itself any more. Try it with: gpu-node-agent driver upgrade";
        }
    }

    /** What is remembered; nothing when the file is of no use, which is logged. */
    Content read() {
        try {
            return load();
        } catch (IOException | JournalFile.UnreadableException e) {
            LOG.warn(
                    "which driver was there before is forgotten: its file is of no use",
                    "cause",
                    String.valueOf(e.getMessage()));
            return Content.NOTHING;
        }
    }

    /**
     * What is remembered.
     *
     * @throws JournalFile.UnreadableException when the file is of no use
     */
    Content load() throws IOException, JournalFile.UnreadableException {
        Optional<String> body = file.read();
        try {
            return body.isEmpty() ? Content.NOTHING : content(JsonValue.parse(body.get()));
        } catch (JsonException | IllegalArgumentException | ArithmeticException e) {
            throw file.unreadable("cannot be understood (" + e.getMessage() + ")");
        }
    }

    private static Content content(JsonValue json) {
        return new Content(
                DriverTargets.read(json.member("current")),
                DriverTargets.read(json.member("previous")),
                json.member("unloadedInBoot").textOr(""),
                json.member("givenUp").textOr(""),
                Label.valueOf(json.member("label").textOr(Label.NONE.name())),
                new Owed(
                        json.member("owed").member("cordoned").isTrue(),
                        DriverTargets.texts(json.member("owed").member("slotNamespaces"))));
    }

    void write(Content content) throws IOException {
        JsonWriter out = JsonWriter.pretty().beginObject();
        DriverTargets.write(out.name("current"), content.current);
        DriverTargets.write(out.name("previous"), content.previous);
        file.write(out.member("unloadedInBoot", content.unloadedInBoot)
                .member("givenUp", content.givenUp)
                .member("label", content.label.name())
                .name("owed")
                .beginObject()
                .member("cordoned", content.owed.cordoned)
                .member("slotNamespaces", content.owed.slotNamespaces)
                .endObject()
                .endObject()
                .toString());
    }
}
