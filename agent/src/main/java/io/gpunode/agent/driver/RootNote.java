package io.gpunode.agent.driver;

import io.gpunode.agent.json.JsonException;
import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.Mount;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;

/**
 * What the next agent must know of a mount that this one made: its id and what it shows, since an id alone may be another mount's by then. Gone after the
 * machine has started anew, as the mount is. A file that makes no sense is as good as none: the mount is then somebody's.
 *
 * @param root whose files it shows
 * @param id of the mount; 0 when the files are used where they lie, and nothing is mounted
 * @param device of the file system that it shows
 * @param directory of that file system
 */
record RootNote(Path root, long id, String device, Path directory) {
    private static final Path FILE = Path.of("/run/gpu-node-agent/driver-root.json");
    private static final int SIZE_LIMIT = 16 << 10;

    static RootNote of(Path root, Mount mount) {
        return new RootNote(root, mount.id(), mount.device(), mount.root());
    }

    /** Whether this is the mount. */
    boolean is(Mount mount) {
        return id == mount.id() && device.equals(mount.device()) && directory.equals(mount.root());
    }

    static Optional<RootNote> read(HostFiles files) throws IOException {
        Optional<String> text = files.readText(FILE, SIZE_LIMIT);
        if (text.isEmpty()) {
            return Optional.empty();
        }
        try {
            JsonValue note = JsonValue.parse(text.get());
            String root = note.member("root").textOr("");
            String directory = note.member("directory").textOr("");
            if (!root.startsWith("/")
                    || !directory.startsWith("/")
                    || root.indexOf('\0') >= 0
                    || directory.indexOf('\0') >= 0) {
                return Optional.empty();
            }
            return Optional.of(new RootNote(
                    Path.of(root),
                    note.member("mount").wholeNumber().orElse(0),
                    note.member("device").textOr(""),
                    Path.of(directory)));
        } catch (JsonException e) {
            return Optional.empty();
        }
    }

    void write(HostFiles files) throws IOException {
        JsonWriter out = JsonWriter.pretty()
                .beginObject()
                .member("root", root.toString())
                .member("mount", id)
                .member("device", device)
                .member("directory", directory.toString())
                .endObject();
        files.replace(FILE, (out + "\n").getBytes(StandardCharsets.UTF_8), "rw-r--r--");
    }

    static void remove(HostFiles files) throws IOException {
        files.delete(FILE);
    }
}
