/**
 * MIG: from a wanted geometry to a plan, and from a plan to the hardware, as a transaction.
 */
@NullMarked
package io.gpunode.agent.mig;

import org.jspecify.annotations.NullMarked;
