package io.gpunode.agent.driver;

import java.nio.file.Path;
import java.util.List;

/**
 * A kernel module that is ready to be loaded.
 *
 * @param name as {@code /proc/modules} writes it, with underscores: {@code nvidia_uvm}
 * @param path of its file, absolute as the host sees it
 * @param sha256 of its file, 64 lower-case hexadecimal digits; empty for one that the distribution owns
 * @param depends modules that must be there first, by name with underscores, as its {@code .modinfo} says
 * @param softDependencies the same of {@code softdep pre:} in its {@code .modinfo}: loaded first where they are there
 * @param sourceVersion {@code srcversion} of its {@code .modinfo}, which tells two builds of one version apart; empty where it is not known
 */
public record StagedModule(
        String name,
        Path path,
        String sha256,
        List<String> depends,
        List<String> softDependencies,
        String sourceVersion) {
    public StagedModule {
        depends = List.copyOf(depends);
        softDependencies = List.copyOf(softDependencies);
    }

    StagedModule built(String itsSourceVersion) {
        return new StagedModule(name, path, sha256, depends, softDependencies, itsSourceVersion);
    }
}
