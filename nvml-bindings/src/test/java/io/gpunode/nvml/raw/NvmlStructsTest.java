package io.gpunode.nvml.raw;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.gpunode.nvml.StubLibrary;
import java.lang.reflect.Field;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every layout constant against what a C compiler makes of a header. */
class NvmlStructsTest {
    private static final Path SIMULATOR_HEADER = Path.of("simulator/src/main/c/nvml_abi.h");

    @TempDir
    private Path directory;

    @Test
    void agreesWithTheSimulatorsHeader() throws Exception {
        // Given
        assumeTrue(Files.exists(SIMULATOR_HEADER), "skipped: " + SIMULATOR_HEADER + " is not there");
        // When
        Map<String, Integer> fromC = layoutsOf(SIMULATOR_HEADER.toAbsolutePath());
        // Then
        assertThat(ownLayouts()).isEqualTo(fromC);
    }

    @Test
    void agreesWithNvidiasHeaderWhereOneIsNamed() throws Exception {
        // Given
        String header = System.getenv("NVML_HEADER");
        assumeTrue(header != null, "skipped: NVML_HEADER does not name an nvml.h");
        // When
        Map<String, Integer> fromC = layoutsOf(Path.of(header).toAbsolutePath());
        // Then
        assertThat(ownLayouts()).isEqualTo(fromC);
    }

    @Test
    void versionWordsHoldSizeAndVersion() {
        assertThat(NvmlStructs.nvmlMemory_v2_t.VERSION).isEqualTo(0x02000028);
        assertThat(NvmlStructs.nvmlGpuFabricInfo_v2_t.VERSION).isEqualTo(0x02000024);
        assertThat(NvmlStructs.nvmlGpuFabricInfo_v3_t.VERSION).isEqualTo(0x03000028);
        assertThat(NvmlStructs.nvmlTemperature_v1_t.VERSION).isEqualTo(0x0100000C);
    }

    private Map<String, Integer> layoutsOf(Path header) throws Exception {
        StringBuilder source = new StringBuilder(
                "#include <stddef.h>\n#include <stdio.h>\n#include \"" + header + "\"\nint main(void)\n{\n");
        for (String name : ownLayouts().keySet()) {
            String structure = name.substring(0, name.indexOf('.'));
            String member = name.substring(name.indexOf('.') + 1);
            String value = member.equals("sizeof")
                    ? "sizeof(" + structure + ")"
                    : "offsetof(" + structure + ", " + member + ")";
            source.append("    printf(\"")
                    .append(name)
                    .append(" %zu\\n\", ")
                    .append(value)
                    .append(");\n");
        }
        source.append("    return 0;\n}\n");
        Path file = Files.writeString(directory.resolve("layouts.c"), source);
        Path program = directory.resolve("layouts");
        StubLibrary.run(List.of("cc", "-o", program.toString(), file.toString()));
        Map<String, Integer> layouts = new TreeMap<>();
        StubLibrary.run(List.of(program.toString())).lines().forEach(line -> {
            String[] words = line.split(" ", 2);
            layouts.put(words[0], Integer.valueOf(words[1]));
        });
        return layouts;
    }

    private static Map<String, Integer> ownLayouts() throws IllegalAccessException {
        Map<String, Integer> layouts = new TreeMap<>();
        for (Class<?> structure : NvmlStructs.class.getDeclaredClasses()) {
            for (Field constant : structure.getDeclaredFields()) {
                if (!constant.isSynthetic() && !constant.getName().equals("VERSION")) {
                    layouts.put(structure.getSimpleName() + '.' + constant.getName(), constant.getInt(null));
                }
            }
        }
        return layouts;
    }
}
