/**
 * Ordered start, reverse stop, bounded waits and back-off.
 */
@NullMarked
package io.gpunode.agent.lifecycle;

import org.jspecify.annotations.NullMarked;
