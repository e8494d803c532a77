/**
 * The configuration: records, one strict loader, all problems at once, the source of each value.
 */
@NullMarked
package io.gpunode.agent.config;

import org.jspecify.annotations.NullMarked;
