package io.gpunode.agent.driver;

import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;

/**
 * The files in {@code /run/nvidia/validations} that NVIDIA's other parts wait for, in the validator's formats: {@code driver-ready} is read by shells, so
 * its values are plain paths. They say that something works, hence they are written after it does and removed before it stops. Any thread, one at a
 * time.
 */
public final class ValidatorFiles {
    private static final Path DIRECTORY = Path.of("/run/nvidia/validations");
    private static final Path DAEMONS = DIRECTORY.resolve(".driver-daemons-status");
    private static final Path CONTAINER = DIRECTORY.resolve(".driver-ctr-ready");
    private static final Path DRIVER = DIRECTORY.resolve("driver-ready");

    /** What rests on the driver, in the order in which it is taken away: what rests on the others first. */
    private static final List<Path> ALL = List.of(
            DIRECTORY.resolve("plugin-ready"),
            DIRECTORY.resolve("cuda-ready"),
            DIRECTORY.resolve("toolkit-ready"),
            DIRECTORY.resolve("nvidia-fs-ready"),
            DIRECTORY.resolve("gdrcopy-ready"),
            DIRECTORY.resolve("nvidia-peermem-ready"),
            DRIVER,
            CONTAINER,
            DAEMONS);

    private static final String MODE = "rw-r--r--";

    private final HostFiles files;

    public ValidatorFiles(HostFiles files) {
        this.files = files;
    }

    /** The modules are loaded; the daemons are not started yet. */
    public void starting() throws IOException {
        write(DAEMONS, "NotReady\n");
    }

    /**
     * The driver works.
     *
     * @param root where containers find its files, as the host sees it; {@code /} for a driver of the host
     * @param devices where they find its device nodes: the root, or {@code /}
     * @param modules what is loaded, with the kernel's names: those beside the driver's own are told
     */
    public void ready(Path root, Path devices, Set<String> modules) throws IOException {
        boolean host = root.getNameCount() == 0;
        write(DAEMONS, "Ready\n");
        write(
                CONTAINER,
                "GDRCOPY_ENABLED: " + modules.contains("gdrdrv") + "\nGDS_ENABLED: " + modules.contains("nvidia_fs")
                        + "\nGPU_DIRECT_RDMA_ENABLED: " + modules.contains("nvidia_peermem") + "\n");
        write(
                DRIVER,
                "IS_HOST_DRIVER=" + host + "\nNVIDIA_DRIVER_ROOT=" + root + "\nDRIVER_ROOT_CTR_PATH="
                        + (host ? "/host" : "/driver-root") + "\nNVIDIA_DEV_ROOT=" + devices + "\nDEV_ROOT_CTR_PATH="
                        + (devices.getNameCount() == 0 ? "/host" : "/driver-root") + "\n");
    }

    /**
     * Nothing that rests on the driver works from now on.
     *
     * @throws IOException when a file stays; the others are removed all the same
     */
    public void withdraw() throws IOException {
        IOException failure = null;
        for (Path file : ALL) {
            try {
                files.delete(file);
            } catch (IOException e) {
                if (failure == null) {
                    failure = e;
                } else {
                    failure.addSuppressed(e);
                }
            }
        }
        if (failure != null) {
            throw failure;
        }
    }

    private void write(Path file, String text) throws IOException {
        files.replace(file, text.getBytes(StandardCharsets.UTF_8), MODE);
    }
}
