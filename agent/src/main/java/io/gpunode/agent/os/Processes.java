package io.gpunode.agent.os;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What procfs says about other processes. A process may end at any time: an answer is about the process that had the id at that moment, and none is an
 * answer, too. Any thread.
 */
public final class Processes {
    /** Of one small file of procfs; a line of cgroup version 1 has some 150 bytes, and there are a dozen. */
    private static final int FILE_LIMIT = 64 << 10;

    /** A host with a thousand containers has some thousand mounts. */
    private static final int MOUNTS_LIMIT = 1 << 20;

    /** Docker mounts {@code …/containers/<id>/hostname}, Podman {@code …/overlay-containers/<id>/userdata/hostname}. */
    private static final Pattern HOSTNAME_OF_CONTAINER =
            Pattern.compile("/([0-9a-f]{64})/(?:userdata/)?hostname /etc/hostname ");

    /** The initial PID namespace has the same number on every machine: {@code PROC_PID_INIT_INO} of the kernel. */
    private static final String INITIAL_NAMESPACE = "pid:[4026531836]";

    /** {@code USER_HZ}: what procfs counts in, on every processor that has GPUs of NVIDIA. */
    private static final int MILLIS_PER_TICK = 10;

    /** What the kernel writes behind the path of a file that was replaced or removed. */
    private static final String DELETED = " (deleted)";

    private static final int STARTTIME = 22;
    /** What stands behind the name, which may itself hold anything. */
    private static final int FIRST_BEHIND_NAME = 3;

    private final HostFiles files;

    /** @param own files as this process sees them: the driver tells pids of this process's own namespace */
    public Processes(HostFiles own) {
        this.files = own;
    }

    /** When it was started, in ms since the machine was; empty when there is none. Differs between two processes that have had one id. */
    public OptionalLong startedMillisAfterBoot(int pid) {
        return read(pid, "stat").map(Processes::startOf).orElse(OptionalLong.empty());
    }

    /** Its container; {@link ContainerCgroup#NONE} for a process of the host. Empty when there is no such process. */
    public Optional<ContainerCgroup> container(int pid) {
        return read(pid, "cgroup").map(ContainerCgroup::of);
    }

    /** The letter of its state, such as R, S, D or Z; empty when there is no such process. */
    public Optional<String> state(int pid) {
        return read(pid, "stat").flatMap(Processes::stateOf);
    }

    /**
     * Who it is and where it belongs; empty when there is no such process. The path of what it runs is not asked for while it is in uninterruptible
     * sleep: older kernels take a lock for it that such a process may hold.
     */
    public Optional<OpenDevices.SeenProcess> see(int pid) {
        Optional<String> stat = read(pid, "stat");
        OptionalLong started = stat.map(Processes::startOf).orElse(OptionalLong.empty());
        if (stat.isEmpty() || started.isEmpty()) {
            return Optional.empty();
        }
        String state = stateOf(stat.get()).orElse("");
        String group = read(pid, "cgroup").orElse("");
        return Optional.of(new OpenDevices.SeenProcess(
                pid,
                started.getAsLong(),
                state,
                state.equals("D") ? nameOf(stat.get()) : executable(pid).orElseGet(() -> nameOf(stat.get())),
                UnitCgroup.of(group),
                ContainerCgroup.of(group)));
    }

    /** The path of what it runs in its own mount namespace; empty for a thread of the kernel, a zombie, and where it may not be read. */
    private Optional<String> executable(int pid) {
        return files.linkTarget(Path.of("/proc/" + Integer.toUnsignedString(pid) + "/exe"))
                .map(Path::toString)
                .map(path -> path.endsWith(DELETED) ? path.substring(0, path.length() - DELETED.length()) : path);
    }

    /** A small file of a process, as procfs has it; empty when there is no such process, or it may not be read. */
    Optional<String> small(int pid, String file) {
        return read(pid, file);
    }

    private static Optional<String> stateOf(String stat) {
        int behind = stat.lastIndexOf(')');
        return behind < 0 || behind + 2 >= stat.length()
                ? Optional.empty()
                : Optional.of(stat.substring(behind + 2, behind + 3));
    }

    private static String nameOf(String stat) {
        int begin = stat.indexOf('(');
        int end = stat.lastIndexOf(')');
        return begin < 0 || end < begin ? "" : stat.substring(begin + 1, end);
    }

    /**
     * The id of the container that this very process is in; empty outside of one, and where nothing tells. In a cgroup namespace of its own it is the
     * runtime's files behind {@code /etc/hostname} that tell.
     */
    public String ownContainerId() {
        try {
            String id = files.readText(Path.of("/proc/self/cgroup"), FILE_LIMIT)
                    .map(text -> ContainerCgroup.of(text).containerId())
                    .orElse("");
            if (!id.isEmpty()) {
                return id;
            }
            Optional<String> mounts = files.readText(Path.of("/proc/self/mountinfo"), MOUNTS_LIMIT);
            if (mounts.isPresent()) {
                Matcher behind = HOSTNAME_OF_CONTAINER.matcher(mounts.get());
                return behind.find() ? behind.group(1) : "";
            }
        } catch (IOException e) {
            // As if nothing told.
        }
        return "";
    }

    /** For how many ms the machine has run; empty when the kernel does not say. */
    public OptionalLong uptimeMillis() {
        try {
            Optional<String> text = files.readText(Path.of("/proc/uptime"), FILE_LIMIT);
            if (text.isPresent()) {
                int end = text.get().indexOf(' ');
                return OptionalLong.of((long) (1000
                        * Double.parseDouble(end < 0 ? text.get() : text.get().substring(0, end))));
            }
        } catch (IOException | NumberFormatException e) {
            // As if it did not say.
        }
        return OptionalLong.empty();
    }

    /** Whether this process sees all processes of the machine; empty when it cannot tell. */
    public Optional<Boolean> seesAll() {
        return files.linkTarget(Path.of("/proc/self/ns/pid"))
                .map(target -> target.toString().equals(INITIAL_NAMESPACE));
    }

    private Optional<String> read(int pid, String file) {
        try {
            return files.readText(Path.of("/proc/" + Integer.toUnsignedString(pid) + "/" + file), FILE_LIMIT);
        } catch (IOException e) {
            // It ended between open and read, which procfs answers with ESRCH.
            return Optional.empty();
        }
    }

    private static OptionalLong startOf(String stat) {
        int behind = stat.lastIndexOf(')');
        int field = FIRST_BEHIND_NAME - 1;
        int at = behind + 1;
        while (behind >= 0 && at < stat.length()) {
            int end = stat.indexOf(' ', at + 1);
            end = end < 0 ? stat.length() : end;
            field++;
            if (field == STARTTIME) {
                try {
                    return OptionalLong.of(Long.parseLong(stat.substring(at + 1, end)) * MILLIS_PER_TICK);
                } catch (NumberFormatException e) {
                    return OptionalLong.empty();
                }
            }
            at = end;
        }
        return OptionalLong.empty();
    }
}
