package io.gpunode.nvml;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** Why a library could not be opened and initialised as NVML, with what an operator can do about it. */
public final class NvmlOpenException extends Exception {
    private static final long serialVersionUID = 1L;

    /** The kinds of refusal. */
    public enum Reason {
        /** No file at that path (or none on the search list). */
        LIBRARY_NOT_FOUND,
        /** The file exists and this process may not read it. */
        LIBRARY_NOT_READABLE,
        /** A directory, an empty or truncated file, or not an ELF shared object. */
        NOT_A_LIBRARY,
        /** An ELF file for another machine or word size. */
        WRONG_ARCHITECTURE,
        /** A shared object that loads and does not export NVML's entry points. */
        NOT_NVML,
        /** The dynamic linker refused it; the message holds its words. */
        LOAD_FAILED,
        /** NVML answered DRIVER_NOT_LOADED: the kernel module is absent. */
        DRIVER_NOT_LOADED,
        /** NVML answered LIB_RM_VERSION_MISMATCH: library and kernel module are of different releases. */
        DRIVER_LIBRARY_MISMATCH,
        /** NVML answered another error to its init call. */
        INIT_FAILED
    }

    private final Reason reason;
    private final transient @Nullable Path library;
    private final int code;

    /**
     * @param reason the kind of refusal
     * @param library the file in question; null when none was found
     * @param code NVML's return code where init answered one, else 0
     * @param message one sentence that names the value, the place and the next step
     * @param cause what was caught below; null when nothing was
     */
    public NvmlOpenException(
            Reason reason, @Nullable Path library, int code, String message, @Nullable Throwable cause) {
        super(message, cause);
        this.reason = reason;
        this.library = library;
        this.code = code;
    }

    /** The kind of refusal. */
    public Reason reason() {
        return reason;
    }

    /** The file in question; null when none was found (and after serialisation). */
    public @Nullable Path library() {
        return library;
    }

    /** NVML's return code where its init call answered one, else 0. */
    public int code() {
        return code;
    }
}
