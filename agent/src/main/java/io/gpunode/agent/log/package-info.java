/** The agent's log: event lines with keys on standard error. A side room that any package above {@code model} may use. */
@NullMarked
package io.gpunode.agent.log;

import org.jspecify.annotations.NullMarked;
