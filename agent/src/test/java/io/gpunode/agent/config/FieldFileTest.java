package io.gpunode.agent.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(10)
class FieldFileTest {
    private final Report report = new Report(true);

    private List<FieldChoice> read(String text) {
        List<FieldChoice> choices = new ArrayList<>();
        for (FieldFile.Row row : FieldFile.read("counters.csv", text, report)) {
            choices.add(row.choice());
        }
        return choices;
    }

    private List<String> problems() {
        return report.problems().stream().map(Problem::toString).toList();
    }

    @Test
    void aRowHasANameATypeAndAHelpText() {
        // When
        List<FieldChoice> choices = read("DCGM_FI_DEV_GPU_TEMP, gauge, Heat of the chip.\n");

        // Then
        assertThat(choices).containsExactly(new FieldChoice("DCGM_FI_DEV_GPU_TEMP", "gauge", "Heat of the chip."));
    }

    @Test
    void commentsEmptyLinesBlanksAndCarriageReturnsDoNotCount() {
        // When
        List<FieldChoice> choices = read("""
                # NAME, type, help

                  # DCGM_FI_DEV_FB_FREE, gauge, Free.
                \t
                DCGM_FI_DEV_DEC_UTIL ,\tgauge,   Decoder.  \r
                  dcgm_gpu_temp,gauge,\r
                150, label, # not a comment""");

        // Then
        assertThat(choices)
                .containsExactly(
                        new FieldChoice("DCGM_FI_DEV_DEC_UTIL", "gauge", "Decoder."),
                        new FieldChoice("dcgm_gpu_temp", "gauge", ""),
                        new FieldChoice("150", "label", "# not a comment"));
    }

    @Test
    void quotedCellsMayHoldCommasQuotesAndLineEnds() {
        // When
        List<FieldChoice> choices = read("""
                "A",gauge,"Tx, Rx and ""both""."
                B, "counter", "first
                second"
                C, gauge, GPU "core" heat
                """);

        // Then
        assertThat(choices)
                .containsExactly(
                        new FieldChoice("A", "gauge", "Tx, Rx and \"both\"."),
                        new FieldChoice("B", "counter", "first\nsecond"),
                        new FieldChoice("C", "gauge", "GPU \"core\" heat"));
    }

    @Test
    void everythingThatIsWrongIsToldWithLineAndColumn() {
        // When
        read("""
                A, gauge, Power, in watts.
                B gauge help
                C, gage, Help.
                D, gauge
                , gauge, Help.
                E-1, , Help.
                F, gauge, "Help" me.
                G, gauge, "Help
                """);

        // Then
        assertThat(problems())
                .containsExactly(
                        "counters.csv:1:1: the row of \"A\" has 4 cells instead of three; put a help text that holds commas in"
                                + " double quotes",
                        "counters.csv:2:1: the row of \"B gauge help\" has one cell instead of three; write it as NAME, TYPE,"
                                + " HELP TEXT",
                        "counters.csv:3:4: \"gage\" is not a type; did you mean \"gauge\"?",
                        "counters.csv:4:1: the row of \"D\" has 2 cells instead of three; write it as NAME, TYPE, HELP TEXT",
                        "counters.csv:5:1: the name is missing; write a name such as DCGM_FI_DEV_GPU_TEMP",
                        "counters.csv:6:1: \"E-1\" is not a field name; write a name such as DCGM_FI_DEV_GPU_TEMP",
                        "counters.csv:6:6: the type is missing; write gauge, counter or label",
                        "counters.csv:7:18: there is text after the closing quote; put all of the cell between the quotes, and"
                                + " write a quote in it twice",
                        "counters.csv:8:11: the quote that begins here is not closed; close it, or write a quote in it twice");
    }

    @Test
    void linesAreCountedThroughQuotedCells() {
        // When
        read("A, gauge, \"one\ntwo\"\nB, gouge, Help.\n");

        // Then
        assertThat(problems()).containsExactly("counters.csv:3:4: \"gouge\" is not a type; did you mean \"gauge\"?");
    }

    @Test
    void aNameThatStandsTwiceCountsOnceAndIsTold() {
        // When
        List<FieldChoice> choices = read("A, gauge, One.\nB, gauge, Two.\nA, counter, Three.\n");

        // Then
        assertThat(choices)
                .containsExactly(new FieldChoice("A", "gauge", "One."), new FieldChoice("B", "gauge", "Two."));
        assertThat(report.notices().stream().map(Problem::toString))
                .containsExactly(
                        "counters.csv:3:1: \"A\" is listed twice, first at counters.csv:1:1; the first row counts;"
                                + " remove one of the two");
    }

    @Test
    void theExportersOwnMetricsMaySayAnyType() {
        // When
        List<FieldChoice> choices = read("DCGM_EXP_XID_ERRORS_COUNT, whatever, XIDs.\n");

        // Then
        assertThat(choices).containsExactly(new FieldChoice("DCGM_EXP_XID_ERRORS_COUNT", "", "XIDs."));
    }

    @Test
    void aFileWithoutARowIsRefused() {
        // When
        read("# nothing\n\n");

        // Then
        assertThat(problems())
                .hasSize(1)
                .allSatisfy(text -> assertThat(text).startsWith("counters.csv: holds no field; "));
    }
}
