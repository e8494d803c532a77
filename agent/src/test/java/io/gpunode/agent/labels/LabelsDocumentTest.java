package io.gpunode.agent.labels;

import io.gpunode.agent.testing.Golden;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Keeps {@code docs/labels.md} equal to the catalogue. */
@Timeout(10)
class LabelsDocumentTest {
    @Test
    void theReferenceIsMadeFromTheCatalogue() {
        // When
        String document = LabelsDocument.text();

        // Then
        Golden.checkDocument("docs/labels.md", document);
    }
}
