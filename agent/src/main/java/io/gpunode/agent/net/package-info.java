/** The one Netty event loop of the process, and gRPC over unix domain sockets on it. A side room that any package above {@code model} may use. */
@NullMarked
package io.gpunode.agent.net;

import org.jspecify.annotations.NullMarked;
