/**
 * Benchmarks of the packaged agent as a process of its own, on a simulated node with an embedded kubelet in the benchmark's process. Run by hand,
 * with {@code agent/benchmarks/run.sh}; results are in {@code docs/performance.md}.
 */
@NullMarked
package io.gpunode.benchmarks;

import org.jspecify.annotations.NullMarked;
