/** Tests of the CDI specification. */
@NullMarked
package io.gpunode.agent.cdi;

import org.jspecify.annotations.NullMarked;
