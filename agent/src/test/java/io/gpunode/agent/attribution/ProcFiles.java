package io.gpunode.agent.attribution;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A procfs and the kubelet's log directories, written by hand: processes that begin, end and are followed by others. */
final class ProcFiles {
    private final Path root;

    ProcFiles(Path root) throws IOException {
        this.root = root;
        uptime(1_000);
        Files.createDirectories(root.resolve("proc/self/ns"));
        Files.createSymbolicLink(root.resolve("proc/self/ns/pid"), Path.of("pid:[4026531836]"));
    }

    void uptime(long seconds) throws IOException {
        write("proc/uptime", seconds + ".00 " + seconds + ".00");
    }

    /** The agent is in a PID namespace of its own. */
    void ownNamespace() throws IOException {
        Files.delete(root.resolve("proc/self/ns/pid"));
        Files.createSymbolicLink(root.resolve("proc/self/ns/pid"), Path.of("pid:[4026532500]"));
    }

    /** A process that was started so many seconds after the machine. */
    void process(int pid, long startedSeconds, String cgroup) throws IOException {
        write(
                "proc/" + pid + "/stat",
                pid + " (train (1)) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 " + startedSeconds * 100 + " 0 0");
        write("proc/" + pid + "/cgroup", cgroup);
    }

    void end(int pid) throws IOException {
        Files.deleteIfExists(root.resolve("proc/" + pid + "/stat"));
        Files.deleteIfExists(root.resolve("proc/" + pid + "/cgroup"));
    }

    /** What the kubelet makes for a container's log. */
    void logged(String namespace, String pod, String uid, String container, String id) throws IOException {
        Files.createDirectories(root.resolve("var/log/pods/" + namespace + "_" + pod + "_" + uid + "/" + container));
        Files.createDirectories(root.resolve("var/log/containers"));
        Path link = root.resolve("var/log/containers/" + pod + "_" + namespace + "_" + container + "-" + id + ".log");
        Files.deleteIfExists(link);
        Files.createSymbolicLink(link, Path.of("/var/log/pods/gone/0.log"));
    }

    void write(String file, String text) throws IOException {
        Path path = root.resolve(file);
        Files.createDirectories(path.getParent());
        Files.writeString(path, text + "\n");
    }

    /** 64 digits. */
    static String id(int number) {
        return "%02x".formatted(number).repeat(32);
    }

    static String uid(int number) {
        return "0f4dd7f3-60c5-4a2c-bd4b-%012x".formatted(number);
    }

    /** The group of a container of a pod, with the cgroupfs driver. */
    static String cgroup(String uid, String id) {
        return "0::/kubepods/burstable/pod" + uid + "/" + id;
    }
}
