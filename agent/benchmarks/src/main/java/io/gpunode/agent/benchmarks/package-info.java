/**
 * Benchmarks of the agent, run by hand.
 */
@NullMarked
package io.gpunode.agent.benchmarks;

import org.jspecify.annotations.NullMarked;
