/** Writing JSON. A side room that any package above {@code model} may use. */
@NullMarked
package io.gpunode.agent.json;

import org.jspecify.annotations.NullMarked;
