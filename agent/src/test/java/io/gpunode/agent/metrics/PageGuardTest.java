package io.gpunode.agent.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gpunode.agent.metrics.ExpositionWriter.Reason;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The writer leaves out what readers would refuse a whole page for, and puts families in order. */
@Timeout(10)
class PageGuardTest {
    private static final MetricFamily GAUGE = new MetricFamily("b_gauge", MetricType.GAUGE, "G.");
    private static final MetricFamily COUNTER = new MetricFamily("a_counter", MetricType.COUNTER, "C.");
    private static final MetricFamily TOTAL = new MetricFamily("c_things_total", MetricType.COUNTER, "\"T\".");

    private final ExpositionWriter out = new ExpositionWriter(4);

    @Test
    void leavesOutASeriesThatIsThereAlready() {
        // Given
        out.begin(ExpositionFormat.TEXT);
        out.family(GAUGE);

        // When
        series("x").value(1);
        series("y").value(2.5);
        series("x").thousandths(3);

        // Then
        assertThat(page()).isEqualTo("""
                # HELP b_gauge G.
                # TYPE b_gauge gauge
                b_gauge{l="x"} 1
                b_gauge{l="y"} 2.5
                """);
        assertThat(out.leftOut(Reason.DUPLICATE)).isEqualTo(1);
        assertThat(out.firstLeftOut()).isEqualTo("duplicate b_gauge{l=\"x\"}");
    }

    @Test
    void findsADuplicateAmongThousandsAndInAnotherPartOfItsFamily() {
        // Given
        out.begin(ExpositionFormat.TEXT);
        out.family(GAUGE);
        for (int i = 0; i < 20_000; i++) {
            series("s" + i).value(i);
        }
        out.family(COUNTER).series(COUNTER).value(1);
        out.family(GAUGE);

        // When
        series("s0").value(7);
        series("s19999").value(7);
        series("s20000").value(7);

        // Then
        assertThat(out.leftOut(Reason.DUPLICATE)).isEqualTo(2);
        assertThat(page().lines().filter(line -> line.startsWith("#"))).hasSize(4);
        assertThat(page()).endsWith("b_gauge{l=\"s19999\"} 19999\nb_gauge{l=\"s20000\"} 7\n");
    }

    @Test
    void leavesOutWhatIsNoNumberAndCountersBelowZero() {
        // Given
        out.begin(ExpositionFormat.TEXT);

        // When
        out.family(GAUGE);
        series("nan").value(Double.NaN);
        series("cold").value(-3);
        out.family(COUNTER);
        out.series(COUNTER).firstLabel("l", "a").endLabels().value(-1L);
        out.series(COUNTER).firstLabel("l", "b").endLabels().thousandths(-1);
        out.series(COUNTER).firstLabel("l", "c").endLabels().value(-0.5);
        out.series(COUNTER).firstLabel("l", "d").endLabels().value(0);

        // Then
        assertThat(page()).isEqualTo("""
                # HELP a_counter C.
                # TYPE a_counter counter
                a_counter{l="d"} 0
                # HELP b_gauge G.
                # TYPE b_gauge gauge
                b_gauge{l="cold"} -3
                """);
        assertThat(out.leftOut(Reason.NOT_A_NUMBER)).isEqualTo(1);
        assertThat(out.leftOut(Reason.NEGATIVE_COUNTER)).isEqualTo(3);
    }

    @Test
    void dropsAFamilyWithoutASeries() {
        // Given
        out.begin(ExpositionFormat.TEXT);

        // When
        out.family(GAUGE).family(COUNTER).series(COUNTER).value(1).family(TOTAL);

        // Then
        assertThat(page()).isEqualTo("# HELP a_counter C.\n# TYPE a_counter counter\na_counter 1\n");
    }

    @Test
    void forgetsTheSeriesOfAPartThatWasTakenBack() {
        // Given
        out.begin(ExpositionFormat.TEXT);
        out.family(GAUGE);
        series("kept").value(1);
        int mark = out.mark();
        out.family(COUNTER).series(COUNTER).value(1);
        out.family(GAUGE);
        series("gone").value(1);

        // When
        out.truncate(mark);

        // Then
        out.family(GAUGE);
        series("gone").value(2);
        series("kept").value(2);
        assertThat(page())
                .endsWith("b_gauge{l=\"kept\"} 1\nb_gauge{l=\"gone\"} 2\n")
                .doesNotContain("a_counter");
    }

    @Test
    void writesOpenMetricsWithItsRulesForCounters() {
        // Given
        out.begin(ExpositionFormat.OPENMETRICS_1_0_0);

        // When
        out.family(TOTAL).series(TOTAL).value(3);
        out.family(GAUGE);
        series("x").value(1);
        out.family(COUNTER).series(COUNTER).value(1_000_000);

        // Then
        assertThat(page()).isEqualTo("""
                # HELP a_counter C.
                # TYPE a_counter unknown
                a_counter 1e+06
                # HELP b_gauge G.
                # TYPE b_gauge gauge
                b_gauge{l="x"} 1
                # HELP c_things \\"T\\".
                # TYPE c_things counter
                c_things_total 3
                # EOF
                """);
    }

    @Test
    void startsAnewWithEachPage() {
        // Given
        out.begin(ExpositionFormat.OPENMETRICS_1_0_0);
        out.family(GAUGE);
        series("x").value(1);
        series("x").value(1);

        // When
        out.begin(ExpositionFormat.TEXT);
        out.family(GAUGE);
        series("x").value(2);

        // Then
        assertThat(page()).isEqualTo("# HELP b_gauge G.\n# TYPE b_gauge gauge\nb_gauge{l=\"x\"} 2\n");
        assertThat(out.leftOut(Reason.DUPLICATE)).isZero();
        assertThat(out.firstLeftOut()).isEmpty();
    }

    @Test
    void refusesASeriesWithoutAFamily() {
        // Given
        out.begin(ExpositionFormat.TEXT);

        // When / Then
        assertThatThrownBy(() -> series("x").value(1)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void refusesNamesThatTheFormatDoesNotAllow() {
        // When / Then
        assertThatThrownBy(() -> new MetricFamily("9-lives", MetricType.GAUGE, ""))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("9-lives");
    }

    @Test
    void refusesAPageWithoutBounds() {
        // Given
        out.begin(ExpositionFormat.TEXT);
        out.family(GAUGE);
        byte[] megabyte = new byte[1 << 20];

        // When / Then
        assertThatThrownBy(() -> {
                    for (int i = 0; i < 9; i++) {
                        out.raw(megabyte);
                    }
                })
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("metrics.fields");
    }

    private ExpositionWriter series(String label) {
        return out.series(GAUGE).firstLabel("l", label).endLabels();
    }

    private String page() {
        ByteArrayOutputStream page = new ByteArrayOutputStream();
        out.finish(page::write);
        return page.toString(StandardCharsets.UTF_8);
    }
}
