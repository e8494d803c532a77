package io.gpunode.agent.driver;

import java.nio.file.Path;
import java.util.List;

/**
 * A kernel module that is ready to be loaded.
 *
 * @param name as {@code /proc/modules} writes it, with underscores: {@code nvidia_uvm}
 * @param path of its file, absolute as the host sees it
 * @param sha256 of its file, 64 lower-case hexadecimal digits
 * @param depends modules that must be there first, by name with underscores, as its {@code .modinfo} says
 * @param softDependencies the same of {@code softdep pre:} in its {@code .modinfo}: loaded first where they are there
 */
public record StagedModule(String name, Path path, String sha256, List<String> depends, List<String> softDependencies) {
    public StagedModule {
        depends = List.copyOf(depends);
        softDependencies = List.copyOf(softDependencies);
    }
}
