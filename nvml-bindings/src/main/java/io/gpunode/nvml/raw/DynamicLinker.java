package io.gpunode.nvml.raw;

import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import java.io.File;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * {@code dlopen} and its sisters, called directly: the handle is ours alone, so it is closed when the session says so and at no other time,
 * and a library that cannot be loaded is refused instead of being looked for elsewhere.
 */
final class DynamicLinker {
    /** Resolve everything now: a symbol that is missing shows as a refusal here and not as the end of the process in a later call. */
    private static final int RTLD_NOW = 0x2;
    /** Answer only if it is mapped already. The symbols stay local in any case, so that two libraries never see each other's. */
    private static final int RTLD_NOLOAD = 0x4;

    /** {@code RTLD_DEFAULT}: the handle that stands for everything the process has loaded. */
    static final long WHOLE_PROCESS = 0;
    /** Bytes that hold the longest symbol with its end mark. */
    static final int LONGEST_SYMBOL = 128;

    private static final int MESSAGE_LENGTH = 1024;

    static {
        keepLoaderFromForking();
        Native.register(DynamicLinker.class, NativeLibrary.getProcess());
    }

    private DynamicLinker() {}

    private static native long dlopen(long path, int flags);

    private static native long dlsym(long handle, long symbol);

    private static native int dlclose(long handle);

    private static native long dlerror();

    private static native long strnlen(long text, long limit);

    private static native long memcpy(long to, long from, long length);

    /**
     * JNA runs {@code ldconfig -p} as a child process when its search path is not set. Libraries here are opened by absolute path and the C
     * library lies in one of the usual places, so name those. A value given by the launcher stays.
     */
    private static void keepLoaderFromForking() {
        if (System.getProperty("jna.platform.library.path") == null) {
            String triplet =
                    System.getProperty("os.arch", "").toLowerCase(Locale.ROOT).equals("aarch64")
                            ? "aarch64-linux-gnu"
                            : "x86_64-linux-gnu";
            System.setProperty(
                    "jna.platform.library.path",
                    String.join(
                            File.pathSeparator,
                            "/usr/lib/" + triplet,
                            "/lib/" + triplet,
                            "/usr/lib64",
                            "/lib64",
                            "/usr/lib",
                            "/lib"));
        }
    }

    /** Maps a library. The error is the dynamic linker's own sentence. */
    static long open(Path library) throws LoadException {
        try (NativeBlock path = text(library.toString(), pathCharset())) {
            long handle = dlopen(path.address(), RTLD_NOW);
            if (handle == 0) {
                throw new LoadException(lastError());
            }
            return handle;
        }
    }

    /**
     * The address of a symbol; 0 when there is none.
     *
     * @param scratch memory for the name, so that looking up many costs one allocation
     */
    static long symbol(long handle, String name, NativeBlock scratch) {
        byte[] bytes = name.getBytes(StandardCharsets.US_ASCII);
        scratch.put(0, bytes);
        scratch.putByte(bytes.length, 0);
        return dlsym(handle, scratch.address());
    }

    /** Drops the handle. Whether the library is unmapped is the linker's decision: {@link #isMapped} tells. */
    static void close(long handle) {
        dlclose(handle);
    }

    /** Whether a library is mapped in this process. */
    static boolean isMapped(Path library) {
        try (NativeBlock path = text(library.toString(), pathCharset())) {
            long handle = dlopen(path.address(), RTLD_NOW | RTLD_NOLOAD);
            if (handle != 0) {
                dlclose(handle);
            }
            return handle != 0;
        }
    }

    private static String lastError() {
        long message = dlerror();
        if (message == 0) {
            return "the dynamic linker gave no reason";
        }
        try (NativeBlock copy = new NativeBlock(MESSAGE_LENGTH)) {
            memcpy(copy.address(), message, strnlen(message, MESSAGE_LENGTH));
            return copy.getText(0, MESSAGE_LENGTH);
        }
    }

    private static NativeBlock text(String value, Charset charset) {
        byte[] bytes = value.getBytes(charset);
        NativeBlock block = new NativeBlock(bytes.length + 1);
        block.put(0, bytes);
        return block;
    }

    private static Charset pathCharset() {
        @Nullable String name = System.getProperty("sun.jnu.encoding");
        return name == null ? StandardCharsets.UTF_8 : Charset.forName(name, StandardCharsets.UTF_8);
    }

    /** The dynamic linker's refusal in its own words. */
    static final class LoadException extends Exception {
        private static final long serialVersionUID = 1L;

        LoadException(String message) {
            super(message);
        }
    }
}
