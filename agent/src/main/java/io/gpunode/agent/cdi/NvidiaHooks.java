package io.gpunode.agent.cdi;

import io.gpunode.agent.cdi.ContainerEdits.DeviceNode;
import io.gpunode.agent.cdi.ContainerEdits.Hook;
import io.gpunode.agent.cdi.ContainerEdits.Mount;
import io.gpunode.agent.cdi.DriverFiles.Library;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * The driver's files as NVIDIA's generator writes them: each at its own place, and hooks of NVIDIA's program that make links, run {@code ldconfig}
 * and the rest in the container. Names and arguments: the toolkit's {@code nvidia-cdi-hook}, which passes over names that it does not know.
 *
 * @param program the hook program as the host sees it
 * @param disabled names of hooks that are left out, or {@code all}
 */
record NvidiaHooks(Path program, Set<String> disabled) {
    NvidiaHooks {
        disabled = Set.copyOf(disabled);
    }

    /** What every container with a GPU is given. */
    ContainerEdits common(DriverFiles driver, String driverVersion, List<DeviceNode> control) {
        Map<Path, Mount> mounts = new TreeMap<>();
        Set<String> links = new TreeSet<>();
        for (Library library : driver.libraries()) {
            mounts.putIfAbsent(
                    library.place(), new Mount(library.hostPath(), library.place(), ContainerEdits.READ_ONLY));
            String file = String.valueOf(library.place().getFileName());
            for (String name : library.names()) {
                if (!name.equals(file)) {
                    links.add(file + "::" + library.place().resolveSibling(name));
                }
            }
        }
        for (Mount file : driver.files()) {
            mounts.putIfAbsent(file.containerPath(), file);
        }
        for (Mount socket : driver.sockets()) {
            mounts.putIfAbsent(socket.containerPath(), socket);
        }
        List<Hook> hooks = new ArrayList<>();
        add(hooks, "create-symlinks", options("--link", links));
        add(hooks, "enable-cuda-compat", List.of("--host-driver-version=" + driverVersion));
        add(hooks, "update-ldcache", options("--folder", driver.libraryDirectories()));
        add(hooks, "disable-device-node-modification", List.of());
        add(hooks, "update-application-profile", List.of());
        return new ContainerEdits(
                HookFreeEdits.environment(driver), control, List.copyOf(mounts.values()), List.copyOf(hooks));
    }

    private void add(List<Hook> hooks, String name, List<String> options) {
        if (disabled.contains("all") || disabled.contains(name)) {
            return;
        }
        List<String> arguments = new ArrayList<>();
        String own = String.valueOf(program.getFileName());
        arguments.add(own);
        // The older of the two programs has its hooks below a command of that name.
        if (own.equals("nvidia-ctk")) {
            arguments.add("hook");
        }
        arguments.add(name);
        arguments.addAll(options);
        hooks.add(new Hook(program, arguments, List.of("NVIDIA_CTK_DEBUG=false")));
    }

    private static List<String> options(String option, Collection<?> values) {
        List<String> options = new ArrayList<>(2 * values.size());
        for (Object value : values) {
            options.add(option);
            options.add(value.toString());
        }
        return options;
    }
}
