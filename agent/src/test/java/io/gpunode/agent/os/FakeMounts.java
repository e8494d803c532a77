package io.gpunode.agent.os;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Mounts that are not there, of one file system at {@code /}. */
public final class FakeMounts implements Mounts {
    private static final String DISK = "8:1";

    private final List<Mount> mounts = new ArrayList<>();
    private final Set<Long> busy = new HashSet<>();
    private final List<String> calls = new ArrayList<>();
    private long nextId = 30;
    private @Nullable String refusal;
    private @Nullable String blindness;
    private boolean shared = true;

    public FakeMounts() {
        mounts.add(new Mount(1, 0, DISK, Path.of("/"), Path.of("/"), true, "ext4", "/dev/sda1"));
        mounts.add(new Mount(2, 1, "0:5", Path.of("/"), Path.of("/dev"), true, "devtmpfs", "udev"));
        mounts.add(new Mount(3, 1, "0:22", Path.of("/"), Path.of("/run"), true, "tmpfs", "tmpfs"));
    }

    /** Somebody has mounted something. */
    public Mount add(String point, String source) {
        Path path = Path.of(point);
        Mount mount = new Mount(nextId++, under(path).id(), "0:" + nextId, Path.of("/"), path, true, "tmpfs", source);
        mounts.add(mount);
        return mount;
    }

    /** Somebody uses files of it from now on. */
    public void use(long id) {
        busy.add(id);
    }

    /** What is mounted is not seen by others. */
    public void unshare() {
        shared = false;
        mounts.replaceAll(mount -> new Mount(
                mount.id(),
                mount.parent(),
                mount.device(),
                mount.root(),
                mount.point(),
                false,
                mount.type(),
                mount.source()));
    }

    /** Nothing can be mounted from now on. */
    public void refuse(String why) {
        refusal = why;
    }

    /** Nothing can be seen from now on. */
    public void blind(String why) {
        blindness = why;
    }

    /** {@code bind /a /b}, {@code unmount /b}, {@code detach /b} for a lazy one. */
    public List<String> calls() {
        return List.copyOf(calls);
    }

    private Mount under(Path path) {
        Mount found = mounts.getFirst();
        for (Mount mount : mounts) {
            if (path.startsWith(mount.point())
                    && mount.point().getNameCount() >= found.point().getNameCount()) {
                found = mount;
            }
        }
        return found;
    }

    @Override
    public List<Mount> all() throws IOException {
        if (blindness != null) {
            throw new IOException(blindness);
        }
        return List.copyOf(mounts);
    }

    @Override
    public Mount bind(Path hostDirectory, Path hostPoint) throws IOException {
        calls.add("bind " + hostDirectory + " " + hostPoint);
        if (refusal != null) {
            throw new AccessDeniedException("mount", null, refusal);
        }
        Mount source = under(hostDirectory);
        Mount made = new Mount(
                nextId++,
                under(hostPoint).id(),
                source.device(),
                source.root().resolve(source.point().relativize(hostDirectory)).normalize(),
                hostPoint,
                shared,
                source.type(),
                source.source());
        mounts.add(made);
        return made;
    }

    @Override
    public Mount bindApart(Path hostDirectory, Path hostPoint) throws IOException {
        return bind(hostDirectory, hostPoint);
    }

    @Override
    public void unmount(Mount mount, boolean lazily) throws IOException {
        calls.add((lazily ? "detach " : "unmount ") + mount.point());
        List<Mount> stack = at(mount.point());
        if (stack.isEmpty()) {
            return;
        }
        if (!stack.getLast().equals(mount)) {
            throw new IOException("what is seen at " + mount.point() + " is " + stack.getLast() + ", not " + mount);
        }
        boolean covered = mounts.stream().anyMatch(each -> each.parent() == mount.id());
        if (!lazily && (covered || busy.contains(mount.id()))) {
            throw new BusyException("target is busy");
        }
        mounts.removeIf(each -> each.equals(mount) || each.parent() == mount.id());
    }
}
