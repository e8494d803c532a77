package io.gpunode.agent.driver;

import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Which files drivers were taken from, how they looked then, and what became of them in the {@link DriverStore}: so that a file that was replaced is read
 * again, one that was not costs one look at its inode, and one that is gone is not needed. A line for each file, words parted by tabs. Written by whoever holds the
 * store's lock; what cannot be read of it counts as never taken.
 */
final class TakenFiles {
    private static final String NAME = "taken";
    private static final int MOST = 16;
    private static final int WORDS = 5;
    private static final int TEXT_LIMIT = 1 << 20;
    private static final String MODE = "rw-------";
    private static final String NONE = "-";

    private final HostFiles files;
    private final Path file;

    /** @param store the store's directory, as the host sees it */
    TakenFiles(HostFiles files, Path store) {
        this.files = files;
        this.file = store.resolve(NAME);
    }

    /**
     * A file that was taken.
     *
     * @param source which source took it; without white space
     * @param path its name in the configuration; without control characters
     * @param stamp how it looked before it was read
     * @param sha256 of its content, lower-case hexadecimal digits; empty where nobody has asked for it
     * @param keys of the objects that came of it
     */
    record Taken(String source, String path, String stamp, String sha256, Set<String> keys) {
        /** Whether it is what a setting's SHA-256 wants; an empty setting wants nothing. */
        boolean is(String wantedSha256) {
            return wantedSha256.isEmpty() || wantedSha256.equals(sha256);
        }
    }

    /**
     * What changes whenever somebody replaces a file or writes into it: its inode, size and times.
     *
     * @param file as this process sees it
     */
    static String stamp(Path file) throws IOException {
        Map<String, Object> seen = Files.readAttributes(file, "unix:ino,size,lastModifiedTime,ctime");
        return seen.get("ino") + ":" + seen.get("size") + ":" + nanos(seen.get("lastModifiedTime")) + ":"
                + nanos(seen.get("ctime"));
    }

    private static long nanos(@Nullable Object time) {
        return ((FileTime) Objects.requireNonNull(time)).to(TimeUnit.NANOSECONDS);
    }

    /** What is known of a file; empty when it was never taken. */
    Optional<Taken> find(String source, String path) throws IOException {
        return read().stream()
                .filter(taken -> taken.source.equals(source) && taken.path.equals(path))
                .findFirst();
    }

    /** Of all objects that came of a noted file. */
    Set<String> keys() throws IOException {
        Set<String> keys = new TreeSet<>();
        for (Taken each : read()) {
            keys.addAll(each.keys);
        }
        return keys;
    }

    /** Notes a file that was taken; those that were taken longest ago are forgotten. */
    void note(Taken taken) throws IOException {
        List<Taken> all = new ArrayList<>();
        all.add(taken);
        for (Taken other : read()) {
            if (all.size() < MOST && !(other.source.equals(taken.source) && other.path.equals(taken.path))) {
                all.add(other);
            }
        }
        StringBuilder text = new StringBuilder();
        for (Taken each : all) {
            text.append(String.join(
                            "\t",
                            each.source,
                            each.stamp,
                            each.sha256.isEmpty() ? NONE : each.sha256,
                            String.join(",", each.keys),
                            each.path))
                    .append('\n');
        }
        files.replace(file, text.toString().getBytes(StandardCharsets.UTF_8), MODE);
    }

    private List<Taken> read() throws IOException {
        List<Taken> all = new ArrayList<>();
        for (String line : files.readText(file, TEXT_LIMIT).orElse("").split("\n", -1)) {
            String[] words = line.split("\t", -1);
            if (words.length == WORDS) {
                Set<String> keys = new TreeSet<>(Arrays.asList(words[3].split(",", -1)));
                if (keys.stream().allMatch(DriverManifest::isKey)) {
                    all.add(new Taken(words[0], words[4], words[1], words[2].equals(NONE) ? "" : words[2], keys));
                }
            }
        }
        return all;
    }
}
