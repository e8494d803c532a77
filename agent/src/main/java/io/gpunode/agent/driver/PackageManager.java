package io.gpunode.agent.driver;

import io.gpunode.agent.model.DriverVersion;
import io.gpunode.agent.os.CommandRunner;
import io.gpunode.agent.os.FileTrees;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.WriteFailure;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The host's package manager, asked what there is, and for files: it knows the repositories, mirrors, proxies and signatures. Nothing is ever installed by it here.
 * All calls are non-interactive.
 */
abstract sealed class PackageManager {
    /** A download is bounded by its own stall time, which the manager keeps; this only ends what hangs for good. */
    private static final Duration LONGEST = Duration.ofHours(2);

    /** Where managers keep what they have read of repositories. */
    private static final Path CACHE = Path.of("/var/cache");

    private static final String LISTS = "reading the repositories' lists";
    private static final int OUTPUT_LIMIT = 1 << 20;
    private static final int TOLD = 600;
    private static final Map<String, String> ENVIRONMENT = Map.of("DEBIAN_FRONTEND", "noninteractive");

    private final HostFiles files;
    private final CommandRunner commands;
    private final HostCommands host;
    final Duration stall;

    private PackageManager(HostFiles files, CommandRunner commands, Duration stall) {
        this.files = files;
        this.commands = commands;
        this.host = new HostCommands(files);
        this.stall = stall;
    }

    /**
     * A package of a repository.
     *
     * @param full the version as the manager writes it: {@code 535.261.03-1}, {@code 3:575.57.08-1.el9}
     */
    record Available(String name, String full, String architecture) {
        /** The driver's part: without epoch and revision. */
        String upstream() {
            String plain = full.substring(full.indexOf(':') + 1);
            int end = 0;
            while (end < plain.length() && (Character.isDigit(plain.charAt(end)) || plain.charAt(end) == '.')) {
                end++;
            }
            return plain.substring(0, end);
        }
    }

    /** The one of a distribution. */
    static PackageManager of(Distribution distribution, HostFiles files, CommandRunner commands, Duration stall)
            throws DriverSourceException {
        PackageManager manager = switch (distribution.family()) {
            case DEBIAN, UBUNTU -> new Apt(files, commands, stall);
            case RED_HAT, AMAZON -> new Dnf(files, commands, stall);
            case SUSE -> new Zypper(files, commands, stall);
            case UNKNOWN ->
                throw new DriverSourceException(
                        DriverSourceException.Kind.UNUSABLE,
                        "driver.source: package is for Debian, Ubuntu, Red Hat's family, Amazon Linux and SUSE, and this is "
                                + distribution.name() + ": use host, runfile or bundle");
        };
        String program = distribution.family().manager();
        if (!manager.host.has(program)) {
            throw new DriverSourceException(
                    DriverSourceException.Kind.TOOLS,
                    "driver.source: package needs " + program + ", which " + distribution.name() + " does not have");
        }
        return manager;
    }

    /** Reads the repositories' lists. */
    abstract void refresh() throws DriverSourceException, InterruptedException;

    /** The versions of a package, the newest first; none when no repository has it. */
    abstract List<Available> versions(String name) throws DriverSourceException, InterruptedException;

    /** Puts a package's file into a directory, as the host sees it. */
    abstract void download(Available one, Path directory) throws DriverSourceException, InterruptedException;

    /** Unpacks a package's file without running anything of it. */
    abstract void unpack(Path file, Path into) throws DriverSourceException, InterruptedException;

    /** The packages' files of a directory and those below it, as the host sees them. */
    List<Path> packages(Path directory) throws IOException {
        Path at = files.resolve(directory);
        return FileTrees.all(at).stream()
                .filter(file -> {
                    String name = file.toString();
                    return name.endsWith(".deb") || name.endsWith(".rpm");
                })
                .sorted()
                .map(file -> directory.resolve(at.relativize(file)))
                .toList();
    }

    /** Whether a failure is that of a manager that somebody else is at: an installation, or the timer that reads the repositories. */
    abstract boolean isBusy(int status, String said);

    /** Whether a failure is that of a question for something that no repository has. */
    boolean isNothing(int status, String said) {
        return false;
    }

    /**
     * Runs it.
     *
     * @param kind of a failure that tells no other
     * @param where it writes, as the host sees it
     */
    final String run(DriverSourceException.Kind kind, String what, Path where, List<String> command)
            throws DriverSourceException, InterruptedException {
        try {
            CommandRunner.Result result =
                    commands.run(host.command(command), ENVIRONMENT, Path.of("/"), LONGEST, OUTPUT_LIMIT);
            String said = (result.error().isBlank() ? result.output() : result.error()).strip();
            if (result.ok()) {
                return result.output();
            }
            if (result.timedOut()) {
                throw new DriverSourceException(
                        kind,
                        what + " failed: " + command.getFirst() + " did not end in " + LONGEST.toHours()
                                + " hours and was ended: " + last(said));
            }
            if (isNothing(result.status(), said)) {
                return "";
            }
            if (isBusy(result.status(), said)) {
                throw new DriverSourceException(
                        DriverSourceException.Kind.BUSY,
                        what + " has to wait: somebody else is at the package manager: " + last(said));
            }
            String advice = WriteFailure.isOfDisk(said) ? StorageFailure.advice(files, where, said) : "";
            throw new DriverSourceException(
                    advice.isEmpty() ? kind : DriverSourceException.Kind.STORAGE,
                    what + " failed: " + command.getFirst() + " ended with status " + result.status() + ": "
                            + last(said) + advice);
        } catch (IOException e) {
            throw new DriverSourceException(DriverSourceException.Kind.TOOLS, what + " failed: " + e.getMessage(), e);
        }
    }

    /** What went wrong stands at the end. */
    private static String last(String said) {
        return said.length() <= TOLD ? said : "…" + said.substring(said.length() - TOLD);
    }

    /** apt of Debian and Ubuntu. */
    static final class Apt extends PackageManager {
        private static final String CANDIDATE = "Candidate:";

        Apt(HostFiles files, CommandRunner commands, Duration stall) {
            super(files, commands, stall);
        }

        private List<String> apt(String... words) {
            List<String> command = new ArrayList<>(List.of("apt-get", "-q", "-y"));
            for (String scheme : List.of("http", "https")) {
                command.add("-o");
                command.add("Acquire::" + scheme + "::Timeout=" + stall.toSeconds());
            }
            command.addAll(List.of("-o", "Acquire::Retries=3"));
            command.addAll(List.of(words));
            return command;
        }

        @Override
        void refresh() throws DriverSourceException, InterruptedException {
            run(
                    DriverSourceException.Kind.UNREACHABLE,
                    LISTS,
                    CACHE,
                    apt("update", "-o", "APT::Update::Error-Mode=any"));
        }

        @Override
        boolean isBusy(int status, String said) {
            return said.contains("Could not get lock") || said.contains("Unable to lock ");
        }

        @Override
        boolean isNothing(int status, String said) {
            return said.contains("Unable to locate package") || said.contains("No packages found");
        }

        @Override
        List<Available> versions(String name) throws DriverSourceException, InterruptedException {
            List<Available> found = inRepositories(name);
            if (found.size() > 1) {
                // What the host's preferences choose, such as those of nvidia-driver-pinning-580, comes before what is
                // newer.
                String preferred = candidate(name);
                found.sort(Comparator.comparing(one -> !one.full().equals(preferred)));
            }
            return found;
        }

        private String candidate(String name) throws DriverSourceException, InterruptedException {
            String policy = run(
                    DriverSourceException.Kind.FAILED,
                    "looking for the preferred version of the package " + name,
                    CACHE,
                    List.of("apt-cache", "policy", name));
            for (String line : policy.split("\n", -1)) {
                if (line.strip().startsWith(CANDIDATE)) {
                    return line.strip().substring(CANDIDATE.length()).strip();
                }
            }
            return "";
        }

        private List<Available> inRepositories(String name) throws DriverSourceException, InterruptedException {
            String table = run(
                    DriverSourceException.Kind.FAILED,
                    "looking for the package " + name,
                    CACHE,
                    List.of("apt-cache", "madison", name));
            List<Available> found = new ArrayList<>();
            for (String line : table.split("\n", -1)) {
                String[] cells = line.split("\\|", -1);
                if (cells.length >= 3 && cells[0].strip().equals(name) && cells[2].contains("Packages")) {
                    Available one = new Available(name, cells[1].strip(), "");
                    if (!found.contains(one)) {
                        found.add(one);
                    }
                }
            }
            return found;
        }

        @Override
        void download(Available one, Path directory) throws DriverSourceException, InterruptedException {
            List<String> command = new ArrayList<>(List.of("env", "--chdir=" + directory));
            command.addAll(apt("download", one.name() + "=" + one.full()));
            run(
                    DriverSourceException.Kind.UNREACHABLE,
                    "fetching the package " + one.name() + " " + one.full(),
                    directory,
                    command);
        }

        @Override
        void unpack(Path file, Path into) throws DriverSourceException, InterruptedException {
            run(
                    DriverSourceException.Kind.DAMAGED,
                    "unpacking " + file.getFileName(),
                    into,
                    List.of("dpkg-deb", "-x", file.toString(), into.toString()));
        }
    }

    /** rpm's files. */
    abstract static sealed class Rpm extends PackageManager {
        /** Of other machines that this one can run, and sources. */
        private static final Set<String> ASIDE = Set.of("i386", "i486", "i586", "i686", "src", "nosrc");

        Rpm(HostFiles files, CommandRunner commands, Duration stall) {
            super(files, commands, stall);
        }

        /** The managers' own order differs between their versions, and may be that of letters: 570.86 after 570.124. */
        static List<Available> newestFirst(List<Available> all) {
            List<Available> sorted = new ArrayList<>(all);
            sorted.removeIf(one -> ASIDE.contains(one.architecture()));
            sorted.sort(Comparator.comparing((Available one) ->
                            DriverVersion.parse(one.upstream()).orElse(new DriverVersion("0.0")))
                    .reversed());
            return sorted;
        }

        @Override
        void unpack(Path file, Path into) throws DriverSourceException, InterruptedException {
            // In two steps: a pipe would hide that the first has failed.
            run(
                    DriverSourceException.Kind.DAMAGED,
                    "unpacking " + file.getFileName(),
                    into,
                    List.of(
                            "sh",
                            "-c",
                            "set -e; cd \"$2\"; rpm2cpio \"$1\" > .cpio; cpio -idm --quiet --no-absolute-filenames < .cpio; rm .cpio",
                            "sh",
                            file.toString(),
                            into.toString()));
        }
    }

    /** dnf of Red Hat's family and Amazon Linux. */
    static final class Dnf extends Rpm {
        Dnf(HostFiles files, CommandRunner commands, Duration stall) {
            super(files, commands, stall);
        }

        private List<String> dnf(String... words) {
            List<String> command = new ArrayList<>(
                    List.of("dnf", "-q", "-y", "--setopt=timeout=" + stall.toSeconds(), "--setopt=retries=3"));
            command.addAll(List.of(words));
            return command;
        }

        @Override
        void refresh() throws DriverSourceException, InterruptedException {
            run(DriverSourceException.Kind.UNREACHABLE, LISTS, CACHE, dnf("makecache", "--refresh"));
        }

        /** It waits by itself. */
        @Override
        boolean isBusy(int status, String said) {
            return false;
        }

        @Override
        List<Available> versions(String name) throws DriverSourceException, InterruptedException {
            String lines = run(
                    DriverSourceException.Kind.FAILED,
                    "looking for the package " + name,
                    CACHE,
                    dnf(
                            // All versions: dnf 4 and 5 do so without being told, and 5 refuses to be told.
                            "repoquery", "--queryformat", "%{name} %{epoch}:%{version}-%{release} %{arch}\n", name));
            List<Available> found = new ArrayList<>();
            for (String line : lines.split("\n", -1)) {
                String[] words = line.strip().split(" ", -1);
                if (words.length == 3 && words[0].equals(name)) {
                    // Of revisions of one version the oldest come first.
                    found.addFirst(new Available(name, words[1], words[2]));
                }
            }
            return newestFirst(found);
        }

        @Override
        void download(Available one, Path directory) throws DriverSourceException, InterruptedException {
            String plain = one.full().substring(one.full().indexOf(':') + 1);
            run(
                    DriverSourceException.Kind.UNREACHABLE,
                    "fetching the package " + one.name() + " " + one.full(),
                    directory,
                    dnf(
                            "download",
                            "--destdir",
                            directory.toString(),
                            one.name() + "-" + plain + "." + one.architecture()));
        }
    }

    /** zypper of SUSE. */
    static final class Zypper extends Rpm {
        /** ZYPPER_EXIT_INF_CAP_NOT_FOUND, which some versions end with although they are to ignore it. */
        private static final int NO_SUCH_PACKAGE = 104;
        /** ZYPPER_EXIT_ZYPP_LOCKED. */
        private static final int LOCKED = 7;

        Zypper(HostFiles files, CommandRunner commands, Duration stall) {
            super(files, commands, stall);
        }

        @Override
        void refresh() throws DriverSourceException, InterruptedException {
            run(
                    DriverSourceException.Kind.UNREACHABLE,
                    LISTS,
                    CACHE,
                    List.of("zypper", "--non-interactive", "--quiet", "refresh"));
        }

        @Override
        boolean isBusy(int status, String said) {
            return status == LOCKED;
        }

        @Override
        boolean isNothing(int status, String said) {
            return status == NO_SUCH_PACKAGE;
        }

        @Override
        List<Available> versions(String name) throws DriverSourceException, InterruptedException {
            String table = run(
                    DriverSourceException.Kind.FAILED,
                    "looking for the package " + name,
                    CACHE,
                    List.of(
                            "zypper",
                            "--non-interactive",
                            "--quiet",
                            "--ignore-unknown",
                            "search",
                            "--details",
                            "--match-exact",
                            "--type",
                            "package",
                            name));
            List<Available> found = new ArrayList<>();
            for (String line : table.split("\n", -1)) {
                String[] cells = line.split("\\|", -1);
                if (cells.length >= 5 && cells[1].strip().equals(name)) {
                    found.add(new Available(name, cells[3].strip(), cells[4].strip()));
                }
            }
            return newestFirst(found);
        }

        @Override
        void download(Available one, Path directory) throws DriverSourceException, InterruptedException {
            run(
                    DriverSourceException.Kind.UNREACHABLE,
                    "fetching the package " + one.name() + " " + one.full(),
                    directory,
                    List.of(
                            "zypper",
                            "--non-interactive",
                            "--quiet",
                            "--pkg-cache-dir",
                            // Older ones empty the directory first, and with it what was fetched before.
                            directory.resolve(one.name()).toString(),
                            "download",
                            one.name() + "=" + one.full()));
        }
    }
}
