package io.gpunode.agent.driver;

import io.gpunode.agent.model.DriverVersion;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * A driver of which everything lies on this machine's disk, for one kernel: nothing has to be downloaded, compiled or signed to load it.
 *
 * @param version of its modules and of its libraries
 * @param type which set of modules
 * @param kernel the release that the modules are for, as {@code uname -r} writes it
 * @param modules in an order in which each comes after those that it depends on
 * @param userspaceRoot absolute as the host sees it: libraries, programs and firmware lie below it as they would below {@code /}; {@code /} itself
 *     where the distribution has installed them
 * @param firmware the directory that the kernel looks for {@code nvidia/VERSION/gsp_*.bin} in; empty where it has its own places for it
 * @param key the content's address in the {@link DriverStore}: 64 lower-case hexadecimal digits; empty for a driver that the distribution owns
 */
public record StagedDriver(
        DriverVersion version,
        ModuleType type,
        String kernel,
        List<StagedModule> modules,
        Path userspaceRoot,
        Optional<Path> firmware,
        String key) {
    public StagedDriver {
        modules = List.copyOf(modules);
    }

    StagedDriver with(List<StagedModule> otherModules) {
        return new StagedDriver(version, type, kernel, otherModules, userspaceRoot, firmware, key);
    }

    /** A module by its name; empty when this driver has none of that name. */
    public Optional<StagedModule> module(String name) {
        return modules.stream().filter(module -> module.name().equals(name)).findFirst();
    }
}
