package io.gpunode.agent.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(10)
class ExpositionWriterTest {
    private static final MetricFamily FAMILY = new MetricFamily("m", MetricType.GAUGE, "h");
    private static final String HEADER = "# HELP m h\n# TYPE m gauge\n";

    private final ExpositionWriter out = new ExpositionWriter(4);

    @BeforeEach
    void begin() {
        out.begin(ExpositionFormat.TEXT);
        out.family(FAMILY);
    }

    /** What Go's strconv.FormatFloat(x, 'g', -1, 64) gives. */
    @ParameterizedTest
    @CsvSource({
        "0, 0",
        "1, 1",
        "-1, -1",
        "42, 42",
        "100000, 100000",
        "999999, 999999",
        "1000000, 1e+06",
        "1000001, 1.000001e+06",
        "1234567, 1.234567e+06",
        "-20000000, -2e+07",
        "129931554972, 1.29931554972e+11",
        "9007199254740991, 9.007199254740991e+15",
        "9007199254740993, 9.007199254740992e+15",
        "9223372036854775807, 9.223372036854776e+18",
        "-9223372036854775808, -9.223372036854776e+18"
    })
    void writesWholeNumbersAsGoDoes(long value, String expected) {
        // When
        out.value(value);

        // Then
        assertThat(text()).isEqualTo(" " + expected + "\n");
    }

    @ParameterizedTest
    @CsvSource({
        "0, 0",
        "412337, 412.337",
        "110000, 110",
        "5, 0.005",
        "50, 0.05",
        "1, 0.001",
        "-1500, -1.5",
        "1000000000, 1e+06",
        "1234567890, 1.23456789e+06",
        "1767323045123, 1.767323045123e+09"
    })
    void writesThousandthsWithoutRoundingNoise(long thousandths, String expected) {
        // When
        out.thousandths(thousandths);

        // Then
        assertThat(text()).isEqualTo(" " + expected + "\n");
    }

    @ParameterizedTest
    @CsvSource({
        "0.0, 0",
        "-0.0, 0",
        "0.5, 0.5",
        "1.0, 1",
        "0.41327, 0.41327",
        "0.1, 0.1",
        "0.30000000000000004, 0.30000000000000004",
        "0.001, 0.001",
        "0.0001, 0.0001",
        "0.00012, 0.00012",
        "0.00001, 1e-05",
        "0.000012345, 1.2345e-05",
        "123456.789, 123456.789",
        "1234567.89, 1.23456789e+06",
        "1e21, 1e+21",
        "1.7976931348623157E308, 1.7976931348623157e+308",
        "2.2250738585072014E-308, 2.2250738585072014e-308",
        "1e100, 1e+100",
        "-2.5, -2.5",
        "Infinity, +Inf",
        "-Infinity, -Inf"
    })
    void writesFractionsAsGoDoes(double value, String expected) {
        // When
        out.value(value);

        // Then
        assertThat(text()).isEqualTo(" " + expected + "\n");
    }

    @Test
    void writesNumbersThatReadBackAsTheSame() {
        // Given
        double[] values = new Random(1)
                .longs(100_000)
                .mapToDouble(Double::longBitsToDouble)
                .filter(Double::isFinite)
                .toArray();

        // When
        for (int i = 0; i < values.length; i++) {
            out.text("m_").number(i).value(values[i]);
        }

        // Then
        assertThat(text().lines()
                        .mapToDouble(line -> Double.parseDouble(line.substring(line.indexOf(' ') + 1)))
                        .toArray())
                .isEqualTo(values);
    }

    @Test
    void escapesLabelValues() {
        // When
        out.text("m")
                .firstLabel("a", "back\\slash \"quoted\"\nnext é")
                .label("b", "")
                .endLabels()
                .value(1);

        // Then
        assertThat(text()).isEqualTo("m{a=\"back\\\\slash \\\"quoted\\\"\\nnext é\",b=\"\"} 1\n");
    }

    @Test
    void escapesHelpTexts() {
        // When
        MetricFamily family = new MetricFamily("m", MetricType.GAUGE, "a\\b\n\"c\"");

        // Then: only OpenMetrics escapes quotation marks
        assertThat(family.header(false)).asString().isEqualTo("# HELP m a\\\\b\\n\"c\"\n# TYPE m gauge\n");
        assertThat(family.header(true)).asString().isEqualTo("# HELP m a\\\\b\\n\\\"c\\\"\n# TYPE m gauge\n");
    }

    @Test
    void writesIndicesOfAnySize() {
        // When
        out.number(0)
                .character(' ')
                .number(7)
                .character(' ')
                .number(1234567890)
                .character(' ')
                .number(-3)
                .character('\n');

        // Then
        assertThat(text()).isEqualTo("0 7 1234567890 -3\n");
    }

    /** What was written after the family's own lines. */
    private String text() {
        return page().substring(HEADER.length());
    }

    private String page() {
        ByteArrayOutputStream page = new ByteArrayOutputStream();
        out.finish(page::write);
        return page.toString(StandardCharsets.UTF_8);
    }
}
