package io.gpunode.agent.model;

import java.time.Instant;

/**
 * A fault that NVML answered; the same fault again is counted, not repeated. What a driver does not offer is no fault.
 *
 * @param function the NVML function, for example {@code nvmlDeviceGetUUID}
 * @param returned NVML's name of the code, for example {@code GPU_IS_LOST}
 * @param device what the call was about; empty for the whole system
 * @param count how often, since the agent started
 * @param first wall time of the first
 * @param last wall time of the last
 */
public record NvmlFault(String function, String returned, String device, long count, Instant first, Instant last) {}
