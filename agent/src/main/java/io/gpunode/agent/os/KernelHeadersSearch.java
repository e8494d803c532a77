package io.gpunode.agent.os;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Looks for a kernel's headers where distributions put them: {@code /lib/modules/<release>/build} of all of them, {@code /usr/src/linux-headers-<release>}
 * of Debian and Ubuntu, {@code /usr/src/kernels/<release>} of Red Hat's family and {@code /usr/src/linux-<release>-obj} of SUSE's. Any thread.
 */
public final class KernelHeadersSearch {
    private static final int SMALL = 4_096;
    /** A distribution's configuration has some 300 KiB. */
    private static final int CONFIGURATION_LIMIT = 4 << 20;
    /** Without these no module can be built; where the scripts are links, as with Debian, they must lead somewhere. */
    private static final List<String> NEEDED = List.of(
            "Makefile", "Module.symvers", "include/config/auto.conf", "scripts/basic/fixdep", "scripts/mod/modpost");

    private static final Path GENERATED_RELEASE = Path.of("include/generated/utsrelease.h");
    private static final String UTS_RELEASE = "#define UTS_RELEASE \"";
    private static final Path RELEASE = Path.of("include/config/kernel.release");
    private static final Path CONFIGURATION = Path.of("include/config/auto.conf");
    private static final String COMPILER = "CONFIG_CC_VERSION_TEXT=";
    private static final String OBJTOOL = "tools/objtool/objtool";

    private final HostFiles files;
    private final String machine;

    /** @param machine as {@code uname -m} writes it */
    public KernelHeadersSearch(HostFiles files, String machine) {
        this.files = files;
        this.machine = machine;
    }

    /**
     * The best that there is: the first complete ones, or else the first. Never fails: what cannot be read is not there.
     *
     * @param kernel the release
     */
    public KernelHeaders find(String kernel) {
        List<Path> tried = places(kernel);
        KernelHeaders first = null;
        for (Path place : tried) {
            if (files.exists(place.resolve("Makefile")) || files.exists(place.resolve("include"))) {
                KernelHeaders found = look(kernel, place, tried);
                if (found.usable()) {
                    return found;
                }
                first = first == null ? found : first;
            }
        }
        return first != null ? first : new KernelHeaders(kernel, Optional.empty(), tried, List.of(), "", "");
    }

    /** Those of a directory that somebody names. */
    public KernelHeaders at(String kernel, Path directory) {
        return files.exists(directory)
                ? look(kernel, directory, List.of(directory))
                : new KernelHeaders(kernel, Optional.empty(), List.of(directory), List.of(), "", "");
    }

    private List<Path> places(String kernel) {
        List<Path> places = new ArrayList<>();
        Path modules = Path.of("/lib/modules", kernel);
        places.add(modules.resolve("build"));
        places.add(Path.of("/usr/lib/modules", kernel, "build"));
        places.add(Path.of("/usr/src/linux-headers-" + kernel));
        places.add(Path.of("/usr/src/kernels", kernel));
        int flavour = kernel.lastIndexOf('-');
        if (flavour > 0) {
            places.add(Path.of(
                    "/usr/src/linux-" + kernel.substring(0, flavour) + "-obj", machine, kernel.substring(flavour + 1)));
        }
        return places;
    }

    private KernelHeaders look(String kernel, Path place, List<Path> tried) {
        List<String> missing = new ArrayList<>();
        for (String needed : NEEDED) {
            if (!files.exists(place.resolve(needed))) {
                missing.add(needed);
            }
        }
        String configuration = text(place.resolve(CONFIGURATION), CONFIGURATION_LIMIT);
        if (configuration.contains("\nCONFIG_OBJTOOL=y") && !files.exists(place.resolve(OBJTOOL))) {
            missing.add(OBJTOOL);
        }
        return new KernelHeaders(kernel, Optional.of(place), tried, missing, release(place), compiler(configuration));
    }

    /** What modules will be for. Debian's {@code kernel.release} is upstream's version (6.1.176), not what {@code uname -r} writes (6.1.0-50-amd64). */
    private String release(Path place) {
        String header = text(place.resolve(GENERATED_RELEASE), SMALL);
        int begin = header.indexOf('"');
        int end = header.indexOf('"', begin + 1);
        return header.startsWith(UTS_RELEASE) && end > begin
                ? header.substring(begin + 1, end)
                : text(place.resolve(RELEASE), SMALL).strip();
    }

    private static String compiler(String configuration) {
        int begin = configuration.indexOf(COMPILER);
        if (begin < 0) {
            return "";
        }
        int end = configuration.indexOf('\n', begin);
        return configuration
                .substring(begin + COMPILER.length(), end < 0 ? configuration.length() : end)
                .replace("\"", "")
                .strip();
    }

    private String text(Path path, int limit) {
        try {
            return files.readText(path, limit).orElse("");
        } catch (IOException e) {
            return "";
        }
    }
}
