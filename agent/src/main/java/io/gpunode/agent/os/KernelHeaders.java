package io.gpunode.agent.os;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * What a kernel's headers are like, for building modules against them.
 *
 * @param kernel the release that they are for
 * @param directory the build directory; empty when there is none
 * @param tried places that were looked at, best first
 * @param missing what a build needs and the directory lacks, such as {@code Module.symvers}; empty when it is complete or there is no directory
 * @param release the release that the headers say they are of ({@code include/config/kernel.release}); empty when they do not say
 * @param compiler the kernel's compiler ({@code CONFIG_CC_VERSION_TEXT}); empty when they do not say
 */
public record KernelHeaders(
        String kernel,
        Optional<Path> directory,
        List<Path> tried,
        List<String> missing,
        String release,
        String compiler) {
    public KernelHeaders {
        tried = List.copyOf(tried);
        missing = List.copyOf(missing);
    }

    /** Whether modules for this kernel can be built with them. */
    public boolean usable() {
        return directory.isPresent() && missing.isEmpty() && (release.isEmpty() || release.equals(kernel));
    }
}
