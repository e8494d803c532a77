package io.gpunode.nvml.simulator;

import com.sun.jna.Function;
import com.sun.jna.Library;
import com.sun.jna.NativeLibrary;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/**
 * Controls a simulated NVML that is loaded in this very process.
 *
 * <p>It maps the library and keeps it mapped until {@link #close()}: whoever wants to see the library unmapped, replaced or mapped
 * anew uses {@link ControlFile} instead. The state belongs to the file, so the code under test must load {@link #library()} by its
 * absolute path.
 */
public final class NvmlSimulator implements SimulatorControl {
    /** RTLD_LAZY without RTLD_GLOBAL: several simulators in one process must not see each other's symbols. */
    private static final int LAZY_AND_LOCAL = 1;

    private static final int MOST_TEXT = 4 << 20;

    private final Path driverRoot;
    private final Path library;
    private final SimulatedProfile profile;
    private final NativeLibrary loaded;
    private boolean closed;

    private NvmlSimulator(Path driverRoot, Path library, SimulatedProfile profile) {
        this.driverRoot = driverRoot;
        this.library = library;
        this.profile = profile;
        this.loaded = NativeLibrary.getInstance(library.toString(), Map.of(Library.OPTION_OPEN_FLAGS, LAZY_AND_LOCAL));
    }

    /**
     * Installs the library with a profile below a driver root.
     *
     * @param driverRoot need not exist yet
     * @param profile one of {@link #profiles()}
     * @throws IllegalArgumentException when there is no such profile
     * @throws java.io.UncheckedIOException when the driver root cannot be written
     */
    public static NvmlSimulator install(Path driverRoot, String profile) {
        return install(driverRoot, SimulatedProfile.named(profile));
    }

    /** Installs the library with any profile, for example one from {@link SimulatedProfile#parse}. */
    public static NvmlSimulator install(Path driverRoot, SimulatedProfile profile) {
        return new NvmlSimulator(driverRoot, SimulatedDriver.install(driverRoot, profile), profile);
    }

    /** The names of the profiles that come with the simulator. */
    public static List<String> profiles() {
        return SimulatedProfile.names();
    }

    /**
     * The layouts of NVML's structures as this machine's C compiler sees them, one {@code structure field offset size} or
     * {@code structure - - size} a line.
     */
    public static String layouts() {
        return SimulatedProfile.resource("layouts.txt");
    }

    @Override
    public Path library() {
        return library;
    }

    @Override
    public Path driverRoot() {
        return driverRoot;
    }

    @Override
    public SimulatedProfile profile() {
        return profile;
    }

    @Override
    public void apply(String rules) {
        byte[] error = new byte[512];
        int refused = function("nvmlsim_apply").invokeInt(new Object[] {rules, error, error.length});
        if (refused != 0) {
            throw new IllegalArgumentException(text(error));
        }
    }

    @Override
    public void releaseHangs() {
        function("nvmlsim_release_hangs").invokeVoid(new Object[0]);
    }

    /** How often a function was called, whatever it answered. */
    public long calls(String function) {
        return count(function("nvmlsim_calls").invokeLong(new Object[] {function}), function);
    }

    /** How often a function was called for one GPU or one of its MIG devices. */
    public long calls(String function, int gpu) {
        return count(function("nvmlsim_gpu_calls").invokeLong(new Object[] {function, gpu}), function);
    }

    public long totalCalls() {
        return function("nvmlsim_calls").invokeLong(new Object[] {null});
    }

    /** The most calls that were in the library at the same time. */
    public int maxInFlight() {
        return function("nvmlsim_max_in_flight").invokeInt(new Object[0]);
    }

    /** Inits less shutdowns. */
    public int initCount() {
        return function("nvmlsim_init_count").invokeInt(new Object[0]);
    }

    /**
     * Waits until so many calls hang in fault rules.
     *
     * @throws IllegalStateException when the bound has passed before
     */
    public void awaitHung(int calls, Duration bound) {
        if (function("nvmlsim_await_hung").invokeInt(new Object[] {calls, milliseconds(bound)}) != 1) {
            throw new IllegalStateException(
                    "fewer than " + calls + " calls hang after " + bound + "; last calls:\n" + trace());
        }
    }

    /**
     * Waits until a function has been called so often since the start or {@link #forget()}.
     *
     * @throws IllegalStateException when the bound has passed before
     */
    public void awaitCalls(String function, long calls, Duration bound) {
        int reached = function("nvmlsim_await_calls").invokeInt(new Object[] {function, calls, milliseconds(bound)});
        if (reached < 0) {
            throw new IllegalArgumentException("NVML has no function " + function);
        }
        if (reached == 0) {
            throw new IllegalStateException(function + " was called " + calls(function) + " times, not " + calls
                    + ", after " + bound + "; last calls:\n" + trace());
        }
    }

    /** The last calls, oldest first, one a line: seconds of the monotonic clock, function, GPU, result. */
    public String trace() {
        return textOf("nvmlsim_trace");
    }

    /** Counts, open event sets and samples, violations, as text. */
    public String report() {
        return textOf("nvmlsim_report");
    }

    @Override
    public List<String> violations() {
        return textOf("nvmlsim_violations").lines().toList();
    }

    /** Moves the simulated time forward, for workloads and counters; waits go on by the real clock. */
    public void advance(Duration by) {
        apply("time advance=" + by.toMillis() + "ms");
    }

    /** Forgets counts, trace and violations. */
    public void forget() {
        function("nvmlsim_forget").invokeVoid(new Object[0]);
    }

    @Override
    public synchronized void close() {
        if (closed) {
            return;
        }
        releaseHangs();
        List<String> violations = violations();
        int inits = initCount();
        closed = true;
        loaded.close();
        if (!violations.isEmpty() || inits != 0) {
            throw new IllegalStateException("the simulated NVML was misused"
                    + (inits == 0 ? "" : "; inits without shutdown: " + inits)
                    + (violations.isEmpty() ? "" : "; violations: " + String.join("; ", violations)));
        }
    }

    private synchronized Function function(String name) {
        if (closed) {
            throw new IllegalStateException("the simulator at " + library + " has been closed");
        }
        return loaded.getFunction(name);
    }

    private String textOf(String name) {
        byte[] buffer = new byte[65536];
        while (true) {
            int needed = function(name).invokeInt(new Object[] {buffer, buffer.length});
            if (needed < buffer.length || buffer.length >= MOST_TEXT) {
                return text(buffer);
            }
            buffer = new byte[Math.min(MOST_TEXT, needed * 2)];
        }
    }

    private static String text(byte[] buffer) {
        int length = 0;
        while (length < buffer.length && buffer[length] != 0) {
            length++;
        }
        return new String(buffer, 0, length, StandardCharsets.UTF_8);
    }

    private static long count(long calls, String function) {
        if (calls == -1) {
            throw new IllegalArgumentException("NVML has no function " + function);
        }
        return calls;
    }

    private static int milliseconds(Duration bound) {
        return (int) Math.min(bound.toMillis(), Integer.MAX_VALUE);
    }
}
