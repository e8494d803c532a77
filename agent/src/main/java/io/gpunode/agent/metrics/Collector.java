package io.gpunode.agent.metrics;

/**
 * One subject of {@code /metrics}. Reads what is in memory, never calls NVML, the kubelet or the file system. What it throws costs its own series
 * of that scrape only.
 */
interface Collector {
    /** A fixed name, the value of label {@code collector}. */
    String name();

    /** Writes its families, sorted by name, each once. */
    void collect(Scrape scrape, ExpositionWriter out);
}
