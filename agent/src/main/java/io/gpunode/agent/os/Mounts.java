package io.gpunode.agent.os;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** The mounts that this process sees. Paths are host paths as in {@link HostFiles}. Any thread. */
public interface Mounts {
    /**
     * A mount, as a line of {@code /proc/self/mountinfo} describes it.
     *
     * @param id the kernel's number of it; a mount that is made anew at the same place may have another one
     * @param parent the number of the mount that it is on
     * @param device major and minor number of the file system, such as {@code 8:1}
     * @param root which directory of the file system is shown
     * @param point where it is
     * @param readOnly whether it can only be read
     * @param type of the file system, such as {@code ext4}
     * @param source what was mounted, such as {@code /dev/sda1}
     */
    record Mount(
            int id, int parent, String device, Path root, Path point, boolean readOnly, String type, String source) {}

    /**
     * All of them, in the kernel's order.
     *
     * @throws IOException when the kernel does not tell
     */
    List<Mount> all() throws IOException;

    /**
     * The mount at exactly this place: the topmost one when there are several.
     *
     * @throws IOException when the kernel does not tell
     */
    default Optional<Mount> at(Path point) throws IOException {
        Mount last = null;
        for (Mount mount : all()) {
            if (mount.point().equals(point)) {
                last = mount;
            }
        }
        return Optional.ofNullable(last);
    }

    /**
     * Shows a directory, with all that is mounted below it, at another place too (a recursive bind mount). What is mounted there later is seen by processes
     * in other mount namespaces that share this one's changes, as the place's propagation says.
     *
     * @param target an existing directory
     * @return the new mount
     * @throws IOException when that is not allowed (without CAP_SYS_ADMIN), or one of them is not there
     */
    Mount bind(Path source, Path target) throws IOException;

    /**
     * Takes a mount away, with all that is mounted below it, as soon as nobody uses it (a lazy unmount). Nothing happens when the topmost mount at that place is
     * another one by now.
     *
     * @return whether it was this mount that was taken away
     * @throws IOException when that is not allowed
     */
    boolean unmount(Mount mount) throws IOException;
}
