@NullMarked
package io.gpunode.nvml.simulator;

import org.jspecify.annotations.NullMarked;
