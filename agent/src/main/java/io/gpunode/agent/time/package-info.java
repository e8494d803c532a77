/**
 * Monotonic ticks and wall time, as two types.
 */
@NullMarked
package io.gpunode.agent.time;

import org.jspecify.annotations.NullMarked;
