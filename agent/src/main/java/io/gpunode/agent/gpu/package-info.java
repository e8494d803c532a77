/**
 * The one door to NVML: a lane per GPU, deadlines, and what a return code means.
 */
@NullMarked
package io.gpunode.agent.gpu;

import org.jspecify.annotations.NullMarked;
