/**
 * The kubelet's PodResources client: one cached picture for all users.
 */
@NullMarked
package io.gpunode.agent.podresources;

import org.jspecify.annotations.NullMarked;
