/** Tests of the packaged agent as a process of its own. */
@NullMarked
package io.gpunode.agent.process;

import org.jspecify.annotations.NullMarked;
