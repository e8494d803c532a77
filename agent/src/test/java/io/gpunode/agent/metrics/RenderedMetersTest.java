package io.gpunode.agent.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(10)
class RenderedMetersTest {
    private static final String PAGE = """
            # HELP z_work_seconds Work, \\"quoted\\\\ and\\nbroken.
            # TYPE z_work_seconds summary
            z_work_seconds_count{kind="a"} 2
            z_work_seconds_sum{kind="a"} 1.5E-4
            # HELP empty Nothing to say.
            # TYPE empty gauge
            empty NaN
            # TYPE b_total counter
            b_total 5.0
            # HELP c_half Half of it.
            # TYPE c_half gauge
            c_half{l="x"} NaN
            c_half{l="a NaN"} 1.0
            """;

    private final Map<String, MetricFamily> known = new HashMap<>();

    @Test
    void showsMicrometersFamiliesInOrderAndWithoutWhatHasNoNumber() {
        // Given
        RenderedMeters meters = RenderedMeters.parse(PAGE.getBytes(StandardCharsets.UTF_8), known);

        // When
        String page = page(meters, ExpositionFormat.TEXT);

        // Then
        assertThat(page).isEqualTo("""
                # HELP b_total\s
                # TYPE b_total counter
                b_total 5.0
                # HELP c_half Half of it.
                # TYPE c_half gauge
                c_half{l="a NaN"} 1.0
                # HELP z_work_seconds Work, "quoted\\\\ and\\nbroken.
                # TYPE z_work_seconds summary
                z_work_seconds_count{kind="a"} 2
                z_work_seconds_sum{kind="a"} 1.5E-4
                """);
    }

    @Test
    void turnsCountersIntoOpenMetricsCounters() {
        // Given
        RenderedMeters meters = RenderedMeters.parse(PAGE.getBytes(StandardCharsets.UTF_8), known);

        // When
        String page = page(meters, ExpositionFormat.OPENMETRICS_1_0_0);

        // Then
        assertThat(page)
                .startsWith("# HELP b \n# TYPE b counter\nb_total 5.0\n")
                .contains("# HELP z_work_seconds Work, \\\"quoted\\\\ and\\nbroken.\n")
                .endsWith("# EOF\n");
    }

    @Test
    void knowsAFamilyAgain() {
        // Given
        RenderedMeters first = RenderedMeters.parse(PAGE.getBytes(StandardCharsets.UTF_8), known);

        // When
        RenderedMeters second = RenderedMeters.parse(PAGE.getBytes(StandardCharsets.UTF_8), known);

        // Then
        assertThat(second.families().getFirst().family())
                .isSameAs(first.families().getFirst().family());
    }

    private static String page(RenderedMeters meters, ExpositionFormat format) {
        ExpositionWriter out = new ExpositionWriter();
        out.begin(format);
        for (RenderedMeters.Family family : meters.families()) {
            out.family(family.family()).lines(meters.text(), family.from(), family.to());
        }
        ByteArrayOutputStream page = new ByteArrayOutputStream();
        out.finish(page::write);
        return page.toString(StandardCharsets.UTF_8);
    }
}
