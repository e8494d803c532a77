/** Netty event loops, gRPC over unix domain sockets on them, and PEM. A side room that any package above {@code model} may use. */
@NullMarked
package io.gpunode.agent.net;

import org.jspecify.annotations.NullMarked;
