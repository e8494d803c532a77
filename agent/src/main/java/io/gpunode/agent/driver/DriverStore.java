package io.gpunode.agent.driver;

import io.gpunode.agent.driver.DriverManifest.Kind;
import io.gpunode.agent.driver.DriverManifest.MalformedException;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.model.DriverVersion;
import io.gpunode.agent.os.FileTrees;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.OwnerLock;
import io.gpunode.agent.os.WriteFailure;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.zip.CRC32C;

/**
 * The drivers that lie ready on this node: {@code modules/KEY} has the kernel modules of one driver for one kernel, {@code trees/KEY} the libraries,
 * programs, firmware and sources of one driver, which the modules for several kernels share. A key is the SHA-256 of the object's manifest, and the
 * manifest has the SHA-256 of every file.
 *
 * <p>An object appears whole or not at all: it is made in {@code drafts}, synced, and renamed. Reading needs no lock. Who changes anything holds
 * the lock ({@link #change()}), one process at a time; what lies in {@code drafts} when the lock is taken was left by one that died, and is removed.
 */
public final class DriverStore {
    /** Where the agent keeps it on the host. */
    public static final Path DIRECTORY = Path.of("/var/lib/gpu-node-agent/drivers");

    private static final Log LOG = Log.of(DriverStore.class);
    private static final String MODULES = "modules";
    static final String TREES = "trees";
    private static final String DRAFTS = "drafts";
    /** What is being fetched, and goes on to be after an interruption. */
    static final String DOWNLOADS = "downloads";

    private static final String PINS = "pins";
    private static final String LOCK = "lock";
    /** Below a tree: what lies in it as it would below {@code /}. */
    static final String ROOT = "root";

    private static final List<String> FIRMWARE = List.of("lib/firmware", "usr/lib/firmware");
    private static final int PINS_LIMIT = 1_024;
    private static final int BUFFER_BYTES = 64 << 10;
    private static final String FILE_MODE = "rw-------";
    private static final Set<PosixFilePermission> DIRECTORY_MODE = PosixFilePermissions.fromString("rwxr-xr-x");
    private static final Set<PosixFilePermission> PRIVATE_MODE = PosixFilePermissions.fromString("rwx------");

    private final HostFiles files;
    private final Path directory;

    /** @param directory as the host sees it, {@link #DIRECTORY} */
    public DriverStore(HostFiles files, Path directory) {
        this.files = files;
        this.directory = directory;
    }

    /**
     * What the store was told to keep.
     *
     * @param current key of the driver that runs, or ran last; empty for none
     * @param others keys of those that a way back leads to: the one before it, and while a change is under way what it began with
     */
    public record Pins(String current, Set<String> others) {
        public Pins {
            Set<String> named = new TreeSet<>(others);
            named.remove("");
            named.remove(current);
            others = Collections.unmodifiableSet(named);
        }
    }

    /**
     * An object.
     *
     * @param key its address
     * @param directory as the host sees it
     * @param since when it was put, in seconds since 1970
     */
    record Stored(String key, Path directory, DriverManifest manifest, long since) {}

    // ---- reading

    /** A driver by the key of its modules; empty when it is not there, or its manifest is damaged. */
    public Optional<StagedDriver> find(String key) throws IOException {
        Optional<Stored> modules = DriverManifest.isKey(key) ? object(Kind.MODULES, key) : Optional.empty();
        return modules.isPresent() ? staged(modules.get()) : Optional.empty();
    }

    /** All drivers, the newest put first. Those whose manifest is damaged are left out. */
    public List<StagedDriver> list() throws IOException {
        List<StagedDriver> drivers = new ArrayList<>();
        for (Stored stored : objects(Kind.MODULES)) {
            staged(stored).ifPresent(drivers::add);
        }
        return drivers;
    }

    /** Objects of a kind, the newest first. */
    List<Stored> objects(Kind kind) throws IOException {
        List<Stored> objects = new ArrayList<>();
        for (String key : files.list(place(kind))) {
            if (DriverManifest.isKey(key)) {
                object(kind, key).ifPresent(objects::add);
            }
        }
        objects.sort(Comparator.comparingLong(Stored::since).reversed().thenComparing(Stored::key));
        return objects;
    }

    /** An object by its key; empty when it is not there or its manifest is damaged. */
    Optional<Stored> object(Kind kind, String key) throws IOException {
        Path place = place(kind).resolve(key);
        Optional<String> text = manifestText(place);
        if (text.isEmpty()) {
            return Optional.empty();
        }
        if (!DriverManifest.key(text.get()).equals(key)) {
            LOG.warn("the manifest of a stored driver is damaged; it is not used", "directory", place);
            return Optional.empty();
        }
        try {
            DriverManifest manifest = DriverManifest.parse(text.get());
            long since = Files.getLastModifiedTime(files.resolve(place.resolve(DriverManifest.NAME)))
                            .toMillis()
                    / 1_000;
            return manifest.kind() == kind ? Optional.of(new Stored(key, place, manifest, since)) : Optional.empty();
        } catch (NoSuchFileException e) {
            return Optional.empty();
        } catch (MalformedException e) {
            LOG.warn(
                    "a stored driver is of no known form; it is not used",
                    "directory",
                    place,
                    "cause",
                    String.valueOf(e.getMessage()));
            return Optional.empty();
        }
    }

    private Optional<String> manifestText(Path place) throws IOException {
        // With its last newline, which HostFiles would leave out.
        Path file = files.resolve(place.resolve(DriverManifest.NAME));
        try (InputStream in = Files.newInputStream(file)) {
            byte[] bytes = in.readNBytes(DriverManifest.TEXT_LIMIT + 1);
            return bytes.length > DriverManifest.TEXT_LIMIT
                    ? Optional.empty()
                    : Optional.of(new String(bytes, StandardCharsets.UTF_8));
        } catch (NoSuchFileException e) {
            return Optional.empty();
        }
    }

    /** The driver that kernel modules of the store belong to; empty when its libraries are not there. */
    Optional<StagedDriver> staged(Stored modules) throws IOException {
        DriverManifest manifest = modules.manifest;
        Path root = Path.of("/");
        Optional<Path> firmware = Optional.empty();
        if (!manifest.tree().isEmpty()) {
            Path tree = place(Kind.TREE).resolve(manifest.tree());
            if (object(Kind.TREE, manifest.tree()).isEmpty()) {
                LOG.warn(
                        "stored modules lack the libraries that belong to them; they are not used", "key", modules.key);
                return Optional.empty();
            }
            root = tree.resolve(ROOT);
            for (String place : FIRMWARE) {
                if (firmware.isEmpty() && files.exists(root.resolve(place).resolve("nvidia"))) {
                    firmware = Optional.of(root.resolve(place));
                }
            }
        }
        List<StagedModule> staged = new ArrayList<>();
        for (DriverManifest.Module module : manifest.modules()) {
            staged.add(new StagedModule(
                    module.name(),
                    modules.directory.resolve(module.file()),
                    Objects.requireNonNull(manifest.files().get(module.file())).sha256(),
                    module.depends(),
                    module.softDependencies(),
                    ""));
        }
        return Optional.of(new StagedDriver(
                manifest.version(),
                manifest.type().orElseThrow(),
                manifest.kernel(),
                staged,
                root,
                firmware,
                modules.key));
    }

    /** How closely it is looked. */
    private enum Depth {
        /** Sizes and links; checksums of what somebody has touched since it was put. */
        TOUCHED,
        /** The checksums of all files. */
        CHECKSUMS,
        /** The SHA-256 of all files. */
        DIGESTS
    }

    /**
     * Looks whether a driver of the store is as it was put; cheap enough to be done before each loading: modules by CRC-32C, the rest by size, and by CRC-32C
     * what was touched since.
     *
     * @return what is wrong, one line each; empty when nothing is
     */
    public List<String> problems(StagedDriver driver) throws IOException {
        return driver.key().isEmpty() ? List.of() : problems(driver.key(), Depth.CHECKSUMS, Depth.TOUCHED);
    }

    /** The same by SHA-256 of everything, which reads it all. */
    public List<String> allProblems(StagedDriver driver) throws IOException {
        return driver.key().isEmpty() ? List.of() : problems(driver.key(), Depth.DIGESTS, Depth.DIGESTS);
    }

    /** Whether an object is as it was put, as {@link #problems(StagedDriver)} looks. */
    List<String> problems(Stored object) {
        List<String> problems = new ArrayList<>();
        check(object, object.manifest.kind() == Kind.MODULES ? Depth.CHECKSUMS : Depth.TOUCHED, problems);
        return problems;
    }

    private List<String> problems(String key, Depth ofModules, Depth ofTree) throws IOException {
        List<String> problems = new ArrayList<>();
        Optional<Stored> modules = object(Kind.MODULES, key);
        if (modules.isEmpty()) {
            return List.of("the store has no driver " + key);
        }
        check(modules.get(), ofModules, problems);
        String tree = modules.get().manifest.tree();
        if (!tree.isEmpty()) {
            Optional<Stored> found = object(Kind.TREE, tree);
            if (found.isEmpty()) {
                problems.add("the store lacks the libraries " + tree);
            } else {
                check(found.get(), ofTree, problems);
            }
        }
        return problems;
    }

    /**
     * A look at an object.
     *
     * @param put when its manifest was written
     * @param read what had been touched since, and when
     */
    private record Look(Depth depth, FileTime put, Map<String, FileTime> read) {}

    private void check(Stored stored, Depth depth, List<String> problems) {
        Look look = new Look(depth, putAt(stored), new HashMap<>());
        int before = problems.size();
        stored.manifest
                .files()
                .forEach((path, entry) -> problem(stored, path, entry, look).ifPresent(problems::add));
        stored.manifest
                .links()
                .forEach((path, target) -> problem(stored, path, target).ifPresent(problems::add));
        if (!look.read.isEmpty() && problems.size() == before) {
            renew(stored, look);
        }
    }

    /** A copied or relabelled object is read once and not each time: a younger manifest says that all was well since. What cannot be done now is done after the next look. */
    private void renew(Stored stored, Look look) {
        try (Change change = change()) {
            change.renew(stored, look);
        } catch (DriverSourceException | IOException e) {
            LOG.debug(
                    "a stored driver that was touched and is whole is read again the next time",
                    "directory",
                    stored.directory,
                    "cause",
                    String.valueOf(e.getMessage()));
        }
    }

    /** An object's manifest is written after its files: what has changed since is younger. Without one everything is. */
    private FileTime putAt(Stored stored) {
        try {
            return changed(files.resolve(stored.directory).resolve(DriverManifest.NAME));
        } catch (IOException e) {
            return FileTime.fromMillis(0);
        }
    }

    private static FileTime changed(Path file) throws IOException {
        return (FileTime) Files.getAttribute(file, "unix:ctime", LinkOption.NOFOLLOW_LINKS);
    }

    /** What is wrong with a file of an object; empty when nothing is. */
    private Optional<String> problem(Stored stored, String path, DriverManifest.Entry entry, Look look) {
        Path file = files.resolve(stored.directory).resolve(path);
        Path told = stored.directory.resolve(path);
        try {
            Map<String, Object> found =
                    Files.readAttributes(file, "unix:isRegularFile,size,ctime", LinkOption.NOFOLLOW_LINKS);
            if (!Boolean.TRUE.equals(found.get("isRegularFile"))) {
                return Optional.of(told + " is no file");
            }
            if (!Objects.equals(found.get("size"), entry.size())) {
                return Optional.of(told + " has " + found.get("size") + " bytes and had " + entry.size());
            }
            if (look.depth == Depth.TOUCHED) {
                FileTime touched = (FileTime) Objects.requireNonNull(found.get("ctime"));
                if (touched.compareTo(look.put) < 0) {
                    return Optional.empty();
                }
                look.read.put(path, touched);
            }
            boolean digest = look.depth == Depth.DIGESTS;
            DriverManifest.Entry now = entry(file, entry.mode(), digest, StoringProgress.NONE);
            return now.crc32c() == entry.crc32c() && (!digest || now.sha256().equals(entry.sha256()))
                    ? Optional.empty()
                    : Optional.of(told + " is altered: its checksum is not the manifest's");
        } catch (NoSuchFileException e) {
            return Optional.of(told + " is missing");
        } catch (IOException e) {
            return Optional.of(told + " cannot be read: " + e.getMessage());
        }
    }

    /** What is wrong with a link of an object; empty when nothing is. */
    private Optional<String> problem(Stored stored, String path, String target) {
        try {
            Path link = files.resolve(stored.directory).resolve(path);
            return Files.readSymbolicLink(link).toString().equals(target)
                    ? Optional.empty()
                    : Optional.of(stored.directory.resolve(path) + " leads elsewhere than it did");
        } catch (IOException e) {
            return Optional.of(stored.directory.resolve(path) + " is missing, or no link");
        }
    }

    /** What is kept whatever else happens. */
    public Pins pins() throws IOException {
        String current = "";
        Set<String> others = new HashSet<>();
        for (String line :
                files.readText(directory.resolve(PINS), PINS_LIMIT).orElse("").split("\n", -1)) {
            String[] words = line.split(" ", -1);
            if (words.length == 2 && DriverManifest.isKey(words[1])) {
                current = words[0].equals("current") ? words[1] : current;
                if (words[0].equals("previous")) {
                    others.add(words[1]);
                }
            }
        }
        return new Pins(current, others);
    }

    /** What {@link Change#prune} would remove. */
    public List<StagedDriver> prunable(int keep) throws IOException {
        List<StagedDriver> drivers = new ArrayList<>();
        for (Stored stored : beyond(keep)) {
            staged(stored).ifPresent(drivers::add);
        }
        return drivers;
    }

    /** Modules that are neither pinned nor among the {@code keep} newest others. */
    private List<Stored> beyond(int keep) throws IOException {
        Pins pins = pins();
        List<Stored> beyond = new ArrayList<>();
        int others = 0;
        for (Stored stored : objects(Kind.MODULES)) {
            boolean needed = stored.key.equals(pins.current) || pins.others.contains(stored.key);
            if (!needed && others++ >= keep) {
                beyond.add(stored);
            }
        }
        return beyond;
    }

    /**
     * Keeps these drivers, and no others, from being pruned. Atomic and synced; called by the one who holds the node's driver lock.
     */
    public void pin(Pins pins) throws IOException {
        StringBuilder text = new StringBuilder();
        if (!pins.current.isEmpty()) {
            text.append("current ").append(pins.current).append('\n');
        }
        for (String other : pins.others) {
            text.append("previous ").append(other).append('\n');
        }
        makeDirectory(directory);
        files.replace(directory.resolve(PINS), text.toString().getBytes(StandardCharsets.US_ASCII), FILE_MODE);
    }

    /** Where it is, as the host sees it. */
    Path directory() {
        return directory;
    }

    private Path place(Kind kind) {
        return directory.resolve(kind == Kind.MODULES ? MODULES : TREES);
    }

    // ---- changing

    /**
     * Takes the right to change the store, and clears away what a process that died has left.
     *
     * @throws DriverSourceException when another process has it, or the directory cannot be written
     */
    public Change change() throws DriverSourceException {
        try {
            makeDirectory(directory);
            Optional<OwnerLock> lock = OwnerLock.take(files, directory.resolve(LOCK));
            if (lock.isEmpty()) {
                throw new DriverSourceException(
                        DriverSourceException.Kind.BUSY,
                        OwnerLock.owner(files, directory.resolve(LOCK)) + " is preparing a driver in " + directory
                                + "; try again when it has ended");
            }
            try {
                makeDirectory(directory.resolve(DRAFTS));
                removeDrafts();
                makeDirectory(place(Kind.MODULES));
                makeDirectory(place(Kind.TREE));
            } catch (IOException e) {
                lock.get().close();
                throw e;
            }
            return new Change(lock.get());
        } catch (IOException e) {
            throw new DriverSourceException(
                    DriverSourceException.Kind.STORAGE,
                    "the driver store " + directory + " cannot be written: " + WriteFailure.text(e),
                    e);
        }
    }

    /** Their directory stays: on a full disk a new one could not be made, and pruning needs it. */
    private void removeDrafts() throws IOException {
        for (String draft : files.list(directory.resolve(DRAFTS))) {
            FileTrees.delete(files.resolve(directory.resolve(DRAFTS)).resolve(draft));
        }
    }

    private void makeDirectory(Path hostPath) throws IOException {
        Path made = files.resolve(hostPath);
        if (!Files.isDirectory(made)) {
            Files.createDirectories(made);
            Files.setPosixFilePermissions(made, hostPath.endsWith(DRAFTS) ? PRIVATE_MODE : DIRECTORY_MODE);
        }
    }

    /**
     * What an object is to be; its files are what lies in the draft.
     *
     * @see DriverManifest
     */
    record Description(
            Kind kind,
            DriverVersion version,
            String machine,
            Optional<ModuleType> type,
            String kernel,
            String signer,
            String tree,
            String origin,
            List<DriverManifest.Module> modules) {}

    /** The right to change the store. One thread. */
    public final class Change implements AutoCloseable {
        private final OwnerLock lock;
        private int drafts;

        private Change(OwnerLock lock) {
            this.lock = lock;
        }

        /** An empty directory on the store's file system, as the host sees it. What is still in it when the lock is given back is lost. */
        public Path draft() throws IOException {
            Path draft = directory.resolve(DRAFTS).resolve("d" + drafts++);
            Files.createDirectory(files.resolve(draft), PosixFilePermissions.asFileAttribute(PRIVATE_MODE));
            return draft;
        }

        /**
         * Makes an object of a draft. The draft is gone afterwards.
         *
         * @param draft of {@link #draft()}, with nothing but directories, files and links in it
         * @return the object, which may have been there before
         * @throws IOException when the disk is full or fails; nothing of it is in the store then
         */
        Stored put(Path draft, Description description, Progress progress) throws IOException {
            return appear(draft, describe(files.resolve(draft), description, progress));
        }

        /**
         * Makes an object of a draft that has its manifest, as it was in another store.
         *
         * @param key that it must have
         * @throws DamagedArchiveException when its files are not those of the manifest
         */
        Stored adopt(Path draft, String key, Progress progress) throws DamagedArchiveException, IOException {
            Path made = files.resolve(draft);
            Optional<String> text = manifestText(draft);
            if (text.isEmpty() || !DriverManifest.key(text.get()).equals(key)) {
                throw new DamagedArchiveException("the manifest of " + key + " in it is missing or altered");
            }
            DriverManifest wanted;
            try {
                wanted = DriverManifest.parse(text.get());
            } catch (MalformedException e) {
                throw new DamagedArchiveException(
                        "the manifest of " + key + " in it is malformed: " + e.getMessage(), e);
            }
            Files.delete(made.resolve(DriverManifest.NAME));
            DriverManifest found = describe(
                    made,
                    new Description(
                            wanted.kind(),
                            wanted.version(),
                            wanted.machine(),
                            wanted.type(),
                            wanted.kernel(),
                            wanted.signer(),
                            wanted.tree(),
                            wanted.origin(),
                            wanted.modules()),
                    progress);
            if (!found.equals(wanted)) {
                throw new DamagedArchiveException(
                        "what is in it is not what its manifest lists: " + difference(wanted, found));
            }
            return appear(draft, found);
        }

        private static String difference(DriverManifest wanted, DriverManifest found) {
            for (Map.Entry<String, DriverManifest.Entry> entry : wanted.files().entrySet()) {
                DriverManifest.Entry there = found.files().get(entry.getKey());
                if (there == null) {
                    return entry.getKey() + " is missing";
                }
                if (!there.equals(entry.getValue())) {
                    return entry.getKey() + " is altered";
                }
            }
            for (String path : found.files().keySet()) {
                if (!wanted.files().containsKey(path)) {
                    return path + " is not listed";
                }
            }
            return "its links are others";
        }

        private Stored appear(Path draft, DriverManifest manifest) throws IOException {
            Path made = files.resolve(draft);
            String text = manifest.text();
            String key = DriverManifest.key(text);
            Files.writeString(
                    made.resolve(DriverManifest.NAME), text, StandardCharsets.UTF_8, StandardOpenOption.CREATE_NEW);
            syncAll(made, manifest);
            Path place = place(manifest.kind()).resolve(key);
            Path target = files.resolve(place);
            Files.setPosixFilePermissions(made, DIRECTORY_MODE);
            if (Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
                // Of the same address, and so of the same content, unless its files were damaged since.
                mend(made, new Stored(key, place, manifest, 0));
            } else {
                Files.move(made, target, StandardCopyOption.ATOMIC_MOVE);
                FileTrees.syncDirectory(files.resolve(place(manifest.kind())));
            }
            return object(manifest.kind(), key).orElseThrow(() -> new IOException(place + " was put and is gone"));
        }

        /**
         * Puts what is wrong in an object right from a draft of the same content, file by file: it may be mounted, and programs may run from it. The manifest
         * comes last, so that what was not ended is found again.
         */
        private void mend(Path made, Stored stored) throws IOException {
            Path target = files.resolve(stored.directory);
            List<String> wrong = new ArrayList<>();
            List<String> told = new ArrayList<>();
            Look look = new Look(Depth.DIGESTS, putAt(stored), new HashMap<>());
            stored.manifest
                    .files()
                    .forEach((path, entry) -> problem(stored, path, entry, look).ifPresent(problem -> {
                        wrong.add(path);
                        told.add(problem);
                    }));
            stored.manifest
                    .links()
                    .forEach((path, link) -> problem(stored, path, link).ifPresent(problem -> {
                        wrong.add(path);
                        told.add(problem);
                    }));
            if (!wrong.isEmpty()) {
                LOG.warn(
                        "a stored driver was damaged and is put right",
                        "directory",
                        stored.directory,
                        "problems",
                        told);
            }
            try {
                for (String path : wrong) {
                    replace(made.resolve(path), target.resolve(path));
                }
                replace(made.resolve(DriverManifest.NAME), target.resolve(DriverManifest.NAME));
                FileTrees.delete(made);
            } catch (FileAlreadyExistsException e) {
                // A file where a directory was: nothing of it can stay. What is left of the draft lacks files by now.
                Files.move(target, files.resolve(directory.resolve(DRAFTS)).resolve("old" + drafts++));
                throw new IOException(
                        stored.directory + " was damaged beyond repair and is removed; make it ready anew with:"
                                + " gpu-node-agent driver install",
                        e);
            }
        }

        /** Writes the manifest of a whole object anew, with the date that tells when it was put; unless something was touched since it was looked at. */
        private void renew(Stored stored, Look look) throws IOException {
            Path target = files.resolve(stored.directory);
            Path manifest = target.resolve(DriverManifest.NAME);
            Path made = files.resolve(draft()).resolve(DriverManifest.NAME);
            Files.copy(manifest, made, StandardCopyOption.COPY_ATTRIBUTES);
            FileTrees.sync(made);
            FileTime now = changed(made);
            for (String path : stored.manifest.files().keySet()) {
                FileTime touched = changed(target.resolve(path));
                FileTime read = look.read.get(path);
                if (touched.compareTo(now) >= 0
                        || !(read == null ? touched.compareTo(look.put) < 0 : touched.equals(read))) {
                    return;
                }
            }
            if (object(stored.manifest.kind(), stored.key).isPresent()) {
                replace(made, manifest);
            }
        }

        private void replace(Path from, Path to) throws IOException {
            Path parent = Objects.requireNonNull(to.getParent());
            Files.createDirectories(parent);
            if (Files.isDirectory(to, LinkOption.NOFOLLOW_LINKS)) {
                FileTrees.delete(to);
            }
            Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
            FileTrees.syncDirectory(parent);
        }

        /**
         * Removes drivers: all but the pinned ones and the {@code keep} newest others; then the trees that nobody needs any more. What was being fetched
         * goes first, and the rest needs no room, so that this frees a full disk.
         *
         * @return what was removed
         */
        public List<StagedDriver> prune(int keep) throws IOException {
            List<StagedDriver> told = prunable(keep);
            FileTrees.delete(files.resolve(directory.resolve(DOWNLOADS)));
            for (Stored stored : beyond(keep)) {
                remove(stored);
            }
            Set<String> trees = new HashSet<>();
            for (Stored stored : objects(Kind.MODULES)) {
                trees.add(stored.manifest.tree());
            }
            for (Stored tree : objects(Kind.TREE)) {
                if (!trees.contains(tree.key)) {
                    remove(tree);
                }
            }
            return told;
        }

        /** First out of sight in one step, then from the disk: half an object is never seen. */
        private void remove(Stored stored) throws IOException {
            Path gone = files.resolve(directory.resolve(DRAFTS)).resolve("gone" + drafts++);
            Files.move(files.resolve(stored.directory), gone, StandardCopyOption.ATOMIC_MOVE);
            FileTrees.delete(gone);
        }

        /** Removes what is left in drafts, and gives the right back. */
        @Override
        public void close() {
            try {
                removeDrafts();
            } catch (IOException e) {
                LOG.warn(
                        "what is left of preparing a driver cannot be removed now; the next time it is",
                        "directory",
                        directory.resolve(DRAFTS),
                        "cause",
                        String.valueOf(e.getMessage()));
            }
            try {
                lock.close();
            } catch (IOException e) {
                LOG.warn("the lock of the driver store cannot be given back", "cause", String.valueOf(e.getMessage()));
            }
        }
    }

    // ---- making a manifest

    private static DriverManifest describe(Path made, Description description, Progress progress) throws IOException {
        Map<String, DriverManifest.Entry> entries = new TreeMap<>();
        Map<String, String> links = new TreeMap<>();
        StoringProgress told = new StoringProgress(progress, description);
        for (Path path : FileTrees.all(made)) {
            String name = made.relativize(path).toString();
            if (entries.size() + links.size() > DriverManifest.ENTRY_LIMIT) {
                throw new IOException("more than " + DriverManifest.ENTRY_LIMIT + " files");
            }
            if (Files.isSymbolicLink(path)) {
                String target = Files.readSymbolicLink(path).toString();
                String problem = ManifestPath.linkProblem(name, target);
                if (!problem.isEmpty()) {
                    throw new IOException("the link " + name + " to " + target + " " + problem);
                }
                links.put(name, target);
            } else if (Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS)) {
                int mode = normalised(path);
                entries.put(name, entry(path, mode, true, told));
            } else if (Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS)) {
                Files.setPosixFilePermissions(path, DIRECTORY_MODE);
            } else {
                throw new IOException(name + " is neither a file nor a directory nor a link");
            }
        }
        return new DriverManifest(
                description.kind,
                description.version,
                description.machine,
                description.type,
                description.kernel,
                description.signer,
                description.tree,
                description.origin,
                description.modules,
                entries,
                links);
    }

    /** 0755 for what can be run, 0644 for the rest: no writing by others, no set-user-ID. */
    private static int normalised(Path file) throws IOException {
        boolean program = Files.getPosixFilePermissions(file, LinkOption.NOFOLLOW_LINKS)
                .contains(PosixFilePermission.OWNER_EXECUTE);
        Files.setPosixFilePermissions(
                file, program ? DIRECTORY_MODE : EnumSet.copyOf(PosixFilePermissions.fromString("rw-r--r--")));
        return program ? 0755 : 0644;
    }

    private static DriverManifest.Entry entry(Path file, int mode, boolean digest, StoringProgress progress)
            throws IOException {
        MessageDigest sha256 = DriverManifest.sha256();
        CRC32C crc = new CRC32C();
        long size = 0;
        byte[] buffer = new byte[BUFFER_BYTES];
        try (InputStream in = Files.newInputStream(file)) {
            for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
                if (digest) {
                    sha256.update(buffer, 0, count);
                }
                crc.update(buffer, 0, count);
                size += count;
                progress.read(count);
            }
        }
        return new DriverManifest.Entry(
                mode, size, digest ? HexFormat.of().formatHex(sha256.digest()) : "", (int) crc.getValue());
    }

    private static void syncAll(Path made, DriverManifest manifest) throws IOException {
        Set<Path> directories = new HashSet<>();
        directories.add(made);
        FileTrees.sync(made.resolve(DriverManifest.NAME));
        for (String path : manifest.files().keySet()) {
            FileTrees.sync(made.resolve(path));
        }
        for (Set<String> paths :
                List.of(manifest.files().keySet(), manifest.links().keySet())) {
            for (String path : paths) {
                for (Path up = made.resolve(path).getParent();
                        up != null && !up.equals(made) && directories.add(up);
                        up = up.getParent()) {
                    // Added by the condition.
                }
            }
        }
        for (Path one : directories) {
            FileTrees.syncDirectory(one);
        }
    }

    /** Adds up what was read of a draft. */
    private static final class StoringProgress {
        static final StoringProgress NONE = new StoringProgress();

        private final Progress progress;
        private long done;
        private long told;

        private StoringProgress() {
            this.progress = Progress.NONE;
        }

        StoringProgress(Progress progress, Description description) {
            this.progress = progress;
            progress.begins(
                    Progress.Phase.STORING, description.kind.text() + " of driver " + description.version.text());
        }

        void read(int count) {
            done += count;
            if (this != NONE && done - told >= 16 << 20) {
                told = done;
                progress.at(Progress.Phase.STORING, done, 0, 0);
            }
        }
    }
}
