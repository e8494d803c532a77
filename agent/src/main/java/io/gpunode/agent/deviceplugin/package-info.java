/**
 * The kubelet's device plugin interface: registration, streams, allocation.
 */
@NullMarked
package io.gpunode.agent.deviceplugin;

import org.jspecify.annotations.NullMarked;
