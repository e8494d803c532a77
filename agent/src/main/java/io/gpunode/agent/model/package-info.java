/**
 * The words of the domain: records and sealed types on java.* alone. No I/O, no clock, no logger.
 */
@NullMarked
package io.gpunode.agent.model;

import org.jspecify.annotations.NullMarked;
