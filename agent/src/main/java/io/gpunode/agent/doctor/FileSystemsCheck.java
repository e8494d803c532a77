package io.gpunode.agent.doctor;

import io.gpunode.agent.config.AgentConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Whether there is room where the agent writes, and whether programs may be run from where it lies. */
final class FileSystemsCheck implements Check {
    private static final long MEBIBYTE = 1 << 20;
    private static final int MOUNTS_LIMIT = 4 << 20;
    private static final int MOUNT_FIELDS = 4;

    private static final Path STATE = Path.of("/var/lib/gpu-node-agent");
    private static final Path CACHE = Path.of("/var/cache/gpu-node-agent");
    private static final Path RUN = Path.of("/run/gpu-node-agent");
    private static final Path UNITS = Path.of("/etc/systemd/system");

    /** A journal, what a crash leaves behind, and room for others. */
    private static final long FOR_STATE = 64;
    /** The start-up cache is of some 40 MiB. */
    private static final long FOR_CACHE = 64;

    private static final long FOR_RUN = 8;
    /** Two drivers of about 1 GiB each, with their sources while they are compiled. */
    private static final long FOR_DRIVERS = 6_144;

    /** @param options as {@code /proc/mounts} lists them */
    private record Mounted(Path point, List<String> options) {}

    @Override
    public String name() {
        return "file-systems";
    }

    @Override
    public String wanted(Patient patient) {
        return room(patient) + " MiB below /var/lib, " + FOR_CACHE + " below /var/cache, " + FOR_RUN
                + " below /run; programs may be run from " + patient.home();
    }

    @Override
    public List<Diagnosis> examine(Patient patient) throws IOException {
        List<Diagnosis> found = new ArrayList<>();
        List<Mounted> mounts = mounts(patient);
        space(patient, STATE, room(patient), found);
        space(patient, CACHE, FOR_CACHE, found);
        space(patient, RUN, FOR_RUN, found);
        option(mounts, patient.home(), "noexec")
                .ifPresent(point -> found.add(Diagnosis.problem(
                        name(),
                        point + " is mounted noexec, and the agent lies in " + patient.home()
                                + ": it cannot be started",
                        "mount -o remount,exec " + point
                                + ", or install the agent elsewhere (the .tar.gz runs from any directory)")));
        if (stores(patient)) {
            option(mounts, STATE, "noexec")
                    .ifPresent(point -> found.add(Diagnosis.problem(
                            name(),
                            point + " is mounted noexec: programs of a driver in " + STATE + " cannot be run",
                            "mount -o remount,exec " + point)));
        }
        for (Path written : List.of(STATE, UNITS)) {
            option(mounts, written, "ro")
                    .ifPresent(point -> found.add(Diagnosis.problem(
                            name(),
                            point + " is read-only, and the agent needs " + written,
                            "mount -o remount,rw " + point)));
        }
        option(mounts, Path.of("/usr"), "ro")
                .ifPresent(
                        point -> found.add(
                                Diagnosis.note(
                                        name(),
                                        point
                                                + " is read-only: packages cannot be installed there; the agent itself writes nothing to /usr",
                                        "unpack the .tar.gz below /opt or /var, or layer the package as the distribution does (rpm-ostree install)")));
        if (found.isEmpty()) {
            found.add(Diagnosis.ok(name(), "room and rights where the agent lies and writes"));
        }
        return found;
    }

    private static boolean stores(Patient patient) {
        AgentConfig.Driver driver = patient.config().driver();
        return driver.manage() && driver.source() != AgentConfig.Driver.SourceKind.HOST;
    }

    private static long room(Patient patient) {
        return stores(patient) ? FOR_DRIVERS : FOR_STATE;
    }

    private void space(Patient patient, Path directory, long wanted, List<Diagnosis> found) throws IOException {
        Path existing = directory;
        while (!patient.files().exists(existing) && existing.getParent() != null) {
            existing = existing.getParent();
        }
        long free = Files.getFileStore(patient.files().resolve(existing)).getUsableSpace() / MEBIBYTE;
        if (free < wanted) {
            found.add(Diagnosis.problem(
                    name(),
                    free + " MiB are free in " + existing + ", for " + directory + " " + wanted + " are wanted",
                    "df -h " + existing));
        }
    }

    /** The mount on which a path lies, if it has an option. */
    private static Optional<Path> option(List<Mounted> mounts, Path path, String option) {
        @Nullable Mounted nearest = null;
        for (Mounted mount : mounts) {
            boolean nearer = nearest == null
                    || mount.point().getNameCount() >= nearest.point().getNameCount();
            if (path.startsWith(mount.point()) && nearer) {
                nearest = mount;
            }
        }
        return nearest != null && nearest.options().contains(option) ? Optional.of(nearest.point()) : Optional.empty();
    }

    /** Those that the host's first process sees. */
    private static List<Mounted> mounts(Patient patient) throws IOException {
        List<Mounted> mounts = new ArrayList<>();
        String text = patient.files()
                .readText(Path.of("/proc/1/mounts"), MOUNTS_LIMIT)
                .orElse("");
        for (String line : text.split("\n", -1)) {
            String[] fields = line.split(" ", -1);
            if (fields.length >= MOUNT_FIELDS && fields[1].startsWith("/")) {
                mounts.add(new Mounted(Path.of(fields[1].replace("\\040", " ")), List.of(fields[3].split(",", -1))));
            }
        }
        return mounts;
    }
}
