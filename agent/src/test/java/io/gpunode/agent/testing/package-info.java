/** What tests of several packages share: snapshots by hand, sources with knobs. */
@NullMarked
package io.gpunode.agent.testing;

import org.jspecify.annotations.NullMarked;
