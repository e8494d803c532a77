@NullMarked
package io.gpunode.agent.config;

import org.jspecify.annotations.NullMarked;
