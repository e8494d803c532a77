package io.gpunode.agent.driver;

import io.gpunode.agent.model.DriverVersion;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/**
 * What an object of the {@link DriverStore} is and which files it has. The text form is one line each, words parted by tabs, in an order that
 * is always the same, so that the SHA-256 of the text is the object's address: two objects of the same content have one address, and whoever knows the
 * address can check everything.
 *
 * <pre>
 * gpu-node-agent-driver 1
 * kind      modules                                 (or tree)
 * version   535.261.03
 * machine   x86_64
 * type      open
 * kernel    6.1.0-32-amd64
 * signer    3fa1…                                   (not of unsigned modules)
 * tree      9b0c…                                   (the object with its libraries)
 * origin    runfile sha256=…                        (of trees)
 * module    nvidia_uvm  nvidia-uvm.ko  nvidia  -    (dependencies, soft dependencies; in loading order)
 * file      644  1234  SHA-256  CRC-32C  nvidia-uvm.ko
 * link      usr/lib/libcuda.so  libcuda.so.1
 * </pre>
 *
 * @param kind what it is
 * @param version of the driver
 * @param machine as {@code uname -m} writes it
 * @param type of the modules; empty for a tree, which may have the sources of both
 * @param kernel release that the modules are for; empty for a tree
 * @param signer SHA-256 of the certificate in lower-case hexadecimal digits; empty for unsigned modules and trees
 * @param tree address of the tree that the modules belong to; empty for a tree
 * @param origin what the tree was made of; empty for modules
 * @param modules in loading order; none for a tree
 * @param files by path; the map is in the paths' order
 * @param links what symbolic links say, by path; the map is in the paths' order
 */
record DriverManifest(
        Kind kind,
        DriverVersion version,
        String machine,
        Optional<ModuleType> type,
        String kernel,
        String signer,
        String tree,
        String origin,
        List<Module> modules,
        Map<String, Entry> files,
        Map<String, String> links) {
    /** Its own name in an object's directory. */
    static final String NAME = "manifest";

    /** A tree of NVIDIA's biggest driver has less than 4,000 files. */
    static final int ENTRY_LIMIT = 65_536;
    /** More than what as many entries with usual names take. */
    static final int TEXT_LIMIT = 16 << 20;

    private static final String WORD = "gpu-node-agent-driver";
    private static final String VERSION = "1";
    private static final int MODE_LIMIT = 0777;
    private static final int HEAD_LIMIT = 4_096;
    private static final HexFormat HEX = HexFormat.of();

    /** What an object is. */
    enum Kind {
        /** Kernel modules of one driver for one kernel. */
        MODULES("modules"),
        /** Libraries, programs, firmware and the sources of the modules of one driver. */
        TREE("tree");

        private final String text;

        Kind(String text) {
            this.text = text;
        }

        String text() {
            return text;
        }
    }

    /**
     * A file.
     *
     * @param mode permission bits, 0 to 0777
     * @param size in bytes
     * @param sha256 64 lower-case hexadecimal digits
     * @param crc32c of the same bytes: a check that costs next to nothing where it is made before each loading
     */
    record Entry(int mode, long size, String sha256, int crc32c) {}

    /**
     * A kernel module.
     *
     * @param name with underscores, as the kernel writes it
     * @param file its path in the object
     */
    record Module(String name, String file, List<String> depends, List<String> softDependencies) {
        Module {
            depends = List.copyOf(depends);
            softDependencies = List.copyOf(softDependencies);
        }
    }

    /** A text is no such manifest; the message says in which line and why. */
    static final class MalformedException extends Exception {
        private static final long serialVersionUID = 1L;

        MalformedException(String message) {
            super(message);
        }
    }

    DriverManifest {
        modules = List.copyOf(modules);
    }

    /** All bytes of its files. */
    long size() {
        long size = 0;
        for (Entry entry : files.values()) {
            size += entry.size;
        }
        return size;
    }

    /** The text form. */
    String text() {
        StringBuilder out = new StringBuilder(128 + 128 * (files.size() + links.size()));
        out.append(WORD).append(' ').append(VERSION).append('\n');
        line(out, "kind", kind.text);
        line(out, "version", version.text());
        line(out, "machine", machine);
        type.ifPresent(known -> line(out, "type", known.text()));
        line(out, "kernel", kernel);
        line(out, "signer", signer);
        line(out, "tree", tree);
        line(out, "origin", origin);
        for (Module module : modules) {
            out.append("module\t")
                    .append(module.name)
                    .append('\t')
                    .append(module.file)
                    .append('\t')
                    .append(names(module.depends))
                    .append('\t')
                    .append(names(module.softDependencies))
                    .append('\n');
        }
        files.forEach((path, file) -> out.append("file\t")
                .append(Integer.toOctalString(file.mode))
                .append('\t')
                .append(file.size)
                .append('\t')
                .append(file.sha256)
                .append('\t')
                .append(HEX.toHexDigits(file.crc32c))
                .append('\t')
                .append(path)
                .append('\n'));
        links.forEach((path, target) ->
                out.append("link\t").append(path).append('\t').append(target).append('\n'));
        return out.toString();
    }

    private static void line(StringBuilder out, String name, String value) {
        if (!value.isEmpty()) {
            out.append(name).append('\t').append(value).append('\n');
        }
    }

    private static String names(List<String> names) {
        return names.isEmpty() ? "-" : String.join(",", names);
    }

    /** The address: the SHA-256 of the text form in lower-case hexadecimal digits. */
    static String key(String text) {
        return HEX.formatHex(sha256().digest(text.getBytes(StandardCharsets.UTF_8)));
    }

    static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java runtime has SHA-256", e);
        }
    }

    /** Whether a text has the form of an address, and so is safe as a directory's name. */
    static boolean isKey(String text) {
        return isHex(text, 64);
    }

    private static boolean isHex(String text, int length) {
        if (text.length() != length) {
            return false;
        }
        for (int i = 0; i < length; i++) {
            char c = text.charAt(i);
            if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) {
                return false;
            }
        }
        return true;
    }

    /** Reads the text form. What it accepts, {@link #text} writes back byte for byte. */
    static DriverManifest parse(String text) throws MalformedException {
        DriverManifest read = new Parser(text).read();
        if (!read.text().equals(text)) {
            throw new MalformedException("its lines are not in the order and form that manifests are written in");
        }
        return read;
    }

    /** One reading. */
    private static final class Parser {
        private final String[] lines;
        private int number;
        private final Map<String, String> head = new HashMap<>();
        private final List<Module> modules = new ArrayList<>();
        private final Map<String, Entry> files = new LinkedHashMap<>();
        private final Map<String, String> links = new LinkedHashMap<>();

        Parser(String text) throws MalformedException {
            if (text.length() > TEXT_LIMIT) {
                throw new MalformedException("it is longer than " + TEXT_LIMIT + " characters");
            }
            if (!text.endsWith("\n")) {
                throw new MalformedException("its last line has no end: it is cut short");
            }
            lines = text.split("\n", -1);
        }

        DriverManifest read() throws MalformedException {
            if (!lines[0].equals(WORD + " " + VERSION)) {
                throw new MalformedException("it does not begin with \"" + WORD + " " + VERSION + "\"");
            }
            for (number = 1; number < lines.length - 1; number++) {
                line(lines[number].split("\t", -1));
                if (files.size() + links.size() > ENTRY_LIMIT) {
                    throw problem("more than " + ENTRY_LIMIT + " files");
                }
            }
            number = lines.length - 1;
            checkParents();
            return manifest();
        }

        private void line(String[] words) throws MalformedException {
            switch (words[0]) {
                case "kind", "version", "machine", "type", "kernel", "signer", "tree", "origin" -> {
                    expect(words, 2);
                    if (words[1].isEmpty() || words[1].length() > HEAD_LIMIT || !ManifestPath.plain(words[1])) {
                        throw problem(words[0] + " has no usable value");
                    }
                    if (head.put(words[0], words[1]) != null) {
                        throw problem(words[0] + " is given twice");
                    }
                }
                case "module" -> {
                    expect(words, 5);
                    modules.add(new Module(words[1], path(words[2]), list(words[3]), list(words[4])));
                }
                case "file" -> {
                    expect(words, 6);
                    add(files, path(words[5]), entry(words));
                }
                case "link" -> {
                    expect(words, 3);
                    String problem = ManifestPath.linkProblem(path(words[1]), words[2]);
                    if (!problem.isEmpty()) {
                        throw problem("the link " + words[1] + " " + problem);
                    }
                    add(links, words[1], words[2]);
                }
                default -> throw problem("it begins with an unknown word");
            }
        }

        private <T> void add(Map<String, T> to, String path, T value) throws MalformedException {
            if (path.equals(NAME) || files.containsKey(path) || links.containsKey(path)) {
                throw problem(path + " is given twice");
            }
            to.put(path, value);
        }

        private Entry entry(String[] words) throws MalformedException {
            try {
                int mode = Integer.parseInt(words[1], 8);
                long size = Long.parseLong(words[2]);
                if (mode < 0 || mode > MODE_LIMIT || size < 0 || !isKey(words[3]) || !isHex(words[4], 8)) {
                    throw problem("the mode, the size or a checksum is none");
                }
                return new Entry(mode, size, words[3], HexFormat.fromHexDigits(words[4]));
            } catch (NumberFormatException e) {
                throw problem("the mode or the size is no number");
            }
        }

        private List<String> list(String word) throws MalformedException {
            if (word.equals("-")) {
                return List.of();
            }
            List<String> names = List.of(word.split(",", -1));
            for (String name : names) {
                moduleName(name);
            }
            return names;
        }

        private void moduleName(String name) throws MalformedException {
            if (!isModuleName(name)) {
                throw problem("\"" + name + "\" is no name of a kernel module");
            }
        }

        private String path(String path) throws MalformedException {
            String problem = ManifestPath.problem(path);
            if (!problem.isEmpty()) {
                throw problem("the path \"" + path + "\" " + problem);
            }
            return path;
        }

        /** Nothing lies below a file or a link. */
        private void checkParents() throws MalformedException {
            Set<String> directories = new HashSet<>();
            for (Set<String> paths : List.of(files.keySet(), links.keySet())) {
                for (String path : paths) {
                    for (int slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
                        directories.add(path.substring(0, slash));
                    }
                }
            }
            directories.add(NAME);
            for (String directory : directories) {
                if (files.containsKey(directory) || links.containsKey(directory)) {
                    throw problem(directory + " is a file or a link, and files lie below it");
                }
            }
        }

        private DriverManifest manifest() throws MalformedException {
            Kind kind = switch (head("kind")) {
                case "modules" -> Kind.MODULES;
                case "tree" -> Kind.TREE;
                default -> throw problem("the kind is neither modules nor tree");
            };
            DriverVersion version =
                    DriverVersion.parse(head("version")).orElseThrow(() -> problem("the version is none"));
            if (head("machine").isEmpty()) {
                throw problem("the machine is missing");
            }
            Optional<ModuleType> type = switch (head("type")) {
                case "" -> Optional.empty();
                case "open" -> Optional.of(ModuleType.OPEN);
                case "proprietary" -> Optional.of(ModuleType.PROPRIETARY);
                default -> throw problem("the type is neither open nor proprietary");
            };
            boolean complete = !head("kernel").isEmpty() && type.isPresent() && !modules.isEmpty();
            boolean none = head("kernel").isEmpty()
                    && type.isEmpty()
                    && modules.isEmpty()
                    && head("signer").isEmpty()
                    && head("tree").isEmpty();
            if (kind == Kind.MODULES ? !complete : !none) {
                throw problem("modules have a type, a kernel and at least one module, a tree has none of them");
            }
            if (kind == Kind.TREE
                    && Stream.concat(files.keySet().stream(), links.keySet().stream())
                            .noneMatch(path -> path.startsWith("root/"))) {
                throw problem("a tree has nothing below root/, where the driver's libraries and programs are");
            }
            if (!head("tree").isEmpty() && !isKey(head("tree"))) {
                throw problem("the tree is no address");
            }
            Set<String> names = new HashSet<>();
            for (Module module : modules) {
                moduleName(module.name);
                if (!names.add(module.name) || !files.containsKey(module.file)) {
                    throw problem("the module " + module.name + " is given twice or its file is missing");
                }
            }
            return new DriverManifest(
                    kind,
                    version,
                    head("machine"),
                    type,
                    head("kernel"),
                    head("signer"),
                    head("tree"),
                    head("origin"),
                    modules,
                    files,
                    links);
        }

        private String head(String name) {
            return head.getOrDefault(name, "");
        }

        private void expect(String[] words, int count) throws MalformedException {
            if (words.length != count) {
                throw problem("it has " + words.length + " words and " + count + " were expected");
            }
        }

        private MalformedException problem(String what) {
            return new MalformedException("line " + (number + 1) + ": " + what);
        }
    }

    /** Whether a text is a module's name as the kernel writes it: at most 55 letters, digits and underscores. */
    static boolean isModuleName(String name) {
        if (name.isEmpty() || name.length() > 55) {
            return false;
        }
        for (int i = 0; i < name.length(); i++) {
            char c = name.charAt(i);
            if (c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')) {
                return false;
            }
        }
        return true;
    }
}
