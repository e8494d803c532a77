package io.gpunode.agent.kubernetes;

import java.time.Duration;

/**
 * What is to be drained, and how.
 *
 * @param by who wants it
 * @param why in words
 * @param limit until when the pods must be gone, more than zero
 * @param dryRun whether only to find out what would happen: the server checks each eviction and carries out none
 * @param deleteEmptyDirData whether what pods keep in {@code emptyDir} volumes on disk may be lost
 */
public record DrainOrder(String by, String why, Duration limit, boolean dryRun, boolean deleteEmptyDirData) {
    public DrainOrder {
        if (!limit.isPositive()) {
            throw new IllegalArgumentException("a drain needs a time limit of more than zero, not " + limit);
        }
    }
}
