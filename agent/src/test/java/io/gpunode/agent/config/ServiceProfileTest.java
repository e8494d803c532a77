package io.gpunode.agent.config;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.ServiceProfile.Machine;
import io.gpunode.agent.testing.Configs;
import io.gpunode.agent.testing.Golden;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(30)
class ServiceProfileTest {
    private static final Path UNIT = Path.of("..", "systemd", "gpu-node-agent.service");
    private static final String BEGIN =
            "# The profile of the defaults, as `gpu-node-agent config systemd` makes it for any configuration.\n";
    private static final String END = "\n[Install]\nWantedBy=multi-user.target\n";

    @Test
    void theUnitAsInstalledHasTheProfileOfTheDefaults() throws Exception {
        // Given
        String unit = Files.readString(UNIT);
        String before = unit.substring(0, unit.indexOf(BEGIN) + BEGIN.length());

        // When
        List<String> lines = ServiceProfile.lines(Configs.defaults(), Machine.NEWEST);

        // Then
        Golden.checkDocument("systemd/gpu-node-agent.service", before + String.join("\n", lines) + "\n" + END);
    }

    @Test
    void aDriverThatIsManagedNeedsNoMountNamespaceAndMoreCapabilities() {
        // When
        List<String> lines = ServiceProfile.dropIn(
                Configs.of("GPU_NODE_AGENT_DRIVER_MANAGE=true", "GPU_NODE_AGENT_DRIVER_SOURCE=package"),
                List.of(),
                Machine.NEWEST);

        // Then
        Golden.check("systemd/driver.conf", String.join("\n", lines) + "\n");
        assertThat(lines)
                .doesNotContain("ProtectSystem=strict", "PrivateTmp=yes")
                .contains("KillMode=process");
    }

    @Test
    void aDriverOfTheHostIsNotCompiledInTheService() {
        // When
        List<String> lines = ServiceProfile.lines(Configs.of("GPU_NODE_AGENT_DRIVER_MANAGE=true"), Machine.NEWEST);

        // Then
        assertThat(lines).doesNotContain("MemoryMax=infinity").contains("KillMode=process");
    }

    @Test
    void splittingGpusTakesOneCapabilityMore() {
        // When
        List<String> lines = ServiceProfile.lines(Configs.of("GPU_NODE_AGENT_MIG_MANAGE=true"), Machine.NEWEST);

        // Then
        assertThat(lines)
                .contains(
                        "CapabilityBoundingSet=CAP_MKNOD CAP_PERFMON CAP_SYSLOG CAP_SYS_ADMIN", "ProtectSystem=strict");
    }

    @Test
    void whatIsSwitchedOffIsNotAllowed() {
        // When
        List<String> lines = ServiceProfile.lines(
                Configs.of("GPU_NODE_AGENT_HEALTH_KERNEL_LOG=false", "GPU_NODE_AGENT_CDI_CREATE_DEVICE_NODES=false"),
                Machine.NEWEST);

        // Then
        assertThat(lines).contains("CapabilityBoundingSet=CAP_PERFMON", "ProtectKernelLogs=yes");
    }

    @Test
    void pathsOfTheConfigurationAreWritable() {
        // When
        List<String> lines = ServiceProfile.lines(
                Configs.of(
                        "GPU_NODE_AGENT_CDI_DIRECTORY=/etc/cdi",
                        "GPU_NODE_AGENT_LABELS_SINK=off",
                        "GPU_NODE_AGENT_KUBELET_DEVICE_PLUGIN_DIRECTORY=/data/kubelet/device-plugins"),
                Machine.NEWEST);

        // Then
        assertThat(lines)
                .contains("ReadWritePaths=-/data/kubelet -/etc/cdi", "RuntimeDirectory=gpu-node-agent")
                .contains("ExecStartPre=+/bin/mkdir -p /data/kubelet/device-plugins");
    }

    @Test
    void charactersThatMeanSomethingToSystemdStayPartOfTheirPaths() {
        // When
        List<String> lines = ServiceProfile.lines(
                Configs.of(
                        "GPU_NODE_AGENT_CDI_DIRECTORY=/run/my cdi 100%",
                        "GPU_NODE_AGENT_LABELS_SINK=off",
                        "GPU_NODE_AGENT_HTTP_LOCAL_SOCKET=/data/a\"b\\c/socket",
                        "GPU_NODE_AGENT_KUBELET_DEVICE_PLUGIN_DIRECTORY=/data/my $HOME %h/device-plugins"),
                Machine.NEWEST);

        // Then
        assertThat(lines)
                .contains(
                        "RuntimeDirectory=\"my cdi 100%%\" gpu-node-agent",
                        "ReadWritePaths=\"-/data/my $HOME %%h\" \"-/data/a\\\"b\\\\c\"",
                        "ExecStartPre=+/bin/mkdir -p \"/data/my $$HOME %%h/device-plugins\"");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "GPU_NODE_AGENT_CDI_DIRECTORY=/root",
                "GPU_NODE_AGENT_CDI_DIRECTORY=/home/ops/cdi",
                "GFD_OUTPUT_FILE=/home/ops/features.d/gfd",
                "GPU_NODE_AGENT_HTTP_LOCAL_SOCKET=/run/user/0/agent.sock",
                "GPU_NODE_AGENT_KUBELET_POD_RESOURCES_SOCKET=/home/ops/kubelet.sock"
            })
    void homesAreVisibleWhereAPathOfTheConfigurationLiesInOne(String variable) {
        // When
        List<String> lines = ServiceProfile.lines(Configs.of(variable), Machine.NEWEST);

        // Then
        assertThat(lines).contains("ProtectHome=read-only");
    }

    @Test
    void homesAreVisibleWhereTheConfigurationWasReadFromOne() {
        // When
        List<String> lines = ServiceProfile.dropIn(
                Configs.defaults(), List.of(Path.of("/root/gpu-node-agent/config.yaml")), Machine.NEWEST);

        // Then
        assertThat(lines).contains("ProtectHome=read-only");
    }

    @Test
    void homesAreHiddenWhereNothingLiesInOne() {
        // When
        List<String> lines = ServiceProfile.dropIn(
                Configs.defaults(), List.of(Path.of("/etc/gpu-node-agent/config.yaml")), Machine.NEWEST);

        // Then
        assertThat(lines).contains("ProtectHome=yes");
    }

    @Test
    void anOldSystemdIsReloadedByASignal() {
        // When
        List<String> lines = ServiceProfile.lines(Configs.defaults(), new Machine(252, 6, 1));

        // Then
        assertThat(lines).endsWith("ExecReload=/bin/kill -HUP $MAINPID");
    }

    @Test
    void anOldKernelHasNoCapabilityForProfilingAlone() {
        // When
        List<String> lines = ServiceProfile.lines(Configs.defaults(), new Machine(239, 4, 18));

        // Then
        assertThat(lines).contains("CapabilityBoundingSet=CAP_MKNOD CAP_SYSLOG CAP_SYS_ADMIN");
    }
}
