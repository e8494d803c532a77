/** What keeps a GPU pod from starting on this node, found by looking: the driver, its nodes, the container runtime, the kubelet, the agent. */
@NullMarked
package io.gpunode.agent.doctor;

import org.jspecify.annotations.NullMarked;
