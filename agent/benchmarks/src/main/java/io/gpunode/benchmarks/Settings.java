package io.gpunode.benchmarks;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/**
 * What the command line decides about a run.
 *
 * @param launcher the packaged agent's {@code bin/gpu-node-agent}
 * @param idle how long the agent is left alone before its memory and processor time are taken
 * @param soak how long {@code soak} scrapes
 * @param quick whether to take a tenth of the samples, to see that everything works; such figures are not for publication
 * @param javaOptions of the agent's JVM, added after the launcher's own
 */
record Settings(Path launcher, Duration idle, Duration soak, boolean quick, String javaOptions) {
    Settings {
        if (!Files.isExecutable(launcher)) {
            throw new IllegalArgumentException("there is no packaged agent at " + launcher
                    + "; make it with packaging/image.sh, or start this through run.sh");
        }
    }

    /** So many samples, or a tenth of them. */
    int samples(int full) {
        return quick ? Math.max(3, full / 10) : full;
    }

    /** The folder of the package. */
    Path home() {
        Path bin = launcher.toAbsolutePath().getParent();
        Path home = bin == null ? null : bin.getParent();
        if (home == null) {
            throw new IllegalStateException(launcher + " is not in a bin folder of a package");
        }
        return home;
    }
}
