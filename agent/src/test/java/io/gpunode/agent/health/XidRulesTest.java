package io.gpunode.agent.health;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.model.Finding.Severity;
import java.time.Duration;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(10)
class XidRulesTest {
    @ParameterizedTest
    @ValueSource(longs = {13, 31, 43, 45, 68, 109})
    void anApplicationsOwnErrorIsARemark(long xid) {
        assertThat(rules(true, false, Set.of(), Set.of()).severity(xid)).isEqualTo(Severity.REMARK);
    }

    @ParameterizedTest
    @ValueSource(longs = {48, 63, 64, 74, 79, 94, 95, 119, 120, 140, 999, 4711})
    void everyOtherIsFatal(long xid) {
        assertThat(rules(true, false, Set.of(), Set.of()).severity(xid)).isEqualTo(Severity.FATAL);
    }

    @Test
    void anIgnoredOneIsARemark() {
        assertThat(rules(true, false, Set.of(63L), Set.of()).severity(63)).isEqualTo(Severity.REMARK);
    }

    @Test
    void countedBeatsIgnored() {
        XidRules rules = rules(true, false, Set.of(63L), Set.of(63L, 31L));

        assertThat(rules.severity(63)).isEqualTo(Severity.FATAL);
        assertThat(rules.severity(31)).isEqualTo(Severity.FATAL);
    }

    @Test
    void nothingWithholdsAGpuWhenXidsAreOff() {
        assertThat(rules(false, false, Set.of(), Set.of(79L)).severity(79)).isEqualTo(Severity.REMARK);
    }

    @Test
    void everyXidBeatsEverything() {
        assertThat(rules(false, true, Set.of(31L), Set.of()).severity(31)).isEqualTo(Severity.FATAL);
    }

    @Test
    void everyNumberOfTheTableHasOneRow() {
        assertThat(XidTable.rows()).extracting(XidTable.Row::number).doesNotHaveDuplicates();
        assertThat(XidTable.rows()).allSatisfy(row -> {
            assertThat(row.meaning()).isNotBlank();
            assertThat(row.source()).isNotBlank();
            assertThat(XidTable.row(row.number())).isEqualTo(row);
        });
    }

    private static XidRules rules(boolean xids, boolean every, Set<Long> ignored, Set<Long> counted) {
        return new XidRules(new AgentConfig.Health(xids, every, ignored, counted, Duration.ofMinutes(5)));
    }
}
