package io.gpunode.nvml.session;

import io.gpunode.nvml.Nvml.CloseOutcome;
import io.gpunode.nvml.NvmlOpenException;
import io.gpunode.nvml.NvmlOpenException.Reason;
import io.gpunode.nvml.NvmlReturn;
import io.gpunode.nvml.raw.MappedLibrary;
import io.gpunode.nvml.raw.NvmlApi;
import io.gpunode.nvml.raw.NvmlFunction;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * One library from {@code dlopen} and {@code nvmlInit} to {@code nvmlShutdown} and {@code dlclose}.
 *
 * <p>Every call holds a {@link Lease}. {@link #close} refuses new ones and waits for those that are held; a native call cannot be interrupted,
 * and unmapping a library under a running call ends the process, so if they do not all come back in time the session is wedged: not shut
 * down, not unmapped, and kept for the life of the process.
 */
public final class NvmlSession {
    /** Native objects that must be freed before shutdown. */
    @FunctionalInterface
    public interface Resource {
        /** Frees it with the session's calls. */
        void free(NvmlApi api);
    }

    private static final int MOST_LEASES = 256;
    /** Threads begin their search for a free lease at one of so many places, so that they seldom meet. */
    private static final int LEASE_STARTS = 16;

    private static final long POLL_NANOS = TimeUnit.MILLISECONDS.toNanos(1);
    private static final Duration SHORTEST_SHUTDOWN = Duration.ofSeconds(1);

    private static final AtomicLong GENERATIONS = new AtomicLong();
    /** Sessions whose library is mapped. They must not be collected, since native calls may be writing to their memory. */
    private static final Set<NvmlSession> MAPPED = ConcurrentHashMap.newKeySet();

    private final MappedLibrary library;
    private final NvmlApi api;
    private final long generation;
    private final AtomicReferenceArray<@Nullable Lease> leases = new AtomicReferenceArray<>(MOST_LEASES);
    private final Set<Resource> resources = ConcurrentHashMap.newKeySet();
    private final ReentrantLock closeLock = new ReentrantLock();
    private final Condition leaseReleased = closeLock.newCondition();

    private volatile boolean closing;
    private @Nullable CloseOutcome outcome;
    private volatile boolean unmapped;

    private NvmlSession(MappedLibrary library) {
        this.library = library;
        this.api = library.api();
        this.generation = GENERATIONS.incrementAndGet();
    }

    /**
     * Opens and initialises a library. Blocks for as long as the driver does.
     *
     * @param path an absolute path
     */
    public static NvmlSession open(Path path) throws NvmlOpenException {
        LibraryFile.check(path);
        MappedLibrary library;
        try {
            library = MappedLibrary.open(path);
        } catch (MappedLibrary.MissingEntryPointException e) {
            throw LibraryFile.notNvml(path, e);
        } catch (IOException e) {
            throw LibraryFile.refused(
                    Reason.LOAD_FAILED,
                    path,
                    "The dynamic linker refused the NVML library " + path + " (" + e.getMessage()
                            + "); install what it names, or allow executing files from that file system.",
                    e);
        }
        int code = library.api().nvmlInit();
        if (code != NvmlReturn.SUCCESS.code()) {
            String function = String.valueOf(library.symbol(NvmlFunction.nvmlInit));
            library.close();
            throw initFailed(path, function, code);
        }
        NvmlSession session = new NvmlSession(library);
        MAPPED.add(session);
        return session;
    }

    private static NvmlOpenException initFailed(Path path, String function, int code) {
        NvmlReturn known = NvmlReturn.of(code);
        Reason reason;
        String next;
        if (known == NvmlReturn.DRIVER_NOT_LOADED) {
            reason = Reason.DRIVER_NOT_LOADED;
            next =
                    "the NVIDIA kernel module is not loaded; load it (modprobe nvidia) and see the kernel log if that fails";
        } else if (known == NvmlReturn.LIB_RM_VERSION_MISMATCH) {
            reason = Reason.DRIVER_LIBRARY_MISMATCH;
            next = "the kernel module in use is of another release than this library;"
                    + " reload the module or restart the machine, or install the module's own libraries";
        } else {
            reason = Reason.INIT_FAILED;
            next = "see the kernel log for lines of the NVIDIA driver (NVRM)";
        }
        return new NvmlOpenException(
                reason,
                path,
                code,
                "The NVML library " + path + " answered " + NvmlReturn.nameOf(code) + " (" + code + ") to " + function
                        + ": " + next + ".",
                null);
    }

    /** The calls. Only with a lease, and only functions that the library {@link #has}. */
    public NvmlApi api() {
        return api;
    }

    /** Counts the sessions of this process, from 1. */
    public long generation() {
        return generation;
    }

    /** The path that it was opened by. */
    public Path path() {
        return library.path();
    }

    /** Whether the library has a symbol for this function. */
    public boolean has(NvmlFunction function) {
        return library.has(function);
    }

    /** The symbol that serves a function; null when there is none. */
    public @Nullable String symbol(NvmlFunction function) {
        return library.symbol(function);
    }

    /** For each function that has several symbols and at least one here, the one in use. */
    public Map<String, String> variants() {
        Map<String, String> variants = new LinkedHashMap<>();
        for (NvmlFunction function : NvmlFunction.values()) {
            String symbol = library.symbol(function);
            if (symbol != null && !function.symbols().equals(List.of(function.name()))) {
                variants.put(function.name(), symbol);
            }
        }
        return variants;
    }

    /** The symbols that the binding knows and the library lacks. Not after close. */
    public SortedSet<String> absentSymbols() {
        return library.absentSymbols();
    }

    /** Whether new calls are refused. */
    public boolean isClosed() {
        return closing;
    }

    /**
     * Takes a lease. The caller releases it in a {@code finally}.
     *
     * @return null when the session is closed, or when {@value #MOST_LEASES} calls are in flight
     */
    public @Nullable Lease lease() {
        if (closing) {
            return null;
        }
        Lease lease = free();
        // Taken first and asked again: either close() sees this lease as held, or this thread sees that it is closing.
        if (lease != null && closing) {
            lease.release();
            return null;
        }
        return lease;
    }

    private @Nullable Lease free() {
        int start = (int) Thread.currentThread().threadId() & (LEASE_STARTS - 1);
        for (int i = 0; i < MOST_LEASES; i++) {
            int place = (start + i) % MOST_LEASES;
            Lease lease = leases.get(place);
            if (lease == null) {
                Lease created = new Lease(this);
                if (leases.compareAndSet(place, null, created)) {
                    return created;
                }
                created.memory().close();
            } else if (lease.tryHold()) {
                return lease;
            }
        }
        return null;
    }

    /** A lease came back; only a closing session cares. */
    void released() {
        if (closing) {
            closeLock.lock();
            try {
                leaseReleased.signal();
            } finally {
                closeLock.unlock();
            }
        }
    }

    /** Keeps a native object until it is freed by its owner or, failing that, by {@link #close}. */
    public void keep(Resource resource) {
        resources.add(resource);
    }

    /** The owner, holding a lease, is about to free it. False when that was done before. */
    public boolean forget(Resource resource) {
        return resources.remove(resource);
    }

    /** Whether it is still to be freed. */
    public boolean isKept(Resource resource) {
        return resources.contains(resource);
    }

    /** Whether the file is out of the process's memory; a library can insist on staying. False until closed. */
    public boolean isUnmapped() {
        return unmapped;
    }

    /**
     * Closes the session, once; a second close gives the first one's answer.
     *
     * @param limit how long to wait for leases; {@code nvmlShutdown} itself gets as long again, and at least one second
     */
    public CloseOutcome close(Duration limit) {
        closeLock.lock();
        try {
            if (outcome == null) {
                closing = true;
                outcome = drain(limit.toNanos()) && shutDown(limit) ? CloseOutcome.CLOSED : CloseOutcome.WEDGED;
                if (outcome == CloseOutcome.CLOSED) {
                    unmapped = library.close();
                    freeMemory();
                    MAPPED.remove(this);
                }
            }
            return outcome;
        } finally {
            closeLock.unlock();
        }
    }

    private boolean drain(long nanos) {
        boolean interrupted = false;
        long left = nanos;
        while (anyHeld()) {
            if (left <= 0) {
                break;
            }
            long slice = Math.min(left, POLL_NANOS);
            try {
                // A release may pass unseen between the look and the wait: hence the short slices.
                left -= slice - leaseReleased.awaitNanos(slice);
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return !anyHeld();
    }

    private boolean anyHeld() {
        for (int i = 0; i < MOST_LEASES; i++) {
            Lease lease = leases.get(i);
            if (lease != null && lease.isHeld()) {
                return true;
            }
        }
        return false;
    }

    /** Shutting down can hang as any call can, so another thread makes the call and this one waits a bounded time. */
    private boolean shutDown(Duration limit) {
        Thread thread = Thread.ofPlatform()
                .name("nvml-shutdown-" + generation)
                .daemon()
                .start(() -> {
                    resources.forEach(resource -> resource.free(api));
                    resources.clear();
                    api.nvmlShutdown();
                });
        Duration patience = limit.compareTo(SHORTEST_SHUTDOWN) < 0 ? SHORTEST_SHUTDOWN : limit;
        boolean interrupted = false;
        while (true) {
            try {
                boolean ended = thread.join(patience);
                if (interrupted) {
                    Thread.currentThread().interrupt();
                }
                return ended;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
    }

    private void freeMemory() {
        for (int i = 0; i < MOST_LEASES; i++) {
            Lease lease = leases.getAndSet(i, null);
            if (lease != null) {
                lease.memory().close();
            }
        }
    }
}
