package io.gpunode.agent.driver;

import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** Finds the sources of kernel modules in a tree: NVIDIA's file has both types, distributions' packages one each, all below {@code /usr/src}. */
final class SourceTrees {
    private static final String PLACE = DriverStore.ROOT + "/usr/src/";
    private static final String KBUILD = "/Kbuild";
    private static final int SOURCE_LIMIT = 1 << 20;
    /** Where the module's licence is declared: in the second one by newer branches. */
    private static final List<String> DECLARING = List.of("nvidia/nv-frontend.c", "nvidia/nv.c");

    private SourceTrees() {}

    /** Where the sources of a type are, as the host sees it; empty when the tree has none. */
    static Optional<Path> find(HostFiles files, DriverStore.Stored tree, ModuleType type) throws IOException {
        for (String file : tree.manifest().files().keySet()) {
            if (file.startsWith(PLACE) && file.endsWith(KBUILD)) {
                Path directory = tree.directory().resolve(file).getParent();
                if (directory != null
                        && files.exists(directory.resolve("Makefile"))
                        && files.exists(directory.resolve("nvidia"))
                        && type(files, directory).equals(Optional.of(type))) {
                    return Optional.of(directory);
                }
            }
        }
        return Optional.empty();
    }

    /** Which type sources are of, by the licence that they declare; empty when they do not. */
    private static Optional<ModuleType> type(HostFiles files, Path directory) throws IOException {
        for (String name : DECLARING) {
            Path file = directory.resolve(name);
            if (files.exists(file)) {
                try (InputStream in = Files.newInputStream(files.resolve(file))) {
                    String text = new String(in.readNBytes(SOURCE_LIMIT), StandardCharsets.ISO_8859_1);
                    if (text.contains("MODULE_LICENSE(\"NVIDIA\")")) {
                        return Optional.of(ModuleType.PROPRIETARY);
                    }
                    if (text.contains("MODULE_LICENSE(\"Dual MIT/GPL\")")) {
                        return Optional.of(ModuleType.OPEN);
                    }
                }
            }
        }
        return Optional.empty();
    }
}
