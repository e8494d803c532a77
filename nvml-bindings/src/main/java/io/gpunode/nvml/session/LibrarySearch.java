package io.gpunode.nvml.session;

import io.gpunode.nvml.NvmlOpenException;
import io.gpunode.nvml.NvmlOpenException.Reason;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Where {@code libnvidia-ml.so.1} may lie under a driver root, in NVIDIA's own order for the directories of this machine. */
public final class LibrarySearch {
    private static final String SONAME = "libnvidia-ml.so.1";
    private static final int MOST_LINKS = 40;

    private LibrarySearch() {}

    /** Every path that is tried, in order, whether it exists or not. */
    public static List<Path> candidates(Path driverRoot) {
        String triplet = Machine.current().triplet();
        List<String> directories =
                List.of("usr/lib64", "usr/lib/" + triplet, "lib64", "lib/" + triplet, "usr/lib", "lib", "");
        List<Path> paths = new ArrayList<>();
        for (String directory : directories) {
            paths.add(driverRoot.resolve(directory).resolve(SONAME));
            if (!directory.isEmpty()) {
                paths.add(
                        driverRoot.resolve(directory).resolve("nvidia/current").resolve(SONAME));
            }
        }
        return List.copyOf(paths);
    }

    /**
     * The first candidate that is an NVML library for this machine. Links are followed as if the driver root were {@code /}, for the links of
     * Debian's alternatives are absolute.
     *
     * @throws NvmlOpenException {@link Reason#LIBRARY_NOT_FOUND} when no candidate exists, else why the first that does was refused
     */
    public static Path find(Path driverRoot) throws NvmlOpenException {
        @Nullable NvmlOpenException firstRefusal = null;
        List<Path> candidates = candidates(driverRoot);
        for (Path candidate : candidates) {
            if (!Files.exists(candidate, LinkOption.NOFOLLOW_LINKS)) {
                continue;
            }
            Path library = resolve(driverRoot, candidate);
            try {
                LibraryFile.check(library);
                return library;
            } catch (NvmlOpenException e) {
                firstRefusal = firstRefusal == null ? e : firstRefusal;
            }
        }
        if (firstRefusal != null) {
            throw firstRefusal;
        }
        String directories = candidates.stream()
                .map(candidate ->
                        String.valueOf(driverRoot.relativize(candidate).getParent()))
                .filter(directory -> !directory.equals("null") && !directory.endsWith("nvidia/current"))
                .distinct()
                .collect(Collectors.joining(", "));
        throw new NvmlOpenException(
                Reason.LIBRARY_NOT_FOUND,
                null,
                0,
                "No " + SONAME + " under the driver root " + driverRoot + " (looked in " + directories
                        + "); install the NVIDIA driver's user-space libraries or set the driver root to where they are.",
                null);
    }

    /** Follows links inside a root; a path under {@code /} is left to the kernel. */
    static Path resolve(Path root, Path path) {
        if (root.getNameCount() == 0) {
            return path;
        }
        Deque<Path> rest = new ArrayDeque<>();
        root.relativize(path).forEach(rest::addLast);
        Path resolved = root;
        int links = 0;
        while (!rest.isEmpty()) {
            Path step = rest.removeFirst();
            if (step.toString().equals("..")) {
                resolved = resolved.equals(root) ? root : parentOf(resolved);
                continue;
            }
            Path next = resolved.resolve(step).normalize();
            if (!Files.isSymbolicLink(next)) {
                resolved = next;
                continue;
            }
            if (++links > MOST_LINKS) {
                return path;
            }
            Path target;
            try {
                target = Files.readSymbolicLink(next);
            } catch (IOException e) {
                return path;
            }
            if (target.isAbsolute()) {
                resolved = root;
            }
            for (int i = target.getNameCount() - 1; i >= 0; i--) {
                rest.addFirst(target.getName(i));
            }
        }
        return resolved;
    }

    private static Path parentOf(Path path) {
        Path parent = path.getParent();
        return parent == null ? path : parent;
    }
}
