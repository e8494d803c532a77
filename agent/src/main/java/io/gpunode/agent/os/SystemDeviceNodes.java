package io.gpunode.agent.os;

import com.sun.jna.LastErrorException;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import java.util.Optional;

/** {@link DeviceNodes} over the machine's own file system. */
public final class SystemDeviceNodes implements DeviceNodes {
    private static final String NODE_ATTRIBUTES = "unix:mode,rdev,uid,gid";
    private static final int TYPE_MASK = 0xf000;
    private static final int CHARACTER_DEVICE = 0x2000;
    private static final int PERMISSIONS = 0xfff;
    private static final long WORKING_DIRECTORY = -100;
    /** Numbers of mknodat(2). */
    private static final long MKNODAT_X86_64 = 259;

    private static final long MKNODAT_ARM64 = 33;

    private final HostFiles files;

    /** @param files where this process sees host paths */
    public SystemDeviceNodes(HostFiles files) {
        this.files = files;
    }

    @Override
    public Optional<CharacterDevice> find(Path hostPath) throws IOException {
        return look(files.resolve(hostPath));
    }

    @Override
    public void create(Path hostPath, CharacterDevice device) throws IOException {
        Path path = inRealDirectory(hostPath);
        Optional<CharacterDevice> present = look(path, LinkOption.NOFOLLOW_LINKS);
        if (present.isPresent()) {
            if (present.get().sameDevice(device)) {
                return;
            }
        } else if (Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            throw new FileAlreadyExistsException(
                    hostPath.toString(), null, "something that is no character device is there, and is left alone");
        }
        Path temporary = temporary(path);
        Files.deleteIfExists(temporary);
        try {
            make(temporary, device);
            Files.move(temporary, path, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            Files.deleteIfExists(temporary);
            throw e;
        } catch (LastErrorException e) {
            throw new FileSystemException(
                    hostPath.toString(),
                    null,
                    "mknod: " + e.getMessage() + (e.getErrorCode() == LibC.EPERM ? " (it needs CAP_MKNOD)" : ""));
        }
    }

    /** Nobody but the owner can open it before it is as it should be. */
    private static void make(Path path, CharacterDevice device) throws IOException {
        LibC.syscall(
                "aarch64".equals(System.getProperty("os.arch")) ? MKNODAT_ARM64 : MKNODAT_X86_64,
                WORKING_DIRECTORY,
                path.toString(),
                CHARACTER_DEVICE,
                encode(device));
        if (device.uid() != 0 || device.gid() != 0) {
            Files.setAttribute(path, "unix:uid", device.uid());
            Files.setAttribute(path, "unix:gid", device.gid());
        }
        Files.setAttribute(path, "unix:mode", device.mode() & PERMISSIONS);
    }

    @Override
    public void link(Path hostPath, Path target) throws IOException {
        Path path = inRealDirectory(hostPath);
        Path temporary = temporary(path);
        Files.deleteIfExists(temporary);
        Files.createSymbolicLink(temporary, target);
        try {
            Files.move(temporary, path, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            Files.deleteIfExists(temporary);
            throw e;
        }
    }

    /** What is made under this name takes the place of the old in one step. */
    private static Path temporary(Path path) {
        return path.resolveSibling("." + path.getFileName() + ".gpu-node-agent");
    }

    /** The last name is not followed: a link there is itself replaced. */
    private Path inRealDirectory(Path hostPath) throws IOException {
        Path parent = hostPath.getParent();
        if (parent == null) {
            throw new FileSystemException(hostPath.toString(), null, "the root is no device");
        }
        Path directory = files.resolve(parent);
        if (!Files.isDirectory(directory)) {
            Files.createDirectories(directory);
            // Whatever the umask is: containers in a user namespace look in here, too.
            Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
        }
        return directory.resolve(hostPath.getFileName());
    }

    private static Optional<CharacterDevice> look(Path path, LinkOption... options) throws IOException {
        Map<String, Object> attributes;
        try {
            attributes = Files.readAttributes(path, NODE_ATTRIBUTES, options);
        } catch (NoSuchFileException | NotDirectoryException e) {
            return Optional.empty();
        }
        int mode = (int) number(attributes, "mode");
        if ((mode & TYPE_MASK) != CHARACTER_DEVICE) {
            return Optional.empty();
        }
        long device = number(attributes, "rdev");
        return Optional.of(new CharacterDevice(
                major(device), minor(device), mode & PERMISSIONS, (int) number(attributes, "uid"), (int)
                        number(attributes, "gid")));
    }

    private static long number(Map<String, Object> attributes, String name) {
        return attributes.get(name) instanceof Number number ? number.longValue() : 0;
    }

    /** As in makedev(3): the low 12 bits of the major and the low 8 of the minor lie together, the rest around them. */
    private static int major(long device) {
        return (int) (((device >>> 8) & 0xfff) | ((device >>> 32) & 0xfffff000L));
    }

    private static int minor(long device) {
        return (int) ((device & 0xff) | ((device >>> 12) & 0xffffff00L));
    }

    private static long encode(CharacterDevice device) {
        long major = device.major();
        long minor = device.minor();
        return (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xffffff00L) << 12);
    }
}
