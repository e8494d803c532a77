package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(10)
class ContainerCgroupTest {
    private static final String UID = "0f4dd7f3-60c5-4a2c-bd4b-0a1b2c3d4e5f";
    private static final String SLICE_UID = UID.replace('-', '_');
    private static final String STATIC_UID = "8f1f4b1d2c3e4a5b6c7d8e9f0a1b2c3d";
    private static final String ID = "4f".repeat(32);
    private static final String OUTER = "ab".repeat(32);

    @ParameterizedTest
    @CsvSource({
        // systemd driver: containerd, CRI-O, Docker; version 2
        "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod$SUID.slice/cri-containerd-$ID.scope",
        "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod$SUID.slice/crio-$ID.scope",
        "0::/kubepods.slice/kubepods-pod$SUID.slice/docker-$ID.scope",
        "0::/kubepods.slice/kubepods-pod$SUID.slice/crio-$ID.scope/container",
        // what a container has below itself
        "0::/kubepods.slice/kubepods-pod$SUID.slice/cri-containerd-$ID.scope/system.slice/sshd.service",
        "0::/kubepods.slice/kubepods-pod$SUID.slice/cri-containerd-$ID.scope/docker/$OUTER",
        // cgroupfs driver
        "0::/kubepods/burstable/pod$UID/$ID",
        "0::/kubepods/pod$UID/$ID",
        "0::/kubepods/besteffort/pod$UID/crio-$ID",
        // a kubelet with a root of its own: kind, MicroK8s; a node that is a container itself
        "0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod$SUID.slice/cri-containerd-$ID.scope",
        "0::/kubelet/kubepods/burstable/pod$UID/$ID",
        "0::/system.slice/docker-$OUTER.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod$SUID.slice/cri-containerd-$ID.scope",
        "0::/docker/$OUTER/kubepods/pod$UID/$ID",
        // containerd with cgroupfs names under a kubelet with systemd's
        "0::/system.slice/containerd.service/kubepods-burstable-pod$SUID.slice:cri-containerd:$ID",
        "1:name=systemd:/system.slice/containerd.service/kubepods-burstable-pod$SUID.slice:cri-containerd:$ID",
        // seen from another control group namespace
        "0::/../../kubepods-burstable-pod$SUID.slice/cri-containerd-$ID.scope",
        "0::/../../pod$UID/$ID",
        // version 1
        "11:memory:/kubepods/burstable/pod$UID/$ID",
        "'4:cpu,cpuacct:/kubepods.slice/kubepods-pod$SUID.slice/cri-containerd-$ID.scope'",
    })
    void aContainerOfAPodIsFound(String line) {
        assertThat(ContainerCgroup.of(line(line))).isEqualTo(new ContainerCgroup(UID, ID));
    }

    @ParameterizedTest
    @CsvSource({
        "0::/docker/$ID",
        "0::/system.slice/docker-$ID.scope",
        "0::/machine.slice/libpod-$ID.scope/container",
        "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-$ID.scope",
        "0::/system.slice/nerdctl-$ID.scope",
        "0::/default/$ID",
        "0::/ecs/0123456789abcdef/$ID",
        "0::/docker/$ID/docker/$OUTER",
        "0::/../$ID",
    })
    void aContainerOutsideOfKubernetesIsFound(String line) {
        assertThat(ContainerCgroup.of(line(line))).isEqualTo(new ContainerCgroup("", ID));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "0::/",
                "0::",
                "0:",
                "garbage",
                "0::/user.slice/user-0.slice/session-1.scope",
                "0::/system.slice/slurmstepd.scope/job_12/step_0/user/task_0",
                "0::/init.scope",
                "0::/kubepods.slice",
                "0::/kubepods/burstable/podnothing/x",
                "0::/system.slice/crio-conmon-$ID.scope",
                "0::/machine.slice/libpod-conmon-$ID.scope",
                "0::/docker/$ID0",
                "0::/docker/0$ID",
                "0::/docker/ABCD",
                "0::/kubepods/xpod$UID",
            })
    void aProcessOfTheHostIsNobodysContainer(String line) {
        assertThat(ContainerCgroup.of(line(line))).isEqualTo(ContainerCgroup.NONE);
    }

    @Test
    void aStaticPodHasTheKubeletsOwnUid() {
        assertThat(ContainerCgroup.of(
                        line("0::/kubepods.slice/kubepods-pod" + STATIC_UID + ".slice/cri-containerd-$ID.scope")))
                .isEqualTo(new ContainerCgroup(STATIC_UID, ID));
    }

    @Test
    void aProcessInThePodsOwnGroupIsOfNoContainer() {
        assertThat(ContainerCgroup.of(line("0::/kubepods/pod$UID"))).isEqualTo(new ContainerCgroup(UID, ""));
    }

    @Test
    void theHierarchyThatSaysMostCounts() {
        // Given: as on a machine with both versions
        String text = line("""
                12:pids:/kubepods/pod$UID
                11:memory:/kubepods/pod$UID/$ID
                1:name=systemd:/system.slice/containerd.service
                0::/system.slice/containerd.service
                """);

        // When / Then
        assertThat(ContainerCgroup.of(text)).isEqualTo(new ContainerCgroup(UID, ID));
    }

    private static String line(String template) {
        return template.replace("$SUID", SLICE_UID)
                .replace("$UID", UID)
                .replace("$ID", ID)
                .replace("$OUTER", OUTER);
    }
}
