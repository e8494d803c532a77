/**
 * Who uses the GPUs beyond what the kubelet's PodResources say: the containers of processes, batch jobs, containers outside of Kubernetes, and what is
 * known of the pods. One cached picture for all users.
 */
@NullMarked
package io.gpunode.agent.attribution;

import org.jspecify.annotations.NullMarked;
