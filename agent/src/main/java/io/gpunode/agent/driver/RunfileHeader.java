package io.gpunode.agent.driver;

import io.gpunode.agent.model.DriverVersion;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;

/**
 * The head of NVIDIA's {@code .run} file: a shell script as makeself 1.6.0-nv writes it, which names in its first lines what follows, then (from line
 * {@code skip_decompress}) a program that decompresses where the system has none, then (from line {@code skip}) a compressed tar archive. The script is read,
 * never run.
 *
 * @param crc the CRC of {@code cksum} of everything from line 4 on
 * @param md5 of the same, 32 lower-case hexadecimal digits; empty for none
 * @param label what it is, for people
 * @param version the driver's
 * @param system {@code TARGET_OS}
 * @param machine {@code TARGET_ARCH}, as {@code uname -m} writes it
 * @param checkedFrom offset of line 4
 * @param decompressor offset of the program that decompresses
 * @param decompressorSize its length in bytes; 0 for none
 * @param payload offset of the compressed archive
 * @param unpackedKilobytes what the archive takes when it is unpacked; 0 where the head does not tell
 */
record RunfileHeader(
        int crc,
        String md5,
        String label,
        DriverVersion version,
        String system,
        String machine,
        int checkedFrom,
        int decompressor,
        int decompressorSize,
        int payload,
        long unpackedKilobytes) {
    /** The script has about 40 kB, the decompressor some hundred. */
    static final int LIMIT = 8 << 20;

    private static final int SETTING_LINES = 64;
    private static final int VALUE_LIMIT = 512;
    private static final String NO_MD5 = "0".repeat(32);
    private static final String SIZE_WORDS = "Uncompressed size";
    private static final Set<String> NAMES = Set.of(
            "CRCsum",
            "MD5",
            "skip",
            "skip_decompress",
            "size_decompress",
            "label",
            "version_string",
            "targetdir",
            "TARGET_OS",
            "TARGET_ARCH");

    /**
     * Reads the head.
     *
     * @param start the file's first bytes: all of it, or {@link #LIMIT}
     * @throws DamagedArchiveException when it is none
     */
    static RunfileHeader parse(byte[] start) throws DamagedArchiveException {
        if (start.length < 2 || start[0] != '#' || start[1] != '!') {
            throw new DamagedArchiveException("it is no .run file: it does not begin with a script");
        }
        Map<String, String> settings = settings(start);
        int skip = count(settings, "skip");
        int payload = line(start, skip);
        int skipDecompress = settings.containsKey("skip_decompress") ? count(settings, "skip_decompress") : skip;
        int sizeDecompress = settings.containsKey("size_decompress") ? count(settings, "size_decompress") : 0;
        if (skip < SETTING_LINES / 8
                || payload < 0
                || skipDecompress > skip
                || sizeDecompress > skip - skipDecompress) {
            throw new DamagedArchiveException(
                    "it is no .run file of NVIDIA's driver, or is cut short: its archive would begin at line " + skip);
        }
        int decompressor = line(start, skipDecompress);
        int decompressorEnd = line(start, skipDecompress + sizeDecompress);
        String versionText = settings.getOrDefault("version_string", "");
        DriverVersion version = DriverVersion.parse(versionText)
                .orElseThrow(() -> new DamagedArchiveException(
                        "it is no .run file of NVIDIA's driver: \"" + versionText + "\" is no driver version"));
        String md5 = settings.getOrDefault("MD5", NO_MD5);
        return new RunfileHeader(
                crc(settings.getOrDefault("CRCsum", "")),
                md5.equals(NO_MD5) ? "" : md5(md5),
                settings.getOrDefault("label", ""),
                version,
                settings.getOrDefault("TARGET_OS", ""),
                settings.getOrDefault("TARGET_ARCH", ""),
                line(start, 4),
                decompressor,
                decompressorEnd - decompressor,
                payload,
                unpackedKilobytes(start, decompressor));
    }

    /** The assignments of the first lines. */
    private static Map<String, String> settings(byte[] start) {
        Map<String, String> settings = new HashMap<>();
        int at = 0;
        for (int line = 0; line < SETTING_LINES && at < start.length; line++) {
            int end = at;
            while (end < start.length && start[end] != '\n') {
                end++;
            }
            if (end - at <= VALUE_LIMIT) {
                String text = new String(start, at, end - at, StandardCharsets.US_ASCII);
                int equals = text.indexOf('=');
                if (equals > 0 && NAMES.contains(text.substring(0, equals))) {
                    settings.putIfAbsent(text.substring(0, equals), unquoted(text.substring(equals + 1)));
                }
            }
            at = end + 1;
        }
        return settings;
    }

    private static String unquoted(String value) {
        boolean quoted = value.length() >= 2 && value.startsWith("\"") && value.endsWith("\"");
        String text = quoted ? value.substring(1, value.length() - 1) : value;
        return ManifestPath.plain(text) ? text : "";
    }

    private static int count(Map<String, String> settings, String name) throws DamagedArchiveException {
        String text = settings.getOrDefault(name, "");
        OptionalInt count = number(text);
        return count.orElseThrow(() -> new DamagedArchiveException("it is no .run file of NVIDIA's driver: its line \""
                + name + "=" + text + "\" is missing or has no number"));
    }

    private static OptionalInt number(String text) {
        if (text.isEmpty() || text.length() > 7 || !text.chars().allMatch(c -> c >= '0' && c <= '9')) {
            return OptionalInt.empty();
        }
        return OptionalInt.of(Integer.parseInt(text));
    }

    private static int crc(String text) throws DamagedArchiveException {
        try {
            return Integer.parseUnsignedInt(text);
        } catch (NumberFormatException e) {
            throw new DamagedArchiveException(
                    "it is no .run file of NVIDIA's driver: \"" + text + "\" is no checksum", e);
        }
    }

    private static String md5(String text) throws DamagedArchiveException {
        if (!text.matches("[0-9a-f]{32}")) {
            throw new DamagedArchiveException("it is no .run file of NVIDIA's driver: \"" + text + "\" is no MD5");
        }
        return text;
    }

    /** Offset of a line, counted from 1; -1 when there are fewer. */
    private static int line(byte[] start, int number) {
        int line = 1;
        int at = 0;
        while (line < number) {
            while (at < start.length && start[at] != '\n') {
                at++;
            }
            if (at >= start.length) {
                return -1;
            }
            at++;
            line++;
        }
        return at;
    }

    /** The script tells it in {@code --info}. */
    private static long unpackedKilobytes(byte[] start, int end) {
        String script = new String(start, 0, Math.clamp(end, 0, start.length), StandardCharsets.US_ASCII);
        int at = script.indexOf(SIZE_WORDS);
        if (at < 0) {
            return 0;
        }
        int colon = script.indexOf(':', at);
        int unit = colon < 0 || colon - at > 40 ? -1 : script.indexOf(" KB", colon);
        return unit < 0 || unit - colon > 16
                ? 0
                : number(script.substring(colon + 1, unit).strip()).orElse(0);
    }
}
