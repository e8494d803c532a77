/**
 * NVML as C has it: function names, structure layouts and the calls of the dynamic linker, over JNA's direct mapping. Nothing here decides
 * anything, and nothing outside {@code io.gpunode.nvml} uses it.
 *
 * <p>Names are C's own, from header release 13 (the newest at the time of writing); layouts are for 64-bit Linux.
 */
@NullMarked
package io.gpunode.nvml.raw;

import org.jspecify.annotations.NullMarked;
