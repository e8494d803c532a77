package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(10)
class UnitCgroupTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "0::/system.slice/dcgm.service | dcgm.service",
                "0::/system.slice/dcgm.service/worker.scope | dcgm.service",
                "0::/user.slice/user-1000.slice/session-3.scope | session-3.scope",
                "0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service | user@1000.service",
                "0::/../../system.slice/k3s.service/kubepods/pod1 | k3s.service",
                "0::/init.scope | init.scope",
                "0::/ | ''",
                "nonsense | ''",
                "4:memory:/a.service;1:name=systemd:/b.service;0::/c.service | b.service",
                "4:memory:/system.slice/a.service;1:name=systemd:/ | a.service",
            })
    void theOutermostServiceOrScopeIsTheUnit(String lines, String unit) {
        assertThat(UnitCgroup.of(lines.replace(';', '\n'))).isEqualTo(unit);
    }
}
