package io.gpunode.agent.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.ConfigException;
import io.gpunode.agent.config.ConfigLoader;
import io.gpunode.agent.config.EntitySelector;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.testing.Snapshots;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Eight GPUs, of which the second is split into GPU instances 1 and 2: DCGM's numbers 8 and 9. */
@Timeout(10)
class ChosenDevicesTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "f; board 0 1 2 3 4 5 6 7; memory 0 1/1 1/2 2 3 4 5 6 7",
                "g; board 0 1 2 3 4 5 6 7; memory 0 1 2 3 4 5 6 7",
                "g:1,3-4; board 1 3 4; memory 1 3 4",
                "i; board; memory 1/1 1/2",
                "i:9; board; memory 1/2",
                "g:0-1+i:8; board 0 1; memory 0 1/1",
                "g:9; board; memory"
            })
    void theSelectorSaysWhichDevicesHaveSeries(String selector, String board, String memory) throws Exception {
        // Given
        Snapshots node = Snapshots.h100x8().mig(1, mig(0, 1), mig(1, 2));
        for (int i = 0; i < 8; i++) {
            node.sample(i, Pages.numbers(i));
        }

        // When
        String page = Pages.of(node.build())
                .fields(List.of("DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_FB_USED"))
                .devices(selector(selector))
                .render();

        // Then
        assertThat("board" + devices(page, "DCGM_FI_DEV_GPU_TEMP{")).isEqualTo(board);
        assertThat("memory" + devices(page, "DCGM_FI_DEV_FB_USED{")).isEqualTo(memory);
    }

    private static MigDevice mig(int index, int instance) {
        return Snapshots.withSample(
                Snapshots.migDevice(index, instance, 0, "1g.10gb"),
                Snapshots.sampleOf(Map.of(Quantity.MEMORY_USED_BYTES, 1_048_576_000L)));
    }

    private static EntitySelector selector(String text) throws ConfigException {
        return new ConfigLoader(
                        Map.of("DCGM_EXPORTER_DEVICES_STR", text),
                        () -> "node-a",
                        Path.of("/nonexistent/config.yaml"),
                        FieldChoices::judge)
                .load(List.of(), Optional.empty())
                .config()
                .metrics()
                .devices();
    }

    private static String devices(String page, String start) {
        TreeSet<String> found = new TreeSet<>();
        page.lines().filter(line -> line.startsWith(start)).forEach(line -> {
            String instance = line.contains("GPU_I_ID") ? "/" + value(line, "GPU_I_ID") : "";
            found.add(" " + value(line, "gpu") + instance);
        });
        return String.join("", found);
    }

    private static String value(String line, String label) {
        int from = line.indexOf(label + "=\"") + label.length() + 2;
        return line.substring(from, line.indexOf('"', from));
    }
}
