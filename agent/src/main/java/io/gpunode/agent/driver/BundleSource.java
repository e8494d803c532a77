package io.gpunode.agent.driver;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.os.CommandRunner;
import io.gpunode.agent.os.Decompression;
import io.gpunode.agent.os.FileTrees;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.time.MonotonicClock;
import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.zip.ZipException;

/**
 * An offline bundle: objects of a {@link DriverStore} as a directory or as a tar archive (plain, or compressed by gzip, xz or zstd). The file {@value #INDEX} lists
 * them; their names are the SHA-256 of their manifests, and these have the SHA-256 of every file, so nothing can be altered, and nothing comes from a network.
 *
 * <pre>
 * gpu-node-agent-bundle 1
 * trees/9b0c…
 * modules/77e1…
 * </pre>
 */
final class BundleSource {
    private static final String WORD = "bundle";
    private static final String DIRECTORY = "list:";
    static final String INDEX = "gpu-node-agent-bundle";
    private static final String FIRST_LINE = INDEX + " 1";
    private static final int INDEX_LIMIT = 64 << 10;
    private static final int OBJECT_LIMIT = 256;
    private static final long UNPACKED_LIMIT = 32L << 30;
    private static final Duration PACK_LIMIT = Duration.ofHours(1);
    private static final int OUTPUT_LIMIT = 4_096;

    private final HostFiles files;
    private final CommandRunner commands;
    private final DriverStore store;
    private final MonotonicClock clock;
    private final TakenFiles taken;

    BundleSource(HostFiles files, CommandRunner commands, DriverStore store, MonotonicClock clock) {
        this.files = files;
        this.commands = commands;
        this.store = store;
        this.clock = clock;
        this.taken = new TakenFiles(files, store.directory());
    }

    /**
     * What of the store came of the configured bundle; empty when it was never read, or is another one by now. An archive that was read before is looked at and
     * not read; one that is gone is what it was. Of one that is gone and was not noted when it was read, it may be any wanted driver that came of no other file.
     *
     * @return keys of its modules and trees
     */
    Optional<Set<String>> stored(DriverWish wish) throws IOException {
        AgentConfig.Driver.Bundle settings = wish.settings().bundle();
        if (settings.path().isEmpty()) {
            return Optional.empty();
        }
        Path path = files.resolve(Path.of(settings.path()));
        boolean gone = Files.notExists(path);
        Optional<TakenFiles.Taken> before = taken.find(WORD, settings.path());
        if (before.isEmpty()) {
            return gone ? unclaimed(wish) : Optional.empty();
        }
        boolean same = before.get().is(settings.sha256())
                && (gone || before.get().stamp().equals(stamp(path)));
        return same ? Optional.of(before.get().keys()) : Optional.empty();
    }

    /** Trees that the wish accepts and no noted file claims; empty when there are none. */
    private Optional<Set<String>> unclaimed(DriverWish wish) throws IOException {
        Set<String> claimed = taken.keys();
        Set<String> keys = new LinkedHashSet<>();
        for (DriverStore.Stored tree : store.objects(DriverManifest.Kind.TREE)) {
            if (wish.accepts(tree.manifest().version()) && !claimed.contains(tree.key())) {
                keys.add(tree.key());
            }
        }
        return keys.isEmpty() ? Optional.empty() : Optional.of(keys);
    }

    /** Of a directory its list is what counts, which names everything by its content. */
    private static String stamp(Path bundle) throws IOException {
        if (!Files.isDirectory(bundle)) {
            return TakenFiles.stamp(bundle);
        }
        Path index = bundle.resolve(INDEX);
        return Files.isRegularFile(index) ? DIRECTORY + sha256(index) : DIRECTORY;
    }

    private static String sha256(Path index) throws IOException {
        try (InputStream in = Files.newInputStream(index, LinkOption.NOFOLLOW_LINKS)) {
            return HexFormat.of().formatHex(DriverManifest.sha256().digest(in.readNBytes(INDEX_LIMIT + 1)));
        }
    }

    /** What can be told of the configured bundle without reading all of it: whether there is one. */
    void checkThere(DriverWish wish) throws DriverSourceException {
        String name = wish.settings().bundle().path();
        if (name.isEmpty()) {
            throw new DriverSourceException(
                    DriverSourceException.Kind.UNUSABLE,
                    "driver.source is bundle, and no bundle is named: driver.bundle.path, or --bundle FILE");
        }
        Path path = Path.of(name);
        if (!files.exists(path)) {
            throw new DriverSourceException(
                    DriverSourceException.Kind.UNUSABLE,
                    "the bundle " + name
                            + " is not there: copy it there, or name where it is (driver.bundle.path, or --bundle"
                            + " FILE)");
        }
        if (Files.isDirectory(files.resolve(path)) && !files.exists(path.resolve(INDEX))) {
            throw new DriverSourceException(
                    DriverSourceException.Kind.DAMAGED,
                    name + " cannot be used: it is no bundle of drivers, since it has no file " + INDEX);
        }
    }

    /**
     * Puts all objects of the configured bundle that are not there yet.
     *
     * @return the keys of its modules and trees
     */
    Set<String> put(DriverStore.Change change, DriverWish wish, String machine, Progress progress)
            throws DriverSourceException, InterruptedException {
        AgentConfig.Driver.Bundle settings = wish.settings().bundle();
        checkThere(wish);
        String name = settings.path();
        Path path = files.resolve(Path.of(name));
        Path draft = Path.of("/");
        try {
            // Before it is read: what somebody does to it meanwhile makes it another one.
            String stamp = stamp(path);
            if (Files.isDirectory(path)) {
                Set<String> keys = putAll(change, path, false, name, settings.sha256(), machine, progress);
                taken.note(new TakenFiles.Taken(WORD, name, stamp, settings.sha256(), keys));
                return keys;
            }
            checkArchive(path, name, settings.sha256(), progress);
            Optional<Set<String>> there = unpackedBefore(name, settings.sha256());
            if (there.isPresent()) {
                taken.note(new TakenFiles.Taken(WORD, name, stamp, settings.sha256(), there.get()));
                return there.get();
            }
            draft = change.draft();
            StorageFailure.checkRoom(files, draft, Files.size(path), "unpacking " + name);
            Path unpacked = files.resolve(draft);
            unpack(path, unpacked, name, progress);
            Set<String> keys = putAll(change, unpacked, true, name, "", machine, progress);
            taken.note(new TakenFiles.Taken(WORD, name, stamp, settings.sha256(), keys));
            return keys;
        } catch (DamagedArchiveException e) {
            throw new DriverSourceException(
                    DriverSourceException.Kind.DAMAGED,
                    name + " cannot be used: " + e.getMessage() + "; fetch or copy it again, or name another",
                    e);
        } catch (NoSuchFileException e) {
            throw new DriverSourceException(
                    DriverSourceException.Kind.DAMAGED,
                    "the bundle " + name + " is not whole, " + e.getMessage() + " is missing; copy it again",
                    e);
        } catch (IOException e) {
            throw StorageFailure.of(files, "unpacking " + name, draft, e);
        }
    }

    /** What came of an archive of this content, where all of it is in the store and whole; empty otherwise, and where the content is not known. */
    private Optional<Set<String>> unpackedBefore(String name, String sha256) throws IOException {
        Optional<TakenFiles.Taken> before = sha256.isEmpty() ? Optional.empty() : taken.find(WORD, name);
        if (before.isEmpty() || !before.get().is(sha256)) {
            return Optional.empty();
        }
        Set<String> keys = before.get().keys();
        for (String key : keys) {
            Optional<DriverStore.Stored> stored = store.object(DriverManifest.Kind.TREE, key);
            if (stored.isEmpty()) {
                stored = store.object(DriverManifest.Kind.MODULES, key);
            }
            if (stored.isEmpty() || !store.problems(stored.get()).isEmpty()) {
                return Optional.empty();
            }
        }
        return Optional.of(keys);
    }

    private void checkArchive(Path path, String name, String wanted, Progress progress)
            throws DamagedArchiveException, IOException {
        if (wanted.isEmpty()) {
            return;
        }
        ByteProgress told = new ByteProgress(progress, Progress.Phase.CHECKING, name, Files.size(path), clock);
        MessageDigest sha256 = DriverManifest.sha256();
        byte[] buffer = new byte[64 << 10];
        long done = 0;
        try (InputStream in = Files.newInputStream(path)) {
            for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
                sha256.update(buffer, 0, count);
                done += count;
                told.at(done);
            }
        }
        compare(HexFormat.of().formatHex(sha256.digest()), wanted);
    }

    private static void compare(String found, String wanted) throws DamagedArchiveException {
        if (!wanted.isEmpty() && !found.equals(wanted)) {
            throw new DamagedArchiveException("its SHA-256 is " + found + " and driver.bundle.sha256 is " + wanted);
        }
    }

    private void unpack(Path archive, Path into, String name, Progress progress)
            throws DamagedArchiveException, IOException, InterruptedException {
        ByteProgress told = new ByteProgress(progress, Progress.Phase.UNPACKING, name, 0, clock);
        InputStream file = new BufferedInputStream(Files.newInputStream(archive), 64 << 10);
        try (InputStream in = decompressed(file)) {
            TarUnpacker.unpack(in, into, UNPACKED_LIMIT, told::at);
        }
    }

    private static InputStream decompressed(InputStream file) throws DamagedArchiveException, IOException {
        try {
            file.mark(16);
            byte[] start = file.readNBytes(16);
            file.reset();
            return Decompression.open(file, Decompression.Form.of(start), null);
        } catch (ZipException | EOFException e) {
            file.close();
            throw new DamagedArchiveException("it is damaged: " + e.getMessage(), e);
        } catch (IOException e) {
            file.close();
            throw e;
        }
    }

    /** @param ours whether its files may be moved away */
    private Set<String> putAll(
            DriverStore.Change change,
            Path bundle,
            boolean ours,
            String name,
            String sha256,
            String machine,
            Progress progress)
            throws DriverSourceException, DamagedArchiveException, IOException {
        Set<String> keys = new LinkedHashSet<>();
        for (String object : objects(bundle, sha256)) {
            String key = object.substring(object.indexOf('/') + 1);
            DriverManifest.Kind kind =
                    object.startsWith("trees/") ? DriverManifest.Kind.TREE : DriverManifest.Kind.MODULES;
            keys.add(key);
            Optional<DriverStore.Stored> there = store.object(kind, key);
            if (there.isPresent() && store.problems(there.get()).isEmpty()) {
                continue;
            }
            Path from = bundle.resolve(object);
            if (!Files.isDirectory(from, LinkOption.NOFOLLOW_LINKS)) {
                throw new DamagedArchiveException("its list names " + object + ", which is not in it");
            }
            Path draft = change.draft();
            if (ours) {
                Files.delete(files.resolve(draft));
                Files.move(from, files.resolve(draft));
            } else {
                copy(from, files.resolve(draft), draft);
            }
            DriverStore.Stored stored = change.adopt(draft, key, progress);
            if (!stored.manifest().machine().equals(machine)) {
                throw new DriverSourceException(
                        DriverSourceException.Kind.UNUSABLE,
                        name + " is for " + stored.manifest().machine() + " and this machine is " + machine);
            }
        }
        return keys;
    }

    private static List<String> objects(Path bundle, String sha256) throws DamagedArchiveException, IOException {
        Path index = bundle.resolve(INDEX);
        byte[] bytes;
        try (InputStream in = Files.newInputStream(index, LinkOption.NOFOLLOW_LINKS)) {
            bytes = in.readNBytes(INDEX_LIMIT + 1);
        } catch (NoSuchFileException e) {
            throw new DamagedArchiveException("it is no bundle of drivers: there is no file " + INDEX + " in it", e);
        }
        compare(HexFormat.of().formatHex(DriverManifest.sha256().digest(bytes)), sha256);
        return parse(new String(bytes, StandardCharsets.UTF_8));
    }

    /** The objects that a list names, {@code trees/KEY} and {@code modules/KEY}. */
    static List<String> parse(String index) throws DamagedArchiveException {
        String[] lines = index.split("\n", -1);
        if (!lines[0].equals(FIRST_LINE)) {
            throw new DamagedArchiveException("its list does not begin with \"" + FIRST_LINE + "\"");
        }
        if (!lines[lines.length - 1].isEmpty() || lines.length < 3) {
            throw new DamagedArchiveException("its list is cut short");
        }
        if (lines.length > OBJECT_LIMIT || index.length() > INDEX_LIMIT) {
            throw new DamagedArchiveException("its list has more than " + OBJECT_LIMIT + " lines");
        }
        List<String> objects = new ArrayList<>();
        for (int i = 1; i < lines.length - 1; i++) {
            String line = lines[i];
            int slash = line.indexOf('/');
            String kind = slash < 0 ? "" : line.substring(0, slash);
            if ((!kind.equals("trees") && !kind.equals("modules"))
                    || !DriverManifest.isKey(line.substring(slash + 1))
                    || objects.contains(line)) {
                throw new DamagedArchiveException("line " + (i + 1) + " of its list is no object, or is there twice");
            }
            objects.add(line);
        }
        // Modules are of no use before the tree that they need.
        objects.sort((a, b) -> Boolean.compare(b.startsWith("trees/"), a.startsWith("trees/")));
        return objects;
    }

    private void copy(Path from, Path to, Path draft) throws DriverSourceException, IOException {
        long[] size = new long[1];
        Files.walkFileTree(from, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
                size[0] += attributes.size();
                return FileVisitResult.CONTINUE;
            }
        });
        StorageFailure.checkRoom(files, draft, size[0], "copying the bundle");
        Files.walkFileTree(from, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult preVisitDirectory(Path directory, BasicFileAttributes attributes)
                    throws IOException {
                Files.createDirectories(to.resolve(from.relativize(directory)));
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                // Its owner stays behind: who may write the bundle may not write the store.
                Files.copy(file, to.resolve(from.relativize(file)), LinkOption.NOFOLLOW_LINKS);
                return FileVisitResult.CONTINUE;
            }
        });
    }

    // ---- making one

    /**
     * Writes drivers of the store, with the trees that they need, into an archive.
     *
     * @param keys of drivers' modules
     * @param archive whose name's end says how it is compressed: {@code .tar}, {@code .tar.gz}, {@code .tar.xz}, {@code .tar.zst}; as the host sees it
     */
    void write(DriverStore.Change change, List<String> keys, Path archive)
            throws DriverSourceException, InterruptedException {
        try {
            Set<String> objects = new LinkedHashSet<>();
            for (String key : keys) {
                DriverStore.Stored modules = store.object(DriverManifest.Kind.MODULES, key)
                        .orElseThrow(() -> new DriverSourceException(
                                DriverSourceException.Kind.UNUSABLE, "the store has no driver " + key));
                if (!modules.manifest().tree().isEmpty()) {
                    objects.add("trees/" + modules.manifest().tree());
                }
                objects.add("modules/" + key);
            }
            Path draft = change.draft();
            Files.writeString(
                    files.resolve(draft).resolve(INDEX), FIRST_LINE + "\n" + String.join("\n", objects) + "\n");
            Path part = archive.resolveSibling("." + archive.getFileName() + ".part");
            List<String> command = new ArrayList<>(List.of("tar", "--create", "--file", part.toString()));
            command.addAll(List.of("--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"));
            command.add("--one-file-system");
            command.addAll(compression(archive.toString()));
            command.addAll(List.of("--directory", draft.toString(), INDEX));
            command.addAll(List.of("--directory", store.directory().toString()));
            command.addAll(objects);
            CommandRunner.Result result =
                    commands.run(new HostCommands(files).command(command), PACK_LIMIT, OUTPUT_LIMIT);
            if (!result.ok()) {
                FileTrees.delete(files.resolve(part));
                throw new DriverSourceException(
                        DriverSourceException.Kind.FAILED,
                        archive + " cannot be written: " + result.error().strip());
            }
            FileTrees.sync(files.resolve(part));
            Files.move(files.resolve(part), files.resolve(archive), StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw StorageFailure.of(files, "writing a bundle", archive, e);
        }
    }

    private static List<String> compression(String name) throws DriverSourceException {
        if (name.endsWith(".tar")) {
            return List.of();
        }
        if (name.endsWith(".tar.gz") || name.endsWith(".tgz")) {
            return List.of("--gzip");
        }
        if (name.endsWith(".tar.xz")) {
            return List.of("--xz");
        }
        if (name.endsWith(".tar.zst")) {
            return List.of("--zstd");
        }
        throw new DriverSourceException(
                DriverSourceException.Kind.UNUSABLE,
                name + ": a bundle's name ends with .tar, .tar.gz, .tar.xz or .tar.zst");
    }
}
