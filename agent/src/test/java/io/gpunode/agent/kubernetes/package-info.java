/** Tests of the connection to the API server, against one that is made here. */
@NullMarked
package io.gpunode.agent.kubernetes;

import org.jspecify.annotations.NullMarked;
