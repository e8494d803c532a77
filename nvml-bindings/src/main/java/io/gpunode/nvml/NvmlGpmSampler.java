package io.gpunode.nvml;

/**
 * GPU performance monitoring (GPM) of one GPU or one GPU instance, Hopper and newer: holds the two native samples, takes a new one at each
 * {@link #read} and gives the averages since the one before, all metrics in one {@code nvmlGpmMetricsGet}, or a few when they are many. A
 * metric that the library does not know costs itself only. One thread at a time.
 */
public interface NvmlGpmSampler extends AutoCloseable {
    /**
     * Takes a sample and computes the metrics since the last one.
     *
     * @param values receives one number per metric id given at creation, in NVML's own unit (percent, MiB/s, counts); NaN as NVML gave it
     * @param codes receives the return code per metric
     * @return false when there was no earlier sample to compare with (both arrays untouched)
     */
    boolean read(double[] values, int[] codes) throws NvmlException;

    /** Frees both samples. Not while a {@link #read} is running. */
    @Override
    void close();
}
