/**
 * The NVML simulator's Java side: installs the simulated {@code libnvidia-ml.so.1} into a driver root, controls it from the same
 * process or from another one, and lays out the files that a node with these GPUs would have.
 */
@NullMarked
package io.gpunode.nvml.simulator;

import org.jspecify.annotations.NullMarked;
