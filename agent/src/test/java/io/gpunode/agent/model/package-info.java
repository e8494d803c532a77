/** Tests of the model's words. */
@NullMarked
package io.gpunode.agent.model;

import org.jspecify.annotations.NullMarked;
