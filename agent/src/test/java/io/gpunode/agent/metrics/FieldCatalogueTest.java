package io.gpunode.agent.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.model.LinkQuantity;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.model.WantedReadings;
import io.gpunode.agent.testing.Golden;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(20)
class FieldCatalogueTest {
    @Test
    void isWhatTheDocumentSays() {
        // When
        String document = MetricsDocument.text();

        // Then
        Golden.checkDocument("docs/metrics.md", document);
    }

    @Test
    void everyFieldOfDcgmIsComparedInTheDocument() throws IOException {
        // When
        String document = FieldComparison.text();

        // Then
        Golden.checkDocument("docs/fields.md", document);
    }

    @Test
    void hasEachNameOnce() {
        // When
        List<String> names = new ArrayList<>();
        for (Field field : FieldCatalogue.fields()) {
            names.add(field.name().toUpperCase(Locale.ROOT));
            field.aliases().forEach(alias -> names.add(alias.toUpperCase(Locale.ROOT)));
        }

        // Then
        assertThat(names).doesNotHaveDuplicates().hasSize(FieldCatalogue.names().size());
    }

    @Test
    void showsTheActiveRowsOfTheDefaultCountersFile() throws IOException {
        // When
        List<String> names = FieldCatalogue.defaultNames();

        // Then: twenty device rows, five profiling rows and the driver's version as a label
        assertThat(names)
                .hasSize(26)
                .containsExactlyInAnyOrderElementsOf(counters()
                        .filter(row -> row.endsWith(" on"))
                        .map(row -> row.substring(0, row.indexOf(' ')))
                        .toList());
    }

    static Stream<String> counters() throws IOException {
        return lines("exporter-counters.txt").stream();
    }

    @ParameterizedTest
    @MethodSource("counters")
    void hasEveryRowOfTheExportersCountersFiles(String row) {
        // Given
        String[] told = row.split(" ", -1);

        // When
        Field field = FieldCatalogue.find(told[0]).orElseThrow();

        // Then
        assertThat(field.source()).isNotInstanceOf(Field.Refused.class);
        assertThat(field.id()).isEqualTo(Integer.parseInt(told[2]));
        assertThat(field.typeText()).isEqualTo(told[1]);
        assertThat(told[0]).isIn(allNames(field));
    }

    static Stream<String> dcgm() throws IOException {
        return lines("dcgm-fields.txt").stream();
    }

    @ParameterizedTest
    @MethodSource("dcgm")
    void showsEveryFieldOfDcgmOrSaysWhyNot(String row) {
        // Given
        String[] told = row.split(" ", -1);
        int id = Integer.parseInt(told[0]);

        for (int i = 1; i < told.length; i++) {
            // When
            Field field = FieldCatalogue.find(told[i]).orElse(null);

            // Then
            assertThat(field).as(told[i]).isNotNull();
            if (Objects.requireNonNull(field).source() instanceof Field.Refused(String why)) {
                assertThat(why).matches("(it|DCGM|no) .*[^.]");
                assertThat(FieldCatalogue.find(told[0]))
                        .as(told[0])
                        .hasValueSatisfying(same -> assertThat(same.source()).isEqualTo(field.source()));
            } else {
                assertThat(field.id()).as(told[i]).isEqualTo(id);
                assertThat(FieldCatalogue.find(told[0])).contains(field);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "DCGM_FI_DEV_GPU_TEMP, DCGM_FI_DEV_GPU_TEMP",
        "DCGM_FI_DEV_GPU_TEMP_CELSIUS, DCGM_FI_DEV_GPU_TEMP",
        "dcgm_gpu_temp, DCGM_FI_DEV_GPU_TEMP",
        "dcgm_fi_dev_gpu_temp, DCGM_FI_DEV_GPU_TEMP",
        "150, DCGM_FI_DEV_GPU_TEMP",
        "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS, DCGM_FI_DEV_CLOCKS_EVENT_REASONS",
        "DCGM_FI_DEV_NVLINK_BANDWIDTH_L0, DCGM_FI_DEV_NVLINK_BANDWIDTH_L0",
        "DCGM_FI_DEV_NVLINK_THROUGHPUT_L17, DCGM_FI_DEV_NVLINK_BANDWIDTH_L17",
        "446, DCGM_FI_DEV_NVLINK_BANDWIDTH_L12",
        "DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_L6_TOTAL, DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_L6",
        "DCGM_FI_PROF_NVDEC_UTIL_3_RATIO, DCGM_FI_PROF_NVDEC3_ACTIVE"
    })
    void findsAFieldByAnyOfItsNamesAndItsId(String asked, String name) {
        assertThat(FieldCatalogue.find(asked).map(Field::name)).contains(name);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "DCGM_FI_DEV_GPU_TEMPERATURE",
                "DCGM_FI_DEV_NVLINK_BANDWIDTH_L18",
                "DCGM_FI_DEV_NVLINK_BANDWIDTH_L01",
                "DCGM_FI_DEV_NVLINK_BANDWIDTH_L*",
                "DCGM_FI_DEV_NVLINK_COUNT_FEC_HISTORY_16",
                "0",
                "9999",
                "150x",
                "99999999999999999999"
            })
    void knowsNoOtherNames(String asked) {
        assertThat(FieldCatalogue.find(asked)).isEmpty();
    }

    @Test
    void takesTheNumberOfALinkIntoEverythingThatTheFieldSays() {
        // When
        Field field = FieldCatalogue.find("DCGM_FI_DEV_NVLINK_THROUGHPUT_L12").orElseThrow();

        // Then
        assertThat(field.id()).isEqualTo(446);
        assertThat(field.help()).contains("NVLink 12");
        assertThat(field.source()).isEqualTo(new Field.OfLink(MetricType.GAUGE, LinkQuantity.MEGABYTES_PER_SECOND, 12));
    }

    @Test
    void asksForWhatIsShownAndForWhatIsAlwaysNeeded() {
        // Given
        List<ChosenField> fields = Stream.of("DCGM_FI_DEV_FAN_SPEED", "DCGM_FI_DEV_NVLINK_TX_BANDWIDTH_L3")
                .map(name -> FieldCatalogue.find(name).orElseThrow())
                .map(field -> new ChosenField(field.name(), field, field.type(), field.help()))
                .toList();

        // When
        WantedReadings wanted = FieldCatalogue.wanted(fields);

        // Then
        Set<Quantity> quantities = new HashSet<>(WantedReadings.ALWAYS.quantities());
        quantities.add(Quantity.FAN_SPEED_PERCENT);
        assertThat(wanted.quantities()).isEqualTo(quantities);
        assertThat(wanted.linkQuantities()).containsExactly(LinkQuantity.SENT_MEGABYTES_PER_SECOND);
    }

    @Test
    void writesHelpTextsAsOneSentenceLines() {
        // When
        List<String> helps = FieldCatalogue.fields().stream().map(Field::help).toList();

        // Then
        assertThat(helps).allSatisfy(help -> assertThat(help).endsWith(".").doesNotContain("\n", "*"));
    }

    private static List<String> allNames(Field field) {
        List<String> names = new ArrayList<>(field.aliases());
        names.add(field.name());
        // Exporter 1.x wrote the names of profiling as they are, in lower case.
        names.add(field.name().toLowerCase(Locale.ROOT));
        return names;
    }

    static List<String> lines(String resource) throws IOException {
        try (InputStream in = FieldCatalogueTest.class.getResourceAsStream("/reference/" + resource)) {
            return new String(Objects.requireNonNull(in).readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .filter(line -> !line.startsWith("#"))
                    .toList();
        }
    }
}
