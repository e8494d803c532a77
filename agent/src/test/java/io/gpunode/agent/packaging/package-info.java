/** The chart of {@code packaging/helm}, by Helm's own engine. */
@NullMarked
package io.gpunode.agent.packaging;

import org.jspecify.annotations.NullMarked;
