/**
 * The simulated node of the simulate command: the simulator's driver tree and an embedded kubelet.
 */
@NullMarked
package io.gpunode.agent.simulation;

import org.jspecify.annotations.NullMarked;
