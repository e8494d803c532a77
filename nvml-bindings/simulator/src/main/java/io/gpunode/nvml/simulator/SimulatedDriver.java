package io.gpunode.nvml.simulator;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Locale;

/** Puts the right variant of the library and its profile into a driver root. */
final class SimulatedDriver {
    /** The branches that variants are built for, ascending; as in the Makefile. */
    private static final int[] VARIANTS = {470, 535, 550, 580, 610};

    private SimulatedDriver() {}

    /** Below a driver root, where a Debian-like system of this architecture keeps its libraries. */
    static Path libraryDirectory(Path driverRoot) {
        String machine = switch (System.getProperty("os.arch").toLowerCase(Locale.ROOT)) {
            case "amd64", "x86_64" -> "x86_64";
            case "aarch64", "arm64" -> "aarch64";
            case String other -> other;
        };
        return driverRoot.resolve("usr/lib/" + machine + "-linux-gnu");
    }

    /**
     * Copies the library and the profile. What lies there from an earlier installation is replaced by a new file, so that a library
     * that is still mapped keeps its own.
     *
     * @return the library's absolute path
     */
    static Path install(Path driverRoot, SimulatedProfile profile) {
        int variant = VARIANTS[0];
        for (int candidate : VARIANTS) {
            if (candidate <= profile.driverBranch()) {
                variant = candidate;
            }
        }
        Path directory = libraryDirectory(driverRoot.toAbsolutePath().normalize());
        Path library = directory.resolve("libnvidia-ml.so.1");
        String resource = "libnvidia-ml-" + variant + ".so";
        try (InputStream in = SimulatedDriver.class.getResourceAsStream(resource)) {
            if (in == null) {
                throw new IllegalStateException(
                        "the simulator's archive lacks " + resource + "; build it with Maven or make");
            }
            Files.createDirectories(directory);
            for (String left : new String[] {"nvmlsim.control", "nvmlsim.ack", "nvmlsim.violations", "nvmlsim.mig"}) {
                Files.deleteIfExists(directory.resolve(left));
            }
            Path fresh = Files.createTempFile(directory, "libnvidia-ml", ".part");
            Files.copy(in, fresh, StandardCopyOption.REPLACE_EXISTING);
            Files.setPosixFilePermissions(fresh, java.nio.file.attribute.PosixFilePermissions.fromString("rwxr-xr-x"));
            Files.writeString(directory.resolve("nvmlsim.conf"), profile.text(), StandardCharsets.UTF_8);
            Files.move(fresh, library, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot install the simulated NVML under " + driverRoot, e);
        }
        return library;
    }
}
