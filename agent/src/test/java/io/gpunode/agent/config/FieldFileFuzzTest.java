package io.gpunode.agent.config;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Any text is a field file with rows, or is refused with problems that each have a place and a next step. Names stand once, and a file that is written
 * from the rows of an accepted one says the same.
 */
class FieldFileFuzzTest {
    @FuzzTest
    void anyTextIsAFieldFileOrRefused(byte[] bytes) {
        // When
        Report report = new Report(true);
        List<FieldFile.Row> rows = FieldFile.read("counters.csv", new String(bytes, StandardCharsets.UTF_8), report);

        // Then
        if (!report.problems().isEmpty()) {
            assertThat(report.problems()).allSatisfy(problem -> {
                assertThat(problem.place()).startsWith("counters.csv");
                assertThat(problem.nextStep()).isNotEmpty();
                assertThat(problem.toString()).doesNotContainPattern("[\\x00-\\x1f]");
            });
            return;
        }
        Set<String> names = new HashSet<>();
        StringBuilder written = new StringBuilder();
        for (FieldFile.Row row : rows) {
            FieldChoice choice = row.choice();
            assertThat(names.add(choice.name())).isTrue();
            assertThat(FieldFile.isName(choice.name())).isTrue();
            written.append(choice.name())
                    .append(',')
                    .append(choice.type().isEmpty() ? "gauge" : choice.type())
                    .append(",\"")
                    .append(choice.help().replace("\"", "\"\""))
                    .append("\"\n");
        }
        List<FieldFile.Row> again = FieldFile.read("counters.csv", written.toString(), new Report(true));
        assertThat(again).hasSameSizeAs(rows);
        for (int i = 0; i < rows.size(); i++) {
            assertThat(again.get(i).choice().name())
                    .isEqualTo(rows.get(i).choice().name());
            assertThat(again.get(i).choice().help())
                    .isEqualTo(rows.get(i).choice().help());
        }
    }
}
