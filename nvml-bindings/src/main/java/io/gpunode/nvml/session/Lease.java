package io.gpunode.nvml.session;

import io.gpunode.nvml.raw.NativeBlock;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The right to make native calls, held for the length of one call or of one batch of calls: while any lease is held the library stays mapped.
 * With it comes a piece of native memory for the call's results. One thread holds it at a time.
 */
public final class Lease {
    /** Bytes of memory that come with a lease. */
    public static final int MEMORY = 4096;

    private static final int FREE = 0;
    private static final int HELD = 1;

    private final AtomicInteger state = new AtomicInteger(HELD);
    private final NvmlSession session;
    private final NativeBlock memory = new NativeBlock(MEMORY);

    /** A new lease is held by whoever made it. */
    Lease(NvmlSession session) {
        this.session = session;
    }

    boolean tryHold() {
        return state.get() == FREE && state.compareAndSet(FREE, HELD);
    }

    boolean isHeld() {
        return state.get() != FREE;
    }

    /** The call's memory. Holds whatever the last call left in it. */
    public NativeBlock memory() {
        return memory;
    }

    /** Ends the call. */
    public void release() {
        state.setRelease(FREE);
        session.released();
    }
}
