package io.gpunode.nvml.session;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.gpunode.nvml.NvmlOpenException;
import io.gpunode.nvml.NvmlOpenException.Reason;
import io.gpunode.nvml.StubLibrary;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is refused from the file alone, and that the refusal names the file and the next step. */
class LibraryFileTest {
    @TempDir
    private Path directory;

    @Test
    void refusesARelativePath() {
        assertRefused(Path.of("libnvidia-ml.so.1"), Reason.LIBRARY_NOT_FOUND, "not absolute");
    }

    @Test
    void refusesAMissingFile() {
        assertRefused(directory.resolve("libnvidia-ml.so.1"), Reason.LIBRARY_NOT_FOUND, "does not exist");
    }

    @Test
    void namesTheTargetOfALinkThatLeadsNowhere() throws Exception {
        Path link = Files.createSymbolicLink(directory.resolve("libnvidia-ml.so.1"), Path.of("libnvidia-ml.so.580"));
        assertRefused(link, Reason.LIBRARY_NOT_FOUND, "a link to libnvidia-ml.so.580");
    }

    @Test
    void refusesADirectory() {
        assertRefused(directory, Reason.NOT_A_LIBRARY, "is a directory");
    }

    @Test
    void refusesAPipeWithoutOpeningIt() {
        Path pipe = directory.resolve("pipe");
        StubLibrary.run(List.of("mkfifo", pipe.toString()));
        assertRefused(pipe, Reason.NOT_A_LIBRARY, "not a regular file");
    }

    @Test
    void refusesAFileThatMayNotBeRead() throws Exception {
        Path file = Files.writeString(directory.resolve("libnvidia-ml.so.1"), "text");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("---------"));
        assumeFalse(Files.isReadable(file), "skipped: this user (root?) may read every file");
        assertRefused(file, Reason.LIBRARY_NOT_READABLE, "chmod");
    }

    @Test
    void refusesAnEmptyFile() throws Exception {
        Path file = Files.createFile(directory.resolve("libnvidia-ml.so.1"));
        assertRefused(file, Reason.NOT_A_LIBRARY, "is empty");
    }

    @ParameterizedTest
    @ValueSource(strings = {"x", "#!/bin/sh\necho no library\n", "INPUT(libnvidia-ml.so.580.95.05)\n"})
    void refusesWhatIsNoElfFile(String content) throws Exception {
        Path file = Files.writeString(directory.resolve("libnvidia-ml.so.1"), content);
        assertRefused(file, Reason.NOT_A_LIBRARY, "not an ELF file");
    }

    @Test
    void refusesALibraryOfAnotherMachine() throws Exception {
        Path file = withPatch(18, Machine.current() == Machine.AARCH64 ? 62 : 183);
        assertRefused(
                file, Reason.WRONG_ARCHITECTURE, Machine.current() == Machine.AARCH64 ? "x86-64" : "built for ARM64");
    }

    @Test
    void refusesALibraryOfAnotherWordSize() throws Exception {
        assertRefused(withPatch(4, 1), Reason.WRONG_ARCHITECTURE, "(32 bit)");
    }

    @Test
    void refusesAProgramThatIsNoSharedObject() throws Exception {
        assertRefused(withPatch(16, 2), Reason.NOT_A_LIBRARY, "not a shared object");
    }

    @Test
    void refusesALibraryWithoutTheEntryPoint() {
        assertRefused(StubLibrary.build(directory, "-DNO_INIT"), Reason.NOT_NVML, "nvmlInit");
    }

    @Test
    void refusesALibraryThatOnlyImportsTheEntryPoint() throws Exception {
        Path source = Files.writeString(
                directory.resolve("user.c"), "int nvmlInit_v2(void);\nint use(void) { return nvmlInit_v2(); }\n");
        assertRefused(StubLibrary.compile(source, directory.resolve("libuser.so")), Reason.NOT_NVML, "exports neither");
    }

    @ParameterizedTest
    @ValueSource(strings = {"gnu", "sysv", "both"})
    void findsTheEntryPointInEveryKindOfHashTable(String style) {
        Path library = StubLibrary.build(directory, "-Wl,--hash-style=" + style);
        assertThatCode(() -> LibraryFile.check(library)).doesNotThrowAnyException();
    }

    @Test
    void refusesEveryTruncation() throws Exception {
        byte[] whole = Files.readAllBytes(StubLibrary.build(directory, "-s"));
        Path cut = directory.resolve("libnvidia-ml.so.1");
        int loaded = lastLoadedByte(whole);
        for (int length = 1; length < loaded; length += Math.max(1, loaded / 97)) {
            Files.write(cut, java.util.Arrays.copyOf(whole, length));
            NvmlOpenException refusal = catchThrowableOfType(NvmlOpenException.class, () -> LibraryFile.check(cut));
            assertThat(refusal).as("the first " + length + " bytes").isNotNull();
            assertThat(refusal.reason()).isEqualTo(Reason.NOT_A_LIBRARY);
        }
    }

    @Test
    void takesOrRefusesADamagedFileAndNeverFailsOtherwise() throws Exception {
        byte[] whole = Files.readAllBytes(StubLibrary.build(directory, "-s"));
        Path damaged = directory.resolve("libnvidia-ml.so.1");
        Random random = new Random(470);
        for (int round = 0; round < 500; round++) {
            byte[] bytes = whole.clone();
            for (int i = 0; i < 4; i++) {
                bytes[random.nextInt(Math.min(bytes.length, round % 2 == 0 ? 1024 : bytes.length))] =
                        (byte) random.nextInt();
            }
            Files.write(damaged, bytes);
            Throwable thrown = org.assertj.core.api.Assertions.catchThrowable(() -> LibraryFile.check(damaged));
            assertThat(thrown == null || thrown instanceof NvmlOpenException)
                    .as("round " + round + ": " + thrown)
                    .isTrue();
        }
    }

    @Test
    void takesTheRealLibraryOfThisMachineWhereThereIsOne() {
        String directories = System.getenv("NVML_REAL_LIBRARIES");
        assumeTrue(directories != null, "skipped: NVML_REAL_LIBRARIES names no unpacked libraries");
        for (String root : directories.split(":", -1)) {
            assertThatCode(() -> LibraryFile.check(LibrarySearch.find(Path.of(root))))
                    .doesNotThrowAnyException();
        }
    }

    private Path withPatch(int offset, int value) throws Exception {
        byte[] bytes = Files.readAllBytes(StubLibrary.build(directory));
        bytes[offset] = (byte) value;
        return Files.write(directory.resolve("libnvidia-ml.so.1"), bytes);
    }

    private static int lastLoadedByte(byte[] file) {
        ByteBuffer elf = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
        int last = 0;
        for (int i = 0; i < elf.getShort(56); i++) {
            int at = (int) elf.getLong(32) + i * elf.getShort(54);
            if (elf.getInt(at) == 1) {
                last = Math.max(last, (int) (elf.getLong(at + 8) + elf.getLong(at + 32)));
            }
        }
        return last;
    }

    private static void assertRefused(Path library, Reason reason, String words) {
        NvmlOpenException refusal = catchThrowableOfType(NvmlOpenException.class, () -> LibraryFile.check(library));
        assertThat(refusal).isNotNull();
        assertThat(refusal.reason()).isEqualTo(reason);
        assertThat(refusal).hasMessageContaining(words).hasMessageContaining(library.toString());
        assertThat(refusal.getMessage())
                .as("one sentence with the next step")
                .endsWith(".")
                .contains("; ");
        assertThat(refusal.library()).isEqualTo(library);
    }
}
