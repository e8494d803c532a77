@NullMarked
package io.gpunode.agent.cli;

import org.jspecify.annotations.NullMarked;
