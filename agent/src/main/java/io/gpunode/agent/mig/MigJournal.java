package io.gpunode.agent.mig;

import io.gpunode.agent.json.JsonException;
import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.MigPlacement;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.JournalFile;
import io.gpunode.agent.os.JournalFile.UnreadableException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The file that says which change of MIG geometry is under way, so that the next process can end it. It is written before each step, whole,
 * synced and renamed; and removed when the change has ended. What is in it is JSON.
 *
 * <p>What the next process does follows from the two layouts and from what it sees of the hardware. The number of the step is for people.
 */
final class MigJournal {
    static final Path NAME = Path.of("mig.journal");

    private final JournalFile file;

    MigJournal(HostFiles files, Path stateDirectory) {
        this.file = new JournalFile(
                files,
                stateDirectory.resolve(NAME),
                "gpu-node-agent-mig-journal",
                1,
                "MIG changes",
                "look at the GPUs' geometry, make it what it should be, and remove the file");
    }

    /**
     * A change that is under way.
     *
     * @param back whether it goes back to what was before
     * @param failedStep the step that failed, when it goes back
     * @param reason why it failed
     * @param step the number of the step that comes next, from 1
     * @param next the step that comes next, for people
     * @param left what earlier changes have left of GPUs that could not be brought back yet, none of which is among {@code gpus}
     */
    record Entry(
            boolean back,
            String failedStep,
            String reason,
            int step,
            String next,
            List<Target> gpus,
            List<Target> left) {
        Entry {
            gpus = List.copyOf(gpus);
            left = List.copyOf(left);
        }

        /** Whether it tells of nothing. */
        boolean isEmpty() {
            return gpus.isEmpty() && left.isEmpty();
        }
    }

    /** One GPU's part of it. */
    record Target(GpuId gpu, int index, MigLayout before, MigLayout after) {}

    boolean exists() {
        return file.exists();
    }

    /** The GPUs that it tells of; empty when there is none, also when it cannot be read. */
    Set<GpuId> gpus() {
        if (!exists()) {
            return Set.of();
        }
        try {
            return read().stream()
                    .flatMap(entry -> Stream.concat(entry.gpus.stream(), entry.left.stream()))
                    .map(Target::gpu)
                    .collect(Collectors.toUnmodifiableSet());
        } catch (IOException | UnreadableException e) {
            return Set.of();
        }
    }

    /** Where it lies, as the host sees it. */
    Path file() {
        return file.file();
    }

    void write(Entry entry) throws IOException {
        file.write(json(entry));
    }

    void remove() throws IOException {
        file.remove();
    }

    /** What is under way; empty when nothing is. */
    Optional<Entry> read() throws IOException, UnreadableException {
        Optional<String> body = file.read();
        if (body.isEmpty()) {
            return Optional.empty();
        }
        try {
            return Optional.of(entry(JsonValue.parse(body.get())));
        } catch (JsonException | IllegalArgumentException | ArithmeticException e) {
            throw file.unreadable("cannot be understood (" + e.getMessage() + ")");
        }
    }

    private static String json(Entry entry) {
        JsonWriter out = JsonWriter.pretty()
                .beginObject()
                .member("direction", entry.back ? "back" : "forward")
                .member("failedStep", entry.failedStep)
                .member("reason", entry.reason)
                .member("step", entry.step)
                .member("next", entry.next);
        write(out.name("gpus"), entry.gpus);
        if (!entry.left.isEmpty()) {
            write(out.name("left"), entry.left);
        }
        return out.endObject().toString();
    }

    private static void write(JsonWriter out, List<Target> targets) {
        out.beginArray();
        for (Target target : targets) {
            out.beginObject().member("gpu", target.gpu.uuid()).member("index", target.index);
            write(out.name("before"), target.before);
            write(out.name("after"), target.after);
            out.endObject();
        }
        out.endArray();
    }

    private static void write(JsonWriter out, MigLayout layout) {
        out.beginObject()
                .member("enabled", layout.enabled())
                .member("pending", layout.pending())
                .name("instances")
                .beginArray();
        for (MigLayout.Instance instance : layout.instances()) {
            out.beginObject().member("profile", instance.profileId());
            write(out, instance.placement());
            out.name("parts").beginArray();
            for (MigLayout.Part part : instance.parts()) {
                out.beginObject().member("slices", part.slices());
                write(out, part.placement());
                out.endObject();
            }
            out.endArray().endObject();
        }
        out.endArray().endObject();
    }

    private static void write(JsonWriter out, MigPlacement placement) {
        out.member("start", placement.start()).member("size", placement.size());
    }

    private static Entry entry(JsonValue json) {
        String direction = json.member("direction").textOr("");
        if (!direction.equals("forward") && !direction.equals("back")) {
            throw new IllegalArgumentException("direction is \"" + direction + "\"");
        }
        return new Entry(
                direction.equals("back"),
                json.member("failedStep").textOr(""),
                json.member("reason").textOr(""),
                number(json, "step"),
                json.member("next").textOr(""),
                targets(json.member("gpus")),
                targets(json.member("left")));
    }

    private static List<Target> targets(JsonValue json) {
        List<Target> targets = new ArrayList<>();
        for (JsonValue gpu : json.elements()) {
            targets.add(new Target(
                    new GpuId(gpu.member("gpu").textOr("")),
                    number(gpu, "index"),
                    layout(gpu.member("before")),
                    layout(gpu.member("after"))));
        }
        return targets;
    }

    private static MigLayout layout(JsonValue json) {
        if (json.absent()) {
            throw new IllegalArgumentException("a layout is missing");
        }
        List<MigLayout.Instance> instances = new ArrayList<>();
        for (JsonValue instance : json.member("instances").elements()) {
            List<MigLayout.Part> parts = new ArrayList<>();
            for (JsonValue part : instance.member("parts").elements()) {
                parts.add(new MigLayout.Part(number(part, "slices"), placement(part)));
            }
            instances.add(new MigLayout.Instance(number(instance, "profile"), placement(instance), parts));
        }
        return new MigLayout(
                json.member("enabled").isTrue(), json.member("pending").isTrue(), instances);
    }

    private static MigPlacement placement(JsonValue json) {
        return new MigPlacement(number(json, "start"), number(json, "size"));
    }

    private static int number(JsonValue json, String name) {
        return Math.toIntExact(json.member(name)
                .wholeNumber()
                .orElseThrow(() -> new IllegalArgumentException(name + " is not a whole number")));
    }
}
