package io.gpunode.agent.mig;

import io.gpunode.agent.log.Log;
import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * The name of the layout that the node's label chose last and that was applied, on disk: what a node is split into while nobody can be asked. One
 * thread.
 */
final class LayoutMemory {
    private static final Log LOG = Log.of(LayoutMemory.class);
    private static final String NAME = "mig-layout";
    private static final int LONGEST = 256;

    private final HostFiles files;
    private final Path file;
    private String known;

    /** Reads it. */
    LayoutMemory(HostFiles files, Path stateDirectory) {
        this.files = files;
        this.file = stateDirectory.resolve(NAME);
        this.known = read();
    }

    private String read() {
        try {
            return files.readText(file, LONGEST).orElse("").strip();
        } catch (IOException e) {
            LOG.warn("the MIG layout that was applied last cannot be read", "file", file, "error", e);
            return "";
        }
    }

    /** The name; empty for none. */
    String layout() {
        return known;
    }

    /** Keeps a name, empty for none; one that cannot be written is told and lost. */
    void keep(String layout) {
        if (layout.equals(known)) {
            return;
        }
        try {
            if (layout.isEmpty()) {
                files.delete(file);
            } else {
                files.replace(file, (layout + "\n").getBytes(StandardCharsets.UTF_8), "rw-r--r--");
            }
            known = layout;
        } catch (IOException e) {
            LOG.warn(
                    "the MIG layout that was applied cannot be kept: after a restart without an API server it is not restored",
                    "file",
                    file,
                    "error",
                    e);
        }
    }
}
