/**
 * Every touch of the host, each behind an interface.
 */
@NullMarked
package io.gpunode.agent.os;

import org.jspecify.annotations.NullMarked;
