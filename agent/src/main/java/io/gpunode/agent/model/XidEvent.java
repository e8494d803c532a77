package io.gpunode.agent.model;

import java.time.Instant;
import java.util.OptionalInt;

/**
 * An XID: the driver's report of a GPU error.
 *
 * @param gpu the physical GPU
 * @param xid its number
 * @param at when the agent saw it
 * @param gpuInstanceId of the MIG instance it is about
 * @param computeInstanceId of the MIG instance it is about
 */
public record XidEvent(GpuId gpu, long xid, Instant at, OptionalInt gpuInstanceId, OptionalInt computeInstanceId) {}
