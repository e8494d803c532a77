package io.gpunode.nvml;

/**
 * A GPU or MIG device of one open session: NVML's handle with the generation it belongs to. Handles do not survive a re-opened library;
 * a call with one of another generation fails with {@link NvmlReturn#UNINITIALIZED} before it reaches C.
 *
 * @param address the C pointer
 * @param generation the {@link NvmlLibrary#generation()} that gave it
 * @param label what messages call it: {@code index 3} at first, the UUID once that was read
 */
public record NvmlDevice(long address, long generation, String label) {
    /** The same handle under another name for messages. */
    public NvmlDevice named(String name) {
        return new NvmlDevice(address, generation, name);
    }
}
