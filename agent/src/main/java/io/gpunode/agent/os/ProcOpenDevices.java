package io.gpunode.agent.os;

import com.sun.jna.LastErrorException;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * {@link OpenDevices} by procfs (proc(5)): {@code /proc/<pid>/fd}, {@code …/task/<tid>/fd} of threads with descriptors of their own, and {@code …/maps} with
 * {@code …/map_files}. Following a link of {@code fd} leads to the open file itself and not to what its name means here, so device numbers are compared and
 * never names.
 *
 * <p>Reading the mappings of a process that hangs in the kernel may hang as well. So the look is a thread's of its own, which is left behind when a single
 * process holds it up; that process is named, and the look goes on with the next one.
 */
public final class ProcOpenDevices implements OpenDevices {
    /** What one process may take. */
    private static final Duration PATIENCE = Duration.ofSeconds(2);

    private static final int WATCH_MILLIS = 50;
    /** Threads that may be left behind in the kernel by one look. */
    private static final int MOST_LEFT_BEHIND = 4;

    private static final int MOST_SUSPECTS = 64;
    /** Tables of descriptors within one process that are told apart. */
    private static final int MOST_TABLES = 64;

    private static final String DELETED = " (deleted)";
    private static final int TYPE = 0170000;
    private static final int CHARACTER_DEVICE = 0020000;

    private static final long KCMP_FILES = 2;
    private static final long KCMP = "aarch64".equals(System.getProperty("os.arch")) ? 272 : 312;

    private final HostFiles own;
    private final Processes processes;
    private final Path proc;
    private final MonotonicClock clock;

    /** @param own files as this process sees them: pids are those of its own namespace */
    public ProcOpenDevices(HostFiles own, MonotonicClock clock) {
        this.own = own;
        this.processes = new Processes(own);
        this.proc = own.resolve(Path.of("/proc"));
        this.clock = clock;
    }

    @Override
    public Look look(Wanted wanted) {
        List<String> blind = new ArrayList<>();
        int[] pids = pids(blind);
        List<DeviceHolder> holders = new ArrayList<>();
        int descriptors = 0;
        int refused = 0;
        int next = 0;
        int leftBehind = 0;
        while (next < pids.length && leftBehind < MOST_LEFT_BEHIND) {
            Walk walk = new Walk(pids, next, wanted);
            boolean ended = walk.await();
            synchronized (walk) {
                holders.addAll(walk.holders);
                descriptors += walk.descriptors;
                refused += walk.refused;
                next = walk.at + (ended ? 0 : 1);
            }
            if (!ended) {
                leftBehind++;
                blind.add("process " + pids[next - 1]
                        + " holds up who reads its mappings, and was passed over: it hangs in the kernel");
            }
        }
        if (next < pids.length) {
            blind.add((pids.length - next) + " processes were not looked at: too many hang in the kernel");
        }
        if (refused > 0) {
            blind.add(refused + (refused == 1 ? " process" : " processes")
                    + " may not be looked at: run as root with CAP_SYS_PTRACE");
        }
        limits(blind);
        return new Look(holders, next, descriptors, blind);
    }

    /** What hides whole processes. */
    private void limits(List<String> blind) {
        if (processes.seesAll().filter(all -> !all).isPresent()) {
            blind.add(
                    "this process sees the processes of its own container only: run on the host, or in a pod with hostPID");
        }
        try {
            for (String line : own.readText(Path.of("/proc/self/mountinfo"), 1 << 20)
                    .orElse("")
                    .split("\n", -1)) {
                String[] fields = line.split(" ", 6);
                if (fields.length == 6
                        && fields[4].equals("/proc")
                        && line.contains("hidepid=")
                        && !line.contains("hidepid=0")
                        && !line.contains("hidepid=off")
                        && !isRoot()) {
                    blind.add("/proc is mounted with hidepid: processes of other users are not seen; run as root");
                }
            }
        } catch (IOException e) {
            // Then nothing is known to be hidden.
        }
    }

    private boolean isRoot() {
        try {
            return Integer.valueOf(0).equals(Files.getAttribute(proc.resolve("self"), "unix:uid"));
        } catch (IOException | UnsupportedOperationException e) {
            return false;
        }
    }

    private int[] pids(List<String> blind) {
        int[] pids = new int[256];
        int count = 0;
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(proc)) {
            for (Path entry : entries) {
                int pid = number(entry.getFileName().toString());
                if (pid > 0) {
                    pids = count == pids.length ? Arrays.copyOf(pids, 2 * count) : pids;
                    pids[count++] = pid;
                }
            }
        } catch (IOException | DirectoryIteratorException e) {
            blind.add(proc + " cannot be listed: " + e.getMessage());
        }
        int[] found = Arrays.copyOf(pids, count);
        Arrays.sort(found);
        return found;
    }

    /** One thread's way through the processes. */
    private final class Walk {
        private final int[] pids;
        private final Wanted wanted;
        private final CountDownLatch done = new CountDownLatch(1);
        private final List<DeviceHolder> holders = new ArrayList<>();
        private int descriptors;
        private int refused;
        private int at;
        private boolean abandoned;
        private Tick since = clock.now();

        Walk(int[] pids, int begin, Wanted wanted) {
            this.pids = pids;
            this.at = begin;
            this.wanted = wanted;
        }

        /** Whether it came to its end; else it is left behind with the process that it is {@link #at}. */
        boolean await() {
            Thread.ofPlatform().daemon().name("open-devices").start(this::run);
            boolean interrupted = false;
            try {
                while (true) {
                    try {
                        if (done.await(WATCH_MILLIS, TimeUnit.MILLISECONDS)) {
                            return true;
                        }
                    } catch (InterruptedException e) {
                        // The answer is complete within a bound, and whoever interrupts waits for it.
                        interrupted = true;
                    }
                    synchronized (this) {
                        if (clock.now().since(since).compareTo(PATIENCE) > 0) {
                            abandoned = true;
                            return false;
                        }
                    }
                }
            } finally {
                if (interrupted) {
                    Thread.currentThread().interrupt();
                }
            }
        }

        private void run() {
            try {
                while (true) {
                    int pid;
                    synchronized (this) {
                        if (abandoned || at == pids.length) {
                            return;
                        }
                        pid = pids[at];
                        since = clock.now();
                    }
                    Devices devices = new Devices(pid, wanted);
                    Optional<DeviceHolder> holder = devices.find();
                    synchronized (this) {
                        if (abandoned) {
                            return;
                        }
                        holder.ifPresent(holders::add);
                        descriptors += devices.descriptors;
                        refused += devices.refused ? 1 : 0;
                        at++;
                    }
                }
            } finally {
                done.countDown();
            }
        }
    }

    /** What one process has open. */
    private final class Devices {
        private final int pid;
        private final Path directory;
        private final Wanted wanted;
        /** By number, descriptors before mappings. */
        private final Map<Long, Integer> counts = new TreeMap<>();

        private int descriptors;
        private boolean refused;

        Devices(int pid, Wanted wanted) {
            this.pid = pid;
            this.directory = proc.resolve(Integer.toString(pid));
            this.wanted = wanted;
        }

        Optional<DeviceHolder> find() {
            for (int tid : tables()) {
                descriptorsOf(
                        directory.resolve("task").resolve(Integer.toString(tid)).resolve("fd"));
            }
            mappings();
            if (counts.isEmpty()) {
                return Optional.empty();
            }
            List<OpenDevice> devices = new ArrayList<>();
            counts.forEach((key, count) -> devices.add(
                    new OpenDevice((int) (key >> 33), (int) ((key >> 1) & 0xffffffffL), (key & 1) != 0, count)));
            return processes.see(pid).map(process -> new DeviceHolder(process, devices));
        }

        /** One thread of each table of descriptors; nearly always all threads share one. */
        private List<Integer> tables() {
            List<Integer> tables = new ArrayList<>();
            tables.add(pid);
            try (DirectoryStream<Path> tasks = Files.newDirectoryStream(directory.resolve("task"))) {
                for (Path task : tasks) {
                    int tid = number(task.getFileName().toString());
                    if (tid > 0 && tid != pid && tables.size() < MOST_TABLES && isOwnTable(tables, tid)) {
                        tables.add(tid);
                    }
                }
            } catch (AccessDeniedException e) {
                refused = true;
            } catch (IOException | DirectoryIteratorException e) {
                // It ended.
            }
            return tables;
        }

        private boolean isOwnTable(List<Integer> tables, int tid) {
            for (int known : tables) {
                if (sameFiles(known, tid)) {
                    return false;
                }
            }
            return true;
        }

        private void descriptorsOf(Path fds) {
            try (DirectoryStream<Path> entries = Files.newDirectoryStream(fds)) {
                for (Path entry : entries) {
                    descriptors++;
                    device(entry, false);
                }
            } catch (AccessDeniedException e) {
                refused = true;
            } catch (IOException | DirectoryIteratorException e) {
                // It ended.
            }
        }

        /** @return whether it could be looked at */
        private boolean device(Path link, boolean mapped) {
            try {
                // Zero for everything but devices: most descriptors are done with one call.
                long number = (Long) Files.getAttribute(link, "unix:rdev");
                if (number != 0) {
                    int major = (int) (((number >> 8) & 0xfff) | ((number >> 32) & 0xfffff000L));
                    int minor = (int) ((number & 0xff) | ((number >> 12) & 0xffffff00L));
                    if (wanted.wants(major, minor)
                            && ((Integer) Files.getAttribute(link, "unix:mode") & TYPE) == CHARACTER_DEVICE) {
                        count(major, minor, mapped);
                    }
                }
                return true;
            } catch (IOException e) {
                // Closed meanwhile, or not to be looked at: the directory's refusal has said that.
                return false;
            }
        }

        private void count(int major, int minor, boolean mapped) {
            counts.merge(((long) major << 33) | ((long) minor << 1) | (mapped ? 1 : 0), 1, Integer::sum);
        }

        /**
         * Of all mappings those are looked at that can be a device's: shared ones of a file, and those whose name sounds like a device.
         */
        private void mappings() {
            Map<Long, Integer> open = new TreeMap<>(counts);
            try (BufferedReader lines =
                    Files.newBufferedReader(directory.resolve("maps"), StandardCharsets.ISO_8859_1)) {
                for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                    int path = line.indexOf('/');
                    if (path > 0 && mayBeDevice(line, path)) {
                        if (!device(directory.resolve("map_files").resolve(mapFile(line)), true)) {
                            device(inRoot(line.substring(path)), true);
                        }
                    }
                }
            } catch (AccessDeniedException e) {
                refused = true;
            } catch (IOException e) {
                // It ended.
            }
            // What has a descriptor, too, is told once.
            counts.keySet().removeIf(key -> (key & 1) != 0 && open.containsKey(key & ~1L));
        }

        /** {@code 7f2a4c000000-7f2a4c001000 rw-s 00000000 00:06 412   /dev/nvidiactl}. */
        private static boolean mayBeDevice(String line, int path) {
            int permissions = line.indexOf(' ') + 1;
            return (permissions + 3 < line.length() && line.charAt(permissions + 3) == 's')
                    || line.startsWith("/dev/", path)
                    || line.indexOf("nvidia", path) >= 0;
        }

        /** By its name in the process's own root: where {@code map_files} is missing (kernels before 4.3) or not to be looked at. */
        private Path inRoot(String path) {
            String name = path.endsWith(DELETED) ? path.substring(0, path.length() - DELETED.length()) : path;
            return directory.resolve("root" + name);
        }

        /** The name of the link; {@code maps} writes addresses with leading zeros, and {@code map_files} without. */
        private static String mapFile(String line) {
            int hyphen = line.indexOf('-');
            int blank = line.indexOf(' ');
            return withoutZeros(line, 0, hyphen) + "-" + withoutZeros(line, hyphen + 1, blank);
        }

        private static String withoutZeros(String line, int begin, int end) {
            int at = begin;
            while (at < end - 1 && line.charAt(at) == '0') {
                at++;
            }
            return line.substring(at, end);
        }
    }

    /** Whether two threads share their descriptors; not so where the kernel does not tell, which only costs time. */
    private static boolean sameFiles(int first, int second) {
        try {
            return LibC.syscall(KCMP, first, second, KCMP_FILES, 0, 0) == 0;
        } catch (LastErrorException e) {
            return false;
        }
    }

    @Override
    public List<Suspect> suspects() {
        List<Suspect> suspects = new ArrayList<>();
        for (int pid : pids(new ArrayList<>())) {
            if (suspects.size() < MOST_SUSPECTS) {
                Optional<String> why = why(pid);
                if (why.isPresent()) {
                    processes.see(pid).ifPresent(process -> suspects.add(new Suspect(process, why.get())));
                }
            }
        }
        return Collections.unmodifiableList(suspects);
    }

    private Optional<String> why(int pid) {
        String state = processes.state(pid).orElse("");
        switch (state) {
            case "Z", "X" -> {
                return Optional.of(
                        "it has ended and is not yet gone (zombie): files that its end still closes stay open");
            }
            case "D" -> {
                return Optional.of("it is in uninterruptible sleep" + waitChannel(pid));
            }
            default -> {}
        }
        try (DirectoryStream<Path> entries =
                Files.newDirectoryStream(proc.resolve(Integer.toString(pid)).resolve("fd"))) {
            for (Path entry : entries) {
                String target = Files.readSymbolicLink(entry).toString();
                if (target.contains("dmabuf")) {
                    return Optional.of("it has a shared buffer (dma-buf)" + exporter(pid, entry));
                }
                if (target.contains("[io_uring]")) {
                    return Optional.of("it has an io_uring, in which files can be registered");
                }
            }
        } catch (IOException | DirectoryIteratorException e) {
            // It ended, or is not to be looked at.
        }
        return Optional.empty();
    }

    private String waitChannel(int pid) {
        String channel = processes.small(pid, "wchan").orElse("").strip();
        return channel.isEmpty() || channel.equals("0") ? "" : " in " + channel;
    }

    private String exporter(int pid, Path entry) {
        for (String line :
                processes.small(pid, "fdinfo/" + entry.getFileName()).orElse("").split("\n", -1)) {
            if (line.toLowerCase(Locale.ROOT).startsWith("exp_name:")) {
                return " of " + line.substring(line.indexOf(':') + 1).strip();
            }
        }
        return "";
    }

    private static int number(String text) {
        if (text.isEmpty() || text.length() > 9) {
            return -1;
        }
        int number = 0;
        for (int i = 0; i < text.length(); i++) {
            char digit = text.charAt(i);
            if (digit < '0' || digit > '9') {
                return -1;
            }
            number = 10 * number + (digit - '0');
        }
        return number;
    }
}
