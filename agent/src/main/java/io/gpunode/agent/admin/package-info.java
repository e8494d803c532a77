/**
 * The local HTTP server: metrics, liveness, readiness, state, status page.
 */
@NullMarked
package io.gpunode.agent.admin;

import org.jspecify.annotations.NullMarked;
