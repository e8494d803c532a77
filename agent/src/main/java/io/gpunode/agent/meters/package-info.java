/** How any part of the agent counts and times its own work, without knowing what publishes the numbers. A side room. */
@NullMarked
package io.gpunode.agent.meters;

import org.jspecify.annotations.NullMarked;
