import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.zip.ZipFile;

/**
 * Puts jars together into one, which is named first and whose manifest stays. A process that asks for a resource, a service or a class that is not
 * there opens every jar of its class path and keeps the directory of each in its heap: with one jar that is done once, without the entries that
 * nothing reads.
 *
 * <pre>java packaging/OneJar.java JAR OTHER...</pre>
 *
 * Lists of services are put together, licences are kept below {@code META-INF/licenses}, and Maven's {@code pom.properties} stay, by which scanners know
 * the libraries. Two different files of one name are refused; of classes for certain versions of Java
 * those for the Java that runs this stay. The others are deleted.
 */
public final class OneJar {
    private static final LocalDateTime TIME = LocalDateTime.of(2026, 1, 1, 0, 0);

    private final Map<String, byte[]> entries = new TreeMap<>();
    private final Map<String, String> origins = new TreeMap<>();

    private OneJar() {}

    public static void main(String[] jars) throws IOException {
        if (jars.length < 2) {
            System.err.println("usage: java OneJar.java JAR OTHER...");
            System.exit(2);
        }
        OneJar one = new OneJar();
        for (String jar : jars) {
            one.take(Path.of(jar));
        }
        one.write(Path.of(jars[0]));
        for (String jar : Arrays.asList(jars).subList(1, jars.length)) {
            Files.delete(Path.of(jar));
        }
        System.err.println("one jar of " + jars.length + ": " + one.entries.size() + " entries");
    }

    private void take(Path path) throws IOException {
        String library = path.getFileName().toString().replaceFirst("\\.jar$", "");
        // What is there for certain versions of Java comes as this one sees it, which is the one that the package is made with.
        try (JarFile jar = new JarFile(path.toFile(), true, ZipFile.OPEN_READ, Runtime.version())) {
            for (JarEntry entry : jar.versionedStream().toList()) {
                if (entry.isDirectory() || isForOthers(entry.getName())) {
                    continue;
                }
                try (InputStream in = jar.getInputStream(entry)) {
                    take(entry.getName(), in.readAllBytes(), library);
                }
            }
        }
    }

    private void take(String name, byte[] bytes, String library) throws IOException {
        if (name.equals(JarFile.MANIFEST_NAME)) {
            // The first one is the application's.
            entries.putIfAbsent(name, withoutClassPath(bytes));
        } else if (name.startsWith("META-INF/services/") || name.equals("META-INF/io.netty.versions.properties")) {
            entries.merge(name, bytes, OneJar::joined);
        } else if (name.matches("META-INF/(LICENSE|NOTICE)[^/]*|(LICENSE|NOTICE)[^/]*|META-INF/license/.*")) {
            entries.put("META-INF/licenses/" + library + "/" + name.replaceFirst("^META-INF/", ""), bytes);
        } else {
            byte[] before = entries.putIfAbsent(name, bytes);
            if (before != null && !Arrays.equals(before, bytes)) {
                throw new IOException(name + " is in " + origins.get(name) + " and, another one, in " + library);
            }
            origins.putIfAbsent(name, library);
        }
    }

    /** What is of use to other tools than a Java runtime with a class path. */
    private static boolean isForOthers(String name) {
        return name.endsWith("module-info.class")
                || name.endsWith(".proto")
                || name.startsWith("META-INF/native-image/")
                // Beside the jar in a package.
                || name.startsWith("META-INF/native/")
                || name.startsWith("META-INF/proguard/")
                || name.endsWith(".kotlin_module")
                || name.equals("META-INF/INDEX.LIST")
                // A signature is of the library's own jar: the runtime refuses to start from another one that has it.
                || name.matches("META-INF/[^/]+\\.(SF|RSA|DSA|EC)")
                || (name.startsWith("META-INF/maven/") && !name.endsWith("/pom.properties"));
    }

    private static byte[] withoutClassPath(byte[] bytes) throws IOException {
        Manifest manifest = new Manifest(new ByteArrayInputStream(bytes));
        manifest.getMainAttributes().remove(Attributes.Name.CLASS_PATH);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        manifest.write(out);
        return out.toByteArray();
    }

    private static byte[] joined(byte[] first, byte[] second) {
        byte[] joined = Arrays.copyOf(first, first.length + 1 + second.length);
        joined[first.length] = '\n';
        System.arraycopy(second, 0, joined, first.length + 1, second.length);
        return joined;
    }

    private void write(Path path) throws IOException {
        try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(path))) {
            // Readers look for it at the beginning.
            put(out, JarFile.MANIFEST_NAME, entries.remove(JarFile.MANIFEST_NAME));
            for (Map.Entry<String, byte[]> entry : entries.entrySet()) {
                put(out, entry.getKey(), entry.getValue());
            }
        }
    }

    private static void put(JarOutputStream out, String name, byte[] bytes) throws IOException {
        JarEntry entry = new JarEntry(name);
        entry.setTimeLocal(TIME);
        out.putNextEntry(entry);
        out.write(bytes);
        out.closeEntry();
    }
}
