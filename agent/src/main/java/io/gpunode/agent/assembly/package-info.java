/** The parts list: the only place that makes services, wires them and orders them. Imported by the command line alone. */
@NullMarked
package io.gpunode.agent.assembly;

import org.jspecify.annotations.NullMarked;
