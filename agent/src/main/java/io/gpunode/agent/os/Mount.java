package io.gpunode.agent.os;

import java.nio.file.Path;

/**
 * A mount, as a line of {@code /proc/PID/mountinfo} (proc_pid_mountinfo(5)) tells it.
 *
 * @param id given by the kernel, which gives it to another one after this is gone
 * @param parent the mount that this one lies on
 * @param device {@code major:minor} of the file system
 * @param root which of its directories is mounted
 * @param point where
 * @param shared whether what is mounted below is seen through other mounts of its peer group
 * @param type of the file system, such as {@code ext4}
 * @param source what the file system was mounted from, such as {@code /dev/sda1}
 */
public record Mount(
        long id, long parent, String device, Path root, Path point, boolean shared, String type, String source) {
    /** Whether both show the same directory of the same file system. */
    public boolean sameTree(Mount other) {
        return device.equals(other.device) && root.equals(other.root);
    }

    @Override
    public String toString() {
        return "mount " + id + " on " + point + " (" + type + " " + source + ", directory " + root + ")";
    }
}
