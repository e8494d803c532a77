package io.gpunode.nvml;

/**
 * An NVML call that did not return {@code NVML_SUCCESS}: which function, which code, for which GPU, in which library version.
 *
 * <p>A symbol that the open library does not export is reported in the same way, with code {@link NvmlReturn#FUNCTION_NOT_FOUND}, so
 * that an old driver costs one reading and never the process.
 */
public final class NvmlException extends Exception {
    private static final long serialVersionUID = 1L;

    private final String function;
    private final int code;
    private final String device;
    private final String libraryVersion;

    /**
     * @param function the NVML function, for example {@code nvmlDeviceGetTemperature}
     * @param code the {@code nvmlReturn_t} number
     * @param device what the call was about, for example a GPU's UUID; empty for a call about the whole system
     * @param libraryVersion NVML's own version text; empty while it is not known
     */
    public NvmlException(String function, int code, String device, String libraryVersion) {
        super(function + (device.isEmpty() ? "" : " for " + device) + " answered " + NvmlReturn.nameOf(code) + " ("
                + code + ")" + (libraryVersion.isEmpty() ? "" : ", NVML " + libraryVersion));
        this.function = function;
        this.code = code;
        this.device = device;
        this.libraryVersion = libraryVersion;
    }

    /** The NVML function that answered. */
    public String function() {
        return function;
    }

    /** The {@code nvmlReturn_t} number. */
    public int code() {
        return code;
    }

    /** What the call was about; empty for the whole system. */
    public String device() {
        return device;
    }

    /** NVML's version text; empty when it was not known at the time of the call. */
    public String libraryVersion() {
        return libraryVersion;
    }

    /** Whether the code is this one. */
    public boolean is(NvmlReturn value) {
        return code == value.code();
    }
}
