package io.gpunode.agent.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.testing.Golden;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(10)
class FieldCatalogueTest {
    @Test
    void isWhatTheDocumentSays() {
        // When
        String document = MetricsDocument.text();

        // Then
        Golden.checkDocument("docs/metrics.md", document);
    }

    @Test
    void hasEachNameOnce() {
        // When
        List<String> names = FieldCatalogue.fields().stream().map(Field::name).toList();

        // Then
        assertThat(names).doesNotHaveDuplicates().hasSize(FieldCatalogue.names().size());
    }

    @Test
    void showsTheActiveRowsOfTheDefaultCountersFile() {
        // When
        List<String> names = FieldCatalogue.defaultNames();

        // Then: twenty device rows, five profiling rows and the driver's version as a label
        assertThat(names).hasSize(26);
    }

    @Test
    void writesHelpTextsAsOneSentenceLines() {
        // When
        List<String> helps = FieldCatalogue.fields().stream().map(Field::help).toList();

        // Then
        assertThat(helps).allSatisfy(help -> assertThat(help).endsWith(".").doesNotContain("\n"));
    }
}
