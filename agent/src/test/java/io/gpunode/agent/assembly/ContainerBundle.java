package io.gpunode.agent.assembly;

import io.gpunode.agent.json.JsonException;
import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.json.JsonWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A container's root file system with one program in it, and its OCI configuration. Does with a CDI specification what container runtimes do with it:
 * the edits that are common and those of each device, then the mounts by the depth of their place.
 */
final class ContainerBundle {
    private static final AtomicInteger NUMBER = new AtomicInteger();
    private static final Path LOADER = Path.of("/lib64/ld-linux-x86-64.so.2");

    private final Path folder;
    private final Path hostRoot;
    private final List<JsonValue> edits = new ArrayList<>();
    private final Map<String, String> environment = new LinkedHashMap<>(Map.of("PATH", "/usr/bin"));
    private int user;
    private boolean readOnly;

    /**
     * @param folder where the bundle is made
     * @param hostRoot what stands for the host's root in the specification's paths
     */
    ContainerBundle(Path folder, Path hostRoot) {
        this.folder = folder;
        this.hostRoot = hostRoot;
    }

    Path root() {
        return folder.resolve("rootfs");
    }

    /** The C library of this machine, which must be one of Debian's family: it searches the multiarch folder. */
    ContainerBundle likeDebian() throws IOException {
        Path multiarch = Files.createDirectories(root().resolve("usr/lib/x86_64-linux-gnu"));
        Files.copy(Path.of("/lib/x86_64-linux-gnu/libc.so.6"), multiarch.resolve("libc.so.6"));
        Files.createSymbolicLink(root().resolve("lib"), Path.of("usr/lib"));
        Files.createDirectories(root().resolve("lib64"));
        Files.copy(LOADER, root().resolve("lib64").resolve(LOADER.getFileName()));
        return this;
    }

    /** A C library that searches {@code /lib64} and {@code /usr/lib64}. */
    ContainerBundle likeRedHat(Path loader) throws IOException {
        Path library = Files.createDirectories(root().resolve("usr/lib64"));
        Files.copy(loader.resolve("libc.so.6"), library.resolve("libc.so.6"));
        Files.copy(loader.resolve(LOADER.getFileName()), library.resolve(LOADER.getFileName()));
        Files.createSymbolicLink(root().resolve("lib64"), Path.of("usr/lib64"));
        return this;
    }

    ContainerBundle program(Path program) throws IOException {
        Files.copy(program, root().resolve("program"));
        for (String place : List.of("dev", "proc", "tmp", "etc")) {
            Files.createDirectories(root().resolve(place));
        }
        return this;
    }

    ContainerBundle environment(String name, String value) {
        environment.put(name, value);
        return this;
    }

    ContainerBundle user(int id) {
        user = id;
        return this;
    }

    ContainerBundle readOnly() {
        readOnly = true;
        return this;
    }

    /** Applies devices of a specification. */
    ContainerBundle devices(Path specification, String... names) throws IOException, JsonException {
        JsonValue spec = JsonValue.parse(Files.readString(specification));
        edits.add(spec.member("containerEdits"));
        for (String name : names) {
            edits.add(spec.member("devices").elements().stream()
                    .filter(device -> device.member("name").textOr("").equals(name))
                    .findFirst()
                    .orElseThrow(() -> new AssertionError("no device " + name + " in " + specification))
                    .member("containerEdits"));
        }
        return this;
    }

    /** The command that starts it and waits for its end. */
    List<String> command(Path runtime, String... arguments) throws IOException {
        Files.writeString(folder.resolve("config.json"), configuration(arguments));
        String id = "gpu-node-agent-" + ProcessHandle.current().pid() + "-" + NUMBER.incrementAndGet();
        if (runtime.endsWith("crun")) {
            // Beside a cgroup of the first version crun does nothing at all, and without CAP_SYS_RESOURCE it cannot
            // load the rules of the second.
            return List.of(
                    "unshare",
                    "-m",
                    "sh",
                    "-c",
                    "umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup && exec \"$@\"",
                    "sh",
                    runtime.toString(),
                    "--cgroup-manager=disabled",
                    "--root",
                    folder.resolve("state").toString(),
                    "run",
                    "--bundle",
                    folder.toString(),
                    id);
        }
        return List.of(
                runtime.toString(),
                "--root",
                folder.resolve("state").toString(),
                "run",
                "--bundle",
                folder.toString(),
                id);
    }

    private String configuration(String... arguments) {
        List<JsonValue> mounts = new ArrayList<>();
        List<JsonValue> nodes = new ArrayList<>();
        List<String> variables = new ArrayList<>();
        environment.forEach((name, value) -> variables.add(name + "=" + value));
        for (JsonValue edit : edits) {
            mounts.addAll(edit.member("mounts").elements());
            nodes.addAll(edit.member("deviceNodes").elements());
            edit.member("env").elements().forEach(variable -> variables.add(variable.textOr("")));
        }
        mounts.sort(Comparator.comparingInt(
                mount -> Path.of(mount.member("containerPath").textOr("")).getNameCount()));
        List<String> command = new ArrayList<>(List.of("/program"));
        command.addAll(List.of(arguments));
        JsonWriter json = JsonWriter.pretty();
        json.beginObject().member("ociVersion", "1.0.2");
        json.name("process").beginObject();
        json.name("user").beginObject().member("uid", user).member("gid", user).endObject();
        json.member("args", command).member("env", variables).member("cwd", "/");
        json.name("capabilities").beginObject();
        for (String set : List.of("bounding", "effective", "permitted")) {
            json.member(set, user == 0 ? List.of("CAP_MKNOD") : List.of());
        }
        json.endObject().endObject();
        json.name("root")
                .beginObject()
                .member("path", "rootfs")
                .member("readonly", readOnly)
                .endObject();
        json.name("mounts").beginArray();
        mount(json, "proc", "proc", "/proc", List.of());
        mount(json, "tmpfs", "tmpfs", "/dev", List.of("nosuid", "mode=755"));
        for (JsonValue mount : mounts) {
            Path source = Path.of(mount.member("hostPath").textOr(""));
            mount(
                    json,
                    "bind",
                    hostRoot.resolve(Path.of("/").relativize(source)).toString(),
                    mount.member("containerPath").textOr(""),
                    mount.member("options").elements().stream()
                            .map(option -> option.textOr(""))
                            .toList());
        }
        json.endArray();
        json.name("linux").beginObject();
        json.name("namespaces").beginArray();
        for (String namespace : List.of("pid", "mount", "ipc", "uts")) {
            json.beginObject().member("type", namespace).endObject();
        }
        json.endArray().name("devices").beginArray();
        for (JsonValue node : nodes) {
            json.beginObject()
                    .member("path", node.member("path").textOr(""))
                    .member("type", node.member("type").textOr(""))
                    .member("major", node.member("major").wholeNumber().orElseThrow())
                    .member("minor", node.member("minor").wholeNumber().orElseThrow())
                    .member("fileMode", node.member("fileMode").wholeNumber().orElseThrow())
                    .endObject();
        }
        json.endArray().name("resources").beginObject().name("devices").beginArray();
        json.beginObject().member("allow", false).member("access", "rwm").endObject();
        for (JsonValue node : nodes) {
            json.beginObject()
                    .member("allow", true)
                    .member("type", "c")
                    .member("major", node.member("major").wholeNumber().orElseThrow())
                    .member("minor", node.member("minor").wholeNumber().orElseThrow())
                    .member("access", "rwm")
                    .endObject();
        }
        json.endArray().endObject().endObject().endObject();
        return json + "\n";
    }

    private static void mount(JsonWriter json, String type, String source, String place, List<String> options) {
        json.beginObject()
                .member("type", type)
                .member("source", source)
                .member("destination", place)
                .member("options", options)
                .endObject();
    }
}
