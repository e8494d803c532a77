package io.gpunode.nvml.simulator;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardWatchEventKinds;
import java.nio.file.WatchKey;
import java.nio.file.WatchService;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * Controls a simulated NVML in another process, through files beside the library: {@code nvmlsim.control} carries rules there,
 * {@code nvmlsim.ack} an acknowledgement back. Rules reach a process that has NVML initialised at once, also when its only call waits
 * for events; a process that has not reads them at its next init.
 *
 * <p>Every accepted rule that describes a state stays in the file, so a process that is restarted meets the node as rules left it;
 * events and other things that happen once are not repeated for it.
 */
public final class ControlFile implements SimulatorControl {
    /** Directives that change no state; once acknowledged they need not be kept for a process that starts later. */
    private static final Set<String> ONCE = Set.of("event", "release", "counters", "time", "report");

    private static final int MOST_WAKES = 10_000;

    private final Path driverRoot;
    private final Path library;
    private final SimulatedProfile profile;
    private final Duration bound;
    private final StringBuilder kept = new StringBuilder();
    private long generation;
    private boolean closed;

    private ControlFile(Path driverRoot, Path library, SimulatedProfile profile, Duration bound) {
        this.driverRoot = driverRoot;
        this.library = library;
        this.profile = profile;
        this.bound = bound;
    }

    /**
     * Installs the library with a profile below a driver root, for another process to load.
     *
     * @param bound how long {@link #apply} waits for the other process
     */
    public static ControlFile install(Path driverRoot, String profile, Duration bound) {
        return install(driverRoot, SimulatedProfile.named(profile), bound);
    }

    /** As {@link #install(Path, String, Duration)}, with any profile. */
    public static ControlFile install(Path driverRoot, SimulatedProfile profile, Duration bound) {
        return new ControlFile(driverRoot, SimulatedDriver.install(driverRoot, profile), profile, bound);
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

    /**
     * {@inheritDoc}
     *
     * @throws IllegalStateException when no process acknowledged within the bound: none has the library initialised, or it is stuck.
     *     The rules stay, and apply when one initialises it
     */
    @Override
    public void apply(String rules) {
        applyAndReport(rules);
    }

    /** Leaves rules for the next process that initialises the library, without waiting for anybody. */
    public synchronized void post(String rules) {
        checkOpen();
        generation++;
        kept.append(section(rules));
        write(kept.toString());
    }

    /** Counts, open event sets and samples, and violations of the other process, as text. */
    public String report() {
        return applyAndReport("report");
    }

    @Override
    public void releaseHangs() {
        apply("release all");
    }

    /** {@inheritDoc} From {@code nvmlsim.violations}, each with the name and id of the process that did it. */
    @Override
    public List<String> violations() {
        try {
            return Files.readAllLines(library.resolveSibling("nvmlsim.violations"), StandardCharsets.UTF_8);
        } catch (NoSuchFileException e) {
            return List.of();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read the violations beside " + library, e);
        }
    }

    @Override
    public synchronized void close() {
        if (closed) {
            return;
        }
        closed = true;
        generation++;
        kept.append(section("release all")); // whoever hangs must get out; nobody may be there to acknowledge it
        write(kept.toString());
        List<String> violations = violations();
        if (!violations.isEmpty()) {
            throw new IllegalStateException(
                    "the simulated NVML was misused; violations: " + String.join("; ", violations));
        }
    }

    private synchronized String applyAndReport(String rules) {
        checkOpen();
        Path directory = library.resolveSibling("");
        try (WatchService watcher = directory.getFileSystem().newWatchService()) {
            directory.register(watcher, StandardWatchEventKinds.ENTRY_CREATE, StandardWatchEventKinds.ENTRY_MODIFY);
            generation++;
            int before = kept.length();
            kept.append(section(rules));
            write(kept.toString());
            List<String> answer = await(watcher); // without an answer the rules stay for a process that comes later
            if (answer.get(1).startsWith("error ")) {
                kept.setLength(before);
                write(kept.toString());
                throw new IllegalArgumentException(answer.get(1).substring("error ".length()));
            }
            if (onlyOnce(rules)) {
                kept.setLength(before);
            }
            return String.join("\n", answer.subList(2, answer.size()));
        } catch (IOException e) {
            throw new UncheckedIOException("cannot control the simulated NVML at " + library, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while waiting for the simulated NVML at " + library, e);
        }
    }

    private List<String> await(WatchService watcher) throws IOException, InterruptedException {
        Path file = library.resolveSibling("nvmlsim.ack");
        long deadline = System.nanoTime() + bound.toNanos();
        for (int wakes = 0; wakes < MOST_WAKES; wakes++) {
            List<String> lines = Files.exists(file) ? Files.readAllLines(file, StandardCharsets.UTF_8) : List.of();
            if (lines.size() >= 2 && lines.getFirst().equals("generation " + generation)) {
                return lines;
            }
            WatchKey key = watcher.poll(deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
            if (key == null) {
                break;
            }
            key.pollEvents();
            key.reset();
        }
        throw new IllegalStateException("no process acknowledged rules for " + library + " within " + bound
                + ": is it running, and has it initialised NVML?");
    }

    private String section(String rules) {
        return "generation " + generation + "\n" + rules.strip() + "\n";
    }

    private void write(String text) {
        try {
            Path fresh = Files.createTempFile(library.resolveSibling(""), "nvmlsim", ".part");
            Files.writeString(fresh, text, StandardCharsets.UTF_8);
            Files.move(
                    fresh,
                    library.resolveSibling("nvmlsim.control"),
                    StandardCopyOption.ATOMIC_MOVE,
                    StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write rules beside " + library, e);
        }
    }

    private static boolean onlyOnce(String rules) {
        return rules.lines()
                .map(String::strip)
                .filter(line -> !line.isEmpty() && !line.startsWith("#"))
                .allMatch(line -> ONCE.contains(line.split("\\s", 2)[0]));
    }

    private void checkOpen() {
        if (closed) {
            throw new IllegalStateException("control of " + library + " has been closed");
        }
    }
}
