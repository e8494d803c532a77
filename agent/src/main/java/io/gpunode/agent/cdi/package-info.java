/**
 * Container Device Interface specifications, from the snapshot and the driver's files.
 */
@NullMarked
package io.gpunode.agent.cdi;

import org.jspecify.annotations.NullMarked;
