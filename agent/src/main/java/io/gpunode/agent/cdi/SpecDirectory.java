package io.gpunode.agent.cdi;

import io.gpunode.agent.log.Log;
import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * The agent's files in the directory of specifications, which others write to as well. Used by one thread. A reader sees a whole file or none:
 * runtimes read {@code *.json} and {@code *.yaml} only, and a file gets such a name when it is complete.
 */
final class SpecDirectory {
    /** The vendor of the device plugin's specifications; kubelets replay names of earlier answers, so it never changes. */
    static final String PLUGIN_VENDOR = "k8s.device-plugin.nvidia.com";
    /** What people and tools type: {@code podman run --device nvidia.com/gpu=all}. */
    static final String NVIDIA_GPU = "nvidia.com/gpu";

    static final String PLUGIN_GPU = PLUGIN_VENDOR + "/gpu";

    private static final Log LOG = Log.of(SpecDirectory.class);
    /** The files by kind. The name of the last is no convention of anybody else's: a file of that kind may well be somebody else's. */
    private static final Map<String, String> NAMES = Map.of(
            PLUGIN_GPU,
            PLUGIN_VENDOR + "-gpu.json",
            PLUGIN_VENDOR + "/imex-channel",
            PLUGIN_VENDOR + "-imex-channel.json",
            PLUGIN_VENDOR + "/gdrcopy",
            PLUGIN_VENDOR + "-gdrcopy.json",
            PLUGIN_VENDOR + "/gds",
            PLUGIN_VENDOR + "-gds.json",
            PLUGIN_VENDOR + "/mofed",
            PLUGIN_VENDOR + "-mofed.json",
            NVIDIA_GPU,
            "gpu-node-agent.nvidia.com-gpu.json");

    private static final Path ADMINISTRATORS_DIRECTORY = Path.of("/etc/cdi");
    /** In JSON, wherever it stands, and in YAML, at the start of a line. */
    private static final Pattern NVIDIA_GPU_KIND = Pattern.compile(
            "\"kind\"\\s*:\\s*\"nvidia\\.com/gpu\"|(?m:^kind\\s*:\\s*[\"']?nvidia\\.com/gpu[\"']?\\s*(#.*)?$)");

    private static final int FILE_LIMIT = 4 << 20;
    private static final int OTHERS_FILE_LIMIT = 512 << 10;
    private static final int OTHERS_LIMIT = 256;

    private final HostFiles files;
    private final Path directory;
    private final Map<String, String> written = new HashMap<>();
    /** By name, what the last text was made of: most looks find nothing new, and comparing is a fraction of writing. */
    private final Map<String, Rendering> renderings = new HashMap<>();

    private boolean tidied;

    private record Rendering(CdiSpec specification, String text) {}

    SpecDirectory(HostFiles files, Path directory) {
        this.files = files;
        this.directory = directory;
    }

    /** Where the specification of a kind is written. */
    Path path(String kind) {
        return directory.resolve(name(kind));
    }

    private static String name(String kind) {
        String name = NAMES.get(kind);
        if (name == null) {
            throw new IllegalArgumentException("no file for the kind " + kind);
        }
        return name;
    }

    /**
     * Makes the agent's files be these: writes what is new or was changed by somebody else, removes what is not among them.
     *
     * @return the files that were written
     */
    List<Path> publish(List<CdiSpec> specs) throws IOException {
        tidy();
        Map<String, String> wanted = new HashMap<>();
        for (CdiSpec spec : specs) {
            wanted.put(name(spec.kind()), text(spec));
        }
        List<Path> changed = new ArrayList<>();
        for (String name : NAMES.values()) {
            Path path = directory.resolve(name);
            String text = wanted.get(name);
            if (text == null) {
                remove(name);
            } else {
                Optional<String> present = present(path, FILE_LIMIT);
                if (!present.equals(Optional.of(text))) {
                    String before = written.get(name);
                    if (before != null && present.isPresent() && !present.get().equals(before)) {
                        LOG.warn(
                                "another process changed a CDI specification of this agent: see whether NVIDIA's device plugin still runs",
                                "path",
                                path);
                    }
                    files.replace(path, text.getBytes(StandardCharsets.UTF_8), "rw-r--r--");
                    changed.add(path);
                }
                written.put(name, text);
            }
        }
        return changed;
    }

    private String text(CdiSpec spec) {
        Rendering last = renderings.get(name(spec.kind()));
        if (last == null || !last.specification().equals(spec)) {
            last = new Rendering(spec, spec.json());
            renderings.put(name(spec.kind()), last);
        }
        return last.text();
    }

    /** Removes the agent's files. */
    boolean removeAll() throws IOException {
        boolean removed = false;
        for (String name : NAMES.values()) {
            removed |= remove(name);
        }
        return removed;
    }

    /**
     * The file of somebody else that describes {@code nvidia.com/gpu}. Two files that name the same device take it from both, so there must not be a
     * second one. Where there are more files than are read, those that are named for NVIDIA come first, as its tools name theirs.
     */
    Optional<Path> othersNvidiaGpu() throws IOException {
        for (Path place : List.of(ADMINISTRATORS_DIRECTORY, directory)) {
            List<String> likely = new ArrayList<>();
            List<String> rest = new ArrayList<>();
            for (String name : files.list(place)) {
                if ((name.endsWith(".json") || name.endsWith(".yaml")) && !NAMES.containsValue(name)) {
                    (name.contains("nvidia") ? likely : rest).add(name);
                }
            }
            likely.addAll(rest);
            for (String name : likely.subList(0, Math.min(likely.size(), OTHERS_LIMIT))) {
                Path path = place.resolve(name);
                if (present(path, OTHERS_FILE_LIMIT)
                        .filter(text -> NVIDIA_GPU_KIND.matcher(text).find())
                        .isPresent()) {
                    return Optional.of(path);
                }
            }
        }
        return Optional.empty();
    }

    /** The text of a file; empty when there is none, or one so long that it is nothing to compare with. */
    private Optional<String> present(Path path, int limit) {
        try {
            // Reading takes the last line's end off.
            return files.readText(path, limit).map(text -> text + "\n");
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    private boolean remove(String name) throws IOException {
        written.remove(name);
        renderings.remove(name);
        Path path = directory.resolve(name);
        if (!files.exists(path)) {
            return false;
        }
        files.delete(path);
        return true;
    }

    /** Removes what a process that was killed while it wrote has left behind. */
    private void tidy() throws IOException {
        if (tidied) {
            return;
        }
        for (String name : files.list(directory)) {
            if (name.endsWith(".tmp") && NAMES.values().stream().anyMatch(own -> name.startsWith("." + own + "."))) {
                files.delete(directory.resolve(name));
            }
        }
        tidied = true;
    }
}
