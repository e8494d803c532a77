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
        "/usr/bin/nvidia-persistenced, nvidia-persistenced.service, 'nothing: unload and upgrade stop it by themselves; by hand:"
                + " gpu-node-agent persistenced stop, and afterwards: gpu-node-agent persistenced start'",
        "/usr/bin/nvidia-persistenced, gpu-node-agent-nvidia-persistenced-7.scope, nothing: unload and upgrade stop it by themselves",
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
        HolderPlace place = new HolderPlace("x.scope", "team-a", "train-0", "main", "uid", "id");

        // When
        String next = HolderAdvice.of(holder("/usr/bin/python3.11", place));

        // Then
        assertThat(next).startsWith("kubectl delete pod -n team-a train-0");
    }

    @ParameterizedTest
    @CsvSource({
        "/usr/bin/dcgm-exporter, dcgm-exporter-x, dcgm-exporter",
        "/usr/bin/nv-hostengine, nvidia-dcgm-x, dcgm",
        "/usr/bin/nvidia-device-plugin, nvidia-device-plugin-daemonset-x, device-plugin",
        "/usr/bin/gpu-feature-discovery, gpu-feature-discovery-x, gpu-feature-discovery",
        "/usr/bin/nvidia-mig-manager, '', mig-manager",
    })
    void whatADaemonSetWouldStartAgainIsKeptOffTheNode(String executable, String pod, String part) {
        // Given
        HolderPlace place = new HolderPlace("x.scope", pod.isEmpty() ? "" : "gpu-operator", pod, "main", "uid", "id");

        // When
        String next = HolderAdvice.of(holder(executable, place));

        // Then
        assertThat(next)
                .contains(
                        "kubectl label node NODE --overwrite nvidia.com/gpu.deploy." + part + "=false", "nodeSelector")
                .doesNotContain("delete pod", "node drain");
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
