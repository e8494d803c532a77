package io.gpunode.agent.health;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.testing.Golden;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Keeps {@code docs/health.md} equal to the tables and the checks. */
@Timeout(10)
class HealthDocumentTest {
    private static final String DOCUMENT = "docs/health.md";
    private static final String BEGIN =
            "<!-- made from XidTable by HealthDocumentTest; -Dgolden.update=true writes it again -->\n";
    private static final String END = "<!-- end of what is made from XidTable -->\n";

    @Test
    void theTableOfXidsIsTheOneInForce() throws IOException {
        // Given
        String document = document();
        int begin = document.indexOf(BEGIN);
        int end = document.indexOf(END);

        // When
        String renewed = document.substring(0, begin + BEGIN.length()) + xids() + document.substring(end);

        // Then
        Golden.checkDocument(DOCUMENT, renewed);
    }

    @Test
    void everyCheckIsInTheDocument() throws IOException {
        // Given
        List<String> names = new ArrayList<>(List.of(Checks.XID, Checks.EVENT, Checks.NVSWITCH, Checks.INIT));
        Checks.ALL.forEach(check -> names.add(check.name()));

        // When
        String document = document();

        // Then
        assertThat(names).allSatisfy(name -> assertThat(document).contains("| `" + name + "` |"));
    }

    private static String document() throws IOException {
        return Files.readString(Path.of("..").resolve(DOCUMENT));
    }

    private static String xids() {
        StringBuilder out = new StringBuilder("""
                | XID | Meaning | Kind | What helps | Source |
                |---|---|---|---|---|
                """);
        for (XidTable.Row row : XidTable.rows()) {
            out.append("| ")
                    .append(row.number())
                    .append(" | ")
                    .append(row.meaning())
                    .append(" | ")
                    .append(
                            switch (row.kind()) {
                                case IGNORED -> "passed over";
                                case APPLICATION -> "remark";
                                case AS_SAID -> "fatal or remark, as the kernel's log says";
                                case GPU -> "fatal";
                                case NODE -> "fatal, node";
                            })
                    .append(" | ")
                    .append(
                            switch (row.repair()) {
                                case NONE -> "nothing";
                                case RESTART_WORK -> "look into the application";
                                case RESET, DRAIN_AND_RESET -> "reset the GPU";
                                case REBOOT -> "reboot the node";
                                case CHECK_HARDWARE -> "have the board looked at";
                                case COOL -> "cool it";
                                case CHECK_POWER -> "power supply and cables";
                                case CHECK_SLOT -> "reseat the board";
                                case CHECK_LINKS -> "look at the links";
                                case FABRIC_MANAGER -> "fabric manager";
                                case IMEX -> "IMEX service";
                                case READ_KERNEL_LOG -> "read the kernel's log";
                            })
                    .append(" | ")
                    .append(row.source().words())
                    .append(" |\n");
        }
        return out.toString();
    }
}
