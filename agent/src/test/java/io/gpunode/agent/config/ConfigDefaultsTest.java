package io.gpunode.agent.config;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig.DeviceIdStrategy;
import io.gpunode.agent.config.AgentConfig.DeviceListStrategy;
import io.gpunode.agent.config.AgentConfig.Driver;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(10)
class ConfigDefaultsTest {
    @TempDir
    private Path directory = Path.of("");

    @Test
    void withoutAnySourceEverySettingHasItsDefault() throws Exception {
        // When
        LoadedConfig loaded = new Loading(directory).load();

        // Then
        AgentConfig config = loaded.config();
        assertThat(config.plugin())
                .isEqualTo(new AgentConfig.Plugin(
                        Set.of(DeviceListStrategy.ENVVAR),
                        DeviceIdStrategy.UUID,
                        false,
                        Path.of("/"),
                        Path.of("/"),
                        "cdi.k8s.io/",
                        "nvidia.com/gpu",
                        AgentConfig.MigStrategy.NONE,
                        false,
                        false,
                        false,
                        AgentConfig.AllocationPolicy.DISTRIBUTED));
        assertThat(config.host()).isEqualTo(new AgentConfig.Host(Path.of("/"), "node-a"));
        assertThat(config.nvml()).isEqualTo(new AgentConfig.Nvml("", Duration.ofSeconds(5), Duration.ofSeconds(2)));
        assertThat(config.sampling())
                .isEqualTo(new AgentConfig.Sampling(
                        Duration.ofSeconds(5), Duration.ofSeconds(15), Duration.ofMinutes(5), Duration.ofMinutes(5)));
        assertThat(config.health())
                .isEqualTo(
                        new AgentConfig.Health(true, false, Set.of(), Set.of(), Duration.ofMinutes(5), Set.of(), true));
        assertThat(config.kubelet())
                .isEqualTo(new AgentConfig.Kubelet(
                        Path.of("/var/lib/kubelet/device-plugins"),
                        Path.of("/var/lib/kubelet/pod-resources/kubelet.sock"),
                        AgentConfig.RegistrationWay.SOCKET));
        assertThat(config.resources()).isEqualTo(AgentConfig.Resources.NONE);
        assertThat(config.sharing()).isEqualTo(AgentConfig.Sharing.NONE);
        assertThat(config.imex()).isEqualTo(AgentConfig.Imex.NONE);
        assertThat(config.cdi())
                .isEqualTo(new AgentConfig.Cdi(
                        Path.of("/var/run/cdi"),
                        AgentConfig.CdiHooks.NONE,
                        Path.of("/usr/bin/nvidia-ctk"),
                        Set.of(),
                        Set.of(),
                        AgentConfig.NvidiaComGpu.AUTO,
                        List.of(),
                        true,
                        true));
        assertThat(config.kubernetes())
                .isEqualTo(new AgentConfig.Kubernetes(AgentConfig.ApiServer.AUTO, "", true, false, "", false));
        assertThat(config.labels())
                .isEqualTo(new AgentConfig.Labels(
                        AgentConfig.LabelOutput.AUTO,
                        "/etc/kubernetes/node-feature-discovery/features.d/gfd",
                        "/sys/class/dmi/id/product_name",
                        true,
                        false,
                        false,
                        false,
                        ""));
        assertThat(config.mig()).isEqualTo(new AgentConfig.Mig(false, "", "", AgentConfig.MigWhileInUse.FAILED));
        assertThat(config.driver())
                .isEqualTo(new Driver(
                        false,
                        Driver.SourceKind.HOST,
                        "",
                        Driver.KernelModuleType.AUTO,
                        new Driver.Modules(Set.of("nvidia-uvm", "nvidia-modeset"), Driver.Use.OFF, Map.of(), ""),
                        new Driver.Packages(List.of(), true),
                        new Driver.Runfile("", "", ""),
                        new Driver.Bundle("", ""),
                        new Driver.Build(true, 0, 0, 0, Duration.ofHours(1), ""),
                        new Driver.Signing("", "", Driver.SignatureHash.AUTO),
                        new Driver.Daemons(
                                Driver.Use.AUTO, true, Driver.Use.AUTO, Driver.Use.OFF, Driver.DaemonKeeping.AUTO),
                        new Driver.Root(true, true, ""),
                        new Driver.Change(
                                Driver.DriverWhileInUse.REFUSE,
                                false,
                                Duration.ofMinutes(5),
                                false,
                                0,
                                "kube-system",
                                false),
                        2,
                        new Driver.Limits(
                                Duration.ofMinutes(2),
                                Duration.ofMinutes(2),
                                Duration.ofMinutes(1),
                                Duration.ofMinutes(2),
                                Duration.ofSeconds(15))));
        assertThat(config.metrics())
                .isEqualTo(new AgentConfig.Metrics(
                        DefaultFields.choices(),
                        "",
                        EntitySelector.FLEXIBLE,
                        AgentConfig.MetricLabels.NEWEST,
                        false,
                        true));
        assertThat(config.attribution())
                .isEqualTo(new AgentConfig.Attribution(
                        true,
                        false,
                        false,
                        false,
                        List.of(),
                        false,
                        Set.of(),
                        "",
                        false,
                        Path.of("/var/run/docker.sock")));
        assertThat(config.http())
                .isEqualTo(new AgentConfig.Http(
                        List.of(":9400"),
                        false,
                        "/run/gpu-node-agent/http.sock",
                        "",
                        Duration.ofSeconds(10),
                        Duration.ofSeconds(30),
                        16));
        assertThat(config.log()).isEqualTo(new AgentConfig.Log("info"));
        assertThat(loaded.file()).isEmpty();
        assertThat(loaded.notices()).isEmpty();
        assertThat(loaded.values())
                .allSatisfy(value -> assertThat(value.source()).isEqualTo("default"));
    }

    @Test
    void everyDefaultReadsAsItself() {
        // Given
        Report report = new Report(true);

        // When
        List<String> changed = ConfigSchema.ALL.stream()
                .filter(setting -> !roundTrips(setting, report))
                .map(Setting::path)
                .toList();

        // Then
        assertThat(changed).isEmpty();
        assertThat(report.problems()).isEmpty();
    }

    private static <T> boolean roundTrips(Setting<T> setting, Report report) {
        RawValue raw = RawValue.untyped(setting.defaultText(), Place.DEFAULT);
        return setting.type().read(raw, setting.path(), report).equals(java.util.Optional.of(setting.defaultValue()));
    }

    @Test
    void noTwoSettingsShareAFlagOrAPath() {
        // When
        List<String> flags = ConfigSchema.ALL.stream()
                .flatMap(setting -> setting.flags().stream())
                .map(Spelling::name)
                .toList();
        List<String> paths = ConfigSchema.ALL.stream().map(Setting::path).toList();

        // Then
        assertThat(flags).doesNotHaveDuplicates();
        assertThat(paths).doesNotHaveDuplicates();
    }

    @ParameterizedTest
    @CsvSource({
        "'driver: {manage: true, source: bundle}', /run/nvidia/driver",
        "'driver: {manage: true, source: host}', /",
        "'driver: {manage: false, source: bundle}', /",
        "'driver: {manage: true, source: host, root: {attach: false}}', /",
        "'driver: {manage: true, source: bundle}\nflags: {nvidiaDriverRoot: /opt/driver}', /opt/driver"
    })
    void aDriverThatTheAgentBringsIsLookedForWhereTheAgentShowsIt(String file, String root) throws Exception {
        // When
        AgentConfig config = new Loading(directory)
                .file("version: v1\n" + file + "\n")
                .load()
                .config();

        // Then
        assertThat(config.plugin().driverRoot()).isEqualTo(Path.of(root));
    }
}
