package io.gpunode.nvml;

import io.gpunode.nvml.session.LibrarySearch;
import io.gpunode.nvml.session.NvmlSession;
import io.gpunode.nvml.typed.OpenNvml;
import java.nio.file.Path;
import java.util.List;

/** Finds and opens NVML libraries. */
public final class NvmlLibraries {
    private NvmlLibraries() {}

    /**
     * Opens and initialises a library. What can be told from the file is told before it is mapped. Blocks for as long as the driver does: an
     * interrupt does not end it. The caller closes it; several may be open at once, and two on the same file share NVML's state.
     *
     * @param library an absolute path
     * @throws NvmlOpenException with the kind of refusal; nothing stays mapped then
     */
    public static Nvml open(Path library) throws NvmlOpenException {
        return new OpenNvml(NvmlSession.open(library));
    }

    /** The paths that {@link #find} tries under a driver root, in order, whether they exist or not. */
    public static List<Path> candidates(Path driverRoot) {
        return LibrarySearch.candidates(driverRoot);
    }

    /**
     * The first candidate that is an NVML library for this machine. Maps nothing. Links are followed as if the driver root were {@code /}.
     *
     * @param driverRoot an absolute path, {@code /} for the host's own libraries
     * @throws NvmlOpenException {@link NvmlOpenException.Reason#LIBRARY_NOT_FOUND} when there is none, else why the first one was refused
     */
    public static Path find(Path driverRoot) throws NvmlOpenException {
        return LibrarySearch.find(driverRoot);
    }
}
