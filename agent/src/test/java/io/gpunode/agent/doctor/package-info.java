@NullMarked
package io.gpunode.agent.doctor;

import org.jspecify.annotations.NullMarked;
