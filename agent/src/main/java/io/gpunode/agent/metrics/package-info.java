/**
 * The field catalogue, the collectors and the exposition text, all from the snapshot.
 */
@NullMarked
package io.gpunode.agent.metrics;

import org.jspecify.annotations.NullMarked;
