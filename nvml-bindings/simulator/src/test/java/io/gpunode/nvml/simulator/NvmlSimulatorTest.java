package io.gpunode.nvml.simulator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.jna.Memory;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.PointerByReference;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(30)
class NvmlSimulatorTest {
    private static final int GPU_IS_LOST = 15;
    private static final Duration BOUND = Duration.ofSeconds(20);

    @TempDir
    Path root;

    @Test
    void everyProfileInstallsAndAnswersItsGpuCount() {
        for (String name : NvmlSimulator.profiles()) {
            // Given
            try (NvmlSimulator simulator = NvmlSimulator.install(root.resolve(name), name)) {
                NativeLibrary library =
                        NativeLibrary.getInstance(simulator.library().toString());
                // When
                int result = call(library, "nvmlInit_v2");
                // Then
                if (!simulator.profile().driverLoaded()) {
                    assertThat(result).as(name).isEqualTo(9);
                } else {
                    IntByReference count = new IntByReference();
                    assertThat(call(library, "nvmlDeviceGetCount_v2", count)).isZero();
                    assertThat(count.getValue())
                            .as(name)
                            .isEqualTo(simulator.profile().gpus().size());
                    assertThat(call(library, "nvmlShutdown")).isZero();
                }
            }
        }
    }

    @Test
    void profileInJavaAgreesWithTheLibrary() {
        // Given
        try (NvmlSimulator simulator = NvmlSimulator.install(root, "4xgb200")) {
            NativeLibrary library = initialized(simulator);
            Memory text = new Memory(96);
            IntByReference minor = new IntByReference();
            for (SimulatedProfile.Gpu gpu : simulator.profile().gpus()) {
                // When
                Pointer device = device(library, gpu.number());
                // Then
                assertThat(call(library, "nvmlDeviceGetUUID", device, text, 96)).isZero();
                assertThat(text.getString(0)).isEqualTo(gpu.uuid());
                assertThat(call(library, "nvmlDeviceGetName", device, text, 96)).isZero();
                assertThat(text.getString(0)).isEqualTo(gpu.productName());
                assertThat(call(library, "nvmlDeviceGetMinorNumber", device, minor))
                        .isZero();
                assertThat(minor.getValue()).isEqualTo(gpu.minor());
            }
            call(library, "nvmlShutdown");
        }
    }

    @Test
    void ruleReachesTheGpuItNames() {
        // Given
        try (NvmlSimulator simulator = NvmlSimulator.install(root, "8xh100")) {
            NativeLibrary library = initialized(simulator);
            // When
            simulator.apply("fault gone gpu=3 group=thermal return=GPU_IS_LOST");
            // Then
            IntByReference value = new IntByReference();
            assertThat(call(library, "nvmlDeviceGetTemperature", device(library, 3), 0, value))
                    .isEqualTo(GPU_IS_LOST);
            assertThat(call(library, "nvmlDeviceGetTemperature", device(library, 2), 0, value))
                    .isZero();
            assertThat(simulator.calls("nvmlDeviceGetTemperature")).isEqualTo(2);
            assertThat(simulator.calls("nvmlDeviceGetTemperature", 3)).isEqualTo(1);
            call(library, "nvmlShutdown");
        }
    }

    @Test
    void refusedRuleNamesItsLine() {
        // Given
        try (NvmlSimulator simulator = NvmlSimulator.install(root, "1xt4")) {
            // When / Then
            assertThatThrownBy(() -> simulator.apply("set gpu=0 temperature=50\nset gpu=7 temperature=50"))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("line 2: there is no gpu 7, only 0 to 0");
        }
    }

    @Test
    void hangingCallIsAwaitedAndReleased() throws Exception {
        // Given
        try (NvmlSimulator simulator = NvmlSimulator.install(root, "4xl4");
                ExecutorService executor = Executors.newSingleThreadExecutor()) {
            NativeLibrary library = initialized(simulator);
            Pointer device = device(library, 1);
            simulator.apply("fault stuck gpu=1 group=power hang=until-released");
            Future<Integer> stuck =
                    executor.submit(() -> call(library, "nvmlDeviceGetPowerUsage", device, new IntByReference()));
            simulator.awaitHung(1, BOUND);
            // When
            simulator.releaseHangs();
            // Then
            assertThat(stuck.get()).isZero();
            call(library, "nvmlShutdown");
        }
    }

    @Test
    void twoCopiesInOneProcessDoNotShareState() {
        // Given
        try (NvmlSimulator one = NvmlSimulator.install(root.resolve("one"), "8xh100");
                NvmlSimulator other = NvmlSimulator.install(root.resolve("other"), "1xt4")) {
            NativeLibrary first = initialized(one);
            NativeLibrary second = initialized(other);
            IntByReference count = new IntByReference();
            // When
            call(second, "nvmlDeviceGetCount_v2", count);
            // Then
            assertThat(count.getValue()).isEqualTo(1);
            assertThat(one.calls("nvmlDeviceGetCount_v2")).isZero();
            call(first, "nvmlShutdown");
            call(second, "nvmlShutdown");
        }
    }

    @Test
    void closeReportsMisuse() {
        // Given
        NvmlSimulator simulator = NvmlSimulator.install(root, "1xt4");
        NativeLibrary library = initialized(simulator);
        call(library, "nvmlShutdown");
        call(library, "nvmlDeviceGetCount_v2", new IntByReference());
        call(library, "nvmlInit_v2");
        // When / Then
        assertThatThrownBy(simulator::close)
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("nvmlDeviceGetCount_v2 was called after shutdown")
                .hasMessageContaining("inits without shutdown: 1");
    }

    @Test
    void unknownFunctionInACountIsRefused() {
        // Given
        try (NvmlSimulator simulator = NvmlSimulator.install(root, "1xt4")) {
            // When / Then
            assertThatThrownBy(() -> simulator.calls("nvmlDeviceGetNothing"))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("NVML has no function nvmlDeviceGetNothing");
        }
    }

    @Test
    void unknownProfileIsRefusedWithTheNamesThereAre() {
        // When / Then
        assertThatThrownBy(() -> NvmlSimulator.install(root, "9xh100"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("'9xh100'")
                .hasMessageContaining("8xh100");
    }

    static NativeLibrary initialized(SimulatorControl simulator) {
        NativeLibrary library = NativeLibrary.getInstance(simulator.library().toString());
        assertThat(call(library, "nvmlInit_v2")).isZero();
        return library;
    }

    static Pointer device(NativeLibrary library, int index) {
        PointerByReference device = new PointerByReference();
        assertThat(call(library, "nvmlDeviceGetHandleByIndex_v2", index, device))
                .isZero();
        return device.getValue();
    }

    static int call(NativeLibrary library, String function, Object... arguments) {
        return library.getFunction(function).invokeInt(arguments);
    }
}
