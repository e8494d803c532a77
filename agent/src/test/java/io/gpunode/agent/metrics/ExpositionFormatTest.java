package io.gpunode.agent.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(10)
class ExpositionFormatTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "'' | TEXT",
                "*/* | TEXT",
                "text/* | TEXT",
                "text/plain | TEXT",
                "text/plain; version=0.0.4 | TEXT",
                "text/html,application/xhtml+xml,*/*;q=0.8 | TEXT",
                "application/json | TEXT",
                "application/openmetrics-text | OPENMETRICS_1_0_0",
                "Application/OpenMetrics-Text; Version=1.0.0 | OPENMETRICS_1_0_0",
                "application/openmetrics-text; version=\"1.0.0\"; charset=utf-8 | OPENMETRICS_1_0_0",
                "application/openmetrics-text; version=0.0.1 | OPENMETRICS_0_0_1",
                "application/openmetrics-text; version=2.0.0 | TEXT",
                // Prometheus before 2.36, from 2.36 on, and 3.
                "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1 | OPENMETRICS_0_0_1",
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                        + "text/plain;version=0.0.4;q=0.5,*/*;q=0.1 | OPENMETRICS_1_0_0",
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
                        + "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
                        + "text/plain;version=0.0.4;q=0.3,*/*;q=0.2 | OPENMETRICS_1_0_0",
                // Prometheus that was told to want text or protocol buffers first.
                "text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5 | TEXT",
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
                        + "text/plain;version=0.0.4;q=0.5,*/*;q=0.1 | TEXT",
                "text/plain, application/openmetrics-text | TEXT",
                "application/openmetrics-text, text/plain | OPENMETRICS_1_0_0",
                "application/openmetrics-text;q=0 | TEXT",
                "application/openmetrics-text;q=0.000,*/*;q=0.1 | TEXT",
                "application/openmetrics-text;q=much | TEXT",
                "application/openmetrics-text;q=NaN | TEXT",
                "application/openmetrics-text;q=7,text/plain;q=0.1 | TEXT",
                ";;;,,q=1;q | TEXT"
            })
    void isTheOneThatTheRequestPrefers(String accept, ExpositionFormat expected) {
        // When
        ExpositionFormat format = ExpositionFormat.preferred(accept);

        // Then
        assertThat(format).isEqualTo(expected);
    }
}
