package io.gpunode.agent.driver;

import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Small scripts in a directory of the host that run the driver's programs where its files lie apart, so that an operator can call {@code nvidia-smi} as ever.
 * What in that directory does not begin as they do is somebody else's and is left alone.
 */
final class HostWrappers {
    private static final List<String> PROGRAMS = List.of(
            "nvidia-smi",
            "nvidia-debugdump",
            "nvidia-bug-report.sh",
            "nvidia-cuda-mps-control",
            "nvidia-cuda-mps-server",
            "nvidia-imex-ctl");

    private static final String MARK = "#!/bin/sh\n# gpu-node-agent: ";
    private static final String MODE = "rwxr-xr-x";
    private static final int SCRIPT_LIMIT = 64 << 10;
    private static final String LIBRARY = "libnvidia-ml.so.1";

    private final HostFiles files;
    private final Path directory;

    /** @param directory of the host */
    HostWrappers(HostFiles files, Path directory) {
        this.files = files;
        this.directory = directory;
    }

    /**
     * Makes one for each program of a driver, and removes those of programs that it does not have.
     *
     * @param source where the driver's files are to be looked for now
     * @param root where the scripts are to find them
     * @return what could not be done, in sentences
     */
    List<String> make(Path source, Path root) {
        List<String> notes = new ArrayList<>();
        Optional<Path> libraries =
                DaemonHost.libraries(files, source, LIBRARY).map(found -> root.resolve(source.relativize(found)));
        for (String program : PROGRAMS) {
            Path script = directory.resolve(program);
            try {
                if (isAnothers(script)) {
                    notes.add(script + " is somebody else's and is left alone");
                } else if (files.exists(source.resolve("usr/bin").resolve(program))) {
                    byte[] text = script(root.resolve("usr/bin").resolve(program), libraries)
                            .getBytes(StandardCharsets.UTF_8);
                    files.replace(script, text, MODE);
                } else {
                    files.delete(script);
                }
            } catch (IOException e) {
                notes.add(script + " cannot be written: " + e);
            }
        }
        return notes;
    }

    /** Removes them. */
    List<String> remove() {
        List<String> notes = new ArrayList<>();
        for (String program : PROGRAMS) {
            Path script = directory.resolve(program);
            try {
                if (!isAnothers(script)) {
                    files.delete(script);
                }
            } catch (IOException e) {
                notes.add(script + " stays: " + e);
            }
        }
        return notes;
    }

    private boolean isAnothers(Path script) throws IOException {
        Path parent = files.resolve(directory);
        Path file = parent.resolve(script.getFileName());
        if (!Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
            return false;
        }
        // A program is longer than a script of ours; so is a link to one.
        return Files.isSymbolicLink(file)
                || Files.size(file) > SCRIPT_LIMIT
                || !files.readText(script, SCRIPT_LIMIT).orElse("").startsWith(MARK);
    }

    private static String script(Path program, Optional<Path> libraries) {
        StringBuilder text = new StringBuilder(MARK)
                .append("the driver's own ")
                .append(program.getFileName())
                .append("; it goes with the driver.\n");
        libraries.ifPresent(directory -> text.append("LD_LIBRARY_PATH='")
                .append(directory)
                .append("'\"${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}\"\nexport LD_LIBRARY_PATH\n"));
        return text.append("exec '").append(program).append("' \"$@\"\n").toString();
    }
}
