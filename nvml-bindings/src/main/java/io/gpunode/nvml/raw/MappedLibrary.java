package io.gpunode.nvml.raw;

import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import com.sun.jna.SymbolProvider;
import java.io.IOException;
import java.io.InputStream;
import java.lang.invoke.MethodHandles;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import java.util.SortedSet;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * One mapped library with the table of its symbols: which symbol serves each {@link NvmlFunction}, and an {@link NvmlApi} whose methods go
 * straight to those addresses.
 *
 * <p>JNA ties native methods to addresses once per class and refuses a class with a missing symbol. So every address is looked up first and
 * handed to JNA; a function without a symbol is tied to {@code getpid}, which does no harm, and is not called (the session sees to
 * that). The first library that is open uses {@link DirectNvmlApi} itself, which an ahead-of-time cache can hold; further ones that are open
 * at the same time use hidden copies of it. Copies are kept and used again, since JNA never lets go of a class.
 */
public final class MappedLibrary {
    /** Classes that are tied to no library at the moment; the ordinary one first. Guarded by itself. */
    private static final Deque<Class<? extends NvmlApi>> IDLE_CLASSES = new ArrayDeque<>();

    static {
        IDLE_CLASSES.add(DirectNvmlApi.class);
    }

    private final Path path;
    private final long handle;
    private final Class<? extends NvmlApi> boundClass;
    private final NvmlApi api;
    private final @Nullable String[] symbols;

    private MappedLibrary(
            Path path, long handle, Class<? extends NvmlApi> boundClass, NvmlApi api, @Nullable String[] symbols) {
        this.path = path;
        this.handle = handle;
        this.boundClass = boundClass;
        this.api = api;
        this.symbols = symbols;
    }

    /**
     * Maps the library and looks up every symbol.
     *
     * @throws IOException when the dynamic linker refuses it, in the linker's words
     * @throws MissingEntryPointException when it has no init or no shutdown function; it is unmapped again
     */
    public static MappedLibrary open(Path path) throws IOException, MissingEntryPointException {
        long handle;
        try {
            handle = DynamicLinker.open(path);
        } catch (DynamicLinker.LoadException e) {
            throw new IOException(e.getMessage(), e);
        }
        boolean opened = false;
        try (NativeBlock scratch = new NativeBlock(DynamicLinker.LONGEST_SYMBOL)) {
            NvmlFunction[] functions = NvmlFunction.values();
            @Nullable String[] symbols = new String[functions.length];
            Map<String, Long> addresses = new HashMap<>();
            for (NvmlFunction function : functions) {
                for (String symbol : function.symbols()) {
                    long address = DynamicLinker.symbol(handle, symbol, scratch);
                    if (address != 0) {
                        symbols[function.ordinal()] = symbol;
                        addresses.put(function.name(), address);
                        break;
                    }
                }
            }
            for (NvmlFunction function : new NvmlFunction[] {NvmlFunction.nvmlInit, NvmlFunction.nvmlShutdown}) {
                if (!addresses.containsKey(function.name())) {
                    throw new MissingEntryPointException(function.name());
                }
            }
            Class<? extends NvmlApi> boundClass = bind(addresses, scratch);
            MappedLibrary library = new MappedLibrary(path, handle, boundClass, instanceOf(boundClass), symbols);
            opened = true;
            return library;
        } finally {
            if (!opened) {
                DynamicLinker.close(handle);
            }
        }
    }

    private static Class<? extends NvmlApi> bind(Map<String, Long> addresses, NativeBlock scratch) {
        long harmless = DynamicLinker.symbol(DynamicLinker.WHOLE_PROCESS, "getpid", scratch);
        SymbolProvider provider = (handle, name, parent) -> addresses.getOrDefault(name, harmless);
        Class<? extends NvmlApi> target = takeClass();
        boolean bound = false;
        try (NativeLibrary process = NativeLibrary.getProcess(Map.of(Library.OPTION_SYMBOL_PROVIDER, provider))) {
            Native.register(target, process);
            bound = true;
            return target;
        } finally {
            if (!bound) {
                giveBack(target);
            }
        }
    }

    private static Class<? extends NvmlApi> takeClass() {
        synchronized (IDLE_CLASSES) {
            Class<? extends NvmlApi> idle = IDLE_CLASSES.pollFirst();
            if (idle != null) {
                return idle;
            }
        }
        try (InputStream code =
                DirectNvmlApi.class.getResourceAsStream(DirectNvmlApi.class.getSimpleName() + ".class")) {
            if (code == null) {
                throw new IllegalStateException("the class file of " + DirectNvmlApi.class.getName()
                        + " cannot be read as a resource, so a second NVML library cannot be open beside the first");
            }
            return MethodHandles.lookup()
                    .defineHiddenClass(code.readAllBytes(), false)
                    .lookupClass()
                    .asSubclass(NvmlApi.class);
        } catch (IOException | IllegalAccessException e) {
            throw new IllegalStateException("a second copy of the NVML calls could not be made", e);
        }
    }

    private static void giveBack(Class<? extends NvmlApi> idle) {
        synchronized (IDLE_CLASSES) {
            if (idle == DirectNvmlApi.class) {
                IDLE_CLASSES.addFirst(idle);
            } else {
                IDLE_CLASSES.addLast(idle);
            }
        }
    }

    private static NvmlApi instanceOf(Class<? extends NvmlApi> boundClass) {
        if (boundClass == DirectNvmlApi.class) {
            return new DirectNvmlApi();
        }
        try {
            return boundClass.getDeclaredConstructor().newInstance();
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("a copy of the NVML calls has no usable constructor", e);
        }
    }

    /** The path it was opened by. */
    public Path path() {
        return path;
    }

    /** The functions of this library. */
    public NvmlApi api() {
        return api;
    }

    /** Whether some symbol serves this function. */
    public boolean has(NvmlFunction function) {
        return symbols[function.ordinal()] != null;
    }

    /** The symbol that serves this function; null when the library has none. */
    public @Nullable String symbol(NvmlFunction function) {
        return symbols[function.ordinal()];
    }

    /** Every symbol that the binding knows and this library does not export, older variants included. */
    public SortedSet<String> absentSymbols() {
        SortedSet<String> absent = new TreeSet<>();
        try (NativeBlock scratch = new NativeBlock(DynamicLinker.LONGEST_SYMBOL)) {
            for (NvmlFunction function : NvmlFunction.values()) {
                for (String symbol : function.symbols()) {
                    if (!symbol.equals(symbol(function)) && DynamicLinker.symbol(handle, symbol, scratch) == 0) {
                        absent.add(symbol);
                    }
                }
            }
        }
        return absent;
    }

    /**
     * Unties the calls and unmaps the library. No call may be running, and none may be made through {@link #api()} after.
     *
     * @return whether the file is no longer mapped; false when another handle, or a mark in the file, keeps it
     */
    public boolean close() {
        Native.unregister(boundClass);
        giveBack(boundClass);
        DynamicLinker.close(handle);
        return !DynamicLinker.isMapped(path);
    }

    /** A shared object without the functions that every NVML has. */
    public static final class MissingEntryPointException extends Exception {
        private static final long serialVersionUID = 1L;

        MissingEntryPointException(String function) {
            super(function);
        }
    }
}
