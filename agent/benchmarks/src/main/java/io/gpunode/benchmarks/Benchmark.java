package io.gpunode.benchmarks;

/** One subject that can be measured by name. */
interface Benchmark {
    /** One line for the list of benchmarks. */
    String describe();

    /** Measures and writes rows. */
    void run(Settings settings, Report report) throws Exception;
}
