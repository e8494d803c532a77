package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.driver.Holder.Through;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(10)
class HolderAdviceTest {
    private static Holder holder(String executable, HolderPlace place) {
        return new Holder("nvidia", "/dev/nvidia0", 42, 1, executable, place, Through.FD, 1, "S");
    }

    @ParameterizedTest
    @CsvSource({
        "/usr/bin/nvidia-persistenced, nvidia-persistenced.service, gpu-node-agent persistenced stop",
        "/usr/bin/nv-hostengine, nvidia-dcgm.service, systemctl stop nvidia-dcgm",
        "/usr/lib/xorg/Xorg, session-2.scope, systemctl stop display-manager",
        "/opt/vendor/watchdog, vendor.service, systemctl stop vendor.service",
        "/usr/bin/python3.11, session-3.scope, kill 42",
        "/usr/bin/java, gpu-node-agent.service, nothing: the agent lets go by itself when the driver is unloaded",
    })
    void aHolderIsStoppedByWhatItIsAndElseByItsUnit(String executable, String unit, String next) {
        assertThat(HolderAdvice.of(holder(executable, HolderPlace.ofUnit(unit))))
                .isEqualTo(next);
    }

    @Test
    void aPodIsDeletedWhateverItRuns() {
        // Given
        HolderPlace place = new HolderPlace("x.scope", "team-a", "dcgm-exporter-x", "main", "uid", "id");

        // When
        String next = HolderAdvice.of(holder("/usr/bin/nv-hostengine", place));

        // Then
        assertThat(next).startsWith("kubectl delete pod -n team-a dcgm-exporter-x");
    }

    @Test
    void whatIsHeldInTheKernelNamesNoProcess() {
        // Given
        Holder holder = new Holder("nvidia", "", 0, 0, "", HolderPlace.UNKNOWN, Through.KERNEL, 2, "");

        // When
        String next = HolderAdvice.of(holder);

        // Then
        assertThat(next).contains("suspects").doesNotContain("kill");
    }
}
