package io.gpunode.agent.model;

/**
 * The numbers that are sampled from each NVLink of a GPU. The unit is part of the meaning. The order is the order of {@link GpuSample}'s places
 * and may change between versions: it is never written anywhere.
 */
public enum LinkQuantity {
    /** 0 inactive, 1 active, 2 asleep. */
    STATE,
    /** Cumulative payload, KiB. */
    SENT_KIBIBYTES,
    /** Cumulative payload, KiB. */
    RECEIVED_KIBIBYTES,
    /** Payload rate, MB/s; needs two samples. Computed, not read. */
    SENT_MEGABYTES_PER_SECOND,
    /** Payload rate, MB/s; needs two samples. Computed, not read. */
    RECEIVED_MEGABYTES_PER_SECOND,
    /** Payload rate both ways, MB/s; needs two samples. Computed, not read. */
    MEGABYTES_PER_SECOND,
    /** Payload rate; needs two samples. Computed, not read. */
    SENT_BYTES_PER_SECOND,
    /** Payload rate; needs two samples. Computed, not read. */
    RECEIVED_BYTES_PER_SECOND,
    CRC_FLIT_ERRORS,
    CRC_DATA_ERRORS,
    REPLAY_ERRORS,
    RECOVERY_ERRORS,
    /** Hopper's counter. */
    DATA_LINK_CRC_ERRORS,
    /** Hopper's counter. */
    DATA_LINK_RECOVERIES,
    /** Hopper's counter. */
    DATA_LINK_REPLAYS,
    /** Profiling, bytes per second. */
    PROFILED_SENT_BYTES_PER_SECOND,
    /** Profiling, bytes per second. */
    PROFILED_RECEIVED_BYTES_PER_SECOND,
    /** Profiling, since the start of the machine. */
    PROFILED_SENT_BYTES,
    /** Profiling, since the start of the machine. */
    PROFILED_RECEIVED_BYTES;

    private static final int COUNT = values().length;

    /** How many there are. */
    public static int count() {
        return COUNT;
    }
}
