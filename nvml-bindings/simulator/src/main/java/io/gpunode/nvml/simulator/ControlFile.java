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
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/**
 * Controls a simulated NVML in another process, through files beside the library: {@code nvmlsim.control} carries rules there,
 * {@code nvmlsim.ack} an acknowledgement back. Rules reach a process that has NVML initialised at once, also when its only call waits
 * for events; a process that has not reads them at its next init.
 *
 * <p>Every accepted rule that describes a state stays in the file until another replaces it, so a process that is restarted meets the
 * node as rules left it; events and other things that happen once are not repeated for it.
 */
public final class ControlFile implements SimulatorControl {
    /** Directives that change no state; once acknowledged they need not be kept for a process that starts later. */
    private static final Set<String> ONCE = Set.of("event", "release", "counters", "time", "report");

    private static final int MOST_WAKES = 10_000;

    private final Path driverRoot;
    private final Path library;
    private final SimulatedProfile profile;
    private final Duration bound;
    private final List<Section> kept = new ArrayList<>();
    private long generation;
    private boolean closed;

    /**
     * Rules that went out together.
     *
     * @param keys what each line decides, for example the workload of one GPU; empty when a line decides something that a later one
     *     of its kind does not replace
     */
    private record Section(long generation, String rules, Set<String> keys) {
        static Section of(long generation, String rules) {
            Set<String> keys = new HashSet<>();
            for (String line : lines(rules)) {
                String key = key(line);
                if (key.isEmpty()) {
                    return new Section(generation, rules, Set.of());
                }
                keys.add(key);
            }
            return new Section(generation, rules, Set.copyOf(keys));
        }

        private static String key(String line) {
            String[] words = line.split("\\s+", -1);
            return switch (words[0]) {
                case "fault" -> words.length > 1 ? "fault " + words[1] : "";
                case "workload" ->
                    Arrays.stream(words)
                            .filter(word -> word.startsWith("gpu=") || word.startsWith("mig="))
                            .sorted()
                            .collect(Collectors.joining(" ", "workload ", ""));
                case "set" ->
                    Arrays.stream(words)
                            .map(word -> word.startsWith("gpu=") ? word : word.replaceFirst("=.*", ""))
                            .sorted()
                            .collect(Collectors.joining(" "));
                default -> "";
            };
        }

        boolean replacedBy(Section later) {
            return generation < later.generation && !keys.isEmpty() && later.keys.containsAll(keys);
        }

        boolean onlyOnce() {
            return lines(rules).stream().allMatch(line -> ONCE.contains(line.split("\\s", 2)[0]));
        }

        private static List<String> lines(String rules) {
            return rules.replace("\\\n", " ")
                    .lines()
                    .map(String::strip)
                    .filter(line -> !line.isEmpty() && !line.startsWith("#"))
                    .toList();
        }
    }

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
        keep(Section.of(++generation, rules));
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
        keep(Section.of(
                ++generation, "release all")); // whoever hangs must get out; nobody may be there to acknowledge it
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
            Section section = Section.of(++generation, rules);
            keep(section);
            List<String> answer = await(watcher); // without an answer the rules stay for a process that comes later
            if (answer.get(1).startsWith("error ")) {
                kept.remove(section);
                write();
                throw new IllegalArgumentException(answer.get(1).substring("error ".length()));
            }
            if (section.onlyOnce()) {
                kept.remove(section);
            } else {
                kept.removeIf(earlier -> earlier.replacedBy(section));
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

    private void keep(Section section) {
        kept.add(section);
        write();
    }

    private void write() {
        StringBuilder text = new StringBuilder();
        for (Section section : kept) {
            text.append("generation ")
                    .append(section.generation())
                    .append('\n')
                    .append(section.rules().strip())
                    .append('\n');
        }
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

    private void checkOpen() {
        if (closed) {
            throw new IllegalStateException("control of " + library + " has been closed");
        }
    }
}
