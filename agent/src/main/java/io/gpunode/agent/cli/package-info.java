/**
 * The command line, and the wiring of everything. Nobody imports it.
 */
@NullMarked
package io.gpunode.agent.cli;

import org.jspecify.annotations.NullMarked;
