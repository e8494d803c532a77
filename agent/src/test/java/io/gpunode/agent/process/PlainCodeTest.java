package io.gpunode.agent.process;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.classfile.instruction.InvokeDynamicInstruction;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Packaging writes out records' methods and pattern switches: the packaged classes must answer as the compiled ones do. */
@Timeout(60)
class PlainCodeTest {
    private static final Path TOOL = Path.of("..", "packaging", "PlainCode.java");

    /** One component of every type. */
    record Everything(
            boolean flag,
            byte small,
            short medium,
            char letter,
            int number,
            long large,
            float ratio,
            double precise,
            @Nullable String text,
            List<String> list) {}

    record Nothing() {}

    sealed interface Shape {}

    record Circle(double radius) implements Shape {}

    record Square(long side) implements Shape {}

    record Named(String name, @Nullable Shape shape) implements Shape {}

    /** What is asked of both versions. */
    public static final class Questions implements Supplier<List<String>> {
        @Override
        public List<String> get() {
            List<Object> values = List.of(
                    new Everything(true, (byte) 1, (short) 2, 'c', 4, 5, 6f, 7d, "8", List.of("9")),
                    new Everything(true, (byte) 1, (short) 2, 'c', 4, 5, 6f, 7d, "8", List.of("9")),
                    new Everything(false, (byte) 1, (short) 2, 'c', 4, 5, 6f, 7d, "8", List.of("9")),
                    new Everything(true, (byte) -1, (short) 2, 'c', 4, 5, 6f, 7d, "8", List.of("9")),
                    new Everything(true, (byte) 1, (short) -2, 'c', 4, 5, 6f, 7d, "8", List.of("9")),
                    new Everything(true, (byte) 1, (short) 2, 'C', 4, 5, 6f, 7d, "8", List.of("9")),
                    new Everything(true, (byte) 1, (short) 2, 'c', -4, 5, 6f, 7d, "8", List.of("9")),
                    new Everything(true, (byte) 1, (short) 2, 'c', 4, 5L << 40, 6f, 7d, "8", List.of("9")),
                    new Everything(true, (byte) 1, (short) 2, 'c', 4, 5, Float.NaN, 7d, "8", List.of("9")),
                    new Everything(true, (byte) 1, (short) 2, 'c', 4, 5, 6f, -0d, "8", List.of("9")),
                    new Everything(true, (byte) 1, (short) 2, 'c', 4, 5, 6f, 0d, "8", List.of("9")),
                    new Everything(true, (byte) 1, (short) 2, 'c', 4, 5, 6f, 7d, null, List.of("9")),
                    new Nothing(),
                    new Nothing(),
                    new Circle(Double.NaN),
                    new Circle(Double.NaN),
                    new Square(3),
                    new Named("a", new Square(3)),
                    new Named("a", null));
            @Nullable Object nothing = null;
            List<String> answers = new ArrayList<>();
            for (Object value : values) {
                answers.add(value.hashCode() + " " + describe(value) + " "
                        + (value instanceof Shape shape ? area(shape) : -1));
                for (Object other : values) {
                    answers.add(String.valueOf(value.equals(other)));
                }
                answers.add(String.valueOf(value.equals(nothing)));
            }
            answers.add(describe(null));
            return answers;
        }

        private static double area(Shape shape) {
            return switch (shape) {
                case Circle(double radius) -> radius * radius;
                case Square square when square.side() > 100 -> -1;
                case Square(long side) -> side * side;
                case Named(var _, Square(long side)) -> side;
                case Named named -> named.name().length();
            };
        }

        private static String describe(@Nullable Object value) {
            return switch (value) {
                case null -> "null";
                case Everything everything when everything.flag() -> "flagged";
                case Everything everything -> "everything " + everything.letter();
                case Nothing _ -> "nothing";
                case Shape shape -> "a shape " + shape;
                default -> "?";
            };
        }
    }

    @TempDir
    private Path directory;

    @Test
    void writtenOutClassesAnswerAsTheCompiledOnesDo() throws Exception {
        // Given
        Path jar = jarOfThisTest();

        // When
        Process tool = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:+UseSerialGC",
                        TOOL.toString(),
                        directory.toString(),
                        jar.toString())
                .redirectErrorStream(true)
                .start();
        String said = new String(tool.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(tool.waitFor(50, TimeUnit.SECONDS)).isTrue();

        // Then
        assertThat(tool.exitValue()).as(said).isZero();
        try (OnlyFrom packaged = new OnlyFrom(jar.toUri().toURL())) {
            Object questions = packaged.loadClass(Questions.class.getName())
                    .getDeclaredConstructor()
                    .newInstance();
            assertThat(questions.getClass()).isNotEqualTo(Questions.class);
            assertThat(((Supplier<?>) questions).get()).isEqualTo(new Questions().get());
            for (Class<?> changed : List.of(Everything.class, Nothing.class, Named.class, Questions.class)) {
                assertThat(callsLeftToTheRuntime(packaged, changed))
                        .as(changed.getSimpleName())
                        .isEmpty();
            }
        }
    }

    private Path jarOfThisTest() throws IOException {
        Path jar = directory.resolve("some.jar");
        try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar))) {
            for (Class<?> type : List.of(
                    Everything.class,
                    Nothing.class,
                    Shape.class,
                    Circle.class,
                    Square.class,
                    Named.class,
                    Questions.class,
                    PlainCodeTest.class)) {
                out.putNextEntry(new JarEntry(path(type)));
                try (InputStream in = PlainCodeTest.class.getClassLoader().getResourceAsStream(path(type))) {
                    assertThat(in).isNotNull();
                    in.transferTo(out);
                }
                out.closeEntry();
            }
        }
        return jar;
    }

    private static List<String> callsLeftToTheRuntime(ClassLoader packaged, Class<?> type) throws IOException {
        List<String> calls = new ArrayList<>();
        try (InputStream in = packaged.getResourceAsStream(path(type))) {
            assertThat(in).isNotNull();
            ClassModel model = ClassFile.of().parse(in.readAllBytes());
            model.methods()
                    .forEach(method -> method.code()
                            .ifPresent(code -> code.forEach(element -> {
                                if (element instanceof InvokeDynamicInstruction call
                                        && call.bootstrapMethod()
                                                .owner()
                                                .displayName()
                                                .matches("ObjectMethods|SwitchBootstraps")
                                        && !call.name().equalsString("toString")) {
                                    calls.add(method.methodName() + ": " + call.name());
                                }
                            })));
        }
        return calls;
    }

    private static String path(Class<?> type) {
        return type.getName().replace('.', '/') + ".class";
    }

    /** Finds the jar's classes before the test's own. */
    private static final class OnlyFrom extends URLClassLoader {
        OnlyFrom(URL jar) {
            super(new URL[] {jar}, PlainCodeTest.class.getClassLoader());
        }

        @Override
        public URL getResource(String name) {
            URL found = findResource(name);
            return found == null ? super.getResource(name) : found;
        }

        @Override
        protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
            synchronized (getClassLoadingLock(name)) {
                Class<?> loaded = findLoadedClass(name);
                if (loaded == null && name.startsWith(PlainCodeTest.class.getName())) {
                    loaded = findClass(name);
                }
                return loaded == null ? super.loadClass(name, resolve) : loaded;
            }
        }
    }
}
