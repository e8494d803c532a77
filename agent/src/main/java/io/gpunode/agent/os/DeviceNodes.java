package io.gpunode.agent.os;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;

/** Character devices of the host. Paths are host paths as in {@link HostFiles}. Any thread. */
public interface DeviceNodes {
    /**
     * What a node opens and who may open it.
     *
     * @param mode permission bits, such as 0666
     * @param uid owner
     * @param gid owning group
     */
    record CharacterDevice(int major, int minor, int mode, int uid, int gid) {
        /** Whether both open the same device, whoever may do so. */
        public boolean sameDevice(CharacterDevice other) {
            return major == other.major && minor == other.minor;
        }
    }

    /**
     * The device at a path, links followed.
     *
     * @return empty when nothing is there, or something that is not a character device
     * @throws IOException when it cannot be looked at
     */
    Optional<CharacterDevice> find(Path hostPath) throws IOException;

    /**
     * Makes a node in one step, in place of a character device of other numbers if one is there, which stays when that fails. Missing parent directories are made for all to enter.
     *
     * @throws IOException when that is not allowed (without CAP_MKNOD, or in a read-only file system), or something else is at that place
     */
    void create(Path hostPath, CharacterDevice device) throws IOException;

    /**
     * Makes a symbolic link in one step, in place of another one if there is one.
     *
     * @param target what the link says; relative targets are relative to the link's directory
     * @throws IOException when it cannot be made
     */
    void link(Path hostPath, Path target) throws IOException;
}
