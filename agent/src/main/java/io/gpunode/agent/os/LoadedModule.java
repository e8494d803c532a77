package io.gpunode.agent.os;

import java.util.List;

/**
 * A kernel module that is in the kernel, as {@code /proc/modules} and {@code /sys/module/<name>} tell it.
 *
 * @param name with underscores, as the kernel writes it
 * @param size bytes of memory that its code and data take
 * @param references how often it is held (modules that use it and open files); {@link #NOT_COUNTED} where the kernel does not count, that is where it
 *     cannot unload modules
 * @param holders names of the modules that use it, sorted
 * @param phase where it is between insertion and removal
 * @param version what its source declares ({@code MODULE_VERSION}); empty when it declares none
 * @param sourceVersion the checksum of its source ({@code srcversion}); empty when it has none
 * @param taint letters of how it taints the kernel (Documentation/admin-guide/tainted-kernels.rst), such as {@code OE} or {@code POE}; empty for none
 */
public record LoadedModule(
        String name,
        long size,
        int references,
        List<String> holders,
        Phase phase,
        String version,
        String sourceVersion,
        String taint) {
    /** In {@link #references}: unknown. */
    public static final int NOT_COUNTED = -1;

    /** What {@code /proc/modules} calls Live, Loading and Unloading, and {@code initstate} live, coming and going. */
    public enum Phase {
        LIVE,
        COMING,
        GOING
    }

    public LoadedModule {
        holders = List.copyOf(holders);
    }

    /** References that no module explains: open files and the kernel's own. Not negative; 0 where the kernel does not count. */
    public int externalReferences() {
        return Math.max(0, references - holders.size());
    }
}
