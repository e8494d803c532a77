package io.gpunode.nvml;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Path;
import org.junit.jupiter.api.Tag;

/** The contract on the GPUs of this machine: {@code NVML_LIBRARY} names the driver's {@code libnvidia-ml.so.1}. */
@Tag("gpu")
class GpuContractTest extends NvmlContractKit {
    @Override
    protected Path library() {
        String library = System.getenv("NVML_LIBRARY");
        assumeTrue(library != null, "skipped: NVML_LIBRARY does not name a driver's libnvidia-ml.so.1");
        return Path.of(library);
    }
}
