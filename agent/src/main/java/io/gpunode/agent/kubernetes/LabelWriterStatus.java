package io.gpunode.agent.kubernetes;

import java.util.SortedMap;

/**
 * How the labels of the Node object stand.
 *
 * @param wanted how many there should be
 * @param applied how many of them the object has from the agent, as last seen
 * @param conflicts labels that somebody else manages with another value: who
 * @param leftOut labels that the API server does not take, or not from the agent: why
 * @param reason what keeps all of it from being written, with the next step; empty when nothing does
 * @param writes since the agent started
 */
public record LabelWriterStatus(
        int wanted,
        int applied,
        SortedMap<String, String> conflicts,
        SortedMap<String, String> leftOut,
        String reason,
        long writes) {}
