/**
 * The driver's life on this node: where it comes from, what lies ready, what is loaded, and the way from one to another and back.
 */
@NullMarked
package io.gpunode.agent.driver;

import org.jspecify.annotations.NullMarked;
