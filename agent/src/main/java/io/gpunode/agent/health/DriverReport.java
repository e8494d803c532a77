package io.gpunode.agent.health;

import io.gpunode.agent.gpu.GpuEvents;
import java.util.OptionalInt;

/**
 * One kind of report by the driver about a GPU: reports that are equal are the same thing again.
 *
 * @param kind of the event
 * @param xid its number; 0 when it is none
 * @param gpuInstance of the MIG device that it is about
 * @param computeInstance of the MIG device that it is about; absent when it is about all of the GPU instance
 */
record DriverReport(GpuEvents.Kind kind, long xid, OptionalInt gpuInstance, OptionalInt computeInstance) {
    static DriverReport xid(long number, OptionalInt gpuInstance, OptionalInt computeInstance) {
        return new DriverReport(GpuEvents.Kind.XID, number, gpuInstance, computeInstance);
    }

    static DriverReport event(GpuEvents.Kind kind, OptionalInt gpuInstance, OptionalInt computeInstance) {
        return new DriverReport(kind, 0, gpuInstance, computeInstance);
    }

    /** Whether two are about the same part of the GPU. */
    boolean sameScope(DriverReport other) {
        return gpuInstance.equals(other.gpuInstance) && computeInstance.equals(other.computeInstance);
    }
}
