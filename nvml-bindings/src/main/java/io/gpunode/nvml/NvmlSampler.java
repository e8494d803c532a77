package io.gpunode.nvml;

/**
 * A compiled list of {@link NvmlQuery}. Reading allocates nothing. A sampler owns native buffers, so one thread uses it at a time; it stays
 * valid for as long as the session that made it.
 */
public interface NvmlSampler extends AutoCloseable {
    /** How many queries it was made of; both arrays of {@link #read} need at least as many places. */
    int size();

    /**
     * Reads all queries from one device, in the order they were given.
     *
     * <p>A query that fails does not stop the others. Integers come as they are; a {@code double} field value comes as
     * {@link Double#doubleToRawLongBits}, marked in {@link #isDouble}.
     *
     * @param device a GPU or MIG device of the same session
     * @param values receives the numbers; a place is left as it was when its code is not 0
     * @param codes receives the {@code nvmlReturn_t} of each query; {@link NvmlReturn#FUNCTION_NOT_FOUND} for an absent symbol
     */
    void read(NvmlDevice device, long[] values, int[] codes);

    /** Whether the last {@link #read} gave this query as a {@code double}. */
    boolean isDouble(int query);

    /** Whether the last {@link #read} gave this field as an {@code unsigned int}: a counter of that width begins again after 2³². */
    boolean isNarrow(int query);

    /**
     * The query whose call is in flight, the first of its batch; -1 when no {@link #read} is running. For whoever watches a read that does not
     * return, on any thread.
     */
    int inFlight();

    /** Frees the native buffers. Not while a {@link #read} is running. */
    @Override
    void close();
}
