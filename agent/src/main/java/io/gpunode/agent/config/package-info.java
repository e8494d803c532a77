/**
 * The configuration: records, one schema as data, one strict loader that reports every problem at once, and the effective values with the
 * source of each. A side room that any package above {@code model} may use.
 */
@NullMarked
package io.gpunode.agent.config;

import org.jspecify.annotations.NullMarked;
