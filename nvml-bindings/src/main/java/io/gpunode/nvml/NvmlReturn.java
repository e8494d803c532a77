package io.gpunode.nvml;

import org.jspecify.annotations.Nullable;

/**
 * The return codes of NVML ({@code nvmlReturn_t}) by their names in the C header, up to header release 13.
 *
 * <p>A library newer than this table can answer a code that has no name here; {@link #of(int)} then gives {@code null} and callers
 * keep the number.
 */
public enum NvmlReturn {
    SUCCESS(0),
    UNINITIALIZED(1),
    INVALID_ARGUMENT(2),
    NOT_SUPPORTED(3),
    NO_PERMISSION(4),
    ALREADY_INITIALIZED(5),
    NOT_FOUND(6),
    INSUFFICIENT_SIZE(7),
    INSUFFICIENT_POWER(8),
    DRIVER_NOT_LOADED(9),
    TIMEOUT(10),
    IRQ_ISSUE(11),
    LIBRARY_NOT_FOUND(12),
    FUNCTION_NOT_FOUND(13),
    CORRUPTED_INFOROM(14),
    GPU_IS_LOST(15),
    RESET_REQUIRED(16),
    OPERATING_SYSTEM(17),
    LIB_RM_VERSION_MISMATCH(18),
    IN_USE(19),
    MEMORY(20),
    NO_DATA(21),
    VGPU_ECC_NOT_SUPPORTED(22),
    INSUFFICIENT_RESOURCES(23),
    FREQ_NOT_SUPPORTED(24),
    ARGUMENT_VERSION_MISMATCH(25),
    DEPRECATED(26),
    NOT_READY(27),
    GPU_NOT_FOUND(28),
    INVALID_STATE(29),
    RESET_TYPE_NOT_SUPPORTED(30),
    UNKNOWN(999);

    private static final NvmlReturn[] BY_CODE = new NvmlReturn[RESET_TYPE_NOT_SUPPORTED.code + 1];

    static {
        for (NvmlReturn value : values()) {
            if (value.code < BY_CODE.length) {
                BY_CODE[value.code] = value;
            }
        }
    }

    private final int code;

    NvmlReturn(int code) {
        this.code = code;
    }

    /** The number as C sees it. */
    public int code() {
        return code;
    }

    /** The constant with this number, or {@code null} when the number has no name in this table. */
    public static @Nullable NvmlReturn of(int code) {
        if (code >= 0 && code < BY_CODE.length) {
            return BY_CODE[code];
        }
        return code == UNKNOWN.code ? UNKNOWN : null;
    }

    /** The constant's name, or {@code NVML_ERROR_<number>} for a number that has none. */
    public static String nameOf(int code) {
        NvmlReturn known = of(code);
        return known == null ? "NVML_ERROR_" + code : known.name();
    }
}
