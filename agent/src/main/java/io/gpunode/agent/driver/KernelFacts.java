package io.gpunode.agent.driver;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.os.BootSecurity;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.KernelHeaders;
import io.gpunode.agent.os.KernelHeadersSearch;
import java.nio.file.Path;

/**
 * What has to be known of a kernel to have a driver for it.
 *
 * @param release as {@code uname -r} writes it
 * @param machine as {@code uname -m} writes it: {@code x86_64} or {@code aarch64}
 * @param headers for compiling
 * @param security what this boot demands of modules, which is what the next one is expected to demand
 */
public record KernelFacts(String release, String machine, KernelHeaders headers, BootSecurity security) {
    /** Those of the kernel that runs, with headers where the distribution has them. */
    public static KernelFacts running(ObservedDriver observed) {
        return new KernelFacts(observed.kernel(), observed.architecture(), observed.headers(), observed.security());
    }

    /**
     * Those of any kernel of this node.
     *
     * @param release empty for the one that runs
     * @param settings where the configuration says that headers are
     */
    public static KernelFacts of(
            HostFiles files, ObservedDriver observed, String release, AgentConfig.Driver.Build settings) {
        String kernel = release.isEmpty() ? observed.kernel() : release;
        KernelHeadersSearch search = new KernelHeadersSearch(files, observed.architecture());
        KernelHeaders headers = settings.headers().isEmpty()
                ? search.find(kernel)
                : search.at(kernel, Path.of(settings.headers().replace("%k", kernel)));
        return new KernelFacts(kernel, observed.architecture(), headers, observed.security());
    }
}
