/**
 * One opened NVML library: refusing what is not one before it is mapped, the table of the symbols it has, leases that keep it mapped while
 * calls run, and the way down. Nothing outside {@code io.gpunode.nvml} uses it.
 */
@NullMarked
package io.gpunode.nvml.session;

import org.jspecify.annotations.NullMarked;
