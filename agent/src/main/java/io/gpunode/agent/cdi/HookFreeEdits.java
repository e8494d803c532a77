package io.gpunode.agent.cdi;

import io.gpunode.agent.cdi.ContainerEdits.DeviceNode;
import io.gpunode.agent.cdi.ContainerEdits.Mount;
import io.gpunode.agent.cdi.DriverFiles.Library;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The driver's files as mounts alone. NVIDIA's toolkit makes the other names of a library (its SONAME, its {@code .so} link) in the container with
 * hook processes and {@code ldconfig}. Here each of those names is a mount of the same file, in the folder that loaders of Debian-like images and in
 * the one that loaders of Red Hat-like images search when their cache does not know a name, so a container start runs no process of ours.
 */
final class HookFreeEdits {
    private HookFreeEdits() {}

    /** What every container with a GPU is given. */
    static ContainerEdits common(DriverFiles driver, List<DeviceNode> control) {
        Map<Path, Mount> mounts = new TreeMap<>();
        for (Library library : driver.libraries()) {
            add(mounts, library.hostPath(), library.place());
        }
        for (Library library : driver.libraries()) {
            for (Path folder : List.of(DriverFilesFinder.DEBIAN, DriverFilesFinder.RED_HAT)) {
                for (String name : library.names()) {
                    add(
                            mounts,
                            library.hostPath(),
                            folder.resolve(library.folder()).resolve(name));
                }
            }
        }
        for (Mount file : driver.files()) {
            mounts.putIfAbsent(file.containerPath(), file);
        }
        for (Mount socket : driver.sockets()) {
            mounts.putIfAbsent(socket.containerPath(), socket);
        }
        return new ContainerEdits(environment(driver), control, List.copyOf(mounts.values()), List.of());
    }

    /** Variables that NVIDIA's own specifications set, too. */
    static List<String> environment(DriverFiles driver) {
        List<String> environment = new ArrayList<>();
        StringBuilder directories = new StringBuilder("NVIDIA_CTK_LIBCUDA_DIR=");
        for (int i = 0; i < driver.libraryDirectories().size(); i++) {
            directories
                    .append(i == 0 ? "" : ":")
                    .append(driver.libraryDirectories().get(i));
        }
        environment.add(directories.toString());
        // Keeps NVIDIA's container runtime from injecting the same GPUs a second time.
        environment.add("NVIDIA_VISIBLE_DEVICES=void");
        return environment;
    }

    private static void add(Map<Path, Mount> mounts, Path host, Path place) {
        mounts.putIfAbsent(place, new Mount(host, place, ContainerEdits.READ_ONLY));
    }
}
