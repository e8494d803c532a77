package io.gpunode.nvml.typed;

import io.gpunode.nvml.NvmlReturn;
import io.gpunode.nvml.raw.NativeBlock;
import io.gpunode.nvml.raw.NvmlApi;
import org.jspecify.annotations.Nullable;

/**
 * Calls that fill a list: asks with what memory there is, and with more as long as NVML answers {@code INSUFFICIENT_SIZE}, a bounded number
 * of times up to a bounded length. Used by one thread for one call, then closed.
 */
final class GrowingList implements AutoCloseable {
    private static final int MOST_ENTRIES = 16_384;
    private static final int MOST_TRIES = 8;
    /** The count lies before the entries. */
    private static final int HEAD = 16;
    /** What the memory holds before the call, so that it can be seen how far the library wrote. */
    private static final int UNTOUCHED = 0xA5;

    private final int largestEntry;
    private final NativeBlock lent;
    private @Nullable NativeBlock grown;
    private int count;

    /**
     * Made for one call.
     *
     * @param largestEntry the bytes of an entry in the largest layout that a library may write
     * @param lent memory to begin with; stays the lender's
     */
    GrowingList(int largestEntry, NativeBlock lent) {
        this.largestEntry = largestEntry;
        this.lent = lent;
    }

    /** Makes the call. The answer is {@code INSUFFICIENT_SIZE} when the list kept growing, or is longer than the bound. */
    int read(NvmlApi api, long device, NvmlCalls.ListCall call) {
        int capacity = (lent.size() - HEAD) / largestEntry;
        for (int tries = 1; ; tries++) {
            NativeBlock memory = memory();
            memory.fill(HEAD, capacity * largestEntry, UNTOUCHED);
            memory.putInt(0, capacity);
            int code = call.call(api, device, memory.address(), memory.address() + HEAD);
            int wanted = memory.getInt(0);
            if (code != NvmlReturn.INSUFFICIENT_SIZE.code() || tries == MOST_TRIES || capacity == MOST_ENTRIES) {
                count = Math.clamp(Integer.toUnsignedLong(wanted), 0, capacity);
                return code;
            }
            // Half as much again: the list may grow between two calls.
            long roomy = Math.max(Integer.toUnsignedLong(wanted), capacity) * 3 / 2 + 16;
            capacity = (int) Math.min(roomy, MOST_ENTRIES);
            close();
            grown = new NativeBlock(HEAD + capacity * largestEntry);
        }
    }

    /** The number of entries after a successful call. */
    int count() {
        return count;
    }

    /** The memory that the entries lie in. */
    NativeBlock memory() {
        return grown == null ? lent : grown;
    }

    /** Where an entry begins. */
    static int offset(int entry, int entrySize) {
        return HEAD + entry * entrySize;
    }

    /** Whether the library wrote nothing to these bytes. */
    boolean isUntouched(int from, int to) {
        for (int at = HEAD + from; at < HEAD + to; at++) {
            if (memory().getByte(at) != UNTOUCHED) {
                return false;
            }
        }
        return true;
    }

    @Override
    public void close() {
        if (grown != null) {
            grown.close();
            grown = null;
        }
    }
}
