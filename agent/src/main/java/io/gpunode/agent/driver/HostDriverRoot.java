package io.gpunode.agent.driver;

import io.gpunode.agent.config.AgentConfig.Driver;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.os.DeviceNodes;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.HostProcesses;
import io.gpunode.agent.os.Mount;
import io.gpunode.agent.os.Mounts;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * {@link DriverRoot} of the host. Mounts only what is not the host's own: a bind mount of the driver's files at {@link #POINT}, with the host's
 * {@code /dev} in it, so that there is one set of nodes. A mount that a dead driver container has left is taken away; one of a living container, or of
 * anybody else, is left alone and told.
 */
public final class HostDriverRoot implements DriverRoot {
    private static final Log LOG = Log.of(HostDriverRoot.class);
    private static final Path DEV = Path.of("/dev");
    private static final Path TREES = DriverStore.DIRECTORY.resolve(DriverStore.TREES);
    private static final Path POINT_DEV = POINT.resolve("dev");
    /** NVIDIA's driver container has this locked as long as it lives. */
    private static final Path CONTAINER_LOCK = Path.of("/run/nvidia/nvidia-driver.pid");

    private static final Path PROC = Path.of("/proc");
    private static final int USERS_LIMIT = 8;
    /** More mounts on one place are nobody's intention. */
    private static final int STACK_LIMIT = 16;

    private final HostFiles own;
    private final HostFiles files;
    private final Mounts mounts;
    private final HostProcesses processes;
    private final Driver.Root settings;
    private final DriverNodes nodes;
    private final @Nullable HostWrappers wrappers;

    /**
     * @param own files as this process sees them
     * @param files where it sees host paths
     */
    public HostDriverRoot(
            HostFiles own,
            HostFiles files,
            Mounts mounts,
            DeviceNodes nodes,
            HostProcesses processes,
            Driver.Root settings) {
        this.own = own;
        this.files = files;
        this.mounts = mounts;
        this.processes = processes;
        this.settings = settings;
        this.nodes = new DriverNodes(files, nodes);
        this.wrappers = settings.wrappers().isEmpty() ? null : new HostWrappers(files, Path.of(settings.wrappers()));
    }

    /** It cannot be as it was asked for. */
    private static final class RefusedException extends Exception {
        private static final long serialVersionUID = 1L;

        private final RootFault fault;

        RefusedException(RootFault fault, String text) {
            super(text);
            this.fault = fault;
        }

        RootOutcome outcome() {
            return new RootOutcome.Refused(fault, String.valueOf(getMessage()));
        }
    }

    @Override
    public RootOutcome attach(StagedDriver driver) throws InterruptedException {
        List<String> notes = new ArrayList<>();
        Path root = driver.userspaceRoot();
        boolean apart = root.getNameCount() > 0;
        boolean mount = apart && settings.attach();
        try {
            DriverNodes.Outcome made = nodes.make();
            notes.addAll(made.notes());
            boolean changed = made.changes() > 0;
            changed |= mount ? mount(root, notes) : unmountOwn(notes);
            if (!mount) {
                new RootNote(root, 0, "", Path.of("/")).write(files);
            }
            Path seen = mount ? POINT : root;
            if (wrappers != null) {
                notes.addAll(apart ? wrappers.make(root, seen) : wrappers.remove());
            }
            return new RootOutcome.Attached(seen, !changed, notes);
        } catch (RefusedException e) {
            return e.outcome();
        } catch (IOException e) {
            return refused(e);
        }
    }

    // ---- mounting

    /** Whether anything was changed. */
    private boolean mount(Path root, List<String> notes) throws IOException, RefusedException, InterruptedException {
        if (!files.exists(root)) {
            throw new RefusedException(RootFault.NOTHING_TO_MOUNT, "there is no " + root);
        }
        removeUnended(root);
        Optional<RootNote> note = RootNote.read(files);
        boolean changed = false;
        for (int depth = 0; ; depth++) {
            List<Mount> stack = mounts.at(POINT);
            if (stack.isEmpty()) {
                break;
            }
            Mount top = stack.getLast();
            if (depth == STACK_LIMIT) {
                throw new RefusedException(
                        RootFault.ANOTHERS_MOUNT, stack.size() + " mounts lie on each other, the last one " + top);
            }
            boolean noted = note.isPresent() && note.get().is(top);
            if (shows(top, root) || (noted && note.get().root().equals(root))) {
                // Also one that an agent made and had no time to note.
                RootNote.of(root, top).write(files);
                return bindDevices(notes) || changed;
            }
            if (noted || isOfStore(top)) {
                takeAway(top, notes);
            } else {
                takeOver(stack, note, notes);
            }
            changed = true;
        }
        Files.createDirectories(files.resolve(POINT));
        // The host's nodes come below it, and must not come below the stored driver, which is deleted some day.
        Mount made = mounts.bindApart(root, POINT);
        RootNote.of(root, made).write(files);
        if (mounts.find(made.parent()).filter(Mount::shared).isEmpty()) {
            notes.add(
                    "the mount " + POINT
                            + " lies on is not shared: containers that run already do not see the driver; once: mount --make-rshared /run");
        }
        bindDevices(notes);
        return true;
    }

    /**
     * Stored drivers that are mounted on themselves: what a process that was killed in the middle of {@link Mounts#bindApart} has left. It would keep them from ever
     * being removed.
     */
    private void removeUnended(Path root) throws IOException, InterruptedException {
        for (Mount mount : mounts.all()) {
            Path point = mount.point();
            Path above = point.getParent();
            if (above != null && (point.equals(root) || point.startsWith(TREES))) {
                Path own = above.relativize(point);
                Optional<Mount> under = under(above);
                if (under.isPresent()
                        && under.get().device().equals(mount.device())
                        && inFileSystem(under.get(), above).resolve(own).equals(mount.root())) {
                    LOG.info("a mount that was not ended is taken away", "mount", mount);
                    List<Mount> stack = mounts.at(point);
                    mounts.unmount(stack.getLast(), true);
                }
            }
        }
    }

    /** Whether it shows a stored driver, although nobody has noted it: then only an agent can have made it. */
    private boolean isOfStore(Mount mount) throws IOException {
        Path trees = files.realPath(TREES).orElse(TREES);
        Optional<Mount> under = under(trees);
        return under.isPresent()
                && mount.device().equals(under.get().device())
                && mount.root().startsWith(inFileSystem(under.get(), trees));
    }

    /** Whether a mount shows this directory of the host. */
    private boolean shows(Mount mount, Path directory) throws IOException {
        Path real = files.realPath(directory).orElse(directory);
        Optional<Mount> under = under(real);
        return under.isPresent()
                && mount.device().equals(under.get().device())
                && mount.root().equals(inFileSystem(under.get(), real));
    }

    /** The mount that a path lies on: of those at the longest of its beginnings, the last one. */
    private Optional<Mount> under(Path path) throws IOException {
        Mount found = null;
        for (Mount mount : mounts.all()) {
            if (path.startsWith(mount.point())
                    && (found == null
                            || mount.point().getNameCount() >= found.point().getNameCount())) {
                found = mount;
            }
        }
        return Optional.ofNullable(found);
    }

    private static Path inFileSystem(Mount under, Path path) {
        return under.root().resolve(under.point().relativize(path)).normalize();
    }

    /** What a driver container has left is taken away when it is dead; nothing else is. */
    private void takeOver(List<Mount> stack, Optional<RootNote> note, List<String> notes)
            throws IOException, RefusedException, InterruptedException {
        Mount top = stack.getLast();
        if (note.isPresent() && stack.stream().anyMatch(note.get()::is)) {
            throw new RefusedException(RootFault.COVERED, top.toString());
        }
        OptionalInt owner = processes.lockOwner(CONTAINER_LOCK);
        if (owner.isPresent()) {
            throw new RefusedException(
                    RootFault.OWNER_ALIVE,
                    processes.identify(owner.getAsInt()).map(Object::toString).orElse("process " + owner.getAsInt())
                            + " has " + CONTAINER_LOCK + " locked");
        }
        if (!files.exists(CONTAINER_LOCK)) {
            throw new RefusedException(RootFault.ANOTHERS_MOUNT, top.toString());
        }
        LOG.info("a mount that a driver container has left is taken away", "mount", top);
        notes.add("what a driver container that has ended had left was taken away: " + top);
        takeAway(top, notes);
    }

    /** With what is mounted below it; who still uses files of it keeps them. */
    private void takeAway(Mount mount, List<String> notes) throws IOException, RefusedException, InterruptedException {
        List<String> users = unmount(mount);
        if (!users.isEmpty()) {
            notes.add("files of the driver that was mounted before are still used by " + String.join(", ", users));
        }
    }

    /** Containers that are given the driver's own {@code /dev} see the host's nodes there. */
    private boolean bindDevices(List<String> notes) throws InterruptedException {
        try {
            List<Mount> stack = mounts.at(POINT_DEV);
            if (!stack.isEmpty()) {
                return false;
            }
            // Seen through the mount where this process has its own place, else directly.
            Path root = RootNote.read(files).map(RootNote::root).orElse(POINT);
            Files.createDirectories(files.resolve(root.resolve("dev")));
            mounts.bind(DEV, POINT_DEV);
            return true;
        } catch (IOException e) {
            notes.add(POINT_DEV + " does not show the host's nodes: " + e);
            return false;
        }
    }

    // ---- taking away

    @Override
    public RootOutcome detach() throws InterruptedException {
        List<String> notes = new ArrayList<>();
        try {
            if (wrappers != null) {
                notes.addAll(wrappers.remove());
            }
            boolean there = RootNote.read(files).isPresent() || unnoted().isPresent();
            List<String> users = unmountNoted();
            RootNote.remove(files);
            // Also without a note: numbers of modules that go may be given to others.
            DriverNodes.Outcome removed = nodes.remove();
            notes.addAll(removed.notes());
            for (String each : notes) {
                LOG.warn("something of the driver's root stays", "text", each);
            }
            return new RootOutcome.Detached(!there && removed.changes() == 0, users);
        } catch (RefusedException e) {
            return e.outcome();
        } catch (IOException e) {
            return refused(e);
        }
    }

    /** Whether there was one: what an agent has mounted for a driver that is no longer the one. */
    private boolean unmountOwn(List<String> notes) throws IOException, RefusedException, InterruptedException {
        Optional<RootNote> note = RootNote.read(files);
        if (note.isPresent() ? note.get().id() == 0 : unnoted().isEmpty()) {
            return false;
        }
        List<String> users = unmountNoted();
        if (!users.isEmpty()) {
            notes.add("files of the driver that was mounted before are still used by " + String.join(", ", users));
        }
        return true;
    }

    /** @return who still uses files of it */
    private List<String> unmountNoted() throws IOException, RefusedException, InterruptedException {
        Optional<RootNote> note = RootNote.read(files);
        if (note.isEmpty()) {
            Optional<Mount> unnoted = unnoted();
            return unnoted.isPresent() ? unmount(unnoted.get()) : List.of();
        }
        if (note.get().id() == 0) {
            return List.of();
        }
        List<Mount> stack = mounts.at(POINT);
        Optional<Mount> ours = stack.stream().filter(note.get()::is).findFirst();
        if (ours.isEmpty()) {
            return List.of();
        }
        if (!stack.getLast().equals(ours.get())) {
            throw new RefusedException(RootFault.COVERED, stack.getLast().toString());
        }
        return unmount(ours.get());
    }

    /** A stored driver that is seen at the place, where the note of it is lost. */
    private Optional<Mount> unnoted() throws IOException {
        List<Mount> stack = mounts.at(POINT);
        return RootNote.read(files).isEmpty() && !stack.isEmpty() && isOfStore(stack.getLast())
                ? Optional.of(stack.getLast())
                : Optional.empty();
    }

    /** @return who still uses files of it; it is out of sight then and goes when they end */
    private List<String> unmount(Mount mount) throws IOException, InterruptedException {
        List<Mount> devices = mounts.at(POINT_DEV);
        if (!devices.isEmpty() && devices.getLast().parent() == mount.id() && shows(devices.getLast(), DEV)) {
            try {
                mounts.unmount(devices.getLast(), false);
            } catch (Mounts.BusyException e) {
                mounts.unmount(devices.getLast(), true);
            }
        }
        try {
            mounts.unmount(mount, false);
            return List.of();
        } catch (Mounts.BusyException e) {
            List<String> users = users();
            mounts.unmount(mount, true);
            return users.isEmpty() ? List.of("somebody who cannot be seen from here") : users;
        }
    }

    /** Processes that run, stand in, or have open something below {@link #POINT}; the first few. */
    private List<String> users() throws IOException {
        List<String> users = new ArrayList<>();
        for (String name : own.list(PROC)) {
            if (users.size() < USERS_LIMIT && !name.isEmpty() && name.chars().allMatch(c -> c >= '0' && c <= '9')) {
                Path process = PROC.resolve(name);
                if (uses(process)) {
                    users.add("pid " + name + " ("
                            + own.linkTarget(process.resolve("exe"))
                                    .map(Path::toString)
                                    .orElse("?") + ")");
                }
            }
        }
        return users;
    }

    private boolean uses(Path process) {
        for (String name : List.of("exe", "cwd", "root")) {
            if (isBelow(process.resolve(name))) {
                return true;
            }
        }
        try {
            Path descriptors = process.resolve("fd");
            for (String name : own.list(descriptors)) {
                if (isBelow(descriptors.resolve(name))) {
                    return true;
                }
            }
        } catch (IOException e) {
            // It has ended, or only root may look.
        }
        return false;
    }

    private boolean isBelow(Path link) {
        return own.linkTarget(link).filter(target -> target.startsWith(POINT)).isPresent();
    }

    // ---- looking

    @Override
    public RootStatus observe() {
        try {
            List<Mount> stack = mounts.at(POINT);
            Optional<RootNote> note = RootNote.read(files);
            if (note.isPresent() && note.get().id() == 0) {
                return new RootStatus(
                        RootStatus.State.ATTACHED,
                        stack,
                        "the driver's files are used where they lie: "
                                + note.get().root());
            }
            if (stack.isEmpty()) {
                return new RootStatus(RootStatus.State.DETACHED, stack, "");
            }
            Mount top = stack.getLast();
            if (note.isPresent() && note.get().is(top)) {
                return new RootStatus(
                        RootStatus.State.ATTACHED,
                        stack,
                        "it shows " + note.get().root());
            }
            boolean unnoted = note.isEmpty() && isOfStore(top);
            return new RootStatus(
                    unnoted ? RootStatus.State.UNNOTED : RootStatus.State.ANOTHERS, stack, top.toString());
        } catch (IOException e) {
            return new RootStatus(RootStatus.State.UNKNOWN, List.of(), e.toString());
        }
    }

    private static RootOutcome refused(IOException e) {
        String text = e.toString();
        RootFault fault = RootFault.FAILED;
        if (e instanceof AccessDeniedException) {
            fault = RootFault.NOT_PERMITTED;
        } else if (e instanceof FileSystemException
                && text.toLowerCase(Locale.ROOT).contains("read-only")) {
            fault = RootFault.READ_ONLY;
        }
        return new RootOutcome.Refused(fault, text);
    }
}
