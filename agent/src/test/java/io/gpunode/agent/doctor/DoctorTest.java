package io.gpunode.agent.doctor;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.doctor.Diagnosis.Level;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DoctorTest {
    @TempDir
    private Path root = Path.of("");

    private SickNode node;

    @BeforeEach
    void aHealthyNode() throws IOException {
        node = new SickNode(root);
    }

    @Test
    void aHealthyNodeHasNoProblem() throws Exception {
        // When
        List<Diagnosis> found = node.examined();

        // Then
        assertThat(found).extracting(Diagnosis::level).containsOnly(Level.OK);
        assertThat(found)
                .extracting(Diagnosis::check)
                .containsExactly("driver", "device-nodes", "cdi", "containerd", "kubelet", "service", "agent");
    }

    // ---- driver

    @Test
    void aDriverThatIsNotLoadedIsSaidWithTheCommandThatLoadsIt() throws Exception {
        // Given
        node.without("/proc/driver/nvidia/version").without("/proc/driver/nvidia/gpus/0000:65:00.0/information");

        // When
        Diagnosis problem = node.problem();

        // Then
        assertThat(problem.what()).isEqualTo("the NVIDIA driver is not loaded; 1 GPU on the PCI bus");
        assertThat(problem.remedy()).first().asString().startsWith("modprobe nvidia");
    }

    @Test
    void aBootThatRefusesUnsignedModulesIsSaidBesideADriverThatIsNotLoaded() throws Exception {
        // Given
        node.without("/proc/driver/nvidia/version")
                .without("/proc/driver/nvidia/gpus/0000:65:00.0/information")
                .write("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n");

        // When
        Diagnosis problem = node.problem();

        // Then
        assertThat(problem.what()).endsWith("and this boot refuses modules without a trusted signature");
    }

    @Test
    void aModuleThatHangsOnItsWayOutIsNamed() throws Exception {
        // Given
        node.write("/proc/modules", "nvidia_uvm 4874240 -1 - Unloading 0x0 (OE-)\nnvidia 1 0 - Live 0x0 (OE)\n");

        // When
        Diagnosis problem = node.problem();

        // Then
        assertThat(problem.what()).isEqualTo("module nvidia_uvm is still on its way out");
    }

    @Test
    void nouveauInTheWayIsNamed() throws Exception {
        // Given
        node.write("/sys/bus/pci/drivers/nouveau/bind", "")
                .link("/sys/bus/pci/devices/0000:65:00.0/driver", "/sys/bus/pci/drivers/nouveau");

        // When
        Diagnosis problem = node.problem();

        // Then
        assertThat(problem.what()).isEqualTo("the driver nouveau holds GPU 0000:65:00.0");
    }

    @Test
    void anUpgradeThatWasNotFinishedIsSaidWithBothVersions() throws Exception {
        // Given
        node.without("/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.550.163.01")
                .write("/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.570.10", "");

        // When
        List<Diagnosis> found = node.examined();

        // Then
        assertThat(found)
                .anySatisfy(diagnosis -> assertThat(diagnosis.what())
                        .contains("driver 550.163.01 is loaded")
                        .contains("570.10")
                        .contains("an upgrade was not finished"));
    }

    @Test
    void aNodeWithoutAGpuIsSaid() throws Exception {
        // Given
        node.without("/proc/driver/nvidia/version")
                .without("/proc/driver/nvidia/gpus/0000:65:00.0/information")
                .without("/sys/bus/pci/devices/0000:65:00.0/vendor");

        // When
        Diagnosis problem = node.problem();

        // Then
        assertThat(problem.what()).isEqualTo("there is no NVIDIA GPU on the PCI bus");
    }

    // ---- device nodes

    @Test
    void missingDeviceNodesComeWithTheCommandThatMakesThem() throws Exception {
        // Given
        node.without("/dev/nvidia-uvm");

        // When
        Diagnosis problem = node.problem();

        // Then
        assertThat(problem.what()).isEqualTo("missing: /dev/nvidia-uvm");
        assertThat(problem.remedy()).containsExactly("nvidia-modprobe -u -c 0");
    }

    @Test
    void aNodeThatSystemdCannotFindIsSaidBeforeTheNextDaemonReload() throws Exception {
        // Given
        node.without("/dev/char/195:3");

        // When
        Diagnosis problem = node.problem();

        // Then
        assertThat(problem.what()).startsWith("no link in /dev/char for /dev/nvidia0: running containers lose the GPU");
    }

    // ---- CDI

    @Test
    void aSpecificationThatNamesWhatIsGoneFailsContainersAndIsSaid() throws Exception {
        // Given
        node.write("/var/run/cdi/k8s.device-plugin.nvidia.com-gpu.json", """
                {"cdiVersion": "0.5.0", "kind": "k8s.device-plugin.nvidia.com/gpu",
                 "devices": [{"name": "GPU-1", "containerEdits": {}}],
                 "containerEdits": {"mounts": [{"hostPath": "/usr/lib/libcuda.so.535.1", "containerPath": "/x"}]}}
                """);

        // When
        Diagnosis problem = node.problem();

        // Then
        assertThat(problem.what()).contains("names what is not there").contains("/usr/lib/libcuda.so.535.1");
    }

    @Test
    void twoFilesThatDescribeOneDeviceAreAConflict() throws Exception {
        // Given
        node.write("/etc/cdi/old.json", """
                {"cdiVersion": "0.5.0", "kind": "k8s.device-plugin.nvidia.com/gpu",
                 "devices": [{"name": "GPU-1", "containerEdits": {"env": ["A=b"]}}]}
                """);

        // When
        Diagnosis problem = node.problem();

        // Then
        assertThat(problem.what()).contains("/etc/cdi/old.json").contains("both describe");
    }

    @Test
    void noSpecificationAtAllIsSaid() throws Exception {
        // Given
        node.without("/var/run/cdi/k8s.device-plugin.nvidia.com-gpu.json");

        // When
        Diagnosis problem = node.problem();

        // Then
        assertThat(problem.what())
                .isEqualTo("no file in /var/run/cdi describes devices of k8s.device-plugin.nvidia.com/gpu");
    }

    // ---- containerd

    @ParameterizedTest
    @CsvSource({"1.6.20, true", "1.7.24, false", "2.0.1, false"})
    void containerdBefore17CannotResolveCdiNames(String version, boolean problem) throws Exception {
        // Given
        node.answer(
                "/usr/bin/containerd --version", "containerd github.com/containerd/containerd v" + version + " abc\n");

        // When
        List<Diagnosis> found = node.examined();

        // Then
        assertThat(found.stream().anyMatch(diagnosis -> diagnosis.what().contains("cannot resolve CDI names")))
                .isEqualTo(problem);
    }

    @Test
    void containerd17WithoutEnableCdiComesWithTheLinesToAdd() throws Exception {
        // Given
        node.write("/etc/containerd/config.toml", SickNode.CONTAINERD_CONFIG.replace("enable_cdi = true", ""));

        // When
        Diagnosis problem = node.problem();

        // Then
        assertThat(problem.remedy())
                .containsExactly(
                        "/etc/containerd/config.toml:",
                        "[plugins.\"io.containerd.grpc.v1.cri\"]",
                        "  enable_cdi = true",
                        "  cdi_spec_dirs = [\"/etc/cdi\", \"/var/run/cdi\"]",
                        "systemctl restart containerd");
    }

    @Test
    void theEffectiveConfigurationCountsWhenContainerdTellsIt() throws Exception {
        // Given
        node.answer(
                "/usr/bin/containerd --config /etc/containerd/config.toml config dump",
                SickNode.CONTAINERD_CONFIG.replace("enable_cdi = true", "enable_cdi = false"));

        // When
        Diagnosis problem = node.problem();

        // Then
        assertThat(problem.what()).contains("enable_cdi is not set");
    }

    @Test
    void containerdThatLooksElsewhereIsSaid() throws Exception {
        // Given
        node.write(
                "/etc/containerd/config.toml",
                SickNode.CONTAINERD_CONFIG.replace("[\"/etc/cdi\", \"/var/run/cdi\"]", "[\"/etc/cdi\"]"));

        // When
        Diagnosis problem = node.problem();

        // Then
        assertThat(problem.what()).contains("looks for CDI specifications in /etc/cdi,");
    }

    @Test
    void aCgroupDriverMismatchComesWithTheLineToAdd() throws Exception {
        // Given
        node.write(
                "/etc/containerd/config.toml",
                SickNode.CONTAINERD_CONFIG.replace("SystemdCgroup = true", "SystemdCgroup = false"));

        // When
        Diagnosis problem = node.problem();

        // Then
        assertThat(problem.what())
                .contains("the kubelet keeps cgroups with systemd (/var/lib/kubelet/config.yaml)")
                .contains("\"runc\" with cgroupfs");
        assertThat(problem.remedy())
                .contains(
                        "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]",
                        "  SystemdCgroup = true");
    }

    @Test
    void aDefaultRuntimeThatNobodyDefinesIsSaid() throws Exception {
        // Given
        node.write(
                "/etc/containerd/config.toml",
                SickNode.CONTAINERD_CONFIG.replace(
                        "default_runtime_name = \"runc\"", "default_runtime_name = \"nvidia\""));

        // When
        Diagnosis problem = node.problem();

        // Then
        assertThat(problem.what()).contains("the default runtime \"nvidia\" is not defined");
    }

    @Test
    void envvarWithoutNvidiasRuntimeIsSaidWithBothWaysOut() throws Exception {
        // Given
        node.strategies("envvar");

        // When
        Diagnosis problem = node.problem();

        // Then
        assertThat(problem.what()).contains("hands out GPUs by environment variable");
        assertThat(problem.remedy())
                .anySatisfy(line -> assertThat(line).contains("deviceListStrategy: cdi-cri"))
                .anySatisfy(line -> assertThat(line).contains("nvidia-ctk runtime configure --runtime=containerd"));
    }

    @Test
    void nvidiasRuntimeThatIsNotTheDefaultNeedsARuntimeClass() throws Exception {
        // Given
        node.strategies("envvar")
                .write("/usr/bin/nvidia-container-runtime", "")
                .write("/etc/containerd/config.toml", SickNode.CONTAINERD_CONFIG + """
                                [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia]
                                  runtime_type = "io.containerd.runc.v2"
                                  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia.options]
                                    SystemdCgroup = true
                                    BinaryName = "/usr/bin/nvidia-container-runtime"
                        """);

        // When
        List<Diagnosis> found = node.examined();

        // Then
        assertThat(found)
                .anySatisfy(diagnosis -> {
                    assertThat(diagnosis.level()).isEqualTo(Level.NOTE);
                    assertThat(diagnosis.what()).contains("runtimeClassName: nvidia");
                })
                .noneMatch(diagnosis -> diagnosis.level() == Level.PROBLEM);
    }

    @Test
    void aRuntimeWhoseProgramIsGoneIsSaid() throws Exception {
        // Given
        node.write(
                "/etc/containerd/config.toml",
                SickNode.CONTAINERD_CONFIG + "        BinaryName = \"/usr/bin/nvidia-container-runtime\"\n");

        // When
        Diagnosis problem = node.problem();

        // Then
        assertThat(problem.what()).contains("/usr/bin/nvidia-container-runtime; its pods cannot start");
    }

    @Test
    void k3sIsToldToEditItsTemplate() throws Exception {
        // Given
        String generated = "/var/lib/rancher/k3s/agent/etc/containerd/config.toml";
        node.process(101, "containerd", "containerd -c " + generated + " -a /run/k3s/containerd/containerd.sock")
                .write("/var/lib/kubelet/config.yaml", """
                        cgroupDriver: systemd
                        containerRuntimeEndpoint: unix:///run/k3s/containerd/containerd.sock
                        """)
                .write(generated, SickNode.CONTAINERD_CONFIG.replace("enable_cdi = true", ""));

        // When
        Diagnosis problem = node.problem();

        // Then
        assertThat(problem.remedy()).first().isEqualTo(generated + ".tmpl:");
        assertThat(problem.remedy()).last().isEqualTo("systemctl restart k3s");
    }

    @Test
    void aSocketThatTheFileNamesIsFound() throws Exception {
        // Given
        node.process(101, "containerd", "/usr/bin/containerd --config /opt/containerd.toml")
                .write("/var/lib/kubelet/config.yaml", """
                        cgroupDriver: systemd
                        containerRuntimeEndpoint: unix:///opt/containerd.sock
                        """)
                .write(
                        "/opt/containerd.toml",
                        SickNode.CONTAINERD_CONFIG.replace("enable_cdi = true", "")
                                + "[grpc]\n  address = \"/opt/containerd.sock\"\n");

        // When
        Diagnosis problem = node.problem();

        // Then
        assertThat(problem.remedy()).first().isEqualTo("/opt/containerd.toml:");
    }

    @Test
    void aConfigurationThatIsNotTomlIsNamedAndTheOthersGoOn() throws Exception {
        // Given
        node.write("/etc/containerd/config.toml", "version = = 2\n");

        // When
        List<Diagnosis> found = node.examined();

        // Then
        assertThat(found)
                .anySatisfy(diagnosis -> {
                    assertThat(diagnosis.level()).isEqualTo(Level.NOTE);
                    assertThat(diagnosis.what()).contains("/etc/containerd/config.toml: it is not TOML");
                })
                .anySatisfy(diagnosis -> assertThat(diagnosis.check()).isEqualTo("agent"));
    }

    // ---- CRI-O

    @Test
    void crioIsReadWithItsDropIns() throws Exception {
        // Given
        node.without("/proc/101/comm")
                .process(102, "crio", "/usr/bin/crio")
                .answer("/usr/bin/crio --version", "crio version 1.28.1\n")
                .write("/etc/crio/crio.conf", "[crio.runtime]\ncgroup_manager = \"systemd\"\n")
                .write("/etc/crio/crio.conf.d/50-cdi.conf", "[crio.runtime]\ncdi_spec_dirs = [\"/etc/cdi\"]\n")
                .write("/var/lib/kubelet/config.yaml", """
                        cgroupDriver: systemd
                        containerRuntimeEndpoint: unix:///var/run/crio/crio.sock
                        """);

        // When
        Diagnosis problem = node.problem();

        // Then
        assertThat(problem.check()).isEqualTo("cri-o");
        assertThat(problem.remedy()).contains("cdi_spec_dirs = [\"/etc/cdi\", \"/var/run/cdi\"]");
    }

    // ---- docker

    @Test
    void dockerWithCdiSwitchedOffIsANoteWithTheSwitch() throws Exception {
        // Given
        node.process(103, "dockerd", "/usr/bin/dockerd")
                .answer("/usr/bin/dockerd --version", "Docker version 27.3.1, build x\n")
                .write("/etc/docker/daemon.json", "{\"features\": {\"containerd-snapshotter\": true}}");

        // When
        List<Diagnosis> found = node.examined();

        // Then
        assertThat(found).anySatisfy(diagnosis -> {
            assertThat(diagnosis.check()).isEqualTo("docker");
            assertThat(diagnosis.level()).isEqualTo(Level.NOTE);
            assertThat(diagnosis.remedy()).contains("  \"features\": {\"cdi\": true}");
        });
    }

    // ---- who may be asked

    @Test
    void aProgramThatNotRootRunsIsNobodysDaemon() throws Exception {
        // Given
        node.process(99, "dockerd", "/home/somebody/dockerd")
                .write("/proc/99/status", "Name:\tdockerd\nUid:\t1000\t1000\t1000\t1000\n");

        // When
        List<Diagnosis> found = node.examined();

        // Then
        assertThat(found).extracting(Diagnosis::check).doesNotContain("docker");
        assertThat(node.asked()).noneMatch(command -> command.contains("dockerd"));
    }

    @Test
    void aProgramThatIsNotTheHostsIsNotStarted() throws Exception {
        // Given
        node.process(99, "dockerd", "/in/the/container/dockerd").without("/in/the/container/dockerd");

        // When
        node.examined();

        // Then
        assertThat(node.asked()).noneMatch(command -> command.contains("dockerd"));
    }

    @Test
    void aProgramThatOthersMayWriteIsNotStarted() throws Exception {
        // Given
        node.process(99, "dockerd", "/opt/dockerd");
        Files.setPosixFilePermissions(root.resolve("opt/dockerd"), PosixFilePermissions.fromString("rwxrwxrwx"));

        // When
        node.examined();

        // Then
        assertThat(node.asked()).noneMatch(command -> command.contains("dockerd"));
    }

    @Test
    void ofSeveralTheFirstProcessIsAsked() throws Exception {
        // Given
        node.process(1000, "kubelet", "/usr/bin/other-kubelet").process(100, "kubelet", "/usr/bin/kubelet");

        // When
        node.examined();

        // Then
        assertThat(node.asked())
                .contains("/usr/bin/kubelet --version")
                .doesNotContain("/usr/bin/other-kubelet --version");
    }

    // ---- kubelet

    @ParameterizedTest
    @ValueSource(strings = {"1.20.2", "1.27.9"})
    void anOldKubeletDropsCdiNames(String version) throws Exception {
        // Given
        node.answer("/usr/bin/kubelet --version", "Kubernetes v" + version + "\n");

        // When
        Diagnosis problem = node.problem();

        // Then
        assertThat(problem.what()).isEqualTo("kubelet " + version + " does not pass CDI names on (cdi-cri)");
        assertThat(problem.remedy()).first().asString().contains("cdi-annotations");
    }

    @Test
    void aFeatureGateThatIsOffIsNamedWithItsFile() throws Exception {
        // Given
        node.write("/var/lib/kubelet/config.yaml", """
                cgroupDriver: systemd
                containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
                featureGates:
                  DevicePluginCDIDevices: false
                """);

        // When
        Diagnosis problem = node.problem();

        // Then
        assertThat(problem.remedy()).first().isEqualTo("/var/lib/kubelet/config.yaml:");
    }

    @Test
    void noKubeletIsSaid() throws Exception {
        // Given
        node.without("/proc/100/comm");

        // When
        Diagnosis problem = node.problem();

        // Then
        assertThat(problem.what()).isEqualTo("no kubelet runs on this node");
    }

    // ---- others, and the agent itself

    @Test
    void nvidiasOwnPluginBesideOursIsAProblem() throws Exception {
        // Given
        node.process(104, "nvidia-device-p", "nvidia-device-plugin");

        // When
        Diagnosis problem = node.problem();

        // Then
        assertThat(problem.remedy())
                .first()
                .asString()
                .contains("kubectl label node node-a nvidia.com/gpu.deploy.device-plugin=false");
    }

    @Test
    void anAgentThatDoesNotAnswerIsSaid() throws Exception {
        // Given
        node.state("");

        // When
        Diagnosis problem = node.problem();

        // Then
        assertThat(problem.remedy()).contains("systemctl start gpu-node-agent");
    }

    @Test
    void aWithheldGpuComesWithReasonAndRepair() throws Exception {
        // Given
        node.state("""
                {"readiness": [], "gpus": [{"index": 0, "id": "GPU-1", "healthy": false,
                 "findings": [{"reason": "XID 79: fallen off the bus", "repair": "nvidia-smi --gpu-reset -i 0"}]}]}
                """);

        // When
        Diagnosis problem = node.problem();

        // Then
        assertThat(problem.what()).isEqualTo("GPU 0 (GPU-1) is withheld: XID 79: fallen off the bus");
        assertThat(problem.remedy()).containsExactly("nvidia-smi --gpu-reset -i 0");
    }

    // ---- labels

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "current | OK | 41 feature labels in /etc/f/gfd",
                "failed | PROBLEM | the node's feature labels are not written, so pods that select by them are not scheduled:"
                        + " no room",
                "waiting | NOTE | the node's feature labels are not written: no room"
            })
    void howLabelsStandIsSaid(String state, Level level, String what) throws Exception {
        // Given
        node.state("{\"readiness\": [], \"labels\": {\"state\": \"" + state
                + "\", \"reason\": \"no room\", \"place\": \"/etc/f/gfd\", \"count\": 41}}");

        // When
        List<Diagnosis> found = node.examined();

        // Then
        assertThat(found)
                .filteredOn(diagnosis -> diagnosis.check().equals("labels"))
                .singleElement()
                .satisfies(
                        one -> assertThat(one.level()).isEqualTo(level),
                        one -> assertThat(one.what()).isEqualTo(what));
    }

    @Test
    void aFileThatNobodyKeepsIsSaid() throws Exception {
        // Given
        node.labelSink("off")
                .write("/etc/kubernetes/node-feature-discovery/features.d/gfd", "nvidia.com/gpu.count=8\n");

        // When
        List<Diagnosis> found = node.examined();

        // Then
        assertThat(found)
                .filteredOn(diagnosis -> diagnosis.check().equals("labels"))
                .singleElement()
                .satisfies(
                        one -> assertThat(one.level()).isEqualTo(Level.NOTE),
                        one -> assertThat(one.remedy())
                                .first()
                                .asString()
                                .startsWith("rm /etc/kubernetes/node-feature-discovery/features.d/gfd"));
    }

    @Test
    void featureDiscoveryBesideOursIsANote() throws Exception {
        // Given
        node.process(105, "gpu-feature-dis", "gpu-feature-discovery");

        // When
        List<Diagnosis> found = node.examined();

        // Then
        assertThat(found)
                .filteredOn(diagnosis -> diagnosis.check().equals("other-plugins"))
                .singleElement()
                .satisfies(
                        one -> assertThat(one.level()).isEqualTo(Level.NOTE),
                        one -> assertThat(one.remedy())
                                .containsExactly(
                                        "kubectl label node node-a nvidia.com/gpu.deploy.gpu-feature-discovery=false"));
    }
}
