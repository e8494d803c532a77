package io.gpunode.agent.model;

import java.util.Arrays;

/**
 * One sampling of a GPU or MIG device: for each {@link Quantity} a number or the reason why there is none. Immutable; reading it allocates
 * nothing, which is what lets a scrape render straight from it.
 */
public final class GpuSample {
    /** Status: nobody asked. */
    public static final byte NOT_READ = 0;
    /** Status: there is a number. */
    public static final byte PRESENT = 1;
    /** Status: this GPU, driver or mode does not offer it. */
    public static final byte UNSUPPORTED = 2;
    /** Status: asking failed this time. */
    public static final byte FAILED = 3;

    /** Nothing was read. */
    public static final GpuSample EMPTY = new GpuSample(new long[Quantity.count()], new byte[Quantity.count()], 0);

    private final long[] values;
    private final byte[] statuses;
    private final long sampledAtEpochMillis;

    private GpuSample(long[] values, byte[] statuses, long sampledAtEpochMillis) {
        this.values = values;
        this.statuses = statuses;
        this.sampledAtEpochMillis = sampledAtEpochMillis;
    }

    /**
     * Copies both arrays.
     *
     * @param values by {@link Quantity#ordinal()}; a fraction as {@link Double#doubleToRawLongBits}
     * @param statuses by {@link Quantity#ordinal()}, the constants above
     * @param sampledAtEpochMillis wall time of the sampling
     */
    public static GpuSample copyOf(long[] values, byte[] statuses, long sampledAtEpochMillis) {
        return new GpuSample(
                Arrays.copyOf(values, Quantity.count()),
                Arrays.copyOf(statuses, Quantity.count()),
                sampledAtEpochMillis);
    }

    /** One of the four status constants. */
    public byte status(Quantity quantity) {
        return statuses[quantity.ordinal()];
    }

    /** Whether there is a number. */
    public boolean has(Quantity quantity) {
        return statuses[quantity.ordinal()] == PRESENT;
    }

    /** The number of a quantity that is not a fraction; only meaningful when {@link #has} it. */
    public long value(Quantity quantity) {
        return values[quantity.ordinal()];
    }

    /** The number of a fraction; only meaningful when {@link #has} it. */
    public double fraction(Quantity quantity) {
        return Double.longBitsToDouble(values[quantity.ordinal()]);
    }

    /** Wall time of the sampling in ms since 1970; 0 for {@link #EMPTY}. */
    public long sampledAtEpochMillis() {
        return sampledAtEpochMillis;
    }
}
