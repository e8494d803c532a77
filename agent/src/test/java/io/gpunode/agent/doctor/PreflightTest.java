package io.gpunode.agent.doctor;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.doctor.Diagnosis.Level;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(30)
class PreflightTest {
    private static final String HEADING = "sl local rem st tx tr retrnsmt uid timeout x inode\n";

    @TempDir
    private Path root = Path.of("");

    private SickNode node;

    @BeforeEach
    void aNodeWithoutAnAgent() throws IOException {
        node = new SickNode(root).state("");
    }

    @Test
    void aNodeThatIsReadyPassesEveryCheck() throws Exception {
        // When
        List<Preflight.Outcome> outcomes = node.looked();

        // Then
        assertThat(outcomes).extracting(Preflight.Outcome::level).containsOnly(Level.OK);
        assertThat(outcomes)
                .extracting(Preflight.Outcome::check)
                .containsExactly(
                        "architecture",
                        "kernel",
                        "c-library",
                        "systemd",
                        "file-systems",
                        "selinux",
                        "driver",
                        "secure-boot",
                        "cgroups",
                        "container-runtime",
                        "containerd",
                        "kubelet",
                        "ports");
        assertThat(outcomes).extracting(Preflight.Outcome::wanted).doesNotContain("");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    sparc64 | there is no package for it
                    riscv64 | there is no package for it
                    """)
    void aMachineWithoutAPackageIsSaid(String machine, String remedy) throws Exception {
        // Given
        node.write("/proc/sys/kernel/arch", machine + "\n");

        // When
        Diagnosis found = problem("architecture");

        // Then
        assertThat(found.what()).isEqualTo(machine);
        assertThat(found.remedy()).containsExactly(remedy);
    }

    @Test
    void anotherCLibraryIsSaid() throws Exception {
        // Given
        node.answer("getconf GNU_LIBC_VERSION", "getconf: unrecognized variable 'GNU_LIBC_VERSION'\n");

        // When
        Diagnosis found = problem("c-library");

        // Then
        assertThat(found.what()).contains("not glibc");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    systemd 252 (252.38) | systemctl reload takes a drop-in
                    systemd 253 (253.1)  | 30 times in 10 minutes
                    """)
    void anOlderSystemdIsNoHindranceAndIsSaid(String answer, String what) throws Exception {
        // Given
        node.answer("systemctl --version", answer + "\n");

        // When
        Preflight.Outcome outcome = outcome("systemd");

        // Then
        assertThat(outcome.level()).isEqualTo(Level.NOTE);
        assertThat(outcome.found().getFirst().what()).contains(what);
    }

    @Test
    void aMachineWithoutSystemdIsSaidWithWhatStartsTheAgentThere() throws Exception {
        // Given
        Files.delete(root.resolve("run/systemd/system"));

        // When
        Preflight.Outcome outcome = outcome("systemd");

        // Then
        assertThat(outcome.found().getFirst().remedy()).anyMatch(line -> line.contains("gpu-node-agent run"));
    }

    @Test
    void aDirectoryFromWhichNothingMayBeRunIsSaidWithItsMount() throws Exception {
        // Given
        node.write("/proc/1/mounts", "/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /usr/lib ext4 rw,noexec 0 0\n");

        // When
        Diagnosis found = problem("file-systems");

        // Then
        assertThat(found.what())
                .isEqualTo(
                        "/usr/lib is mounted noexec, and the agent lies in /usr/lib/gpu-node-agent/runtime: it cannot be started");
    }

    @Test
    void aReadOnlyUsrIsNoHindranceForAnAgentThatLiesElsewhere() throws Exception {
        // Given
        node.write("/proc/1/mounts", "/dev/sda1 / ext4 rw 0 0\ncomposefs /usr overlay ro,relatime 0 0\n");

        // When
        Preflight.Outcome outcome = outcome("file-systems");

        // Then
        assertThat(outcome.level()).isEqualTo(Level.NOTE);
        assertThat(outcome.found().getFirst().what()).startsWith("/usr is read-only");
    }

    @Test
    void programsThatSystemdMayNotStartAreSaidWhereSelinuxEnforces() throws Exception {
        // Given
        node.write("/sys/fs/selinux/enforce", "1")
                .answer(
                        "stat -c %C /usr/lib/gpu-node-agent/runtime/bin/java",
                        "unconfined_u:object_r:user_home_t:s0\n");

        // When
        Diagnosis found = problem("selinux");

        // Then
        assertThat(found.what()).contains("user_home_t").contains("203/EXEC");
        assertThat(found.remedy()).first().isEqualTo("restorecon -Rv /usr/lib/gpu-node-agent/runtime");
    }

    @Test
    void containersThatMayNotOpenGpusAreSaid() throws Exception {
        // Given
        node.write("/sys/fs/selinux/enforce", "1")
                .write("/sys/fs/selinux/booleans/container_use_devices", "0 0")
                .answer("stat -c %C /usr/lib/gpu-node-agent/runtime/bin/java", "system_u:object_r:bin_t:s0\n");

        // When
        Preflight.Outcome outcome = outcome("selinux");

        // Then
        assertThat(outcome.level()).isEqualTo(Level.NOTE);
        assertThat(outcome.found().getFirst().remedy()).first().asString().startsWith("setsebool -P");
    }

    @Test
    void lockdownWithoutASigningKeyIsSaidWhereTheAgentCompilesModules() throws Exception {
        // Given
        node.variable("GPU_NODE_AGENT_DRIVER_MANAGE", "true")
                .variable("GPU_NODE_AGENT_DRIVER_SOURCE", "package")
                .write("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n");

        // When
        Diagnosis found = problem("secure-boot");

        // Then
        assertThat(found.what()).contains("lockdown integrity").contains("are refused");
    }

    @Test
    void theOldControlGroupsAreSaid() throws Exception {
        // Given
        node.without("/sys/fs/cgroup/cgroup.controllers");

        // When
        Preflight.Outcome outcome = outcome("cgroups");

        // Then
        assertThat(outcome.level()).isEqualTo(Level.NOTE);
        assertThat(outcome.found().getFirst().what()).startsWith("version 1, kubelet with systemd");
    }

    @Test
    void aNodeWithoutAContainerRuntimeIsSaid() throws Exception {
        // Given
        node.without("/proc/101/comm");

        // When
        Diagnosis found = problem("container-runtime");

        // Then
        assertThat(found.what()).isEqualTo("none runs");
    }

    @Test
    void anExporterOnThePortIsSaidWithItsProcessAndHowItHandsOver() throws Exception {
        // Given: 9400 is 24B8
        node.write("/proc/net/tcp", HEADING + "0: 00000000:24B8 00000000:0000 0A 0:0 00:0 0 0 0 777 1\n")
                .process(4711, "dcgm-exporter", "/usr/bin/dcgm-exporter");
        Files.createDirectories(root.resolve("proc/4711/fd"));
        node.link("/proc/4711/fd/7", "socket:[777]");

        // When
        Diagnosis found = problem("ports");

        // Then
        assertThat(found.what()).isEqualTo("port 9400 is held by dcgm-exporter (process 4711): the agent cannot start");
        assertThat(found.remedy())
                .anyMatch(line -> line.contains("nvidia.com/gpu.deploy.dcgm-exporter=false"))
                .anyMatch(line -> line.contains(":9401"));
    }

    @Test
    void thePluginOfNvidiaIsSaidWithItsProcess() throws Exception {
        // Given
        node.process(4712, "nvidia-device-p", "/usr/bin/nvidia-device-plugin");

        // When
        Diagnosis found = problem("other-plugins");

        // Then
        assertThat(found.what()).startsWith("NVIDIA's device plugin runs on this node too (process 4712)");
    }

    @Test
    void whoElseSplitsOrLoadsIsSaidWhereTheAgentIsTo() throws Exception {
        // Given
        node.variable("GPU_NODE_AGENT_MIG_MANAGE", "true")
                .variable("GPU_NODE_AGENT_DRIVER_MANAGE", "true")
                .process(4713, "nvidia-mig-mana", "/usr/bin/nvidia-mig-manager")
                .write("/run/nvidia/nvidia-driver.pid", "99\n");

        // When
        Preflight.Outcome outcome = outcome("other-plugins");

        // Then
        assertThat(outcome.found())
                .extracting(diagnosis -> diagnosis.remedy().getFirst())
                .containsExactlyInAnyOrder(
                        "kubectl label node node-a nvidia.com/gpu.deploy.mig-manager=false",
                        "kubectl label node node-a nvidia.com/gpu.deploy.driver=false");
    }

    @Test
    void aDriverThatTheAgentBringsNeedNotBeThere() throws Exception {
        // Given
        node.variable("GPU_NODE_AGENT_DRIVER_MANAGE", "true")
                .without("/proc/driver/nvidia/version")
                .without("/proc/driver/nvidia/gpus/0000:65:00.0/information");

        // When
        Preflight.Outcome outcome = outcome("driver");

        // Then
        assertThat(outcome.level()).isEqualTo(Level.OK);
    }

    @Test
    void aKubeletWithAnotherDirectoryIsSaidWithTheSettings() throws Exception {
        // Given
        node.process(100, "kubelet", "/usr/bin/kubelet --config=/var/lib/kubelet/config.yaml --root-dir=/data/kubelet")
                .write("/data/kubelet/device-plugins/kubelet.sock", "");

        // When
        Diagnosis found = problem("kubelet");

        // Then
        assertThat(found.remedy())
                .contains("  kubelet: {devicePluginDirectory: /data/kubelet/device-plugins,"
                        + " podResourcesSocket: /data/kubelet/pod-resources/kubelet.sock}");
    }

    @Test
    void theKubeletOfK3sIsFoundInItsOneProcessWithItsTemplate() throws Exception {
        // Given
        String folder = "/var/lib/rancher/k3s/agent/etc/containerd";
        node.without("/proc/100/comm")
                .process(100, "k3s-agent", "/usr/local/bin/k3s agent")
                .answer("/usr/local/bin/k3s --version", "k3s version v1.33.1+k3s1 (abc)\n")
                .process(101, "containerd", "/usr/bin/containerd -c " + folder + "/config.toml")
                .answer("/usr/bin/containerd --version", "containerd v2.0.5-k3s1\n")
                .write(folder + "/config.toml", """
                        version = 3
                        [grpc]
                          address = "/run/k3s/containerd/containerd.sock"
                        [plugins.'io.containerd.cri.v1.runtime']
                          enable_cdi = false
                        """);

        // When
        Diagnosis found = problem("containerd");

        // Then
        assertThat(found.remedy()).contains(folder + "/config-v3.toml.tmpl:", "systemctl restart k3s");
        assertThat(outcome("kubelet").level()).isEqualTo(Level.OK);
    }

    @Test
    void theKubeletOfMicrok8sIsFoundWithItsDirectories() throws Exception {
        // Given
        node.without("/proc/100/comm")
                .process(100, "kubelite", "/snap/microk8s/1/kubelite")
                .write("/var/snap/microk8s/current/args/kubelet", """
                        --root-dir=${SNAP_COMMON}/var/lib/kubelet
                        --container-runtime-endpoint=${SNAP_COMMON}/run/containerd.sock
                        """)
                .write("/var/snap/microk8s/common/var/lib/kubelet/device-plugins/kubelet.sock", "");

        // When
        Diagnosis found = problem("kubelet");

        // Then
        assertThat(found.what()).contains("/var/snap/microk8s/common/var/lib/kubelet/device-plugins");
    }

    @Test
    void aServiceWhoseUnitAllowsTooLittleIsFoundByTheDoctor() throws Exception {
        // Given
        node.variable("GPU_NODE_AGENT_DRIVER_MANAGE", "true");

        // When
        List<Diagnosis> found = node.examined();

        // Then
        assertThat(found)
                .anySatisfy(diagnosis -> assertThat(diagnosis.what())
                        .startsWith(
                                "the unit does not allow what the configuration asks for: CAP_SYS_ADMIN, CAP_SYS_MODULE")
                        .contains("its mounts stay inside of the service"));
    }

    @Test
    void aServiceThatSystemdHasGivenUpIsFoundByTheDoctor() throws Exception {
        // Given
        node.unit("Result=start-limit-hit", "CapabilityBoundingSet=cap_mknod cap_perfmon cap_syslog");

        // When
        List<Diagnosis> found = node.examined();

        // Then
        assertThat(found)
                .anySatisfy(diagnosis -> assertThat(diagnosis.remedy())
                        .contains("systemctl reset-failed gpu-node-agent && systemctl start gpu-node-agent"));
    }

    private Preflight.Outcome outcome(String check) throws Exception {
        return node.looked().stream()
                .filter(outcome -> outcome.check().equals(check))
                .findFirst()
                .orElseThrow();
    }

    private Diagnosis problem(String check) throws Exception {
        Preflight.Outcome outcome = outcome(check);
        assertThat(outcome.level()).isEqualTo(Level.PROBLEM);
        return outcome.found().getFirst();
    }
}
