package io.gpunode.agent.metrics;

import io.gpunode.agent.inventory.SimulatedNode;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuSample;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.testing.Golden;
import io.gpunode.nvml.simulator.NvmlSimulator;
import java.math.BigDecimal;
import java.math.MathContext;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The pages of every node that the simulator knows, read through NVML: which series there are under which labels on which chip, with which driver, and what they
 * show under a load that is even all the time. Virtual time stands still for what counts; rates are averages over real time, so that only the digits that
 * are the same each time are kept.
 */
@Timeout(60)
class ProfilePagesTest {
    private static final Duration FOR_THE_WHOLE_TEST = Duration.ofHours(1);

    private static final Pattern BROKEN_NUMBER =
            Pattern.compile(" (\\d+(?:\\.\\d+|e[+-]|\\.\\d+e[+-])\\d*)$", Pattern.MULTILINE);

    @TempDir
    Path directory;

    static List<String> profiles() {
        return NvmlSimulator.profiles();
    }

    @ParameterizedTest
    @MethodSource("profiles")
    void showsEachNodeInBothFormats(String profile) throws Exception {
        // Given
        try (SimulatedNode node = new SimulatedNode(directory, profile)) {
            NodeSnapshot picture = profile.equals("no-driver") ? waiting(node) : loaded(node);
            Pages pages = Pages.of(picture);
            if (!picture.gpus().isEmpty()) {
                pages.holder(picture.gpus().getLast().id().uuid(), "ml", "train-0", "main");
            }
            MetricsExposition exposition = pages.exposition();

            // When
            String text = Pages.text(exposition, ExpositionFormat.TEXT);
            String openMetrics = Pages.text(exposition, ExpositionFormat.OPENMETRICS_1_0_0);

            // Then
            Golden.check("metrics/profiles/" + profile + ".txt", stable(text));
            Golden.check(
                    "metrics/profiles/" + profile + ".openmetrics.diff", difference(stable(text), stable(openMetrics)));
        }
    }

    private static NodeSnapshot waiting(SimulatedNode node) {
        node.inventory().start();
        return node.await("NVML that is waited for", picture -> !picture.open());
    }

    private static NodeSnapshot loaded(SimulatedNode node) {
        node.inventory().profilingInterval(FOR_THE_WHOLE_TEST);
        node.simulator().apply("workload gpu=0 kind=burn level=0.5 memory=20000 pids=4711\ntime advance=1h");
        node.started();
        node.await("averages", picture -> picture.gpus().stream().allMatch(ProfilePagesTest::averaged));
        node.simulator().apply("time freeze\ncounters gpu=all reset\ntime advance=1m");
        return node.awaitNext(3);
    }

    private static boolean averaged(Gpu gpu) {
        GpuSample profiling = gpu.migDevices().isEmpty()
                ? gpu.sample()
                : gpu.migDevices().getLast().sample();
        byte status = profiling.status(Quantity.GRAPHICS_ENGINE_ACTIVE);
        return status == GpuSample.PRESENT || status == GpuSample.UNSUPPORTED;
    }

    /** Four digits of what is no whole number. */
    private static String stable(String page) {
        return BROKEN_NUMBER
                .matcher(page.replaceAll("(?m)^(gpu_node_agent_snapshot_version) \\d+$", "$1 1"))
                .replaceAll(number -> " "
                        + new BigDecimal(number.group(1))
                                .round(new MathContext(4))
                                .stripTrailingZeros()
                                .toString());
    }

    /** The lines of the second page that are not in the first. */
    private static String difference(String text, String openMetrics) {
        List<String> lines = text.lines().toList();
        StringBuilder different = new StringBuilder();
        openMetrics
                .lines()
                .filter(line -> !lines.contains(line))
                .forEach(line -> different.append(line).append('\n'));
        return different.toString();
    }
}
