package io.gpunode.agent.config;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Optional;

/** Reads the text of a configuration file: UTF-8, of bounded size, from something that cannot block for ever. */
public final class TextFile {
    private static final int MOST_BYTES = 1 << 20;

    private TextFile() {}

    /** A file's text; empty when it cannot be read, which is then reported. */
    public static Optional<String> read(Path file, Report report) {
        Place place = Place.file(file.toString());
        try {
            if (Files.isDirectory(file)) {
                report.problem(place, "", "is a directory", "name the file in it");
                return Optional.empty();
            }
            // An empty configuration is often a link to the null device; other devices and pipes could block for ever.
            if (file.toRealPath().equals(Path.of("/dev/null"))) {
                return Optional.of("");
            }
            if (!Files.isRegularFile(file)) {
                report.problem(place, "", "is not a regular file", "name a regular file");
                return Optional.empty();
            }
            try (InputStream in = Files.newInputStream(file)) {
                return text(in, place, report);
            }
        } catch (AccessDeniedException e) {
            report.problem(
                    place,
                    "",
                    "may not be read by user " + System.getProperty("user.name"),
                    "allow it, or run as another user: ls -l " + file);
        } catch (IOException e) {
            String why = e instanceof FileSystemException f && f.getReason() != null
                    ? f.getReason()
                    : e instanceof NoSuchFileException ? "it does not exist" : String.valueOf(e.getMessage());
            report.problem(place, "", "cannot be read: " + why, "name a file that can be read");
        }
        return Optional.empty();
    }

    /**
     * The text of a stream, up to its end; empty when it cannot be read, which is then reported.
     *
     * @param name of the stream in messages
     */
    public static Optional<String> read(String name, InputStream in, Report report) {
        Place place = Place.file(name);
        try {
            return text(in, place, report);
        } catch (IOException e) {
            report.problem(place, "", "cannot be read: " + e.getMessage(), "name a file that can be read");
            return Optional.empty();
        }
    }

    private static Optional<String> text(InputStream in, Place place, Report report) throws IOException {
        byte[] bytes = in.readNBytes(MOST_BYTES + 1);
        if (bytes.length > MOST_BYTES) {
            report.problem(place, "", "is larger than " + (MOST_BYTES >> 20) + " MiB", "name the configuration file");
            return Optional.empty();
        }
        try {
            String text = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
            return Optional.of(text.startsWith("\ufeff") ? text.substring(1) : text);
        } catch (CharacterCodingException e) {
            report.problem(place, "", "is not UTF-8 text", "save it as UTF-8");
            return Optional.empty();
        }
    }
}
