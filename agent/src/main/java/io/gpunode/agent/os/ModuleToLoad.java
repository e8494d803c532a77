package io.gpunode.agent.os;

import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * A module that is to be put into the kernel.
 *
 * @param name with underscores
 * @param file its file on the host, plain or compressed (gz, xz, zst); empty: modprobe finds it by its name, with what it needs and what
 *     {@code /etc/modprobe.d} says
 * @param parameters its parameters, in this order
 */
public record ModuleToLoad(String name, Optional<Path> file, Map<String, String> parameters) {
    public ModuleToLoad {
        parameters = Collections.unmodifiableMap(new LinkedHashMap<>(parameters));
    }

    /** By its name, without parameters of our own. */
    public static ModuleToLoad named(String name) {
        return new ModuleToLoad(name, Optional.empty(), Map.of());
    }
}
