package io.gpunode.agent.os;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;

/**
 * The process that listens on a TCP port of this machine: the socket's inode from {@code /proc/net/tcp} (the kernel's proc_net_tcp.rst), its owner from the
 * descriptors of all processes. Who has it in another network namespace, as most pods, does not hold the machine's port and is not found.
 *
 * @param pid the first that has the socket open
 * @param program its name as the kernel keeps it, 15 characters at most
 * @param container where it runs
 */
public record PortHolder(int pid, String program, ContainerCgroup container) {
    /** Listening sockets come first in the kernel's list; 150 bytes each. */
    private static final int TABLE_LIMIT = 1 << 20;

    private static final int SMALL = 64 << 10;
    private static final String LISTENING = "0A";
    private static final int STATE = 3;
    private static final int INODE = 9;
    private static final int SHOWN = 12;

    /** Who listens; empty when nobody does, and when this process may not see who (it takes root with {@code CAP_SYS_PTRACE}). Any thread. */
    public static Optional<PortHolder> of(HostFiles files, int port) {
        try {
            Set<String> sockets = sockets(files, port);
            return sockets.isEmpty() ? Optional.empty() : owner(files, sockets);
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    /** Whether somebody listens there, also where it cannot be told who. Any thread. */
    public static boolean taken(HostFiles files, int port) {
        try {
            return !sockets(files, port).isEmpty();
        } catch (IOException e) {
            return false;
        }
    }

    /** For messages: {@code dcgm-exporter (process 4711, container 0123456789ab)}. */
    public String text() {
        String place = container.containerId().isEmpty()
                ? container.podUid().isEmpty() ? "" : ", pod " + container.podUid()
                : ", container "
                        + container
                                .containerId()
                                .substring(
                                        0,
                                        Math.min(SHOWN, container.containerId().length()));
        return program + " (process " + pid + place + ")";
    }

    private static Set<String> sockets(HostFiles files, int port) throws IOException {
        Set<String> sockets = new HashSet<>();
        for (String table : List.of("/proc/net/tcp", "/proc/net/tcp6")) {
            listening(head(files, Path.of(table)), port, sockets);
        }
        return sockets;
    }

    /** Adds {@code socket:[inode]} of each listener. */
    private static void listening(String table, int port, Set<String> sockets) {
        String suffix = ":" + String.format(Locale.ROOT, "%04X", port);
        for (String line : table.split("\n", -1)) {
            String[] fields = line.strip().split("\\s+", -1);
            if (fields.length > INODE && fields[1].endsWith(suffix) && fields[STATE].equals(LISTENING)) {
                sockets.add("socket:[" + fields[INODE] + "]");
            }
        }
    }

    private static Optional<PortHolder> owner(HostFiles files, Set<String> sockets) throws IOException {
        Processes processes = new Processes(files);
        for (String entry : files.list(Path.of("/proc"))) {
            if (!entry.chars().allMatch(Character::isDigit)) {
                continue;
            }
            Path process = Path.of("/proc", entry);
            if (has(files, process.resolve("fd"), sockets)) {
                int pid = Integer.parseInt(entry);
                return Optional.of(new PortHolder(
                        pid,
                        printable(files.readText(process.resolve("comm"), SMALL).orElse("?")),
                        processes.container(pid).orElse(ContainerCgroup.NONE)));
            }
        }
        return Optional.empty();
    }

    private static boolean has(HostFiles files, Path descriptors, Set<String> sockets) {
        try {
            for (String descriptor : files.list(descriptors)) {
                Optional<Path> target = files.linkTarget(descriptors.resolve(descriptor));
                if (target.isPresent() && sockets.contains(target.get().toString())) {
                    return true;
                }
            }
        } catch (IOException e) {
            // It ended, or is not for this process to see.
        }
        return false;
    }

    /** A process calls itself what it likes. */
    private static String printable(String name) {
        return name.replaceAll("[^\\x20-\\x7e]", "?");
    }

    private static String head(HostFiles files, Path table) throws IOException {
        if (!files.exists(table)) {
            return "";
        }
        try (SeekableByteChannel channel = files.open(table)) {
            ByteBuffer buffer = ByteBuffer.allocate(SMALL);
            StringBuilder text = new StringBuilder();
            while (text.length() < TABLE_LIMIT && channel.read(buffer) >= 0) {
                text.append(StandardCharsets.US_ASCII.decode(buffer.flip()));
                buffer.clear();
            }
            return text.toString();
        }
    }
}
