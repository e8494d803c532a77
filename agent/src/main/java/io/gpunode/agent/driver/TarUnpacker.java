package io.gpunode.agent.driver;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Unpacks a tar archive (ustar, with GNU's and POSIX's long names) that nobody has looked at: nothing is written outside of the target, which is an
 * empty directory of ours. Files, directories and links that stay inside are unpacked; devices, pipes, set-user-ID bits, owners and times
 * are not. Symbolic links are made last, so that nothing is ever written through one.
 */
final class TarUnpacker {
    private static final int BLOCK = 512;
    private static final int NAME_LIMIT = 8_192;
    private static final int ENTRY_LIMIT = DriverManifest.ENTRY_LIMIT;

    private final InputStream in;
    private final Path into;
    private final long sizeLimit;
    private final Watcher watcher;
    private final Map<String, String> links = new LinkedHashMap<>();
    private final byte[] header = new byte[BLOCK];
    private final byte[] buffer = new byte[64 << 10];
    private int entries;
    private long written;

    /** Told of what was written so far. */
    @FunctionalInterface
    interface Watcher {
        void written(long bytes);
    }

    private TarUnpacker(InputStream in, Path into, long sizeLimit, Watcher watcher) {
        this.in = in;
        this.into = into;
        this.sizeLimit = sizeLimit;
        this.watcher = watcher;
    }

    /**
     * Unpacks.
     *
     * @param in the archive, already decompressed; is read to the archive's end
     * @param into an existing, empty directory
     * @param sizeLimit bytes that all files may have together
     * @return bytes written
     * @throws DamagedArchiveException when it is no tar archive, is cut short, or wants what it may not
     * @throws IOException when a file cannot be written
     * @throws InterruptedException when the thread was interrupted
     */
    static long unpack(InputStream in, Path into, long sizeLimit, Watcher watcher)
            throws DamagedArchiveException, IOException, InterruptedException {
        TarUnpacker unpacker = new TarUnpacker(in, into, sizeLimit, watcher);
        unpacker.all();
        return unpacker.written;
    }

    private void all() throws DamagedArchiveException, IOException, InterruptedException {
        String longName = "";
        String longLink = "";
        long longSize = -1;
        while (true) {
            readHeader();
            if (isZero(header)) {
                break;
            }
            checkHeader();
            if (++entries > ENTRY_LIMIT) {
                throw new DamagedArchiveException("it has more than " + ENTRY_LIMIT + " entries");
            }
            long size = longSize >= 0 ? longSize : number(124, 12, "size");
            char type = (char) header[156];
            switch (type) {
                case 'L' -> longName = text(content(size));
                case 'K' -> longLink = text(content(size));
                case 'x' -> {
                    Map<String, String> records = records(content(size));
                    longName = records.getOrDefault("path", longName);
                    longLink = records.getOrDefault("linkpath", longLink);
                    longSize = records.containsKey("size") ? decimal(records.get("size")) : -1;
                }
                case 'g' -> skip(size);
                default -> {
                    String name = longName.isEmpty() ? shortName() : longName;
                    String link = longLink.isEmpty() ? text(157, 100) : longLink;
                    entry(type, name, link, size);
                    longName = "";
                    longLink = "";
                    longSize = -1;
                }
            }
        }
        for (Map.Entry<String, String> link : links.entrySet()) {
            Path at = target(link.getKey());
            try {
                Files.createSymbolicLink(at, Path.of(link.getValue()));
            } catch (FileAlreadyExistsException e) {
                throw new DamagedArchiveException(link.getKey() + " is in it twice", e);
            }
        }
    }

    private void entry(char type, String name, String link, long size)
            throws DamagedArchiveException, IOException, InterruptedException {
        String path = name;
        while (path.startsWith("./")) {
            path = path.substring(2);
        }
        boolean directory = type == '5' || (path.endsWith("/") && (type == '0' || type == 0));
        while (path.endsWith("/")) {
            path = path.substring(0, path.length() - 1);
        }
        if (directory && (path.isEmpty() || path.equals("."))) {
            return;
        }
        String problem = ManifestPath.problem(path);
        if (!problem.isEmpty()) {
            throw new DamagedArchiveException("the path \"" + shown(path) + "\" in it " + problem);
        }
        if (directory) {
            makeDirectory(into.resolve(path), path);
            return;
        }
        switch (type) {
            case '0', 0, '7' -> file(path, size);
            case '1' -> hardLink(path, link);
            case '2' -> {
                String wrong = ManifestPath.linkProblem(path, link);
                if (!wrong.isEmpty()) {
                    throw new DamagedArchiveException(
                            "the link " + path + " to \"" + shown(link) + "\" in it " + wrong);
                }
                if (links.put(path, link) != null) {
                    throw new DamagedArchiveException(path + " is in it twice");
                }
            }
            case '3', '4', '6' -> throw new DamagedArchiveException(path + " in it is a device or a pipe");
            default -> throw new DamagedArchiveException(path + " in it is of the unknown kind " + (int) type);
        }
    }

    private void file(String path, long size) throws DamagedArchiveException, IOException, InterruptedException {
        if (size > sizeLimit - written) {
            throw new DamagedArchiveException("its files have more than " + sizeLimit + " bytes");
        }
        Path file = target(path);
        boolean program = (number(100, 8, "mode") & 0100) != 0;
        try (OutputStream out = Files.newOutputStream(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            long left = size;
            while (left > 0) {
                if (Thread.interrupted()) {
                    throw new InterruptedException("unpacking was interrupted");
                }
                int count = read(buffer, (int) Math.min(buffer.length, left));
                out.write(buffer, 0, count);
                left -= count;
                written += count;
                watcher.written(written);
            }
        } catch (FileAlreadyExistsException e) {
            throw new DamagedArchiveException(path + " is in it twice", e);
        }
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(program ? "rwxr-xr-x" : "rw-r--r--"));
        skipPadding(size);
    }

    private void hardLink(String path, String link) throws DamagedArchiveException, IOException {
        String from = link.startsWith("./") ? link.substring(2) : link;
        Path first = into.resolve(from);
        if (!ManifestPath.problem(from).isEmpty()
                || links.containsKey(from)
                || !Files.isRegularFile(first, LinkOption.NOFOLLOW_LINKS)) {
            throw new DamagedArchiveException(
                    "the link " + path + " to \"" + shown(link) + "\" in it leads to no file that came before it");
        }
        try {
            Files.createLink(target(path), first);
        } catch (FileAlreadyExistsException e) {
            throw new DamagedArchiveException(path + " is in it twice", e);
        }
    }

    /** Where a path lies; directories on the way are made where the archive does not have them. */
    private Path target(String path) throws DamagedArchiveException, IOException {
        for (int end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1)) {
            if (links.containsKey(path.substring(0, end))) {
                throw new DamagedArchiveException(
                        path.substring(0, end) + " in it is a link, and other things are below it");
            }
        }
        if (path.lastIndexOf('/') >= 0) {
            String parent = path.substring(0, path.lastIndexOf('/'));
            makeDirectory(into.resolve(parent), parent);
        }
        return into.resolve(path);
    }

    private static void makeDirectory(Path directory, String path) throws DamagedArchiveException, IOException {
        try {
            Files.createDirectories(directory);
        } catch (FileAlreadyExistsException e) {
            throw new DamagedArchiveException(path + " in it is a file, and other things are below it", e);
        }
        if (!Files.isDirectory(directory, LinkOption.NOFOLLOW_LINKS)) {
            throw new DamagedArchiveException(path + " in it is a link, and other things are below it");
        }
    }

    // ---- the format

    private void readHeader() throws DamagedArchiveException {
        int at = 0;
        while (at < BLOCK) {
            at += readAt(header, at, BLOCK - at);
        }
    }

    private int read(byte[] bytes, int length) throws DamagedArchiveException {
        return readAt(bytes, 0, length);
    }

    private int readAt(byte[] bytes, int at, int length) throws DamagedArchiveException {
        try {
            int count = in.read(bytes, at, length);
            if (count < 0) {
                throw new DamagedArchiveException("it is cut short");
            }
            return count;
        } catch (IOException e) {
            throw new DamagedArchiveException("it cannot be read: " + e.getMessage(), e);
        }
    }

    private byte[] content(long size) throws DamagedArchiveException {
        if (size < 0 || size > NAME_LIMIT) {
            throw new DamagedArchiveException("a name in it is longer than " + NAME_LIMIT + " bytes");
        }
        byte[] bytes = new byte[(int) size];
        int at = 0;
        while (at < bytes.length) {
            at += readAt(bytes, at, bytes.length - at);
        }
        skipPadding(size);
        return bytes;
    }

    private void skip(long size) throws DamagedArchiveException {
        long left = size;
        while (left > 0) {
            left -= read(buffer, (int) Math.min(buffer.length, left));
        }
        skipPadding(size);
    }

    private void skipPadding(long size) throws DamagedArchiveException {
        int left = (int) ((BLOCK - size % BLOCK) % BLOCK);
        while (left > 0) {
            left -= read(buffer, left);
        }
    }

    private void checkHeader() throws DamagedArchiveException {
        long sum = 0;
        for (int i = 0; i < BLOCK; i++) {
            sum += i >= 148 && i < 156 ? ' ' : header[i] & 0xff;
        }
        if (sum != number(148, 8, "checksum")) {
            throw new DamagedArchiveException(
                    entries == 0 ? "it is no tar archive" : "it is damaged after entry " + entries);
        }
    }

    /** Octal digits, or GNU's binary form with the top bit set. */
    private long number(int offset, int length, String what) throws DamagedArchiveException {
        if ((header[offset] & 0x80) != 0) {
            long value = header[offset] & 0x7f;
            for (int i = offset + 1; i < offset + length; i++) {
                if (value >= 1L << 54) {
                    throw new DamagedArchiveException("a " + what + " in it is out of range");
                }
                value = value << 8 | (header[i] & 0xff);
            }
            return value;
        }
        String digits = text(offset, length).strip();
        try {
            long value = digits.isEmpty() ? 0 : Long.parseLong(digits, 8);
            if (value < 0) {
                throw new DamagedArchiveException("a " + what + " in it is negative");
            }
            return value;
        } catch (NumberFormatException e) {
            throw new DamagedArchiveException(
                    entries == 0 ? "it is no tar archive" : "a " + what + " in it is no number", e);
        }
    }

    private String shortName() {
        boolean posix = text(257, 5).equals("ustar") && header[262] == 0;
        String prefix = posix ? text(345, 155) : "";
        return prefix.isEmpty() ? text(0, 100) : prefix + "/" + text(0, 100);
    }

    private String text(int offset, int length) {
        int end = offset;
        while (end < offset + length && header[end] != 0) {
            end++;
        }
        return new String(header, offset, end - offset, StandardCharsets.UTF_8);
    }

    private static String text(byte[] bytes) {
        int end = 0;
        while (end < bytes.length && bytes[end] != 0) {
            end++;
        }
        return new String(bytes, 0, end, StandardCharsets.UTF_8);
    }

    /** POSIX's extended headers: {@code LENGTH NAME=VALUE\n}, the length of the whole record in bytes. */
    private static Map<String, String> records(byte[] bytes) throws DamagedArchiveException {
        Map<String, String> records = new LinkedHashMap<>();
        int at = 0;
        while (at < bytes.length) {
            int blank = at;
            while (blank < bytes.length && bytes[blank] != ' ') {
                blank++;
            }
            long length = decimal(new String(bytes, at, blank - at, StandardCharsets.US_ASCII));
            if (length <= blank - at + 1 || length > bytes.length - at || bytes[at + (int) length - 1] != '\n') {
                throw new DamagedArchiveException("an extended header in it is malformed");
            }
            String record = new String(bytes, blank + 1, at + (int) length - 1 - (blank + 1), StandardCharsets.UTF_8);
            int equals = record.indexOf('=');
            if (equals > 0) {
                records.put(record.substring(0, equals), record.substring(equals + 1));
            }
            at += (int) length;
        }
        return records;
    }

    private static long decimal(String digits) throws DamagedArchiveException {
        try {
            long value = Long.parseLong(digits);
            if (value >= 0) {
                return value;
            }
        } catch (NumberFormatException e) {
            // Told below.
        }
        throw new DamagedArchiveException("an extended header in it has \"" + shown(digits) + "\" for a number");
    }

    private static boolean isZero(byte[] block) {
        return Arrays.equals(block, new byte[BLOCK]);
    }

    private static String shown(String text) {
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < Math.min(text.length(), 200); i++) {
            char c = text.charAt(i);
            out.append(c < ' ' || c >= 0x7f ? '?' : c);
        }
        return out.toString();
    }
}
