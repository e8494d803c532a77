/**
 * Feature: the node's labels. What they are and say is a pure function of the picture, the settings and a few facts about the host; where they are
 * written is another matter.
 */
@NullMarked
package io.gpunode.agent.labels;

import org.jspecify.annotations.NullMarked;
