/**
 * Owns the current picture of the node: enumerates, samples, publishes immutable snapshots.
 */
@NullMarked
package io.gpunode.agent.inventory;

import org.jspecify.annotations.NullMarked;
