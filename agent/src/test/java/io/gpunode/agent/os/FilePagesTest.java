package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(20)
class FilePagesTest {
    private static final Path OWN = Path.of("/proc/self/smaps");

    @TempDir
    Path folder;

    @Test
    void pagesOfACacheLeaveMemoryAndReadTheSameAfterwards() throws IOException {
        // Given
        byte[] content = new byte[1 << 20];
        new Random(7).nextBytes(content);
        Path cache = Files.write(folder.resolve("some.aot"), content);
        try (FileChannel file = FileChannel.open(cache, StandardOpenOption.READ);
                Arena arena = Arena.ofConfined()) {
            MemorySegment mapped = file.map(MapMode.READ_ONLY, 0, content.length, arena);
            assertThat(mapped.toArray(ValueLayout.JAVA_BYTE)).isEqualTo(content);
            assertThat(resident(cache)).isEqualTo(1024);

            // When
            FilePages.giveBack();

            // Then
            assertThat(resident(cache)).isZero();
            assertThat(mapped.toArray(ValueLayout.JAVA_BYTE)).isEqualTo(content);
        }
    }

    @Test
    void theVirtualMachineWorksOnWithoutItsPages() throws IOException {
        // Given
        long whole = Files.size(Path.of(System.getProperty("java.home"), "lib/server/libjvm.so")) / 1024;

        // When
        FilePages.giveBack();

        // Then
        assertThat(residentOfVirtualMachine()).isLessThan(whole / 2);
    }

    @Test
    void onlyWhatCanBeReadAgainIsGivenBack() throws IOException {
        // Given
        Path smaps = Files.writeString(
                folder.resolve("smaps"),
                mapping("801114000-802baa000 r--p 0 fe:00 7 /lib/agent.aot", 27224, 0, 0, 0)
                        + mapping(
                                "7f0328ae3000-7f0329b6f000 r-xp 0 fe:00 8 /runtime/lib/server/libjvm.so",
                                10920,
                                0,
                                0,
                                0)
                        + mapping("7f0327a00000-7f0328692000 r--s 0 fe:00 9 /runtime/lib/modules", 704, 0, 0, 0)
                        + mapping("7f032a1e9000-7f032a33f000 r-xp 0 fe:00 10 /usr/lib/libc.so.6", 1240, 0, 0, 0)
                        + mapping("7f1000000000-7f1000001000 r--p 0 fe:00 8 /runtime/lib/relocated.so", 940, 4, 0, 0)
                        + mapping("7f1100000000-7f1100001000 r--p 0 fe:00 8 /runtime/lib/swapped.so", 4, 0, 936, 0)
                        + mapping("7f1200000000-7f1200001000 r--p 0 fe:00 8 /runtime/lib/locked.so", 4, 0, 0, 4)
                        + mapping("7f1300000000-7f1300001000 rw-p 0 fe:00 8 /runtime/lib/written.so", 4, 0, 0, 0)
                        + mapping("7f1400000000-7f1400001000 r--p 0 fe:00 8 /runtime/lib/untouched.so", 0, 0, 0, 0)
                        + mapping(
                                "7f1500000000-7f1500001000 r--p 0 fe:00 8 /runtime/lib/replaced.so (deleted)",
                                4,
                                0,
                                0,
                                0)
                        + mapping("7f1600000000-7f1600001000 r--s 0 00:05 8 /dev/nvidiactl", 4, 0, 0, 0)
                        + mapping("7f1700000000-7f1700001000 r--s 0 00:01 8 /memfd:anything", 4, 0, 0, 0)
                        + mapping("7ffd00000000-7ffd00002000 r-xp 0 00:00 0 [vdso]", 8, 0, 0, 0)
                        + mapping("fe800000-ff100000 r--p 0 00:00 0", 9152, 0, 0, 0)
                        + mapping("ffffffffff600000-ffffffffff601000 --xp 0 00:00 0 [vsyscall]", 4, 0, 0, 0));

        // When
        List<FilePages.Mapping> given = FilePages.mappings(smaps, "/runtime/lib/");

        // Then
        assertThat(given)
                .containsExactly(
                        new FilePages.Mapping(0x801114000L, 0x1a96000, 27224, "/lib/agent.aot"),
                        new FilePages.Mapping(0x7f0328ae3000L, 0x108c000, 10920, "/runtime/lib/server/libjvm.so"),
                        new FilePages.Mapping(0x7f0327a00000L, 0xc92000, 704, "/runtime/lib/modules"));
    }

    private static String mapping(String first, int resident, int anonymous, int swapped, int locked) {
        return first + "\nSize:           99 kB\nRss:     " + resident
                + " kB\nPss:       5 kB\nPrivate_Dirty:    0 kB\nAnonymous:    "
                + anonymous + " kB\nAnonHugePages:   0 kB\nSwap:      " + swapped
                + " kB\nSwapPss:    0 kB\nLocked:     "
                + locked + " kB\nVmFlags: rd mr mw me sd\n";
    }

    private static long resident(Path file) throws IOException {
        return FilePages.mappings(OWN, System.getProperty("java.home") + "/lib/").stream()
                .filter(mapping -> mapping.file().equals(file.toString()))
                .mapToLong(FilePages.Mapping::residentKibibytes)
                .sum();
    }

    private static long residentOfVirtualMachine() throws IOException {
        return FilePages.mappings(OWN, System.getProperty("java.home") + "/lib/").stream()
                .filter(mapping -> mapping.file().endsWith("/libjvm.so"))
                .mapToLong(FilePages.Mapping::residentKibibytes)
                .sum();
    }
}
