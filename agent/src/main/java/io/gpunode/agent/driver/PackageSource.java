package io.gpunode.agent.driver;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.driver.Distribution.Family;
import io.gpunode.agent.driver.PackageManager.Available;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.model.DriverVersion;
import io.gpunode.agent.os.CommandRunner;
import io.gpunode.agent.os.FileTrees;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.time.MonotonicClock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * The driver from the packages of the host's distribution, or of NVIDIA's repository for it: fetched by the host's package manager, with its repositories and
 * signatures, and unpacked into the store instead of being installed over what runs. So the old driver stays whole until the new one is loaded, and the way back needs no
 * repository. The first package has the kernel modules' sources and decides the version.
 */
final class PackageSource {
    private static final Log LOG = Log.of(PackageSource.class);
    static final String ORIGIN = "packages";
    /** In a package's name: the driver's version, once it is chosen. */
    private static final String VERSION = "@";

    private static final String NVML = "libnvidia-ml.so.1";
    private static final List<Path> FIRMWARE = List.of(Path.of("/lib/firmware"), Path.of("/usr/lib/firmware"));
    private static final List<String> NOT_NEEDED = List.of("usr/share/doc", "usr/share/man", "usr/lib/.build-id");
    private static final long ROOM = 2L << 30;

    private final HostFiles files;
    private final CommandRunner commands;
    private final DriverStore store;
    private final MonotonicClock clock;

    PackageSource(HostFiles files, CommandRunner commands, DriverStore store, MonotonicClock clock) {
        this.files = files;
        this.commands = commands;
        this.store = store;
        this.clock = clock;
    }

    /**
     * A tree of the store that was made of packages and is of a wanted version: the newest. Asks no repository; one that was named in full is what it is.
     */
    Optional<DriverStore.Stored> stored(DriverWish wish) throws IOException {
        return store.objects(DriverManifest.Kind.TREE).stream()
                .filter(tree -> tree.manifest().origin().startsWith(ORIGIN + " ")
                        && wish.accepts(tree.manifest().version()))
                .max((a, b) -> a.manifest().version().compareTo(b.manifest().version()));
    }

    /** Chooses, fetches and unpacks packages, and puts what is in them. */
    DriverStore.Stored put(DriverStore.Change change, DriverWish wish, String machine, Progress progress)
            throws DriverSourceException, InterruptedException {
        Path draft = Path.of("/");
        try {
            Distribution distribution = Distribution.read(files);
            PackageManager manager = PackageManager.of(
                    distribution, files, commands, wish.settings().limits().stall());
            List<Available> chosen = chosenOfFresh(manager, wish, distribution, progress);
            DriverVersion version = new DriverVersion(chosen.getFirst().upstream());
            Path fetched = change.draft();
            draft = fetched;
            StorageFailure.checkRoom(files, fetched, ROOM, "fetching and unpacking the packages of driver " + version);
            fetch(manager, chosen, fetched, progress);
            Path tree = change.draft();
            draft = tree;
            unpack(manager, fetched, tree, progress);
            checkComplete(tree, version, wish);
            return change.put(
                    tree,
                    new DriverStore.Description(
                            DriverManifest.Kind.TREE,
                            version,
                            machine,
                            Optional.empty(),
                            "",
                            "",
                            "",
                            origin(chosen),
                            List.of()),
                    progress);
        } catch (IOException e) {
            throw StorageFailure.of(files, "unpacking packages", draft, e);
        }
    }

    private static String origin(List<Available> chosen) {
        StringBuilder origin = new StringBuilder(ORIGIN);
        for (Available one : chosen) {
            origin.append(' ').append(one.name()).append('=').append(one.full());
        }
        return origin.toString();
    }

    /** One repository of many that cannot be read, which may have nothing to do with the driver, is no reason to go without: then what is known counts. */
    private List<Available> chosenOfFresh(
            PackageManager manager, DriverWish wish, Distribution distribution, Progress progress)
            throws DriverSourceException, InterruptedException {
        if (!wish.settings().packages().refresh()) {
            return choose(manager, wish, distribution);
        }
        progress.begins(Progress.Phase.FETCHING, "the repositories' lists");
        try {
            manager.refresh();
        } catch (DriverSourceException unread) {
            if (unread.kind() != DriverSourceException.Kind.UNREACHABLE) {
                throw unread;
            }
            try {
                List<Available> known = choose(manager, wish, distribution);
                LOG.warn(
                        "not every repository could be read; the driver is chosen among the packages that were known before",
                        "driver",
                        known.getFirst().upstream(),
                        "cause",
                        String.valueOf(unread.getMessage()));
                return known;
            } catch (DriverSourceException e) {
                unread.addSuppressed(e);
                throw unread;
            }
        }
        return choose(manager, wish, distribution);
    }

    private List<Available> choose(PackageManager manager, DriverWish wish, Distribution distribution)
            throws DriverSourceException, InterruptedException {
        AgentConfig.Driver.Packages settings = wish.settings().packages();
        boolean named = !settings.names().isEmpty();
        List<List<String>> names =
                named ? settings.names().stream().map(List::of).toList() : usual(distribution.family(), wish);
        List<Available> chosen = new ArrayList<>();
        String upstream = "";
        for (List<String> alternatives : names) {
            Optional<Available> found = Optional.empty();
            List<String> seen = new ArrayList<>();
            for (String name : alternatives) {
                if (found.isPresent() || (name.contains(VERSION) && upstream.isEmpty())) {
                    continue;
                }
                for (Available one : manager.versions(name.replace(VERSION, upstream))) {
                    seen.add(one.name() + " " + one.full());
                    if (found.isEmpty() && fits(one, upstream, wish)) {
                        found = Optional.of(one);
                    }
                }
            }
            if (found.isPresent()) {
                chosen.add(found.get());
                upstream = upstream.isEmpty() ? found.get().upstream() : upstream;
            } else if (chosen.isEmpty() || named) {
                throw new DriverSourceException(
                        DriverSourceException.Kind.UNUSABLE,
                        "no repository of " + distribution.name() + " has " + String.join(" or ", alternatives)
                                + (upstream.isEmpty()
                                        ? wish.settings().version().isEmpty()
                                                ? ""
                                                : " of version "
                                                        + wish.settings().version()
                                        : " of version " + upstream)
                                + (seen.isEmpty() ? "" : "; there are " + String.join(", ", seen))
                                + ". Add the repository that has it, name packages in driver.package.names, or set another"
                                + " driver.version");
            }
        }
        if (!named && chosen.size() == 1) {
            throw new DriverSourceException(
                    DriverSourceException.Kind.UNUSABLE,
                    "no repository of " + distribution.name() + " has the libraries of driver " + upstream
                            + ", only the sources of its modules");
        }
        return chosen;
    }

    private static boolean fits(Available one, String upstream, DriverWish wish) {
        Optional<DriverVersion> version = DriverVersion.parse(one.upstream());
        if (version.isEmpty() || upstream.isEmpty()) {
            return version.isPresent() && wish.accepts(version.get());
        }
        // The daemon has sources and, with Debian, versions of its own; it speaks to the driver of its branch.
        return one.upstream().equals(upstream)
                || (one.name().equals("nvidia-persistenced")
                        && version.get().branch() == new DriverVersion(upstream).branch());
    }

    /**
     * What the packages are called (the first place has the modules' sources, and must be there; others as far as a branch has them). NVIDIA's and the distributions' own
     * repositories.
     */
    private static List<List<String>> usual(Family family, DriverWish wish) {
        String wanted = wish.settings().version();
        int dot = wanted.indexOf('.');
        String branch = dot < 0 ? wanted : wanted.substring(0, dot);
        // Of a version that nobody has named yet, the type is as that of the newest.
        boolean open = wish.type(DriverVersion.parse(wanted.isEmpty() ? "" : dot < 0 ? wanted + ".0" : wanted)
                        .orElse(new DriverVersion("9999.0")))
                == ModuleType.OPEN;
        return switch (family) {
            case DEBIAN ->
                List.of(
                        // Debian's own name of the open one, and NVIDIA's.
                        open
                                ? List.of("nvidia-open-kernel-dkms", "nvidia-kernel-open-dkms")
                                : List.of("nvidia-kernel-dkms"),
                        List.of("libnvidia-ml1"),
                        List.of("libcuda1"),
                        List.of("nvidia-smi", "nvidia-driver-cuda"),
                        List.of("nvidia-persistenced"),
                        List.of("firmware-nvidia-gsp"),
                        List.of("libnvidia-gpucomp"),
                        List.of("libnvidia-ptxjitcompiler1"),
                        List.of("libnvidia-nvvm4"),
                        List.of("libnvidia-cfg1"),
                        List.of("libnvcuvid1"),
                        List.of("libnvidia-encode1"),
                        List.of("libnvoptix1"),
                        List.of("nvidia-opencl-icd"),
                        List.of("libnvidia-opticalflow1"),
                        List.of("nvidia-cuda-mps"));
            case UBUNTU -> ubuntu(branch, open);
            case RED_HAT, AMAZON ->
                List.of(
                        open
                                ? List.of("kmod-nvidia-open-dkms", "nvidia-open-kmod-source")
                                : List.of("kmod-nvidia-latest-dkms", "kmod-nvidia-dkms"),
                        List.of("nvidia-driver-cuda-libs", "nvidia-driver-libs"),
                        List.of("libnvidia-ml"),
                        List.of("nvidia-driver-cuda"),
                        List.of("nvidia-kmod-common"),
                        List.of("nvidia-persistenced"),
                        List.of("libnvidia-cfg"),
                        List.of("nvidia-driver-libs"));
            case SUSE ->
                List.of(
                        open
                                ? suse(
                                        "nvidia-open-driver-%-signed-kmp-default",
                                        "nvidia-open-driver-%-signed-cuda-kmp-default",
                                        "nvidia-open-driver-%-kmp-default")
                                : suse("nvidia-driver-%-kmp-default"),
                        suse("nvidia-compute-%"),
                        suse("nvidia-compute-utils-%"),
                        suse("kernel-firmware-nvidia-gspx-%", "kernel-firmware-nvidia-gsp-%"),
                        suse("nvidia-common-%"),
                        suse("libnvidia-gpucomp-%"),
                        suse("nvidia-persistenced", "nvidia-persistenced-%"),
                        suse("nvidia-gl-%"));
            case UNKNOWN -> List.of();
        };
    }

    /** G06 has the branches up to 580, G07 those from 590 on. */
    private static List<String> suse(String... forms) {
        List<String> names = new ArrayList<>();
        for (String generation : List.of("G06", "G07")) {
            for (String form : forms) {
                String name = form.replace("%", generation);
                if (!names.contains(name)) {
                    names.add(name);
                }
            }
        }
        return names;
    }

    /** Those of the distribution for servers, its others, and NVIDIA's, whose names have no branch from 590 on. */
    private static List<List<String>> ubuntu(String wanted, boolean open) {
        List<String> branches = wanted.isEmpty() ? List.of("580", "570", "550", "535") : List.of(wanted);
        List<List<String>> names = new ArrayList<>();
        for (String form : List.of(
                open ? "nvidia-kernel-source-%-server-open" : "nvidia-kernel-source-%-server",
                "libnvidia-compute-%-server",
                "nvidia-utils-%-server",
                "nvidia-compute-utils-%-server",
                "nvidia-firmware-%-server-" + VERSION,
                "nvidia-persistenced-%-server",
                "libnvidia-gpucomp-%-server",
                "libnvidia-decode-%-server",
                "libnvidia-encode-%-server",
                "libnvidia-extra-%-server",
                "libnvidia-cfg1-%-server",
                "libnvidia-fbc1-%-server",
                "libnvidia-gl-%-server")) {
            List<String> alternatives = new ArrayList<>();
            for (String branch : branches) {
                alternatives.add(form.replace("%", branch));
                alternatives.add(form.replace("%", branch).replace("-server", ""));
            }
            alternatives.add(form.replace("-%-server", "").replace("-" + VERSION, ""));
            names.add(alternatives);
        }
        return names;
    }

    private void fetch(PackageManager manager, List<Available> chosen, Path into, Progress progress)
            throws DriverSourceException, IOException, InterruptedException {
        ByteProgress told = new ByteProgress(progress, Progress.Phase.FETCHING, chosen.size() + " packages", 0, clock);
        for (Available one : chosen) {
            manager.download(one, into);
            long bytes = 0;
            for (Path file : manager.packages(into)) {
                bytes += Files.size(files.resolve(file));
            }
            told.at(bytes);
        }
    }

    private void unpack(PackageManager manager, Path fetched, Path tree, Progress progress)
            throws DriverSourceException, IOException, InterruptedException {
        Path root = tree.resolve(DriverStore.ROOT);
        Files.createDirectory(files.resolve(root));
        List<Path> packages = manager.packages(fetched);
        progress.begins(Progress.Phase.UNPACKING, packages.size() + " packages");
        Path at = files.resolve(root);
        for (Path file : packages) {
            manager.unpack(file, root);
            removeNotNeeded(at);
            // Before the next one, which would be written through a link that leads out.
            linksInside(at, String.valueOf(file.getFileName()));
        }
        linksOutOfCurrent(at);
    }

    /** Manuals and change logs, which are nine tenths of the files; not through a link of the package, which may lead to the host's own. */
    private static void removeNotNeeded(Path root) throws IOException {
        for (String directory : NOT_NEEDED) {
            Path unneeded = root.resolve(directory);
            Path above = Objects.requireNonNull(unneeded.getParent());
            if (Files.isDirectory(above)
                    && above.toRealPath().equals(root.toRealPath().resolve(root.relativize(above)))) {
                FileTrees.delete(unneeded);
            }
        }
    }

    /** An absolute link means the driver's own root, wherever that lies; one that leads out of it means nothing. */
    private static void linksInside(Path root, String archive) throws DriverSourceException, IOException {
        for (Path link : FileTrees.all(root)) {
            if (!Files.isSymbolicLink(link)) {
                continue;
            }
            Path target = Files.readSymbolicLink(link);
            if (target.isAbsolute()) {
                Path inside = root.resolve(Path.of("/").relativize(target.normalize()));
                target = Objects.requireNonNull(link.getParent()).relativize(inside);
                Files.delete(link);
                Files.createSymbolicLink(link, target);
            }
            String name = root.relativize(link).toString();
            String problem = ManifestPath.linkProblem(name, target.toString());
            if (!problem.isEmpty()) {
                throw new DriverSourceException(
                        DriverSourceException.Kind.DAMAGED,
                        "the package " + archive + " cannot be used: its link " + name + " to " + target + " "
                                + problem);
            }
        }
    }

    /** What would be told at the time of loading otherwise, or after it: that NVML is missing, or the firmware, without which open modules work with no GPU. */
    private void checkComplete(Path tree, DriverVersion version, DriverWish wish) throws DriverSourceException {
        if (DaemonHost.libraries(files, tree.resolve(DriverStore.ROOT), NVML).isEmpty()) {
            throw new DriverSourceException(
                    DriverSourceException.Kind.UNUSABLE,
                    "the packages of driver " + version + " have no " + NVML
                            + ", without which nothing can use it: add the"
                            + " repository that has it in this version, or name all packages in driver.package.names");
        }
        if (wish.type(version) != ModuleType.OPEN) {
            return;
        }
        Path name = Path.of("nvidia").resolve(version.text());
        for (Path place : FIRMWARE) {
            Path below = Path.of("/").relativize(place).resolve(name);
            if (files.exists(tree.resolve(DriverStore.ROOT).resolve(below)) || files.exists(place.resolve(name))) {
                return;
            }
        }
        throw new DriverSourceException(
                DriverSourceException.Kind.UNUSABLE,
                "the packages of driver " + version + " have no firmware (lib/firmware/" + name
                        + "), which its open modules need: add the repository that has it, or name all packages in"
                        + " driver.package.names");
    }

    /** Debian keeps libraries in {@code nvidia/current} and links to them when packages are installed, through its alternatives. */
    private static void linksOutOfCurrent(Path root) throws IOException {
        Path libraries = root.resolve("usr/lib");
        if (!Files.isDirectory(libraries, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        for (Path file : FileTrees.all(libraries)) {
            if (!Objects.requireNonNull(file.getParent()).endsWith("nvidia/current")
                    || Files.isDirectory(file, LinkOption.NOFOLLOW_LINKS)) {
                continue;
            }
            Path name = Objects.requireNonNull(file.getFileName());
            boolean library = name.toString().contains(".so");
            Path above = file.resolve("../../..").normalize();
            Path directory = library ? above : root.resolve("usr/bin");
            Path link = directory.resolve(name);
            if ((library || Files.isExecutable(file)) && !Files.exists(link, LinkOption.NOFOLLOW_LINKS)) {
                Files.createDirectories(directory);
                Files.createSymbolicLink(link, directory.relativize(file));
            }
        }
    }
}
