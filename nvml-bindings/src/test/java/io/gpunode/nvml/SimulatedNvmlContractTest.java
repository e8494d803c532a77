package io.gpunode.nvml;

import io.gpunode.nvml.simulator.NvmlSimulator;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.io.TempDir;

/** The contract on simulated nodes of every kind. The simulator is the referee: a misuse fails the test that caused it. */
class SimulatedNvmlContractTest {
    abstract static class OnProfile extends NvmlContractKit {
        @TempDir
        private Path driverRoot;

        private final String profile;
        private @Nullable NvmlSimulator simulator;

        OnProfile(String profile) {
            this.profile = profile;
        }

        @Override
        protected final Path library() {
            if (simulator == null) {
                simulator = NvmlSimulator.install(driverRoot, profile);
            }
            return simulator.library();
        }

        @Override
        protected final void afterClose() {
            if (simulator != null) {
                simulator.close();
            }
        }
    }

    @Nested
    class OneT4 extends OnProfile {
        OneT4() {
            super("1xt4");
        }
    }

    @Nested
    class FourL4 extends OnProfile {
        FourL4() {
            super("4xl4");
        }
    }

    @Nested
    class EightA100 extends OnProfile {
        EightA100() {
            super("8xa100-40gb");
        }
    }

    @Nested
    class EightA100Split extends OnProfile {
        EightA100Split() {
            super("8xa100-80gb-mig");
        }
    }

    @Nested
    class EightH100 extends OnProfile {
        EightH100() {
            super("8xh100");
        }
    }

    @Nested
    class FourGb200 extends OnProfile {
        FourGb200() {
            super("4xgb200");
        }
    }

    @Nested
    class OldDriver470 extends OnProfile {
        OldDriver470() {
            super("old-driver-470");
        }
    }
}
