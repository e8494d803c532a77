package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.net.UnixSockets;
import io.gpunode.agent.time.Tick;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.random.RandomGenerator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.CRC32;

/**
 * Names the sockets of one run of the agent and reads those of other runs: {@code gpu-node-agent-<resource>-<instance>-<number>.sock}.
 *
 * <p>Every registration gets a number, and so a file, of its own: kubelets since 1.36 tell a plugin's connections apart by the socket's path,
 * and refuse a second one at a path that they still hold (kubernetes#135437, #139338). The instance begins with the milliseconds since the boot
 * at which the agent started (CLOCK_MONOTONIC, which all processes of a machine share and nobody sets), so that two agents which run at the same time, as in
 * an upgrade, agree on which of them is the newer one.
 *
 * @param directory where the sockets are
 * @param instance 12 hexadecimal digits that grow from one start of an agent to the next
 */
record SocketNames(Path directory, String instance) {
    private static final Log LOG = Log.of(SocketNames.class);
    private static final String PREFIX = "gpu-node-agent-";
    /** Names that begin with a dot are skipped by the kubelet and by {@link #others()}. */
    private static final String HIDDEN_PREFIX = "." + PREFIX;

    private static final String SUFFIX = ".sock";
    private static final Pattern NAME = Pattern.compile(PREFIX + "(.+)-([0-9a-f]{12})-[0-9a-z]{2}\\.sock");
    private static final int LONGEST_RESOURCE = AgentConfig.Kubelet.LONGEST_RESOURCE_IN_SOCKET;
    /** Of registrations; after so many a socket's name is long forgotten. */
    private static final int NUMBERS = Character.MAX_RADIX * Character.MAX_RADIX;

    private static final long MILLISECONDS = 0xff_ffff_ffffL;

    /** @param random tells two agents apart that started in the same millisecond */
    static SocketNames of(Path directory, Tick started, RandomGenerator random) {
        long milliseconds = started.nanos() / 1_000_000 & MILLISECONDS;
        HexFormat hex = HexFormat.of();
        return new SocketNames(
                directory, hex.toHexDigits(milliseconds, 10) + hex.toHexDigits((byte) random.nextInt(0x100)));
    }

    /** The socket of a registration of a resource; its path has the same length whatever the number. */
    Path socket(String resource, int number) {
        String digits = Integer.toString(NUMBERS + number % NUMBERS, Character.MAX_RADIX)
                .substring(1);
        return directory.resolve(PREFIX + shortened(resource) + '-' + instance + '-' + digits + SUFFIX);
    }

    /** The same where the kubelet is not to find it; not longer, and not that of the registration before. */
    Path hidden(String resource, int number) {
        return hidden(Integer.toString(number % Character.MAX_RADIX, Character.MAX_RADIX) + '.' + shortened(resource));
    }

    /** A socket that no kubelet is told of and none looks at. */
    Path hidden(String purpose) {
        return directory.resolve(HIDDEN_PREFIX + purpose + '-' + instance + SUFFIX);
    }

    /** Whether a file of this name is of interest to an agent: it is, or was, an agent's socket. */
    static boolean isAgents(String name) {
        return name.startsWith(PREFIX) && name.endsWith(SUFFIX);
    }

    /** The resource, as {@link #shortened}, that another agent serves on a socket of this name; empty when it is none of another agent's. */
    String servedByOther(String name) {
        Matcher matcher = NAME.matcher(name);
        return matcher.matches() && !matcher.group(2).equals(instance) ? matcher.group(1) : "";
    }

    /**
     * The sockets on which other agents serve a resource.
     *
     * @param newer of the newest agent that started after this one; empty when there is none
     * @param older of all that started before
     */
    record Others(String newer, Set<String> older) {
        static final Others NONE = new Others("", Set.of());

        private Others and(String name, boolean isNewer) {
            if (isNewer) {
                return name.compareTo(newer) > 0 ? new Others(name, older) : this;
            }
            Set<String> more = new TreeSet<>(older);
            more.add(name);
            return new Others(newer, more);
        }
    }

    /**
     * The other agents, for each resource that has some.
     *
     * @return by the resource's name as it stands in file names; use {@link #shortened} to ask. Empty, too, when the directory cannot be read: who
     *     cannot read it cannot serve in it
     */
    Map<String, Others> others() {
        Map<String, Others> found = Map.of();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(directory, SocketNames::mayBeAgents)) {
            for (Path file : files) {
                String name = file.getFileName().toString();
                Matcher matcher = NAME.matcher(name);
                int age = matcher.matches() ? matcher.group(2).compareTo(instance) : 0;
                if (age != 0 && UnixSockets.isListening(file)) {
                    if (found.isEmpty()) {
                        found = new HashMap<>();
                    }
                    Others known = found.getOrDefault(matcher.group(1), Others.NONE);
                    found.put(matcher.group(1), known.and(name, age > 0));
                }
            }
        } catch (IOException e) {
            LOG.debug("cannot look for other agents", "socket", directory, "error", e);
        }
        return found;
    }

    /**
     * Agents that were killed leave their sockets; one that nobody listens on is such.
     *
     * @return the names of those that were removed
     */
    Set<String> removeDead() {
        Set<String> removed = new HashSet<>();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(directory, SocketNames::mayBeAgents)) {
            for (Path socket : files) {
                if (!UnixSockets.isListening(socket) && !Files.isDirectory(socket)) {
                    Files.deleteIfExists(socket);
                    removed.add(socket.getFileName().toString());
                    LOG.info("removed the socket of an agent that is gone", "socket", socket);
                }
            }
        } catch (IOException e) {
            LOG.warn("cannot look for sockets of agents that are gone", "socket", directory, "error", e);
        }
        return removed;
    }

    /** A resource's name as it stands in file names: without a slash, and short enough for the path of a socket. */
    static String shortened(String resource) {
        String name = resource.replace('/', '_');
        if (name.length() <= LONGEST_RESOURCE) {
            return name;
        }
        CRC32 sum = new CRC32();
        sum.update(name.getBytes(StandardCharsets.UTF_8));
        return name.substring(0, LONGEST_RESOURCE - 9) + '~' + HexFormat.of().toHexDigits((int) sum.getValue());
    }

    private static boolean mayBeAgents(Path file) {
        String name = file.getFileName().toString();
        return isAgents(name) || (name.startsWith(HIDDEN_PREFIX) && name.endsWith(SUFFIX));
    }
}
