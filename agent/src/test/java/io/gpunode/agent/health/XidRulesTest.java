package io.gpunode.agent.health;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.model.Finding.Severity;
import io.gpunode.agent.testing.Configs;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(10)
class XidRulesTest {
    private static final Severity REMARK = Severity.REMARK;
    private static final Severity FATAL = Severity.FATAL;

    @ParameterizedTest
    @ValueSource(longs = {13, 31, 43, 45, 68, 109})
    void whatTheDevicePluginIgnoresIsARemark(long xid) {
        assertThat(rules(true, false, Set.of(), Set.of()).severity(xid)).isEqualTo(REMARK);
    }

    @ParameterizedTest
    @ValueSource(longs = {11, 32, 69, 92, 94, 121})
    void whatTheCatalogueCallsHarmlessIsARemark(long xid) {
        assertThat(rules(true, false, Set.of(), Set.of()).severity(xid)).isEqualTo(REMARK);
    }

    @ParameterizedTest
    @ValueSource(longs = {63, 106, 154})
    void whatAnotherCheckJudgesOrNobodyNeedsIsPassedOver(long xid) {
        assertThat(rules(true, false, Set.of(), Set.of()).severity(xid)).isNull();
    }

    @ParameterizedTest
    @ValueSource(longs = {39, 48, 64, 74, 95, 119, 120, 140, 999, 4711})
    void everyOtherIsFatal(long xid) {
        assertThat(rules(true, false, Set.of(), Set.of()).severity(xid)).isEqualTo(FATAL);
    }

    @ParameterizedTest
    @ValueSource(longs = {144, 145, 146, 147, 148, 149, 150})
    void theDriversWordDecidesAboutErrorsOfNvlink5(long xid) {
        XidRules rules = rules(true, false, Set.of(), Set.of());

        assertThat(rules.severity(xid, false)).isEqualTo(REMARK);
        assertThat(rules.severity(xid, true)).isEqualTo(FATAL);
    }

    @ParameterizedTest
    @ValueSource(longs = {79, 151})
    void whatTakesARebootConcernsTheNode(long xid) {
        assertThat(rules(true, false, Set.of(), Set.of()).severity(xid)).isEqualTo(Severity.NODE);
    }

    @Test
    void anIgnoredOneIsARemark() {
        assertThat(rules(true, false, Set.of(64L), Set.of()).severity(64)).isEqualTo(REMARK);
    }

    @Test
    void countedBeatsIgnored() {
        XidRules rules = rules(true, false, Set.of(64L), Set.of(64L, 31L, 63L));

        assertThat(rules.severity(64)).isEqualTo(FATAL);
        assertThat(rules.severity(31)).isEqualTo(FATAL);
        assertThat(rules.severity(63)).isEqualTo(FATAL);
    }

    @Test
    void onlyWhatIsCountedWithholdsAGpuWhenXidsAreOff() {
        XidRules rules = rules(false, false, Set.of(), Set.of(48L));

        assertThat(rules.severity(48)).isEqualTo(FATAL);
        assertThat(rules.severity(79)).isEqualTo(REMARK);
    }

    @Test
    void everyXidBeatsEverything() {
        XidRules rules = rules(false, true, Set.of(31L), Set.of());

        assertThat(rules.severity(31)).isEqualTo(FATAL);
        assertThat(rules.severity(154)).isEqualTo(FATAL);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            nullValues = "-",
            value = {
                "-       | -      | REMARK | FATAL  | FATAL ",
                "all     | -      | REMARK | REMARK | REMARK",
                "xids    | -      | REMARK | REMARK | REMARK",
                "48, 74  | -      | REMARK | REMARK | REMARK",
                "48      | 48     | REMARK | FATAL  | FATAL ",
                "-       | 31     | FATAL  | FATAL  | FATAL ",
                "-       | all    | FATAL  | FATAL  | FATAL ",
                "all     | 48     | REMARK | FATAL  | REMARK",
                "all     | all    | FATAL  | FATAL  | FATAL ",
                "xids    | 31,74  | FATAL  | REMARK | FATAL ",
                "nonsense| -      | REMARK | FATAL  | FATAL "
            })
    void theDevicePluginsVariablesKeepTheirMeaning(
            String disable, String enable, Severity of31, Severity of48, Severity of74) {
        // Given
        Map<String, String> environment = Map.of(
                "DP_DISABLE_HEALTHCHECKS", disable == null ? "" : disable,
                "DP_ENABLE_HEALTHCHECKS", enable == null ? "" : enable);

        // When
        XidRules rules = new XidRules(Configs.withEnvironment(environment).health());

        // Then
        assertThat(rules.severity(31)).isEqualTo(of31);
        assertThat(rules.severity(48)).isEqualTo(of48);
        assertThat(rules.severity(74)).isEqualTo(of74);
    }

    @Test
    void everyNumberOfTheTableHasOneRow() {
        assertThat(XidTable.rows()).extracting(XidTable.Row::number).doesNotHaveDuplicates();
        assertThat(XidTable.rows()).extracting(XidTable.Row::number).isSorted();
        assertThat(XidTable.rows()).allSatisfy(row -> {
            assertThat(row.meaning()).isNotBlank();
            assertThat(row.source().words()).isNotBlank();
            assertThat(XidTable.row(row.number())).isEqualTo(row);
        });
    }

    private static XidRules rules(boolean xids, boolean every, Set<Long> ignored, Set<Long> counted) {
        return new XidRules(
                new AgentConfig.Health(xids, every, ignored, counted, HealthConfigs.INTERVAL, Set.of(), false));
    }
}
