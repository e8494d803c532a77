package io.gpunode.agent.driver;

import io.gpunode.agent.os.BootSecurity;
import io.gpunode.agent.os.KernelHeaders;

/**
 * What has to be known of a kernel to have a driver for it.
 *
 * @param release as {@code uname -r} writes it
 * @param machine as {@code uname -m} writes it: {@code x86_64} or {@code aarch64}
 * @param headers for compiling
 * @param security what this boot demands of modules, which is what the next one is expected to demand
 */
public record KernelFacts(String release, String machine, KernelHeaders headers, BootSecurity security) {
    /** Those of the kernel that runs. */
    public static KernelFacts running(ObservedDriver observed) {
        return new KernelFacts(observed.kernel(), observed.architecture(), observed.headers(), observed.security());
    }
}
