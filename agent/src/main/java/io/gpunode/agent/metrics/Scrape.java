package io.gpunode.agent.metrics;

import io.gpunode.agent.attribution.AttributionPicture;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.podresources.PodResourcesPicture;
import io.gpunode.agent.time.Tick;
import org.jspecify.annotations.Nullable;

/**
 * What all collectors of one scrape look at.
 *
 * @param snapshot the picture of the node
 * @param pods the kubelet's last good answer; {@code null} until there was one, or when attribution is off
 * @param attribution who uses the GPUs beyond that
 * @param now when the scrape began
 * @param wallMillis the same on the wall, in ms since 1970
 */
record Scrape(
        NodeSnapshot snapshot,
        @Nullable PodResourcesPicture pods,
        AttributionPicture attribution,
        Tick now,
        long wallMillis) {}
