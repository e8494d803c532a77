/**
 * The Kubernetes API server: which one and with what credentials, one watch of the own node, events and the node condition. A side room that any
 * package above {@code model} may use; it works in full silence where no API server is configured.
 */
@NullMarked
package io.gpunode.agent.kubernetes;

import org.jspecify.annotations.NullMarked;
