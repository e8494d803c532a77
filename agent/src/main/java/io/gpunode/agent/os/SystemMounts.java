package io.gpunode.agent.os;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * {@link Mounts} through {@code mount} and {@code umount}, run where the host's first process is: what is mounted in a unit's or container's own place
 * never reaches the host.
 */
public final class SystemMounts implements Mounts {
    /** A host with a thousand containers has some ten thousand mounts. */
    private static final int TABLE_LIMIT = 16 << 20;

    private static final int OUTPUT_LIMIT = 4 << 10;
    /** Ids, device, root, point, options; then optional fields up to a dash, type, source and the file system's options. */
    private static final int FIXED_FIELDS = 6;

    private static final Duration LIMIT = Duration.ofSeconds(30);

    private final CommandRunner commands;
    private final HostFiles own;
    private final HostFiles host;
    private final HostNamespace namespace;

    /**
     * @param own files as this process sees them
     * @param host where it sees host paths
     */
    public SystemMounts(CommandRunner commands, HostFiles own, HostFiles host) {
        this(commands, own, host, new HostNamespace(own));
    }

    SystemMounts(CommandRunner commands, HostFiles own, HostFiles host, HostNamespace namespace) {
        this.commands = commands;
        this.own = own;
        this.host = host;
        this.namespace = namespace;
    }

    @Override
    public List<Mount> all() throws IOException {
        Path table = namespace.mountTable();
        String text = own.readText(table, TABLE_LIMIT).orElseThrow(() -> new IOException("there is no " + table));
        // Without a place of its own to enter, host paths are seen below a directory; what is mounted elsewhere is
        // nobody's business.
        Path prefix = namespace.apart() ? Path.of("/") : host.resolve(Path.of("/"));
        return parse(text, prefix);
    }

    /** Lines that do not look like a mount are passed over; so is what lies outside of the prefix. */
    static List<Mount> parse(String text, Path prefix) {
        List<Mount> mounts = new ArrayList<>();
        for (String line : text.split("\n", -1)) {
            Mount mount = mount(line, prefix);
            if (mount != null) {
                mounts.add(mount);
            }
        }
        return mounts;
    }

    private static @Nullable Mount mount(String line, Path prefix) {
        String[] fields = line.split(" ", -1);
        int dash = FIXED_FIELDS;
        boolean shared = false;
        while (dash < fields.length && !fields[dash].equals("-")) {
            shared |= fields[dash].startsWith("shared:");
            dash++;
        }
        if (dash + 2 >= fields.length) {
            return null;
        }
        try {
            Path point = Path.of(unescaped(fields[4]));
            if (!point.startsWith(prefix)) {
                return null;
            }
            return new Mount(
                    Long.parseLong(fields[0]),
                    Long.parseLong(fields[1]),
                    fields[2],
                    Path.of(unescaped(fields[3])),
                    Path.of("/").resolve(prefix.relativize(point)),
                    shared,
                    fields[dash + 1],
                    unescaped(fields[dash + 2]));
        } catch (IllegalArgumentException e) {
            return null;
        }
    }

    /** The kernel writes blanks and backslashes in names as {@code \ooo}, of each byte. */
    private static String unescaped(String text) {
        if (text.indexOf('\\') < 0) {
            return text;
        }
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        int length = 0;
        for (int i = 0; i < bytes.length; i++) {
            int value = bytes[i] == '\\' ? octal(bytes, i + 1) : -1;
            bytes[length++] = value < 0 ? bytes[i] : (byte) value;
            i += value < 0 ? 0 : 3;
        }
        return new String(bytes, 0, length, StandardCharsets.UTF_8);
    }

    private static int octal(byte[] bytes, int at) {
        int value = 0;
        for (int i = at; i < at + 3; i++) {
            int digit = i < bytes.length ? bytes[i] - '0' : -1;
            if (digit < 0 || digit > 7) {
                return -1;
            }
            value = 8 * value + digit;
        }
        return value <= 0xff ? value : -1;
    }

    @Override
    public Mount bind(Path hostDirectory, Path hostPoint) throws IOException, InterruptedException {
        run("mount", "--bind", seen(hostDirectory), seen(hostPoint));
        List<Mount> stack = at(hostPoint);
        if (stack.isEmpty()) {
            throw new IOException(hostPoint + " is mounted and not to be seen: it may have been taken away again");
        }
        return stack.getLast();
    }

    @Override
    public Mount bindApart(Path hostDirectory, Path hostPoint) throws IOException, InterruptedException {
        String directory = seen(hostDirectory);
        // A mount of its own that is shared with nobody: a copy of it begins a new circle of those who see the same.
        run("mount", "--bind", directory, directory);
        try {
            run("mount", "--make-private", directory);
            return bind(hostDirectory, hostPoint);
        } finally {
            run("umount", directory);
        }
    }

    @Override
    public void unmount(Mount mount, boolean lazily) throws IOException, InterruptedException {
        List<Mount> stack = at(mount.point());
        if (stack.isEmpty()) {
            return;
        }
        Mount top = stack.getLast();
        if (top.id() != mount.id() || !top.sameTree(mount)) {
            throw new IOException("what is seen at " + mount.point() + " is " + top + ", not " + mount);
        }
        List<String> command = new ArrayList<>(List.of("umount"));
        if (lazily) {
            command.add("--lazy");
        }
        command.add(seen(mount.point()));
        run(command.toArray(new String[0]));
        Optional<Mount> left = find(mount.id())
                .filter(mount::sameTree)
                .filter(now -> now.point().equals(mount.point()));
        if (left.isPresent()) {
            throw new IOException(
                    mount + " is still there: something else came on top of it and was taken away instead");
        }
    }

    /** How the program sees a host path. */
    private String seen(Path hostPath) {
        return (namespace.apart() ? hostPath : host.resolve(hostPath)).toString();
    }

    private void run(String... command) throws IOException, InterruptedException {
        CommandRunner.Result result = commands.run(namespace.enter(List.of(command)), LIMIT, OUTPUT_LIMIT);
        if (result.ok()) {
            return;
        }
        String error = result.error().strip();
        String whole = String.join(" ", command);
        if (result.timedOut()) {
            throw new IOException(whole + " has not ended in " + LIMIT.toSeconds() + " s");
        }
        String lower = error.toLowerCase(Locale.ROOT);
        if (lower.contains("busy")) {
            throw new BusyException(error);
        }
        if (lower.contains("permission denied")
                || lower.contains("must be superuser")
                || lower.contains("not permitted")) {
            throw new AccessDeniedException(whole, null, error);
        }
        throw new IOException(whole + ": " + (error.isEmpty() ? "status " + result.status() : error));
    }
}
