package io.gpunode.agent.driver;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.model.DriverVersion;
import io.gpunode.agent.net.Download;
import io.gpunode.agent.os.Decompression;
import io.gpunode.agent.os.FileTrees;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.time.MonotonicClock;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * NVIDIA's {@code .run} file, from the host's disk or from a server. Nothing of it is run: its head is read, its checksums are compared, its archive is unpacked
 * and laid out as its {@code .manifest} wants it.
 */
final class RunfileSource {
    /** NVIDIA's largest file has half of it. */
    private static final long FILE_LIMIT = 2L << 30;
    /** Unpacked, with the kernel modules' sources. */
    private static final long UNPACKED_LIMIT = 8L << 30;

    private static final int HEAD_STEP = 1 << 20;
    private static final int BUFFER_BYTES = 64 << 10;
    private static final HexFormat HEX = HexFormat.of();
    static final String ORIGIN = "runfile";

    private final HostFiles files;
    private final DriverStore store;
    private final TakenFiles taken;
    private final Path downloads;
    private final Download download;
    private final MonotonicClock clock;

    /** @param downloads where a file that is being fetched lies, as the host sees it */
    RunfileSource(HostFiles files, DriverStore store, Path downloads, Download download, MonotonicClock clock) {
        this.files = files;
        this.store = store;
        this.taken = new TakenFiles(files, store.directory());
        this.downloads = downloads;
        this.download = download;
        this.clock = clock;
    }

    /**
     * A tree of the store that was made of the configured file; empty when there is none, or the file is another one by now. A file that was read before is looked
     * at and not read.
     *
     * @throws DriverSourceException when the configuration names no file, or the local one is no driver for this machine
     */
    Optional<DriverStore.Stored> stored(DriverWish wish, String machine) throws DriverSourceException {
        AgentConfig.Driver.Runfile settings = wish.settings().runfile();
        try {
            if (!settings.file().isEmpty()) {
                return storedOfFile(wish, machine);
            }
            if (settings.url().isEmpty()) {
                throw new DriverSourceException(
                        DriverSourceException.Kind.UNUSABLE,
                        "driver.source is runfile, and neither driver.runfile.file nor driver.runfile.url names one");
            }
            if (settings.sha256().isEmpty()) {
                throw new DriverSourceException(
                        DriverSourceException.Kind.UNUSABLE,
                        "driver.runfile.url needs driver.runfile.sha256: a file from a server is taken by its SHA-256 only");
            }
            return made(settings.sha256());
        } catch (IOException e) {
            throw StorageFailure.of(files, "looking for the driver of the .run file", Path.of(settings.file()), e);
        }
    }

    private Optional<DriverStore.Stored> storedOfFile(DriverWish wish, String machine)
            throws DriverSourceException, IOException {
        AgentConfig.Driver.Runfile settings = wish.settings().runfile();
        Path file = files.resolve(Path.of(settings.file()));
        boolean there = Files.exists(file);
        Optional<TakenFiles.Taken> before = taken.find(ORIGIN, settings.file());
        if (there && before.filter(known -> isAsItWas(known, file)).isEmpty()) {
            check(settings.file(), header(settings.file(), file), wish, machine);
            return Optional.empty();
        }
        // Once it was unpacked the file itself is no longer needed.
        if (!there && before.isEmpty()) {
            return settings.sha256().isEmpty() ? Optional.empty() : made(settings.sha256());
        }
        Optional<DriverStore.Stored> tree = before.filter(known -> known.is(settings.sha256()))
                        .isEmpty()
                ? Optional.empty()
                : store.object(
                        DriverManifest.Kind.TREE, before.get().keys().iterator().next());
        if (tree.isPresent()) {
            check(
                    settings.file(),
                    "Linux",
                    tree.get().manifest().machine(),
                    tree.get().manifest().version(),
                    wish,
                    machine);
        }
        return tree;
    }

    private static boolean isAsItWas(TakenFiles.Taken known, Path file) {
        try {
            return known.stamp().equals(TakenFiles.stamp(file));
        } catch (IOException e) {
            return false;
        }
    }

    /** A tree that was made of a file with this content. */
    private Optional<DriverStore.Stored> made(String sha256) throws IOException {
        return store.objects(DriverManifest.Kind.TREE).stream()
                .filter(tree -> tree.manifest().origin().startsWith(ORIGIN + " ")
                        && tree.manifest().origin().contains("sha256=" + sha256))
                .findFirst();
    }

    /** What the head says of all that follows it. */
    private static String mark(RunfileHeader header) {
        return "crc=" + Integer.toUnsignedString(header.crc()) + " md5=" + header.md5();
    }

    /** Fetches, checks and unpacks the configured file, and puts what is in it. */
    DriverStore.Stored put(DriverStore.Change change, DriverWish wish, String machine, Progress progress)
            throws DriverSourceException, InterruptedException {
        AgentConfig.Driver.Runfile settings = wish.settings().runfile();
        Path local = settings.file().isEmpty() ? fetch(wish, progress) : files.resolve(Path.of(settings.file()));
        String name = settings.file().isEmpty() ? settings.url() : settings.file();
        Path draft = Path.of("/");
        try {
            RunfileHeader header = header(name, local);
            check(name, header, wish, machine);
            // Before it is read: what somebody does to it meanwhile makes it another one.
            String stamp = TakenFiles.stamp(local);
            String sha256 = verify(name, local, header, settings.sha256(), progress);
            Optional<DriverStore.Stored> same =
                    made(sha256).filter(found -> store.problems(found).isEmpty());
            if (same.isPresent()) {
                note(settings.file(), stamp, sha256, same.get());
                return same.get();
            }
            draft = change.draft();
            long expected = Math.max(header.unpackedKilobytes() * 1_024, Files.size(local));
            StorageFailure.checkRoom(files, draft, expected, "unpacking " + name);
            Path unpacked = files.resolve(draft).resolve("unpacked");
            Files.createDirectory(unpacked);
            unpack(local, header, unpacked, files.resolve(draft), progress, name);
            layOut(unpacked, files.resolve(draft), header, machine);
            DriverStore.Stored tree = change.put(
                    draft,
                    new DriverStore.Description(
                            DriverManifest.Kind.TREE,
                            header.version(),
                            machine,
                            Optional.empty(),
                            "",
                            "",
                            "",
                            ORIGIN + " " + mark(header) + " sha256=" + sha256,
                            List.of()),
                    progress);
            if (settings.file().isEmpty()) {
                Files.deleteIfExists(local);
            }
            note(settings.file(), stamp, sha256, tree);
            return tree;
        } catch (DamagedArchiveException e) {
            throw new DriverSourceException(
                    DriverSourceException.Kind.DAMAGED,
                    name + " cannot be used: " + e.getMessage() + "; fetch or copy it again, or name another",
                    e);
        } catch (IOException e) {
            throw StorageFailure.of(files, "unpacking " + name, draft, e);
        }
    }

    private void note(String path, String stamp, String sha256, DriverStore.Stored tree) throws IOException {
        if (!path.isEmpty()) {
            taken.note(new TakenFiles.Taken(ORIGIN, path, stamp, sha256, Set.of(tree.key())));
        }
    }

    private Path fetch(DriverWish wish, Progress progress) throws DriverSourceException, InterruptedException {
        AgentConfig.Driver.Runfile settings = wish.settings().runfile();
        Path file = files.resolve(downloads).resolve(settings.sha256() + ".run");
        ByteProgress[] told = new ByteProgress[1];
        try {
            Files.createDirectories(files.resolve(downloads));
            download.fetch(
                    new Download.Order(
                            settings.url(),
                            file,
                            FILE_LIMIT,
                            wish.settings().limits().stall()),
                    (done, total) -> {
                        if (told[0] == null) {
                            told[0] = new ByteProgress(progress, Progress.Phase.FETCHING, settings.url(), total, clock);
                        }
                        told[0].at(done);
                    });
            return file;
        } catch (Download.FailedException e) {
            throw new DriverSourceException(
                    DriverSourceException.Kind.UNREACHABLE,
                    settings.url() + " cannot be fetched: " + e.getMessage(),
                    e);
        } catch (IOException e) {
            throw StorageFailure.of(files, "fetching " + settings.url(), downloads, e);
        }
    }

    private static RunfileHeader header(String name, Path file) throws DriverSourceException, IOException {
        try (InputStream in = Files.newInputStream(file)) {
            byte[] start = in.readNBytes(HEAD_STEP);
            try {
                return RunfileHeader.parse(start);
            } catch (DamagedArchiveException e) {
                byte[] more = in.readNBytes(RunfileHeader.LIMIT - HEAD_STEP);
                if (more.length == 0) {
                    throw e;
                }
                byte[] longer = new byte[start.length + more.length];
                System.arraycopy(start, 0, longer, 0, start.length);
                System.arraycopy(more, 0, longer, start.length, more.length);
                return RunfileHeader.parse(longer);
            }
        } catch (DamagedArchiveException e) {
            throw new DriverSourceException(
                    DriverSourceException.Kind.DAMAGED,
                    name + " cannot be used: " + e.getMessage() + "; fetch or copy it again, or name another",
                    e);
        } catch (NoSuchFileException e) {
            throw new DriverSourceException(
                    DriverSourceException.Kind.UNUSABLE, "driver.runfile.file: there is no file " + name, e);
        }
    }

    private static void check(String name, RunfileHeader header, DriverWish wish, String machine)
            throws DriverSourceException {
        check(name, header.system(), header.machine(), header.version(), wish, machine);
    }

    private static void check(
            String name, String system, String itsMachine, DriverVersion version, DriverWish wish, String machine)
            throws DriverSourceException {
        String problem = "";
        if (!system.equals("Linux")) {
            problem = "is for " + (system.isEmpty() ? "no system" : system);
        } else if (!itsMachine.equals(machine)) {
            problem = "is for " + itsMachine + " and this machine is " + machine + "; take the file for this machine";
        } else if (!wish.accepts(version)) {
            problem = "has driver " + version + ", and driver.version wants "
                    + wish.settings().version() + "; set driver.version to it, or name another file";
        }
        if (!problem.isEmpty()) {
            throw new DriverSourceException(DriverSourceException.Kind.UNUSABLE, name + " " + problem);
        }
    }

    /** By SHA-256 where one is wanted; else by the file's own checksums, which tell an accident and no intent. */
    private String verify(String name, Path file, RunfileHeader header, String wanted, Progress progress)
            throws DamagedArchiveException, IOException, InterruptedException {
        MessageDigest sha256 = DriverManifest.sha256();
        MessageDigest md5 = md5();
        PosixChecksum crc = new PosixChecksum();
        boolean own = wanted.isEmpty();
        ByteProgress told = new ByteProgress(progress, Progress.Phase.CHECKING, name, Files.size(file), clock);
        byte[] buffer = new byte[BUFFER_BYTES];
        long done = 0;
        try (InputStream in = Files.newInputStream(file)) {
            byte[] settings = in.readNBytes(header.checkedFrom());
            sha256.update(settings);
            done = settings.length;
            for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
                if (Thread.interrupted()) {
                    throw new InterruptedException("checking was interrupted");
                }
                sha256.update(buffer, 0, count);
                if (own) {
                    crc.update(buffer, 0, count);
                    md5.update(buffer, 0, count);
                }
                done += count;
                told.at(done);
            }
        }
        String found = HEX.formatHex(sha256.digest());
        if (!own && !found.equals(wanted)) {
            if (file.startsWith(files.resolve(downloads))) {
                // So that the next try fetches it anew.
                Files.deleteIfExists(file);
            }
            throw new DamagedArchiveException("its SHA-256 is " + found + " and driver.runfile.sha256 is " + wanted);
        }
        if (own && (int) crc.getValue() != header.crc()) {
            throw new DamagedArchiveException("it is cut short or altered: its checksum is "
                    + Long.toUnsignedString(crc.getValue()) + " and its head says "
                    + Integer.toUnsignedString(header.crc()));
        }
        if (own && !header.md5().isEmpty() && !HEX.formatHex(md5.digest()).equals(header.md5())) {
            throw new DamagedArchiveException("it is altered: its MD5 is not the one that its head says");
        }
        return found;
    }

    private static MessageDigest md5() {
        try {
            return MessageDigest.getInstance("MD5");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java runtime has MD5", e);
        }
    }

    private void unpack(Path file, RunfileHeader header, Path into, Path scratch, Progress progress, String name)
            throws DamagedArchiveException, IOException, InterruptedException {
        byte[] start;
        try (InputStream in = Files.newInputStream(file)) {
            in.skipNBytes(header.payload());
            start = in.readNBytes(16);
        }
        Decompression.Form form = Decompression.Form.of(start);
        ByteProgress told =
                new ByteProgress(progress, Progress.Phase.UNPACKING, name, header.unpackedKilobytes() * 1_024, clock);
        try (InputStream in = decompressed(file, header, form, scratch)) {
            TarUnpacker.unpack(in, into, UNPACKED_LIMIT, told::at);
        }
    }

    private static InputStream decompressed(Path file, RunfileHeader header, Decompression.Form form, Path scratch)
            throws IOException {
        try {
            return opened(file, header, form, null);
        } catch (IOException e) {
            if (form.program().isEmpty() || header.decompressorSize() == 0) {
                throw e;
            }
            // No such program here: the file brings one for this case.
            Path program = scratch.resolve("decompressor");
            try (InputStream in = Files.newInputStream(file)) {
                in.skipNBytes(header.decompressor());
                Files.write(program, in.readNBytes(header.decompressorSize()));
            }
            Files.setPosixFilePermissions(program, PosixFilePermissions.fromString("rwx------"));
            return opened(file, header, form, program);
        }
    }

    private static InputStream opened(Path file, RunfileHeader header, Decompression.Form form, @Nullable Path program)
            throws IOException {
        InputStream in = Files.newInputStream(file);
        try {
            in.skipNBytes(header.payload());
            return Decompression.open(in, form, program);
        } catch (IOException e) {
            in.close();
            throw e;
        }
    }

    /** Moves what is wanted of the archive to where it belongs below {@code root}, and drops the rest. */
    private static void layOut(Path unpacked, Path draft, RunfileHeader header, String machine)
            throws DamagedArchiveException, IOException {
        Path manifestFile = unpacked.resolve(RunfileManifest.NAME);
        if (!Files.isRegularFile(manifestFile, LinkOption.NOFOLLOW_LINKS)) {
            throw new DamagedArchiveException("it has no " + RunfileManifest.NAME);
        }
        if (Files.size(manifestFile) > RunfileManifest.LIMIT) {
            throw new DamagedArchiveException("its " + RunfileManifest.NAME + " is too long");
        }
        RunfileManifest manifest =
                RunfileManifest.parse(Files.readString(manifestFile, StandardCharsets.ISO_8859_1), machine);
        if (!manifest.version().equals(header.version())) {
            throw new DamagedArchiveException("its head is of driver " + header.version() + " and its "
                    + RunfileManifest.NAME + " of " + manifest.version());
        }
        Path root = draft.resolve(DriverStore.ROOT);
        for (Map.Entry<String, String> place : manifest.places().entrySet()) {
            Path from = unpacked.resolve(place.getKey());
            Path to = root.resolve(place.getValue());
            if (!Files.isRegularFile(from, LinkOption.NOFOLLOW_LINKS)) {
                throw new DamagedArchiveException(
                        "its " + RunfileManifest.NAME + " names " + place.getKey() + ", which is not in it");
            }
            Files.createDirectories(Objects.requireNonNull(to.getParent()));
            if (!Files.exists(to, LinkOption.NOFOLLOW_LINKS)) {
                Files.move(from, to);
            }
        }
        for (Map.Entry<String, String> link : manifest.links().entrySet()) {
            Path at = root.resolve(link.getKey());
            Files.createDirectories(Objects.requireNonNull(at.getParent()));
            if (!Files.exists(at, LinkOption.NOFOLLOW_LINKS)) {
                Files.createSymbolicLink(at, Path.of(link.getValue()));
            }
        }
        FileTrees.delete(unpacked);
        Files.deleteIfExists(draft.resolve("decompressor"));
    }
}
