package io.gpunode.agent.os;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * What a kernel module's file says of itself: the {@code .modinfo} section of an ELF object (kernel/module, {@code get_modinfo}), and the signature that
 * may follow the object (scripts/sign-file.c). A compressed file is read by {@code modinfo} of kmod.
 *
 * @param architecture ELF's machine number: 62 for x86-64, 183 for AArch64; 0 where it is not known (compressed)
 * @param fields of {@code .modinfo}; a name may come several times
 * @param signature the signature; empty when there is none
 */
public record ModuleFile(int architecture, Map<String, List<String>> fields, Optional<Signature> signature) {
    /**
     * A signature at the end of the file.
     *
     * @param signer the common name of who signed, as the certificate's issuer is written; empty where only a key identifier is told
     * @param key the certificate's serial number or key identifier, lower-case hexadecimal digits
     * @param hash such as {@code sha256}; empty for one that is not known
     */
    public record Signature(String signer, String key, String hash) {}

    private static final int MAGIC = 0x464c457f;
    private static final int HEADER = 64;
    private static final int SECTION_HEADER = 64;
    /** NVIDIA's largest module has some hundred; function sections may bring thousands. */
    private static final int MOST_SECTIONS = 65_000;

    private static final int INFO_LIMIT = 1 << 20;
    private static final int NAMES_LIMIT = 4 << 20;
    private static final int SIGNATURE_LIMIT = 64 << 10;
    private static final byte[] SIGNED = "~Module signature appended~\n".getBytes(StandardCharsets.US_ASCII);
    /** {@code struct module_signature}: five bytes, three of padding, and the length, big endian. */
    private static final int DESCRIPTOR = 12;

    private static final int PKCS7 = 2;
    private static final Duration MODINFO_LIMIT = Duration.ofSeconds(30);
    private static final int OUTPUT_LIMIT = 1 << 20;

    public ModuleFile {
        Map<String, List<String>> copy = new LinkedHashMap<>();
        fields.forEach((name, values) -> copy.put(name, List.copyOf(values)));
        fields = Collections.unmodifiableMap(copy);
    }

    /**
     * Reads a file.
     *
     * @param commands for a compressed file
     * @throws IOException when it cannot be read, or is no kernel module
     */
    public static ModuleFile read(HostFiles files, Path path, CommandRunner commands)
            throws IOException, InterruptedException {
        String name = path.toString();
        if (name.endsWith(".xz") || name.endsWith(".zst") || name.endsWith(".gz")) {
            return unpacked(files, path, commands);
        }
        try (SeekableByteChannel file = files.open(path)) {
            return parse(file, path);
        }
    }

    private static ModuleFile unpacked(HostFiles files, Path path, CommandRunner commands)
            throws IOException, InterruptedException {
        CommandRunner.Result result = commands.run(
                List.of("modinfo", "-0", "--", files.resolve(path).toString()), MODINFO_LIMIT, OUTPUT_LIMIT);
        if (!result.ok() || result.truncated()) {
            throw new IOException(path + " is no kernel module that modinfo can read: "
                    + (result.timedOut()
                            ? "it did not end in " + MODINFO_LIMIT
                            : result.error().strip()));
        }
        Map<String, List<String>> fields = new LinkedHashMap<>();
        for (String field : result.output().split("\0", -1)) {
            // modinfo -0 separates what it prints by NUL and writes "name=value" or, by its version, "name:   value".
            int end = separator(field);
            if (end > 0) {
                add(
                        fields,
                        field.substring(0, end).strip(),
                        field.substring(end + 1).strip());
            }
        }
        fields.remove("filename");
        Optional<Signature> signature = fields.containsKey("sig_id")
                ? Optional.of(new Signature(
                        first(fields, "signer"),
                        first(fields, "sig_key").replace(":", "").toLowerCase(Locale.ROOT),
                        first(fields, "sig_hashalgo")))
                : Optional.empty();
        fields.keySet().removeAll(List.of("sig_id", "signer", "sig_key", "sig_hashalgo", "signature"));
        return new ModuleFile(0, fields, signature);
    }

    private static int separator(String field) {
        int equals = field.indexOf('=');
        int colon = field.indexOf(':');
        return equals < 0 ? colon : colon < 0 ? equals : Math.min(equals, colon);
    }

    /** Reads the file's head, its section of information, and its end. */
    static ModuleFile parse(SeekableByteChannel file, Path path) throws IOException {
        ByteBuffer header = read(file, 0, HEADER);
        if (header.remaining() < HEADER
                || header.getInt(0) != MAGIC
                || header.get(4) != 2
                || header.get(5) != 1
                || header.getShort(16) != 1) {
            throw new IOException(path + " is no kernel module: it is not a relocatable ELF object of 64 bits");
        }
        Map<String, List<String>> fields = information(file, header)
                .orElseThrow(() ->
                        new IOException(path + " is no kernel module, or is damaged: it has no section .modinfo"));
        return new ModuleFile(Short.toUnsignedInt(header.getShort(18)), fields, signature(file));
    }

    private static Optional<Map<String, List<String>>> information(SeekableByteChannel file, ByteBuffer header)
            throws IOException {
        long table = header.getLong(40);
        int entry = Short.toUnsignedInt(header.getShort(58));
        int count = Math.min(Short.toUnsignedInt(header.getShort(60)), MOST_SECTIONS);
        int names = Short.toUnsignedInt(header.getShort(62));
        if (entry != SECTION_HEADER || names >= count) {
            return Optional.empty();
        }
        ByteBuffer sections = read(file, table, count * SECTION_HEADER);
        if (sections.remaining() < count * SECTION_HEADER) {
            return Optional.empty();
        }
        ByteBuffer strings = section(file, sections, names, NAMES_LIMIT);
        for (int i = 0; i < count; i++) {
            if (text(strings, sections.getInt(i * SECTION_HEADER)).equals(".modinfo")) {
                return Optional.of(fields(section(file, sections, i, INFO_LIMIT)));
            }
        }
        return Optional.empty();
    }

    private static ByteBuffer section(SeekableByteChannel file, ByteBuffer sections, int index, int limit)
            throws IOException {
        int at = index * SECTION_HEADER;
        long size = sections.getLong(at + 32);
        return read(file, sections.getLong(at + 24), size < 0 ? 0 : (int) Math.min(size, limit));
    }

    private static Map<String, List<String>> fields(ByteBuffer section) {
        Map<String, List<String>> fields = new LinkedHashMap<>();
        int at = 0;
        while (at < section.remaining()) {
            String field = text(section, at);
            int equals = field.indexOf('=');
            if (equals > 0) {
                add(fields, field.substring(0, equals), field.substring(equals + 1));
            }
            at += field.length() + 1;
        }
        return fields;
    }

    private static void add(Map<String, List<String>> fields, String name, String value) {
        fields.computeIfAbsent(name, _ -> new ArrayList<>()).add(value);
    }

    /** Up to the next NUL, or the end. */
    private static String text(ByteBuffer bytes, int begin) {
        if (begin < 0 || begin >= bytes.remaining()) {
            return "";
        }
        int end = begin;
        while (end < bytes.remaining() && bytes.get(end) != 0) {
            end++;
        }
        byte[] text = new byte[end - begin];
        bytes.get(begin, text);
        // Bytes for characters: a place in the section is a place in its text.
        return new String(text, StandardCharsets.ISO_8859_1);
    }

    private static Optional<Signature> signature(SeekableByteChannel file) throws IOException {
        long end = file.size() - SIGNED.length;
        ByteBuffer tail = read(file, end - DESCRIPTOR, DESCRIPTOR + SIGNED.length);
        if (tail.remaining() < DESCRIPTOR + SIGNED.length) {
            return Optional.empty();
        }
        byte[] magic = new byte[SIGNED.length];
        tail.get(DESCRIPTOR, magic);
        if (!Arrays.equals(magic, SIGNED)) {
            return Optional.empty();
        }
        int length = tail.order(ByteOrder.BIG_ENDIAN).getInt(8);
        long begin = end - DESCRIPTOR - length;
        if (tail.get(2) != PKCS7 || length <= 0 || length > SIGNATURE_LIMIT || begin < 0) {
            return Optional.of(new Signature("", "", ""));
        }
        ByteBuffer blob = read(file, begin, length);
        byte[] bytes = new byte[blob.remaining()];
        blob.get(bytes);
        return Optional.of(ModuleSignature.read(bytes));
    }

    /** Up to so many bytes at a place; fewer where the file ends. */
    private static ByteBuffer read(SeekableByteChannel file, long position, int length) throws IOException {
        if (position < 0 || position >= file.size()) {
            return ByteBuffer.allocate(0).order(ByteOrder.LITTLE_ENDIAN);
        }
        ByteBuffer bytes = ByteBuffer.allocate((int) Math.min(length, file.size() - position))
                .order(ByteOrder.LITTLE_ENDIAN);
        file.position(position);
        while (bytes.hasRemaining() && file.read(bytes) >= 0) {}
        return bytes.flip();
    }

    private static String first(Map<String, List<String>> fields, String name) {
        List<String> values = fields.getOrDefault(name, List.of());
        return values.isEmpty() ? "" : values.getFirst();
    }

    private String first(String name) {
        return first(fields, name);
    }

    /** The name that the kernel knows it by, with underscores; empty when it does not say (kernels before 4.13). */
    public String name() {
        return first("name").replace('-', '_');
    }

    /** As {@code /sys/module/<name>/version} will have it; empty when it declares none. */
    public String version() {
        return first("version");
    }

    /** As {@code /sys/module/<name>/srcversion} will have it; empty when it has none. */
    public String sourceVersion() {
        return first("srcversion");
    }

    /** The kernel that it was built for, such as {@code 6.1.0-18-amd64 SMP preempt mod_unload modversions}. */
    public String versionMagic() {
        return first("vermagic");
    }

    /** The release in {@link #versionMagic}. */
    public String kernel() {
        String magic = versionMagic();
        int blank = magic.indexOf(' ');
        return blank < 0 ? magic : magic.substring(0, blank);
    }

    /** The licence: {@code NVIDIA} or {@code Proprietary}, or {@code Dual MIT/GPL} for the open modules. */
    public String licence() {
        return first("license");
    }

    /** Modules whose symbols it needs, with underscores. */
    public List<String> depends() {
        return names(List.of(first("depends")), ",");
    }

    /** Modules that are to be loaded before it where they are there ({@code softdep pre:}), with underscores. */
    public List<String> softDependencies() {
        List<String> before = new ArrayList<>();
        for (String field : fields.getOrDefault("softdep", List.of())) {
            boolean pre = false;
            for (String word : field.split("\\s+", -1)) {
                if (word.endsWith(":")) {
                    pre = word.equals("pre:");
                } else if (pre) {
                    before.add(word);
                }
            }
        }
        return names(before, "\\s+");
    }

    private static List<String> names(List<String> texts, String separator) {
        List<String> names = new ArrayList<>();
        for (String text : texts) {
            for (String name : text.split(separator, -1)) {
                String plain = name.strip().replace('-', '_');
                if (!plain.isEmpty() && !names.contains(plain)) {
                    names.add(plain);
                }
            }
        }
        return names;
    }

    /** Names of its parameters. */
    public List<String> parameters() {
        List<String> names = new ArrayList<>();
        for (String field : fields.getOrDefault("parmtype", List.of())) {
            int colon = field.indexOf(':');
            names.add(colon < 0 ? field : field.substring(0, colon));
        }
        return names;
    }
}
