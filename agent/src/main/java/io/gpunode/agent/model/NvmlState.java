package io.gpunode.agent.model;

import java.time.Instant;
import java.util.List;
import java.util.Map;

/** What stands between the agent and the GPUs. */
public sealed interface NvmlState {
    /**
     * NVML is open.
     *
     * @param generation counts openings in this process, from 1
     * @param variants versioned call → symbol in use
     * @param absent symbols that this library lacks
     */
    record Open(
            String libraryPath,
            String nvmlVersion,
            String driverVersion,
            int cudaDriverVersion,
            long generation,
            Map<String, String> variants,
            List<String> absent,
            Instant since)
            implements NvmlState {}

    /**
     * Something is not there yet; the agent tries again by itself.
     *
     * @param kind a fixed word: {@code library-not-found}, {@code driver-not-loaded}, …
     * @param reason one sentence
     * @param nextStep what a person can do, with the command
     */
    record Waiting(String kind, String reason, String nextStep, Instant since) implements NvmlState {
        /** The kind before NVML was asked for the first time. */
        public static final String STARTING = "starting";
        /** The kind while no NVML library is found. */
        public static final String LIBRARY_NOT_FOUND = "library-not-found";
        /** The kind while there is a library, and no kernel module. */
        public static final String DRIVER_NOT_LOADED = "driver-not-loaded";

        /** Whether it waits because the node has no driver; otherwise there is one, and it cannot be used yet. */
        public boolean withoutDriver() {
            return kind.equals(LIBRARY_NOT_FOUND) || kind.equals(DRIVER_NOT_LOADED);
        }
    }

    /** The agent let go of the GPUs on purpose. */
    record Withdrawn(String reason, Instant since) implements NvmlState {}
}
