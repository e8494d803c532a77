package io.gpunode.agent.config;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig.DeviceIdStrategy;
import io.gpunode.agent.config.AgentConfig.DeviceListStrategy;
import io.gpunode.agent.config.AgentConfig.DeviceSelection;
import io.gpunode.agent.config.AgentConfig.Driver;
import io.gpunode.agent.config.AgentConfig.NamePattern;
import io.gpunode.agent.config.AgentConfig.SharedResource;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(10)
class ConfigFileTest {
    @TempDir
    private Path directory = Path.of("");

    @Test
    void everyKeyOfTheFileReachesItsPlace() throws Exception {
        // Given
        String file = """
                version: v1
                config: {watch: false}
                flags:
                  migStrategy: mixed
                  gdsEnabled: true
                  mofedEnabled: true
                  gdrcopyEnabled: true
                  nvidiaDriverRoot: /run/nvidia/driver
                  nvidiaDevRoot: /
                  plugin:
                    deviceListStrategy: [envvar, cdi-cri, volume-mounts]
                    deviceIDStrategy: index
                    passDeviceSpecs: true
                    cdiAnnotationPrefix: cdi.example.org/
                    resourceName: example.org/accelerator
                    sharedDevicesAllocationPolicy: packed
                    nvidiaCTKPath: /opt/nvidia-ctk
                    cdiFeatureFlags: [enable-coherent-annotations]
                    cdiDisableHooks: update-ldcache,create-symlinks
                  gfd: {outputFile: /run/features.d/gpu, machineTypeFile: "", noTimestamp: true}
                resources:
                  gpus: [{pattern: "*A100*", name: a100}]
                  mig: [{pattern: 1g.*, name: nvidia.com/small}]
                sharing:
                  timeSlicing:
                    renameByDefault: true
                    failRequestsGreaterThanOne: true
                    resources: [{name: gpu, replicas: 4}]
                imex: {channelIDs: [0], required: true}
                host:
                  root: /host
                  nodeName: node-b
                nvml:
                  library: /opt/nvidia/libnvidia-ml.so.1
                  callDeadline: 1m30s
                  retryInterval: 250ms
                sampling: {interval: 1s}
                health:
                  xids: false
                  everyXid: true
                  ignoredXids: [94, 13]
                  countedXids: 31
                  recoveryInterval: 1.5h
                kubelet:
                  devicePluginDirectory: /var/lib/k/device-plugins
                  podResourcesSocket: /var/lib/k/pod.sock
                  registration: plugins-registry
                cdi:
                  directory: /etc/cdi
                  hooks: nvidia
                  nvidiaComGpu: never
                  librarySearchPaths: [/run/opengl-driver/lib, /opt/lib]
                  createDeviceNodes: false
                  devCharLinks: false
                kubernetes: {api: "off", kubeconfig: /etc/kubeconfig, events: false, nodeCondition: true, startupTaint: nvidia.com/gpu-not-ready, deleteRejectedPods: true}
                labels: {sink: node-feature, perModel: true, operatorLabels: true, force: true, namespace: gpu-operator}
                mig: {manage: true, layout: all-balanced, configFile: /etc/mig.yaml, whileInUse: pending}
                driver:
                  manage: true
                  source: runfile
                  version: "580.95.05"
                  kernelModuleType: open
                  modules: [nvidia-uvm, nvidia-drm]
                  peermem: auto
                  parameters:
                    nvidia: [NVreg_EnableGpuFirmware=1, 'NVreg_RegistryDwords="a=1;b=2"']
                    nvidiaDrm: modeset=1 fbdev=0
                  firmwarePath: /lib/firmware/nvidia
                  package: {names: [nvidia-driver-G06, "nvidia-open=580.95.05-1"], refresh: false}
                  runfile:
                    file: /srv/NVIDIA.run
                    url: https://example.com/NVIDIA.run
                    sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
                  bundle:
                    path: /srv/bundle
                    sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
                  build: {compile: false, jobs: 4, memory: 4096, cpu: 200, timeLimit: 30m, headers: /usr/src/linux-%k}
                  signing: {key: /etc/mok.key, certificate: /etc/mok.der, hash: sha512}
                  persistenced: "on"
                  persistenceMode: false
                  fabricManager: "off"
                  imex: auto
                  daemonKeeping: child
                  root: {attach: true, validatorFiles: false, wrappers: /usr/local/bin}
                  whileInUse: drain
                  upgrade: {automatic: true, drainLimit: 10m, deleteEmptyDirData: true, slots: 3, slotNamespace: gpu-system, stateLabel: true}
                  store: {keep: 5}
                  limits: {stall: 1m, load: 3m, unload: 2m, daemon: 4m, stop: 20s}
                metrics:
                  fields:
                    - DCGM_FI_DEV_GPU_TEMP
                    - DCGM_FI_DEV_POWER_USAGE
                  configMap: monitoring:fields
                  devices: g+i:0-2
                  labels:
                    hostname: both
                    oldNamespace: true
                    replaceBlanksInModelName: true
                  boardValuesOnInstances: true
                  podAttribution: false
                attribution:
                  processes: false
                  virtualGpus: true
                  podUid: true
                  podLabels: true
                  podLabelAllowlist: ["^app$", "^team-"]
                  claims: true
                  resourceNames: [acme.com/gpu]
                  jobDirectory: /run/jobs
                  containers: true
                  containerSocket: /run/podman/podman.sock
                http:
                  listen: ["[::1]:9500", "127.0.0.1:9500"]
                  systemdSocket: true
                  localSocket: /run/agent.sock
                  webConfigFile: /etc/web.yaml
                  readTimeout: 5s
                  writeTimeout: 1m
                  maxConcurrentScrapes: 100
                log: {level: debug}
                """;

        // When
        AgentConfig config = new Loading(directory).file(file).load().config();

        // Then
        assertThat(config)
                .isEqualTo(new AgentConfig(
                        false,
                        new AgentConfig.Plugin(
                                Set.of(
                                        DeviceListStrategy.ENVVAR,
                                        DeviceListStrategy.CDI_CRI,
                                        DeviceListStrategy.VOLUME_MOUNTS),
                                DeviceIdStrategy.INDEX,
                                true,
                                Path.of("/run/nvidia/driver"),
                                Path.of("/"),
                                "cdi.example.org/",
                                "example.org/accelerator",
                                AgentConfig.MigStrategy.MIXED,
                                true,
                                true,
                                true,
                                AgentConfig.AllocationPolicy.PACKED),
                        new AgentConfig.Resources(
                                List.of(new NamePattern("*A100*", "nvidia.com/a100")),
                                List.of(new NamePattern("1g.*", "nvidia.com/small"))),
                        new AgentConfig.Sharing(new AgentConfig.TimeSlicing(
                                true,
                                true,
                                List.of(new SharedResource("nvidia.com/gpu", "", DeviceSelection.All.INSTANCE, 4)))),
                        new AgentConfig.Imex(List.of(0), true),
                        new AgentConfig.Host(Path.of("/host"), "node-b"),
                        new AgentConfig.Nvml(
                                "/opt/nvidia/libnvidia-ml.so.1", Duration.ofSeconds(90), Duration.ofMillis(250)),
                        new AgentConfig.Sampling(
                                Duration.ofSeconds(1),
                                Duration.ofSeconds(15),
                                Duration.ofMinutes(5),
                                Duration.ofMinutes(5)),
                        new AgentConfig.Health(
                                false, true, Set.of(13L, 94L), Set.of(31L), Duration.ofMinutes(90), Set.of(), true),
                        new AgentConfig.Kubelet(
                                Path.of("/var/lib/k/device-plugins"),
                                Path.of("/var/lib/k/pod.sock"),
                                AgentConfig.RegistrationWay.PLUGINS_REGISTRY),
                        new AgentConfig.Cdi(
                                Path.of("/etc/cdi"),
                                AgentConfig.CdiHooks.NVIDIA,
                                Path.of("/opt/nvidia-ctk"),
                                Set.of("enable-coherent-annotations"),
                                Set.of("update-ldcache", "create-symlinks"),
                                AgentConfig.NvidiaComGpu.NEVER,
                                List.of(Path.of("/run/opengl-driver/lib"), Path.of("/opt/lib")),
                                false,
                                false),
                        new AgentConfig.Kubernetes(
                                AgentConfig.ApiServer.OFF,
                                "/etc/kubeconfig",
                                false,
                                true,
                                "nvidia.com/gpu-not-ready",
                                true),
                        new AgentConfig.Labels(
                                AgentConfig.LabelOutput.NODE_FEATURE,
                                "/run/features.d/gpu",
                                "",
                                false,
                                true,
                                true,
                                true,
                                "gpu-operator"),
                        new AgentConfig.Mig(true, "all-balanced", "/etc/mig.yaml", AgentConfig.MigWhileInUse.PENDING),
                        new Driver(
                                true,
                                Driver.SourceKind.RUNFILE,
                                "580.95.05",
                                Driver.KernelModuleType.OPEN,
                                new Driver.Modules(
                                        Set.of("nvidia-uvm", "nvidia-drm"),
                                        Driver.Use.AUTO,
                                        Map.of(
                                                "nvidia",
                                                Map.of(
                                                        "NVreg_EnableGpuFirmware",
                                                        "1",
                                                        "NVreg_RegistryDwords",
                                                        "a=1;b=2"),
                                                "nvidia-drm",
                                                Map.of("modeset", "1", "fbdev", "0")),
                                        "/lib/firmware/nvidia"),
                                new Driver.Packages(List.of("nvidia-driver-G06", "nvidia-open=580.95.05-1"), false),
                                new Driver.Runfile(
                                        "/srv/NVIDIA.run",
                                        "https://example.com/NVIDIA.run",
                                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
                                new Driver.Bundle(
                                        "/srv/bundle",
                                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
                                new Driver.Build(false, 4, 4096, 200, Duration.ofMinutes(30), "/usr/src/linux-%k"),
                                new Driver.Signing("/etc/mok.key", "/etc/mok.der", Driver.SignatureHash.SHA512),
                                new Driver.Daemons(
                                        Driver.Use.ON,
                                        false,
                                        Driver.Use.OFF,
                                        Driver.Use.AUTO,
                                        Driver.DaemonKeeping.CHILD),
                                new Driver.Root(true, false, "/usr/local/bin"),
                                new Driver.Change(
                                        Driver.DriverWhileInUse.DRAIN,
                                        true,
                                        Duration.ofMinutes(10),
                                        true,
                                        3,
                                        "gpu-system",
                                        true),
                                5,
                                new Driver.Limits(
                                        Duration.ofMinutes(1),
                                        Duration.ofMinutes(3),
                                        Duration.ofMinutes(2),
                                        Duration.ofMinutes(4),
                                        Duration.ofSeconds(20))),
                        new AgentConfig.Metrics(
                                List.of(
                                        FieldChoice.named("DCGM_FI_DEV_GPU_TEMP"),
                                        FieldChoice.named("DCGM_FI_DEV_POWER_USAGE")),
                                "monitoring:fields",
                                new EntitySelector(
                                        false,
                                        new EntitySelector.Chosen(true, List.of()),
                                        new EntitySelector.Chosen(false, List.of(new EntitySelector.Range(0, 2)))),
                                new AgentConfig.MetricLabels(AgentConfig.HostnameLabel.BOTH, true, true),
                                true,
                                false),
                        new AgentConfig.Attribution(
                                false,
                                true,
                                true,
                                true,
                                List.of("^app$", "^team-"),
                                true,
                                Set.of("acme.com/gpu"),
                                "/run/jobs",
                                true,
                                Path.of("/run/podman/podman.sock")),
                        new AgentConfig.Http(
                                List.of("[::1]:9500", "127.0.0.1:9500"),
                                true,
                                "/run/agent.sock",
                                "/etc/web.yaml",
                                Duration.ofSeconds(5),
                                Duration.ofMinutes(1),
                                100),
                        new AgentConfig.Log("debug")));
    }

    @Test
    void theDevicePluginsOwnFileIsAcceptedWithNoticesAboutWhatIsNotOurs() throws Exception {
        // Given
        String file = """
                version: v1
                flags:
                  migStrategy: none
                  failOnInitError: true
                  nvidiaDriverRoot: /
                  gdsEnabled: false
                  mofedEnabled: false
                  useNodeFeatureAPI: false
                  deviceDiscoveryStrategy: auto
                  mpsRoot: /run/nvidia/mps
                  plugin:
                    passDeviceSpecs: false
                    deviceListStrategy: envvar
                    deviceIDStrategy: uuid
                    nvidiaCTKPath: /usr/bin/nvidia-ctk
                    containerDriverRoot: /driver-root
                  gfd:
                    oneshot: false
                    noTimestamp: false
                    sleepInterval: 60000000000
                    outputFile: /etc/kubernetes/node-feature-discovery/features.d/gfd
                resources:
                  gpus:
                    - pattern: "*"
                      name: nvidia.com/gpu
                sharing:
                  timeSlicing: {}
                imex:
                  channelIDs: []
                  required: false
                """;

        // When
        List<String> notices = new Loading(directory).file(file).notices();

        // Then
        assertThat(notices)
                .contains(
                        "config.yaml:4:20: flags.failOnInitError: has no effect; the agent waits for a driver that is not"
                                + " there yet, and says so in status and readiness")
                .hasSize(5);
    }

    @Test
    void everythingThatIsNotServedIsRefusedPlainlyAndAtOnce() {
        // Given
        Loading loading = new Loading(directory).file("""
                        flags:
                          deviceDiscoveryStrategy: tegra
                        sharing:
                          mps:
                            resources:
                              - {name: nvidia.com/gpu, replicas: 4}
                        """);

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems)
                .containsExactlyInAnyOrder(
                        "config.yaml:2:28: flags.deviceDiscoveryStrategy: \"tegra\" is not served by this version; set it to"
                                + " auto or nvml; GPUs are found through NVML",
                        "config.yaml:6:7: sharing.mps.resources: \"1 entry\" is not served by this version; share through"
                                + " sharing.timeSlicing, or keep NVIDIA's device plugin on nodes that share through MPS");
    }

    @Test
    void aLenientLoadPassesUnknownKeysOverAndTakesKeysInAnyCase() throws Exception {
        // Given
        Loading loading = new Loading(directory).flag("config-strict", "false").file("""
                        flags:
                          plugin: {deviceIdStrategy: index}
                          mode: fast
                        sharing:
                          timeSlicing:
                            resources: [{name: gpu, replicas: 2, strategy: fair}]
                        """);

        // When
        LoadedConfig loaded = loading.load();

        // Then
        assertThat(loaded.config().plugin().deviceIdStrategy()).isEqualTo(DeviceIdStrategy.INDEX);
        assertThat(loading.notices())
                .containsExactly(
                        "config.yaml:3:3: flags.mode: unknown key, and is passed over; remove it; all settings are listed by:"
                                + " gpu-node-agent config show",
                        "config.yaml:6:42: sharing.timeSlicing.resources: the entry has the unknown key \"strategy\", and is"
                                + " passed over; remove it; an entry has name, rename, devices, replicas");
    }

    @Test
    void aSettingOfTheCommandLineIsRefusedInTheFile() {
        // Given
        Loading loading = new Loading(directory).file("config: {strict: false}");

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems)
                .containsExactly(
                        "config.yaml:1:10: config.strict: is not set in the file; use the flag --config-strict or the"
                                + " variable GPU_NODE_AGENT_CONFIG_STRICT");
    }

    @Test
    void aDriverOfTheStoreThatNobodyWouldFindIsAProblem() {
        // Given
        Loading loading = new Loading(directory).file("driver: {manage: true, source: bundle, root: {attach: false}}");

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems)
                .containsExactly("config.yaml:1:55: driver.root.attach: is false, and driver.source is bundle: such a"
                        + " driver's libraries lie in the agent's store, and nobody would find them there; leave it"
                        + " out, or take the driver that the distribution has installed: driver.source: host");
    }

    @Test
    void whereTheDriverIsNotManagedItsRootIsNoProblem() {
        // Given
        Loading loading = new Loading(directory).file("driver: {source: bundle, root: {attach: false}}");

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems).isEmpty();
    }

    @Test
    void aPathWithALineBreakIsRefused() {
        // Given
        Loading loading = new Loading(directory).file("""
                        driver:
                          source: runfile
                          runfile: {file: "/srv/a.run\\nExecStart=/bin/sh"}
                          bundle:
                            path: |
                              /srv/bundle
                        """);

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems)
                .hasSize(2)
                .allMatch(problem -> problem.contains("has a line break or another control character in it"))
                .anyMatch(problem -> problem.contains("driver.runfile.file"))
                .anyMatch(problem -> problem.contains("driver.bundle.path"));
    }

    @Test
    void unknownKeysAreRefusedWithTheNearestOne() {
        // Given
        Loading loading = new Loading(directory).file("""
                        flags:
                          plugin:
                            deviceIdStrategi: uuid
                        plugin:
                          passDeviceSpecs: true
                        sampling:
                          intervall: 5s
                        frobnicate: 1
                        """);

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems)
                .containsExactly(
                        "config.yaml:3:5: flags.plugin.deviceIdStrategi: unknown key; did you mean"
                                + " \"flags.plugin.deviceIDStrategy\"?",
                        "config.yaml:4:1: plugin: unknown key; did you mean \"flags.plugin\"?",
                        "config.yaml:7:3: sampling.intervall: unknown key; did you mean \"sampling.interval\"?",
                        "config.yaml:8:1: frobnicate: unknown key; remove it; all settings are listed by: gpu-node-agent"
                                + " config show");
    }

    @Test
    void wrongValuesAreToldWithValuePlaceAndNextStep() {
        // Given
        Loading loading = new Loading(directory).file("""
                        version: v2
                        flags:
                          nvidiaDriverRoot: run/nvidia/driver
                          plugin:
                            passDeviceSpecs: "true"
                            deviceIDStrategy: uid
                            deviceListStrategy: []
                            resourceName: gpu
                        host:
                          nodeName: 17
                        nvml:
                          callDeadline: -5s
                          retryInterval: 0s
                        sampling:
                          interval: 5
                        health:
                          ignoredXids: [13, many, -1]
                          recoveryInterval: 1000h
                        metrics:
                          fields: [DCGM_FI_DEV_GPU_TMP, gpu temperature]
                        http:
                          listen: 9400
                        log:
                          level: [info]
                        kubelet: 1
                        """);

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems)
                .containsExactlyInAnyOrder(
                        "config.yaml:1:10: version: \"v2\" is not known, did you mean \"v1\"?; write v1",
                        "config.yaml:3:21: flags.nvidiaDriverRoot: \"run/nvidia/driver\" is not an absolute path; write a path"
                                + " that begins with /",
                        "config.yaml:5:22: flags.plugin.passDeviceSpecs: \"true\" is a string; write true or false",
                        "config.yaml:6:23: flags.plugin.deviceIDStrategy: \"uid\" is not known, did you mean \"uuid\"?; write"
                                + " one of uuid, index",
                        "config.yaml:7:25: flags.plugin.deviceListStrategy: the list is empty; write at least one of envvar,"
                                + " volume-mounts, cdi-annotations, cdi-cri",
                        "config.yaml:8:19: flags.plugin.resourceName: \"gpu\" is not the name of an extended resource,"
                                + " domain/name; write one, such as nvidia.com/gpu: a domain, a slash and a name of at most 63"
                                + " characters",
                        "config.yaml:10:13: host.nodeName: \"17\" is a number; write it in quotes if it is meant as text",
                        "config.yaml:12:17: nvml.callDeadline: \"-5s\" is negative; write a duration from 50ms to 5m, such as"
                                + " 5s, 1m30s or 250ms",
                        "config.yaml:13:18: nvml.retryInterval: \"0s\" is zero; write a duration from 50ms to 1h, such as 5s,"
                                + " 1m30s or 250ms",
                        "config.yaml:15:13: sampling.interval: \"5\" has no unit; write a duration from 100ms to 1h, such as"
                                + " 5s, 1m30s or 250ms",
                        "config.yaml:17:21: health.ignoredXids: \"many\" is not a number from 1 to 4294967295; write numbers"
                                + " such as [13, 94]",
                        "config.yaml:17:27: health.ignoredXids: \"-1\" is not a number from 1 to 4294967295; write numbers such"
                                + " as [13, 94]",
                        "config.yaml:18:21: health.recoveryInterval: \"1000h\" is too long; write a duration from 1s to 168h,"
                                + " such as 5s, 1m30s or 250ms",
                        "config.yaml:20:33: metrics.fields: \"gpu temperature\" is not a field name; write names such as"
                                + " DCGM_FI_DEV_GPU_TEMP",
                        "config.yaml:22:11: http.listen: \"9400\" is a number; write host:port, such as :9400, 127.0.0.1:9400"
                                + " or [::1]:9400",
                        "config.yaml:24:10: log.level: a list; write one of error, warn, info, debug",
                        "config.yaml:25:10: kubelet: \"1\" stands where keys are expected; write its keys below it");
    }

    @Test
    void aFieldThatDoesNotExistIsToldWithItsLineAndColumn() {
        // Given
        Loading loading = new Loading(directory).file("metrics: {fields: [DCGM_FI_DEV_GPU_TMP]}");

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems)
                .containsExactly(
                        "config.yaml:1:20: metrics.fields: \"DCGM_FI_DEV_GPU_TMP\" is not a field of this version; remove it");
    }

    @Test
    void aSocketPathThatNoSocketCanHaveIsRefused() {
        // Given
        String directoryName = "/var/lib/" + "k".repeat(90);
        Loading loading = new Loading(directory).file("kubelet: {devicePluginDirectory: " + directoryName + "}");

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems)
                .singleElement()
                .asString()
                .contains("has a path of 150 bytes; shorten it to at most 107 bytes");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", "   \n", "# only a comment\n", "---\n", "null\n", "{}", "flags:\n", "flags:\n  plugin:\n"})
    void aFileThatSaysNothingIsValid(String text) throws Exception {
        // When
        LoadedConfig loaded = new Loading(directory).file(text).load();

        // Then
        assertThat(loaded.config().http().listen()).containsExactly(":9400");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "- a list",
                "just text",
                "log: {level: info",
                "log: level: info",
                "log:\n\tlevel: info",
                "a: &a [*a]",
                "a: *missing",
                "log: !!java.io.File [x]",
                "log: {level: !!int info}",
                "? [a, b]\n: c",
                "log: {level: info}\nlog: {level: warn}",
                "log: {level: info}\n---\nlog: {level: warn}",
                "\"unfinished",
                "\u0000"
            })
    void whatIsNotOneBlockOfKeysIsRefusedWithItsPlace(String text) {
        // When
        List<String> problems = new Loading(directory).file(text).problems();

        // Then
        assertThat(problems)
                .isNotEmpty()
                .allSatisfy(problem -> assertThat(problem).matches("(?s)config\\.yaml:\\d+:\\d+: .+; .+"));
    }

    @Test
    void deepNestingIsRefused() {
        // Given
        Loading loading = new Loading(directory).file("log: " + "[".repeat(100_000));

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems).singleElement().asString().contains("nested more than 32 deep");
    }

    @Test
    void aliasesThatWouldGrowWithoutBoundAreRefused() {
        // Given
        Loading loading = new Loading(directory).file("a: &a [1]\nb: [" + "*a,".repeat(101) + "]");

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems).singleElement().asString().contains("there are more than 100 aliases");
    }

    @Test
    void anEscapeThatTheEndOfTheFileCutsOffIsToldWithTheLastPlace() {
        // Given
        Loading loading = new Loading(directory).file("log:\n  level: \"in\\u");

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems)
                .singleElement()
                .asString()
                .contains("config.yaml:2:3: not valid YAML: what follows cannot be read");
    }

    @Test
    void anAliasStandsForItsAnchor() throws Exception {
        // Given
        Loading loading = new Loading(directory).file("nvml: {callDeadline: &d 3s, retryInterval: *d}");

        // When
        AgentConfig config = loading.load().config();

        // Then
        assertThat(config.nvml().retryInterval()).isEqualTo(Duration.ofSeconds(3));
    }

    @Test
    void aFileLargerThanTheBoundIsRefused() {
        // Given
        Loading loading = new Loading(directory).file("#".repeat((1 << 20) + 1));

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems).containsExactly("config.yaml: is larger than 1 MiB; name the configuration file");
    }

    @Test
    void bytesThatAreNotUtf8AreRefused() {
        // Given
        Loading loading = new Loading(directory).file(new byte[] {'a', ':', (byte) 0xff});

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems).containsExactly("config.yaml: is not UTF-8 text; save it as UTF-8");
    }

    @Test
    void aDirectoryIsRefused() {
        // Given
        Loading loading = new Loading(directory).named(directory.toString());

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems).containsExactly(directory + ": is a directory; name the file in it");
    }

    @Test
    void aNamedFileThatIsMissingIsRefused() {
        // Given
        Loading loading = new Loading(directory).environment("CONFIG_FILE", directory + "/absent.yaml");

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems)
                .containsExactly(
                        "environment CONFIG_FILE: \"absent.yaml\" does not exist; name a file that does, or leave it"
                                + " out to use default.yaml");
    }

    @Test
    void aFileThatMayNotBeReadIsRefused() throws Exception {
        // Given
        Loading loading = new Loading(directory).file("log: {level: info}");
        java.nio.file.Files.setPosixFilePermissions(loading.path(), Set.of());
        org.junit.jupiter.api.Assumptions.assumeFalse(
                java.nio.file.Files.isReadable(loading.path()), "root may read every file");

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems).singleElement().asString().contains("may not be read by user");
    }

    @Test
    void theNullDeviceIsAnEmptyFile() throws Exception {
        // Given
        java.nio.file.Files.createSymbolicLink(directory.resolve("config.yaml"), Path.of("/dev/null"));
        Loading loading =
                new Loading(directory).named(directory.resolve("config.yaml").toString());

        // When
        LoadedConfig loaded = loading.load();

        // Then
        assertThat(loaded.values())
                .allSatisfy(value -> assertThat(value.source()).isEqualTo("default"));
    }
}
