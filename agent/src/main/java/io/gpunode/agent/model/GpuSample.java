package io.gpunode.agent.model;

import java.util.Arrays;

/**
 * One sampling of a GPU or MIG device: for each {@link Quantity}, and for each {@link LinkQuantity} of each NVLink, a number or the reason why
 * there is none. Immutable; reading it allocates nothing, which is what lets a scrape render straight from it.
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
    public static final GpuSample EMPTY =
            new GpuSample(new long[Quantity.count()], new byte[Quantity.count()], new long[0], new byte[0], 0);

    private final long[] values;
    private final byte[] statuses;
    private final long[] linkValues;
    private final byte[] linkStatuses;
    private final long sampledAtEpochMillis;

    private GpuSample(
            long[] values, byte[] statuses, long[] linkValues, byte[] linkStatuses, long sampledAtEpochMillis) {
        this.values = values;
        this.statuses = statuses;
        this.linkValues = linkValues;
        this.linkStatuses = linkStatuses;
        this.sampledAtEpochMillis = sampledAtEpochMillis;
    }

    /**
     * A sample without NVLinks. Copies both arrays.
     *
     * @param values by {@link Quantity#ordinal()}; a fraction as {@link Double#doubleToRawLongBits}
     * @param statuses by {@link Quantity#ordinal()}, the constants above
     * @param sampledAtEpochMillis wall time of the sampling
     */
    public static GpuSample copyOf(long[] values, byte[] statuses, long sampledAtEpochMillis) {
        return copyOf(values, statuses, EMPTY.linkValues, EMPTY.linkStatuses, sampledAtEpochMillis);
    }

    /**
     * Copies all arrays.
     *
     * @param values by {@link Quantity#ordinal()}; a fraction as {@link Double#doubleToRawLongBits}
     * @param statuses by {@link Quantity#ordinal()}, the constants above
     * @param linkValues {@link LinkQuantity#count()} places for each NVLink; empty when nothing of links was read
     * @param linkStatuses for the same places, the constants above
     * @param sampledAtEpochMillis wall time of the sampling
     */
    public static GpuSample copyOf(
            long[] values, byte[] statuses, long[] linkValues, byte[] linkStatuses, long sampledAtEpochMillis) {
        return new GpuSample(
                Arrays.copyOf(values, Quantity.count()),
                Arrays.copyOf(statuses, Quantity.count()),
                linkValues.length == 0 ? linkValues : linkValues.clone(),
                linkStatuses.length == 0 ? linkStatuses : linkStatuses.clone(),
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

    /** How many NVLinks something was asked of; 0 when the GPU has none or nobody wants to know. */
    public int links() {
        return linkStatuses.length / LinkQuantity.count();
    }

    /**
     * One of the four status constants.
     *
     * @param link from 0 to {@link #links()} - 1
     */
    public byte status(LinkQuantity quantity, int link) {
        return linkStatuses[link * LinkQuantity.count() + quantity.ordinal()];
    }

    /** Whether there is a number. */
    public boolean has(LinkQuantity quantity, int link) {
        return status(quantity, link) == PRESENT;
    }

    /** The number; only meaningful when {@link #has} it. */
    public long value(LinkQuantity quantity, int link) {
        return linkValues[link * LinkQuantity.count() + quantity.ordinal()];
    }

    /** Wall time of the sampling in ms since 1970; 0 for {@link #EMPTY}. */
    public long sampledAtEpochMillis() {
        return sampledAtEpochMillis;
    }
}
