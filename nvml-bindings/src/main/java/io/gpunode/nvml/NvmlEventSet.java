package io.gpunode.nvml;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** An event set ({@code nvmlEventSet_t}). One thread waits on it; registering is done before waiting. */
public interface NvmlEventSet extends AutoCloseable {
    /** {@code nvmlEventTypeXidCriticalError}. */
    long XID_CRITICAL_ERROR = 0x8;
    /** {@code nvmlEventTypeMigConfigChange}. */
    long MIG_CONFIG_CHANGE = 0x100;
    /** {@code nvmlEventTypeSingleBitEccErrorStorm}. */
    long SINGLE_BIT_ECC_STORM = 0x200;
    /** {@code nvmlEventTypeDramRetirementEvent}. */
    long DRAM_RETIREMENT = 0x400;
    /** {@code nvmlEventTypeDramRetirementFailure}. */
    long DRAM_RETIREMENT_FAILURE = 0x800;
    /** {@code nvmlEventTypeNonFatalPoisonError}. */
    long NON_FATAL_POISON = 0x1000;
    /** {@code nvmlEventTypeFatalPoisonError}. */
    long FATAL_POISON = 0x2000;
    /** {@code nvmlEventTypeGpuUnavailableError}. */
    long GPU_UNAVAILABLE = 0x4000;
    /** {@code nvmlEventTypeGpuRecoveryAction}. */
    long GPU_RECOVERY_ACTION = 0x8000;
    /** {@code nvmlEventTypeDoubleBitEccError}. */
    long DOUBLE_BIT_ECC_ERROR = 0x2;

    /** Asks for these event types of this GPU. The mask must be a subset of {@link Nvml#supportedEventTypes}. */
    void register(NvmlDevice device, long mask) throws NvmlException;

    /**
     * Waits for the next event.
     *
     * @param timeout whole milliseconds are used; at least 0
     * @return the event, or null when none came in time ({@link NvmlReturn#TIMEOUT})
     */
    @Nullable NvmlEvent await(Duration timeout) throws NvmlException;

    /** Frees the set. Not while {@link #await} is running. */
    @Override
    void close() throws NvmlException;

    /**
     * One event.
     *
     * @param deviceAddress the handle's address of the GPU it is about; compare with {@link NvmlDevice#address()}
     * @param type one bit of the masks above
     * @param data for an XID its number; 999 means a code that the driver does not name
     * @param gpuInstanceId -1 when the event is not about a MIG instance
     * @param computeInstanceId -1 when the event is not about a MIG instance
     */
    record NvmlEvent(long deviceAddress, long type, long data, int gpuInstanceId, int computeInstanceId) {}
}
