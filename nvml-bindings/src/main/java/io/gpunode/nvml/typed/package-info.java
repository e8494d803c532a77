/**
 * The typed floor behind {@link io.gpunode.nvml.Nvml}: one session's calls turned into records, and the fallbacks to older structures. Nothing
 * outside {@code io.gpunode.nvml} uses it.
 */
@NullMarked
package io.gpunode.nvml.typed;

import org.jspecify.annotations.NullMarked;
