package io.gpunode.agent.mig;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.Problem;
import io.gpunode.agent.config.Report;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Every key and selector of mig-parted's file, and every form that is refused, with its line and column. */
@Timeout(10)
class MigConfigReaderTest {
    private final Report report = new Report(true);

    private MigConfigFile read(String text) {
        Optional<MigConfigFile> file = MigConfigReader.read("mig.yaml", text, report);
        assertThat(report.problems()).isEmpty();
        return file.orElseThrow();
    }

    private static String oneEntry(String lines) {
        return "version: v1\nmig-configs:\n  one:\n" + lines;
    }

    @Test
    void everyKeyAndSelectorIsRead() {
        // Given
        String text = """
                version: v1
                mig-configs:
                  all-disabled:
                    - devices: all
                      mig-enabled: false
                  mixed:
                    - device-filter: "0x20B210DE"
                      devices: [3, 0, 1]
                      mig-enabled: true
                      mig-devices:
                        "1c.3g.40gb": 2
                        1g.10gb+me: 1
                        2g.20gb: 0
                    - device-filter: ["0x2BB510DE:0x204B10DE", "0x233010de"]
                      devices: all
                      mig-enabled: true
                      mig-devices: {"1g.24gb-me": 2, "2g.48gb+gfx": 1}
                  all-enabled:
                    - devices: all
                      mig-enabled: true
                      mig-devices: {}
                """;

        // When
        MigConfigFile file = read(text);

        // Then
        assertThat(file.layouts().keySet()).containsExactly("all-disabled", "mixed", "all-enabled");
        MigConfigFile.Entry first = file.layout("mixed").getFirst();
        assertThat(first.filters()).extracting(MigConfigFilter::toString).containsExactly("0x20B210DE");
        assertThat(first.gpus()).containsExactly(0, 1, 3);
        assertThat(first.enabled()).isTrue();
        assertThat(first.devices())
                .extracting(devices -> devices.profile() + "×" + devices.count())
                .containsExactly("1g.10gb+me×1", "1c.3g.40gb×2");
        assertThat(first.devices().getFirst().place().problemText()).isEqualTo("mig.yaml:12:9");
        MigConfigFile.Entry second = file.layout("mixed").getLast();
        assertThat(second.filters())
                .extracting(MigConfigFilter::toString)
                .containsExactly("0x233010DE", "0x2BB510DE:0x204B10DE");
        assertThat(second.gpus()).isEmpty();
        assertThat(second.devices())
                .extracting(devices -> devices.profile().toString())
                .containsExactly("1g.24gb-me", "2g.48gb+gfx");
        assertThat(file.layout("all-enabled").getFirst().devices()).isEmpty();
    }

    @Test
    void jsonIsReadToo() {
        // When
        MigConfigFile file = read("""
                {"version": "v1", "mig-configs": {"half": [{"devices": [0], "mig-enabled": true, "mig-devices": {"3g.20gb": 2}}]}}
                """);

        // Then
        assertThat(file.layout("half").getFirst().devices())
                .extracting(MigConfigFile.Devices::count)
                .containsExactly(2);
    }

    static Stream<Arguments> wrongFiles() {
        return Stream.of(
                Arguments.of("", List.of(":1:1: the file is empty")),
                Arguments.of("# nothing\n", List.of(":1:1: the file is empty")),
                Arguments.of("- devices: all\n", List.of(":1:1: a list stands where keys are expected")),
                Arguments.of("version: v1\n", List.of(":1:1: mig-configs: is missing")),
                Arguments.of(
                        "version: v2\nmig-configs:\n  a: [{devices: all, mig-enabled: false}]\n",
                        List.of(":1:10: version: \"v2\" is not a version")),
                Arguments.of(
                        "mig-configs:\n  a: [{devices: all, mig-enabled: false}]\n",
                        List.of(":1:1: version: is missing")),
                Arguments.of(
                        "version: v1\nbogus: field\nmig-configs:\n  a: [{devices: all, mig-enabled: false}]\n",
                        List.of(":2:1: bogus: unknown key")),
                Arguments.of(
                        "version: v1\nmig-config:\n  a: [{devices: all, mig-enabled: false}]\n",
                        List.of(
                                ":2:1: mig-config: unknown key; did you mean \"mig-configs\"?",
                                ":1:1: mig-configs: is missing")),
                Arguments.of(
                        "version: v1\nmig-configs: {}\n",
                        List.of(":2:14: mig-configs: an empty block names no layout")),
                Arguments.of("version: v1\nmig-configs:\n", List.of("mig-configs: nothing names no layout")),
                Arguments.of(
                        oneEntry("    []\n"),
                        List.of(":4:5: mig-configs.one: an empty list is not a list of at least")),
                Arguments.of(
                        oneEntry("    devices: all\n    mig-enabled: false\n"),
                        List.of(":4:5: mig-configs.one: a block of keys is not a list of at least")),
                Arguments.of(oneEntry("    - all\n"), List.of(":4:7: mig-configs.one: \"all\" stands where keys are")),
                Arguments.of(
                        "version: v1\nmig-configs:\n  a: [{devices: all, mig-enabled: false}]\n  a: [{devices: all, mig-enabled: false}]\n",
                        List.of(":4:3: the key \"a\" is given twice")),
                Arguments.of(
                        "version: v1\nmig-configs:\n  ? [a]\n  : b\n  c: [{devices: all, mig-enabled: false}]\n",
                        List.of(":3:5: a key is a list")),
                Arguments.of("version: v1\n---\nversion: v1\n", List.of(":2:1: the file holds more than one document")),
                Arguments.of("version: v1\nmig-configs: [\n", List.of("not valid YAML")),
                Arguments.of(
                        oneEntry("    - devices: all\n      mig-enabled: !!java.net.URL x\n"),
                        List.of(":5:20: the tag")));
    }

    static Stream<Arguments> wrongEntries() {
        return Stream.of(
                Arguments.of("{mig-enabled: false}", List.of(":4:7: mig-configs.one.devices: is missing")),
                Arguments.of("{devices: all}", List.of(":4:7: mig-configs.one.mig-enabled: is missing")),
                Arguments.of(
                        "{devices: all, mig-enabled: false, bogus: 1}",
                        List.of(":4:42: mig-configs.one.bogus: unknown key")),
                Arguments.of(
                        "{devices: all, mig-enabled: false, mig-device: {}}",
                        List.of(":4:42: mig-configs.one.mig-device: unknown key; did you mean \"mig-devices\"?")),
                Arguments.of(
                        "{devices: bogus, mig-enabled: false}",
                        List.of(":4:17: mig-configs.one.devices: \"bogus\" names no GPUs")),
                Arguments.of(
                        "{devices: {}, mig-enabled: false}",
                        List.of(":4:17: mig-configs.one.devices: an empty block names no GPUs")),
                Arguments.of(
                        "{devices: , mig-enabled: false}", List.of("mig-configs.one.devices: nothing names no GPUs")),
                Arguments.of(
                        "{devices: 0, mig-enabled: false}",
                        List.of(":4:17: mig-configs.one.devices: \"0\" names no GPUs")),
                Arguments.of(
                        "{devices: [], mig-enabled: false}",
                        List.of(":4:17: mig-configs.one.devices: the list names no GPU")),
                Arguments.of(
                        "{devices: [0, -1, 1.5, \"2\", all, 4096], mig-enabled: false}",
                        List.of(
                                ":4:21: mig-configs.one.devices: \"-1\" is not the index",
                                ":4:25: mig-configs.one.devices: \"1.5\" is not the index",
                                ":4:30: mig-configs.one.devices: \"2\" is not the index",
                                ":4:35: mig-configs.one.devices: \"all\" is not the index",
                                ":4:40: mig-configs.one.devices: \"4096\" is not the index")),
                Arguments.of(
                        "{devices: all, mig-enabled: yes}",
                        List.of(":4:35: mig-configs.one.mig-enabled: \"yes\" is neither true nor false")),
                Arguments.of(
                        "{devices: all, mig-enabled: \"true\"}",
                        List.of(":4:35: mig-configs.one.mig-enabled: \"true\" is neither")),
                Arguments.of(
                        "{devices: all, mig-enabled: }", List.of("mig-configs.one.mig-enabled: nothing is neither")),
                Arguments.of(
                        "{devices: all, mig-enabled: true}", List.of(":4:7: mig-configs.one.mig-devices: is missing")),
                Arguments.of(
                        "{devices: all, mig-enabled: true, mig-devices: }",
                        List.of("mig-configs.one.mig-devices: is empty")),
                Arguments.of(
                        "{devices: all, mig-enabled: false, mig-devices: {1g.5gb: 1}}",
                        List.of(":4:55: mig-configs.one.mig-devices: there can be none while mig-enabled is false")),
                Arguments.of(
                        "{devices: all, mig-enabled: true, mig-devices: [1g.5gb]}",
                        List.of(":4:54: mig-configs.one.mig-devices: a list stands where profiles")),
                Arguments.of(
                        "{devices: all, mig-enabled: true, mig-devices: {bogus: 2}}",
                        List.of(
                                ":4:55: mig-configs.one.mig-devices: \"bogus\" is not a MIG profile: it has not the form")),
                Arguments.of(
                        "{devices: all, mig-enabled: true, mig-devices: {1g.5gb: -1}}",
                        List.of(":4:63: mig-configs.one.mig-devices.1g.5gb: \"-1\" is not a number of MIG devices")),
                Arguments.of(
                        "{devices: all, mig-enabled: true, mig-devices: {1g.5gb: 1.0, 2g.10gb: \"1\", 3g.20gb: 1000, 4g.20gb: 010}}",
                        List.of(
                                "1g.5gb: \"1.0\" is not a number",
                                "2g.10gb: \"1\" is not a number",
                                "3g.20gb: \"1000\" is not a number",
                                "4g.20gb: \"010\" is not a number")),
                Arguments.of(
                        "{devices: all, mig-enabled: true, mig-devices: {1g.5gb: }}",
                        List.of("mig-devices.1g.5gb: nothing is not a number")),
                Arguments.of(
                        "{devices: all, mig-enabled: true, mig-devices: {1g.5gb: 0, 2g.10gb: 0}}",
                        List.of(":4:54: mig-configs.one.mig-devices: every count is 0")),
                Arguments.of(
                        "{devices: all, mig-enabled: true, mig-devices: {3g.20gb: 1, 3c.3g.20gb: 1}}",
                        List.of(":4:67: mig-configs.one.mig-devices: the profile 3g.20gb is given twice")),
                Arguments.of(
                        "{device-filter: A100-SXM4-40GB, devices: all, mig-enabled: false}",
                        List.of(":4:23: mig-configs.one.device-filter: \"A100-SXM4-40GB\" is not a device id")),
                Arguments.of(
                        "{device-filter: [\"0x20B210DE\", 7, \"0x20B210DE:0x1:0x2\", \"0x120B210DE\"], devices: all, mig-enabled: false}",
                        List.of(
                                "device-filter: \"7\" is not a device id",
                                "device-filter: \"0x20B210DE:0x1:0x2\" is not a device id",
                                "device-filter: \"0x120B210DE\" is not a device id")),
                Arguments.of(
                        "{device-filter: {a: b}, devices: all, mig-enabled: false}",
                        List.of(":4:23: mig-configs.one.device-filter: a block of keys is not a device id")));
    }

    @ParameterizedTest
    @MethodSource("wrongFiles")
    void aWrongFileIsRefusedWithItsPlaces(String text, List<String> problems) {
        // When
        Optional<MigConfigFile> file = MigConfigReader.read("mig.yaml", text, report);

        // Then
        assertThat(file).isEmpty();
        assertProblems(problems);
    }

    @ParameterizedTest
    @MethodSource("wrongEntries")
    void aWrongEntryIsRefusedWithItsPlaces(String entry, List<String> problems) {
        // When
        Optional<MigConfigFile> file = MigConfigReader.read("mig.yaml", oneEntry("    - " + entry + "\n"), report);

        // Then
        assertThat(file).isEmpty();
        assertProblems(problems);
    }

    private void assertProblems(List<String> expected) {
        assertThat(report.problems()).hasSameSizeAs(expected);
        for (int i = 0; i < expected.size(); i++) {
            Problem problem = report.problems().get(i);
            assertThat(problem.toString()).startsWith("mig.yaml:").contains(expected.get(i));
            assertThat(problem.nextStep()).isNotEmpty();
        }
    }

    @Test
    void everythingThatIsWrongIsToldAtOnce() {
        // When
        MigConfigReader.read("mig.yaml", """
                version: v1
                mig-configs:
                  a:
                    - devices: some
                      mig-enabled: true
                      mig-devices: {1g: 1}
                  b:
                    - mig-enabled: false
                """, report);

        // Then
        assertThat(report.problems())
                .extracting(Problem::place)
                .containsExactly("mig.yaml:4:16", "mig.yaml:6:21", "mig.yaml:8:7");
    }

    @Test
    void anEmptyFilterNamesEveryModel() {
        // When
        MigConfigFile file =
                read(oneEntry("    - {device-filter: \"\", devices: [1, 1], mig-enabled: false, mig-devices: {}}\n"));

        // Then
        assertThat(file.layout("one").getFirst().filters()).isEmpty();
        assertThat(file.layout("one").getFirst().gpus()).containsExactly(1);
    }
}
