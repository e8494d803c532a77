/**
 * NVML for Java, the typed floor: records, {@link io.gpunode.nvml.NvmlException} with function, code, GPU and library version, and no JNA
 * type in any signature. Knows nothing of the agent.
 */
@NullMarked
package io.gpunode.nvml;

import org.jspecify.annotations.NullMarked;
