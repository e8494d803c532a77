package io.gpunode.agent.kubernetes;

import java.util.SortedMap;

/**
 * How the NodeFeature object stands.
 *
 * @param usability whether the API server has such objects and lets the agent write one
 * @param object namespace and name; empty while unknown
 * @param wanted how many labels it should hold
 * @param written whether it holds them
 * @param taken whether the node has them, so whether node-feature-discovery has done its part
 * @param leftOut labels that Kubernetes does not take: why
 * @param reason what keeps it from being written, with the next step; empty when nothing does
 * @param writes since the agent started
 */
public record NodeFeatureStatus(
        NodeFeatureWriter.Usability usability,
        String object,
        int wanted,
        boolean written,
        boolean taken,
        SortedMap<String, String> leftOut,
        String reason,
        long writes) {}
