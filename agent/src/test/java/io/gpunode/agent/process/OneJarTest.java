package io.gpunode.agent.process;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.CodeModel;
import java.lang.classfile.instruction.LineNumber;
import java.lang.classfile.instruction.LocalVariable;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDescs;
import java.lang.constant.MethodTypeDesc;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Packaging puts all jars together: what is found by name must be the same afterwards. */
@Timeout(60)
class OneJarTest {
    private static final Path TOOL = Path.of("..", "packaging", "OneJar.java");

    @TempDir
    private Path directory;

    @Test
    void whatIsFoundByNameStaysAndTheRestGoes() throws Exception {
        // Given
        Path agent = jar("agent.jar", "the agent", Map.of("a/A.class", "A", "META-INF/services/x.Y", "a.A"));
        Path library = jar(
                "library-1.jar",
                "the library",
                Map.of(
                        "b/B.class", "B",
                        "META-INF/services/x.Y", "b.B",
                        "META-INF/LICENSE", "free",
                        "META-INF/maven/g/a/pom.properties", "version=1",
                        "META-INF/maven/g/a/pom.xml", "<project/>",
                        "META-INF/versions/17/b/B.class", "newer B",
                        "META-INF/versions/9/module-info.class", "module"));

        // When
        Ended tool = run(agent, library);

        // Then
        assertThat(tool.status()).as(tool.said()).isZero();
        assertThat(library).doesNotExist();
        try (JarFile one = new JarFile(agent.toFile())) {
            Attributes manifest = one.getManifest().getMainAttributes();
            assertThat(manifest.getValue(Attributes.Name.IMPLEMENTATION_TITLE)).isEqualTo("the agent");
            assertThat(manifest.getValue(Attributes.Name.CLASS_PATH)).isNull();
            assertThat(text(one, "META-INF/services/x.Y")).isEqualTo("a.A\nb.B");
            assertThat(text(one, "META-INF/licenses/library-1/LICENSE")).isEqualTo("free");
            assertThat(text(one, "b/B.class")).isEqualTo("newer B");
            assertThat(one.stream().map(JarEntry::getName))
                    .containsExactlyInAnyOrder(
                            "META-INF/MANIFEST.MF",
                            "META-INF/services/x.Y",
                            "META-INF/licenses/library-1/LICENSE",
                            "META-INF/maven/g/a/pom.properties",
                            "a/A.class",
                            "b/B.class");
        }
    }

    @Test
    void twoDifferentClassesOfOneNameAreRefused() throws Exception {
        // Given
        Path agent = jar("agent.jar", "the agent", Map.of("a/A.class", "one"));
        Path library = jar("library-1.jar", "the library", Map.of("a/A.class", "other"));

        // When
        Ended tool = run(agent, library);

        // Then
        assertThat(tool.status()).isNotZero();
        assertThat(tool.said()).contains("a/A.class is in agent and, another one, in library-1");
        assertThat(library).exists();
    }

    @Test
    void classesLoseTheNamesOfVariablesAndKeepLineNumbers() throws Exception {
        // Given
        byte[] made = ClassFile.of()
                .build(
                        ClassDesc.of("a.A"),
                        type -> type.withMethodBody(
                                "twice",
                                MethodTypeDesc.of(ConstantDescs.CD_int, ConstantDescs.CD_int),
                                ClassFile.ACC_PUBLIC | ClassFile.ACC_STATIC,
                                code -> code.localVariable(
                                                0,
                                                "theVariable",
                                                ConstantDescs.CD_int,
                                                code.startLabel(),
                                                code.endLabel())
                                        .lineNumber(7)
                                        .iload(0)
                                        .iload(0)
                                        .iadd()
                                        .ireturn()));
        Path agent = jarOf("agent.jar", "the agent", Map.of("a/A.class", made));
        Path library = jar("library-1.jar", "the library", Map.of("b/text", "text"));

        // When
        Ended tool = run(agent, library);

        // Then
        assertThat(tool.status()).as(tool.said()).isZero();
        try (JarFile one = new JarFile(agent.toFile())) {
            byte[] lean = one.getInputStream(one.getJarEntry("a/A.class")).readAllBytes();
            CodeModel code =
                    ClassFile.of().parse(lean).methods().getFirst().code().orElseThrow();
            assertThat(new String(made, StandardCharsets.ISO_8859_1)).contains("theVariable");
            assertThat(new String(lean, StandardCharsets.ISO_8859_1)).doesNotContain("theVariable");
            assertThat(code.elementList())
                    .filteredOn(LineNumber.class::isInstance)
                    .extracting(element -> ((LineNumber) element).line())
                    .containsExactly(7);
            assertThat(code.elementList()).noneMatch(LocalVariable.class::isInstance);
        }
    }

    private Path jar(String name, String title, Map<String, String> entries) throws IOException {
        Map<String, byte[]> bytes = new HashMap<>();
        entries.forEach((entry, text) -> bytes.put(entry, text.getBytes(StandardCharsets.UTF_8)));
        return jarOf(name, title, bytes);
    }

    private Path jarOf(String name, String title, Map<String, byte[]> entries) throws IOException {
        Manifest manifest = new Manifest();
        manifest.getMainAttributes().put(Attributes.Name.MANIFEST_VERSION, "1.0");
        manifest.getMainAttributes().put(Attributes.Name.IMPLEMENTATION_TITLE, title);
        manifest.getMainAttributes().put(Attributes.Name.MULTI_RELEASE, "true");
        manifest.getMainAttributes().put(Attributes.Name.CLASS_PATH, "library-1.jar");
        Path path = directory.resolve(name);
        try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(path), manifest)) {
            for (Map.Entry<String, byte[]> entry : entries.entrySet()) {
                out.putNextEntry(new JarEntry(entry.getKey()));
                out.write(entry.getValue());
                out.closeEntry();
            }
        }
        return path;
    }

    private static String text(JarFile jar, String entry) throws IOException {
        return new String(jar.getInputStream(jar.getJarEntry(entry)).readAllBytes(), StandardCharsets.UTF_8);
    }

    private record Ended(int status, String said) {}

    private static Ended run(Path... jars) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:+UseSerialGC",
                TOOL.toString()));
        for (Path jar : jars) {
            command.add(jar.toString());
        }
        Process tool = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(tool.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(tool.waitFor(50, TimeUnit.SECONDS)).isTrue();
        return new Ended(tool.exitValue(), said);
    }
}
