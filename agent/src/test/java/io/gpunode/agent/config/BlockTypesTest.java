package io.gpunode.agent.config;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig.DeviceReference;
import io.gpunode.agent.config.AgentConfig.DeviceSelection;
import io.gpunode.agent.config.AgentConfig.NamePattern;
import io.gpunode.agent.config.AgentConfig.SharedResource;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(10)
class BlockTypesTest {
    private static final String GPU = "GPU-b1028956-cfa2-0990-bf4a-5da9abb51763";

    @TempDir
    private Path directory = Path.of("");

    @Test
    void patternsKeepTheirOrderAndNamesGetNvidiasDomain() throws Exception {
        // Given
        Loading loading = new Loading(directory).file("""
                resources:
                  gpus:
                    - pattern: "NVIDIA A100*"
                      name: nvidia.com/a100
                    - {name: other, pattern: "*"}
                    - {name: example.org/fast, pattern: 17}
                """);

        // When
        AgentConfig config = loading.load().config();

        // Then
        assertThat(config.resources().gpus())
                .containsExactly(
                        new NamePattern("NVIDIA A100*", "nvidia.com/a100"),
                        new NamePattern("*", "nvidia.com/other"),
                        new NamePattern("17", "example.org/fast"));
    }

    @Test
    void whatIsWrongWithPatternsIsToldAtOnce() {
        // Given
        Loading loading = new Loading(directory).file("""
                resources:
                  gpus:
                    - {pattern: "*"}
                    - {pattern: "", name: Big_GPU}
                    - just text
                    - {pattern: "*", nmae: gpu, name: %s}
                    - {pattern: [a], name: kubernetes.io/gpu}
                  mig: {pattern: "*", name: gpu}
                """.formatted("g".repeat(53)));

        // When
        List<String> problems = loading.problems();

        // Then
        String next =
                "; write one such as gpu or nvidia.com/gpu-large: lower-case letters, digits, dots and dashes, with its"
                        + " domain at most 63 characters";
        assertThat(problems)
                .containsExactlyInAnyOrder(
                        "config.yaml:3:7: resources.gpus: the entry has no \"name\"; write for example {pattern: \"*A100*\","
                                + " name: nvidia.com/a100}",
                        "config.yaml:4:17: resources.gpus: the pattern is empty; write a text, where * stands for any text,"
                                + " such as \"*A100*\" or 1g.10gb",
                        "config.yaml:4:27: resources.gpus: \"Big_GPU\" is not the name of a resource" + next,
                        "config.yaml:5:7: resources.gpus: \"just text\" is no block of keys; write {pattern: \"*A100*\", name:"
                                + " nvidia.com/a100}",
                        "config.yaml:6:22: resources.gpus: the entry has the unknown key \"nmae\"; did you mean \"name\"?",
                        "config.yaml:6:39: resources.gpus: \"" + "g".repeat(53) + "\" makes a name of 64 characters"
                                + next,
                        "config.yaml:7:17: resources.gpus: the pattern is a list; write a text, where * stands for any text,"
                                + " such as \"*A100*\" or 1g.10gb",
                        "config.yaml:7:28: resources.gpus: \"kubernetes.io/gpu\" is not the name of a resource" + next,
                        "config.yaml:8:8: resources.mig: a block of keys is no list; write a list of blocks, such as"
                                + " [{pattern: \"*A100*\", name: nvidia.com/a100}]");
    }

    @Test
    void everyWayToSelectDevicesIsRead() throws Exception {
        // Given
        Loading loading = new Loading(directory).file("""
                sharing:
                  timeSlicing:
                    resources:
                      - {name: gpu, replicas: 10}
                      - {name: a, replicas: 2, devices: all}
                      - {name: b, replicas: 3, devices: 2, rename: nvidia.com/b-shared}
                      - {name: c, replicas: 4, devices: [0, "1", 0:1, "12:3", %1$s, MIG-%2$s, MIG-%1$s/7/0]}
                """.formatted(GPU, GPU.substring(4)));

        // When
        AgentConfig config = loading.load().config();

        // Then
        assertThat(config.sharing().timeSlicing().resources())
                .containsExactly(
                        new SharedResource("nvidia.com/gpu", "", DeviceSelection.All.INSTANCE, 10),
                        new SharedResource("nvidia.com/a", "", DeviceSelection.All.INSTANCE, 2),
                        new SharedResource("nvidia.com/b", "nvidia.com/b-shared", new DeviceSelection.First(2), 3),
                        new SharedResource(
                                "nvidia.com/c",
                                "",
                                new DeviceSelection.Named(List.of(
                                        new DeviceReference.Index(0),
                                        new DeviceReference.Index(1),
                                        new DeviceReference.MigIndex(0, 1),
                                        new DeviceReference.MigIndex(12, 3),
                                        new DeviceReference.Uuid(GPU),
                                        new DeviceReference.Uuid("MIG-" + GPU.substring(4)),
                                        new DeviceReference.Instance(GPU, 7, 0))),
                                4));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "-1",
                "1:",
                ":1",
                "0:1:2",
                "1.5",
                "99999999999",
                "GPU-",
                "GPU-b1028956",
                "GPU-b1028956-cfa2-0990-bf4a-5da9abb5176x",
                "gpu-b1028956-cfa2-0990-bf4a-5da9abb51763",
                "MIG-GPU-b1028956-cfa2-0990-bf4a-5da9abb51763",
                "MIG-GPU-b1028956-cfa2-0990-bf4a-5da9abb51763/7",
                "MIG-GPU-b1028956-cfa2-0990-bf4a-5da9abb51763/7/x",
                "MIG-GPU-b1028956-cfa2-0990-bf4a-5da9abb51763/7/0/1",
                "all"
            })
    void whatNamesNoDeviceIsNoReference(String text) {
        // When
        var reference = BlockTypes.reference(text);

        // Then
        assertThat(reference).isEmpty();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{name: gpu}                              | 1:38: {}: the entry has no \"replicas\"; write for example {name: nvidia.com/gpu, replicas: 4}",
                "{replicas: 4}                            | 1:38: {}: the entry has no \"name\"; write for example {name: nvidia.com/gpu, replicas: 4}",
                "{name: gpu, replicas: 1}                 | 1:60: {}: \"1\" is not a number of replicas; write a number from 2 to 1000",
                "{name: gpu, replicas: many}              | 1:60: {}: \"many\" is not a number of replicas; write a number from 2 to 1000",
                "{name: gpu, replicas: 1001}              | 1:60: {}: \"1001\" is not a number of replicas; write a number from 2 to 1000",
                "{name: gpu, replicas: 2, devices: some}  | 1:72: {}: \"some\" selects no devices; write all, a number of devices, or a list of indices (0), MIG indices (\"0:1\") and UUIDs (GPU-…, MIG-…)",
                "{name: gpu, replicas: 2, devices: 0}     | 1:72: {}: \"0\" selects no devices; write all, a number of devices, or a list of indices (0), MIG indices (\"0:1\") and UUIDs (GPU-…, MIG-…)",
                "{name: gpu, replicas: 2, devices: []}    | 1:72: {}: the list of devices is empty; write all, a number of devices, or a list of indices (0), MIG indices (\"0:1\") and UUIDs (GPU-…, MIG-…)",
                "{name: gpu, replicas: 2, devices: [x]}   | 1:73: {}: \"x\" names no device; write an index such as 0, a MIG index in quotes such as \"0:1\", or a UUID such as GPU-… or MIG-…",
                "{name: gpu, replicas: 2, devices: [1,1]} | 1:75: {}: \"1\" is listed twice; keep one of the two"
            })
    void whatIsWrongWithASharedResourceIsToldWithItsPlace(String entry, String problem) {
        // Given
        Loading loading = new Loading(directory).file("sharing: {timeSlicing: {resources:  [" + entry + "]}}");

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems).containsExactly("config.yaml:" + problem.replace("{}", "sharing.timeSlicing.resources"));
    }

    @Test
    void aResourceIsSharedOnce() {
        // Given
        Loading loading = new Loading(directory).file("""
                sharing:
                  timeSlicing:
                    resources:
                      - {name: gpu, replicas: 2}
                      - {name: nvidia.com/gpu, replicas: 3}
                """);

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems)
                .containsExactly(
                        "config.yaml:5:9: sharing.timeSlicing.resources: \"nvidia.com/gpu\" is shared twice, first at"
                                + " config.yaml:4:9; keep one of the two");
    }

    @Test
    void sharesOfTwoResourcesMayNotHaveOneName() {
        // Given
        Loading loading = new Loading(directory).file("""
                sharing:
                  timeSlicing:
                    renameByDefault: true
                    resources:
                      - {name: gpu, replicas: 2}
                      - {name: a100, replicas: 2, rename: gpu.shared}
                      - {name: %s, replicas: 2}
                """.formatted("g".repeat(50)));

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems)
                .containsExactly(
                        "config.yaml:5:7: sharing.timeSlicing.resources: the shares of \"nvidia.com/gpu\" and of"
                                + " \"nvidia.com/a100\" are both named \"nvidia.com/gpu.shared\"; rename one of the two",
                        "config.yaml:5:7: sharing.timeSlicing.resources: \"nvidia.com/" + "g".repeat(50)
                                + ".shared\" has 68 characters; rename it to at most 63");
    }

    @Test
    void theTextOfBlocksSaysWhatTheyMean() throws Exception {
        // Given
        Loading loading = new Loading(directory).file("""
                resources:
                  gpus: [{pattern: "*A100*", name: a100}]
                sharing:
                  timeSlicing:
                    resources:
                      - {name: gpu, replicas: 4, devices: [0, "0:1", MIG-%s/7/0], rename: gpu-quarter}
                      - {name: a100, replicas: 2, devices: 3}
                """.formatted(GPU));

        // When
        LoadedConfig loaded = loading.load();

        // Then
        assertThat(text(loaded, "resources.gpus")).isEqualTo("\"*A100*\" is nvidia.com/a100");
        assertThat(text(loaded, "sharing.timeSlicing.resources"))
                .isEqualTo("nvidia.com/gpu, 0 0:1 MIG-" + GPU
                        + "/7/0: 4 replicas as nvidia.com/gpu-quarter; nvidia.com/a100," + " the first 3: 2 replicas");
    }

    @ParameterizedTest
    @CsvSource({"'[]', ''", "'[0]', 0", "0, 0"})
    void imexTakesNoChannelOrChannelZero(String written, String text) throws Exception {
        // When
        LoadedConfig loaded = new Loading(directory)
                .file("imex: {channelIDs: " + written + "}")
                .load();

        // Then
        assertThat(text(loaded, "imex.channelIDs")).isEqualTo(text);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "[1]    | 1:21: imex.channelIDs: \"1\" is not a channel that can be given; write [] or [0]",
                "[0, 0] | 1:21: imex.channelIDs: channel 0 is listed with others; write [] or [0]",
                "[a]    | 1:21: imex.channelIDs: \"a\" is not a channel that can be given; write [] or [0]"
            })
    void otherImexChannelsAreRefused(String written, String problem) {
        // When
        List<String> problems = new Loading(directory)
                .file("imex: {channelIDs: " + written + "}")
                .problems();

        // Then
        assertThat(problems).containsExactly("config.yaml:" + problem);
    }

    private static String text(LoadedConfig loaded, String setting) {
        return loaded.values().stream()
                .filter(value -> value.setting().path().equals(setting))
                .findFirst()
                .orElseThrow()
                .text();
    }
}
