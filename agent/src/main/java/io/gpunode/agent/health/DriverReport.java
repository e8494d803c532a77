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
 * @param fatal whether it is an XID {@linkplain XidTable.Kind#AS_SAID of which the driver says} how grave it is, and it says fatal
 */
record DriverReport(
        GpuEvents.Kind kind, long xid, OptionalInt gpuInstance, OptionalInt computeInstance, boolean fatal) {
    /** As NVML tells of it: without the driver's words. */
    static DriverReport xid(long number, OptionalInt gpuInstance, OptionalInt computeInstance) {
        return new DriverReport(GpuEvents.Kind.XID, number, gpuInstance, computeInstance, false);
    }

    /** As the kernel's log tells of it. */
    static DriverReport logged(KernelMessage.Xid message) {
        return new DriverReport(
                GpuEvents.Kind.XID,
                message.number(),
                message.gpuInstance(),
                message.computeInstance(),
                message.fatal() && XidTable.row(message.number()).kind() == XidTable.Kind.AS_SAID);
    }

    static DriverReport event(GpuEvents.Kind kind, OptionalInt gpuInstance, OptionalInt computeInstance) {
        return new DriverReport(kind, 0, gpuInstance, computeInstance, false);
    }

    /** The same without the word "fatal": what NVML tells of it. */
    DriverReport withoutWord() {
        return fatal ? new DriverReport(kind, xid, gpuInstance, computeInstance, false) : this;
    }

    /** Whether two are about the same part of the GPU. */
    boolean sameScope(DriverReport other) {
        return gpuInstance.equals(other.gpuInstance) && computeInstance.equals(other.computeInstance);
    }
}
