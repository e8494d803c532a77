package io.gpunode.agent.labels;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig.MigStrategy;
import io.gpunode.agent.config.AgentConfig.Resources;
import io.gpunode.agent.labels.HostFacts.Vgpu;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.model.Reading;
import io.gpunode.agent.testing.Snapshots;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import java.util.SortedMap;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Whatever the node is called and says, every key and value is one that Kubernetes takes: one that it does not costs all the others. */
@Timeout(30)
class LabelSyntaxTest {
    /** The API server's rule for values. */
    static final Pattern VALUE = Pattern.compile("(?=.{0,63}\\z)(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?");
    /** Its rule for names; all of ours have one prefix. */
    private static final Pattern KEY =
            Pattern.compile("nvidia\\.com/(?=.{1,63}\\z)([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]");

    private static final int ROUNDS = 2_000;

    @ParameterizedTest
    @EnumSource(MigStrategy.class)
    void everyByteInEveryNameGivesLabelsThatKubernetesTakes(MigStrategy strategy) {
        for (int character = 0; character < 256; character++) {
            String text = String.valueOf((char) character);
            for (String name :
                    List.of(text, text + "A" + text + text + "B" + text, text.repeat(100), "A".repeat(70) + text)) {
                // When
                var labels = labels(name, strategy);

                // Then
                check(labels);
            }
        }
    }

    @Test
    void anyTextInEveryNameGivesLabelsThatKubernetesTakes() {
        // Given
        Random random = new Random(7);
        for (int round = 0; round < ROUNDS; round++) {
            StringBuilder name = new StringBuilder();
            int length = random.nextInt(200);
            for (int i = 0; i < length; i++) {
                name.appendCodePoint(
                        random.nextInt(4) == 0
                                ? random.nextInt(0xd800)
                                : "-_. aZ0+\n\t".codePointAt(random.nextInt(10)));
            }

            // When
            var labels = labels(name.toString(), MigStrategy.values()[round % 3]);

            // Then
            check(labels);
        }
    }

    /** A node on which every text that comes from outside is this one. */
    private static SortedMap<String, String> labels(String name, MigStrategy strategy) {
        MigDevice device = Snapshots.migDevice(0, 0, "1g.10gb");
        MigDevice named = new MigDevice(
                device.id(),
                0,
                1,
                0,
                name,
                1,
                1,
                device.memoryMebibytes(),
                device.attributes(),
                device.gpuInstanceCapability(),
                device.computeInstanceCapability(),
                device.health(),
                device.sample());
        Snapshots node = Snapshots.pcie(2)
                .product(0, name)
                .product(1, name)
                .mig(0, named)
                .nvml(new NvmlState.Open("", name, name, Integer.MAX_VALUE, 1, Map.of(), List.of(), Snapshots.AT));
        if (strategy == MigStrategy.SINGLE) {
            node.mig(1, named);
        }
        LabelSettings settings = new LabelSettings(
                strategy,
                "nvidia.com/gpu",
                Resources.NONE,
                Settings.timeSlicing(false, List.of(Settings.shared("nvidia.com/gpu", 1_000))),
                true,
                true,
                OptionalLong.of(Long.MAX_VALUE));
        return FeatureLabels.of(
                node.build(),
                settings,
                new HostFacts(name, Reading.of(true), Reading.of(Optional.of(new Vgpu(name, name)))));
    }

    private static void check(SortedMap<String, String> labels) {
        assertThat(labels).containsKeys("nvidia.com/gpu.product", "nvidia.com/gpu.machine");
        labels.forEach((key, value) -> {
            if (!KEY.matcher(key).matches() || !VALUE.matcher(value).matches()) {
                throw new AssertionError("Kubernetes does not take " + key + "=" + value);
            }
        });
    }

    @ParameterizedTest
    @CsvSource({
        "NVIDIA H100 80GB HBM3, NVIDIA-H100-80GB-HBM3",
        "NVIDIA A100-SXM4-40GB, NVIDIA-A100-SXM4-40GB",
        "'  Tesla   T4  ', Tesla-T4",
        "GeForce RTX™ 4090 (Ti), GeForce-RTX-4090-Ti",
        "a\tb, ab",
        "A & B, A-B",
        "'-Standard PC (i440FX + PIIX, 1996)-', Standard-PC-i440FX-PIIX-1996",
        "'...', ''",
        "'', ''",
    })
    void aNameIsWrittenAsGpuFeatureDiscoveryDoesAndTrimmed(String name, String value) {
        // When
        String made = LabelText.value(name);

        // Then
        assertThat(made).isEqualTo(value);
    }

    @Test
    void aLongNameIsCutBeforeItsEnd() {
        // Given
        String name = "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition Rev-A";

        // When
        String value = LabelText.value(name, "-MIG-1g.24gb.me-SHARED");

        // Then
        assertThat(value)
                .isEqualTo("NVIDIA-RTX-PRO-6000-Blackwell-Max-Q-Works-MIG-1g.24gb.me-SHARED")
                .hasSize(63);
    }

    @Test
    void aNameOfWhichNothingIsLeftIsUnknown() {
        // When
        String value = LabelText.value("™", "-SHARED");

        // Then
        assertThat(value).isEqualTo("unknown-SHARED");
    }

    @Test
    void theCataloguesExamplesAreWhatKubernetesTakes() {
        for (Label label : Label.values()) {
            // When
            String key = label.key();

            // Then
            assertThat(key).matches(KEY);
            assertThat(label.example()).matches(VALUE);
        }
    }
}
