package io.gpunode.agent.cdi;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.os.DeviceNodes.CharacterDevice;
import io.gpunode.agent.testing.Configs;
import io.gpunode.agent.testing.FakeSnapshotSource;
import io.gpunode.agent.testing.Golden;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.ManualTime;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CdiPublisherTest {
    private static final Path SPEC = Path.of("var/run/cdi/k8s.device-plugin.nvidia.com-gpu.json");

    @TempDir
    Path root;

    private final Snapshots node = Snapshots.h100x8();
    private final FakeSnapshotSource source = new FakeSnapshotSource(node.build());
    private final ManualTime time = new ManualTime();
    private int notices;

    private CdiPublisher publisher() throws IOException {
        return publisher(HostTree.at(root).withDriver("", Snapshots.DRIVER).withNodes(8));
    }

    private CdiPublisher publisher(HostTree host, String... settings) {
        AgentConfig config = Configs.of(settings);
        return new CdiPublisher(
                source, () -> config, host.files(), host.nodes(), time, new Heartbeats(time), () -> notices++);
    }

    private String written(Path file) throws IOException {
        String text = Files.readString(root.resolve(file));
        assertThat(CdiRules.violations(text)).isEmpty();
        return text;
    }

    @Test
    void anOpenPictureIsWrittenAndSaid() throws IOException {
        // Given
        CdiPublisher publisher = publisher();

        // When
        publisher.turn();

        // Then
        assertThat(written(SPEC)).contains(Snapshots.uuid(7));
        assertThat(publisher.status().structureVersion())
                .isEqualTo(source.current().structureVersion());
        assertThat(notices).isEqualTo(1);
    }

    @Test
    void theSamePictureIsWrittenOnce() throws IOException {
        // Given
        CdiPublisher publisher = publisher();
        publisher.turn();
        var before = Files.readAttributes(root.resolve(SPEC), BasicFileAttributes.class)
                .fileKey();

        // When
        publisher.turn();

        // Then
        assertThat(Files.readAttributes(root.resolve(SPEC), BasicFileAttributes.class)
                        .fileKey())
                .isEqualTo(before);
        assertThat(notices).isEqualTo(1);
    }

    @Test
    void withdrawnGpusTakeTheFileWithThem() throws IOException {
        // Given
        CdiPublisher publisher = publisher();
        publisher.turn();
        source.publish(node.withdrawn().build());

        // When
        publisher.turn();

        // Then
        assertThat(root.resolve(SPEC)).doesNotExist();
        assertThat(publisher.status().written()).isFalse();
    }

    @Test
    void aPlaceThatCannotBeWrittenIsAnErrorThatNamesItAndIsTriedAgain() throws IOException {
        // Given
        CdiPublisher publisher = publisher();
        Files.createDirectories(root.resolve("var/run"));
        Files.writeString(root.resolve("var/run/cdi"), "a file where the directory should be");

        // When
        Duration next = publisher.turn();

        // Then
        assertThat(publisher.status().error()).contains("/var/run/cdi/").contains("cdi.directory");
        assertThat(next).isLessThanOrEqualTo(Duration.ofSeconds(1));
    }

    @Test
    void whatFailedIsNotTriedAgainForEachChangeOfHealthButWhenItsTimeHasCome() throws IOException {
        // Given: libraries that appear right after they were looked for
        CdiPublisher publisher = publisher();
        Path library = root.resolve(HostTree.TRIPLET.substring(1) + "/libcuda.so." + Snapshots.DRIVER);
        Path away = Files.move(library, root.resolve("away"));
        Duration pause = publisher.turn();
        Files.move(away, library);
        source.publish(node.unhealthy(3).build());

        // When
        Duration left = publisher.turn();

        // Then
        assertThat(publisher.status().written()).isFalse();
        assertThat(left).isEqualTo(pause).isLessThanOrEqualTo(Duration.ofSeconds(1));
        time.advance(left);
        publisher.turn();
        assertThat(publisher.status().structureVersion())
                .isEqualTo(source.current().structureVersion());
    }

    @Test
    void theWaitAfterAFailureGrowsWhateverPicturesComeInBetween() throws IOException {
        // Given
        CdiPublisher publisher = publisher();
        Files.createDirectories(root.resolve("var/run"));
        Files.writeString(root.resolve("var/run/cdi"), "a file where the directory should be");
        Duration wait = publisher.turn();

        // When
        for (int i = 0; i < 12; i++) {
            source.publish(node.unhealthy(i % 8).build());
            publisher.turn();
            time.advance(wait);
            wait = publisher.turn();
        }

        // Then
        assertThat(wait).isGreaterThan(Duration.ofSeconds(20));
    }

    @Test
    void aFileThatSomebodyRemovedIsWrittenAgain() throws IOException {
        // Given
        CdiPublisher publisher = publisher();
        publisher.turn();
        Files.delete(root.resolve(SPEC));
        time.advance(Duration.ofSeconds(30));

        // When
        publisher.turn();

        // Then
        assertThat(root.resolve(SPEC)).exists();
    }

    @Test
    void aChangeOfHealthAloneIsTakenOverWithoutLookingAtFiles() throws IOException {
        // Given
        CdiPublisher publisher = publisher();
        publisher.turn();
        source.publish(node.unhealthy(3).build());
        Files.delete(root.resolve(HostTree.TRIPLET.substring(1) + "/libcuda.so." + Snapshots.DRIVER));

        // When
        publisher.turn();

        // Then
        assertThat(publisher.status().structureVersion())
                .isEqualTo(source.current().structureVersion());
        assertThat(publisher.status().error()).isEmpty();
    }

    @Test
    void aDriverWithoutItsLibrariesIsNoSpecification() throws IOException {
        // Given
        CdiPublisher publisher = publisher();
        Files.delete(root.resolve(HostTree.TRIPLET.substring(1) + "/libcuda.so." + Snapshots.DRIVER));

        // When
        publisher.turn();

        // Then
        assertThat(publisher.status().written()).isFalse();
        assertThat(publisher.status().error()).contains("libcuda.so." + Snapshots.DRIVER);
        assertThat(root.resolve(SPEC)).doesNotExist();
    }

    @Test
    void theFileOfAnEarlierLifeStaysWhileNvmlIsBeingOpened() throws IOException {
        // Given
        CdiPublisher publisher = publisher();
        HostTree.at(root).write("/" + SPEC, "of an earlier life");
        source.publish(node.nvml(new NvmlState.Waiting(NvmlState.Waiting.STARTING, "", "", Snapshots.AT))
                .build());

        // When
        publisher.turn();

        // Then
        assertThat(root.resolve(SPEC)).hasContent("of an earlier life");
    }

    @Test
    void theEndLeavesTheFilesForContainersThatAreStartedAgain() throws Exception {
        // Given
        CdiPublisher publisher = publisher();
        publisher.turn();
        publisher.start();

        // When
        publisher.stop(Duration.ofSeconds(5));

        // Then
        assertThat(written(SPEC)).contains(Snapshots.uuid(0));
    }

    @Test
    void aFileThatSomebodyChangedIsWrittenAgain() throws IOException {
        // Given
        CdiPublisher publisher = publisher();
        publisher.turn();
        Files.writeString(root.resolve(SPEC), "{}");
        time.advance(Duration.ofSeconds(30));

        // When
        publisher.turn();

        // Then
        assertThat(written(SPEC)).contains(Snapshots.uuid(0));
    }

    @Test
    void whatAKilledProcessLeftIsRemoved() throws IOException {
        // Given
        CdiPublisher publisher = publisher();
        HostTree.at(root)
                .write("/var/run/cdi/.k8s.device-plugin.nvidia.com-gpu.json.7-1.tmp", "{")
                .write("/var/run/cdi/somebody-elses.tmp", "");

        // When
        publisher.turn();

        // Then
        assertThat(root.resolve("var/run/cdi"))
                .isDirectoryContaining("glob:**/somebody-elses.tmp")
                .isDirectoryNotContaining("glob:**/.k8s*");
    }

    @Test
    void eightGpusAreSaidUnderBothNames() throws IOException {
        // Given
        HostTree host = HostTree.at(root)
                .withDriver("", Snapshots.DRIVER)
                .withNodes(8)
                .withMajors()
                .with(
                        "/sys/bus/pci/devices/0000:1b:00.0/drm/card1/dev",
                        "/sys/bus/pci/devices/0000:1b:00.0/drm/renderD128/dev")
                .node("/dev/dri/card1", 226, 1)
                .node("/dev/dri/renderD128", 226, 128)
                .node("/dev/dri/by-path/pci-0000:1b:00.0-render", 226, 128);
        host.nodes().with("/dev/dri/renderD128", 226, 128, 0660);
        CdiPublisher publisher = publisher(host);

        // When
        publisher.turn();

        // Then
        assertThat(publisher.status().problems()).isEmpty();
        assertThat(publisher.status().names())
                .contains(SpecDirectory.PLUGIN_GPU + "=" + Snapshots.uuid(7), SpecDirectory.PLUGIN_GPU + "=all")
                .contains("nvidia.com/gpu=7", "nvidia.com/gpu=" + Snapshots.uuid(7), "nvidia.com/gpu=all");
        Golden.check("cdi-8xh100.json", written(SPEC));
    }

    @Test
    void anotherIdStrategyLeavesTheNamesThatTheKubeletReplays() throws IOException {
        // Given
        HostTree host = HostTree.at(root).withDriver("", Snapshots.DRIVER).withNodes(8);
        publisher(host, "DEVICE_ID_STRATEGY=uuid").turn();
        String before = written(SPEC);

        // When
        publisher(host, "DEVICE_ID_STRATEGY=index").turn();

        // Then
        assertThat(written(SPEC))
                .isEqualTo(before)
                .contains("\"name\": \"7\"", "\"name\": \"" + Snapshots.uuid(7) + "\"", "\"cdiVersion\": \"0.5.0\"");
    }

    @Test
    void withoutTheNodeThatCudaNeedsThereIsNoSpecification() throws IOException {
        // Given
        HostTree host = HostTree.at(root).withDriver("", Snapshots.DRIVER).withNodes(8);
        Files.delete(root.resolve("dev/nvidia-uvm"));
        host.nodes().devices.remove(Path.of("/dev/nvidia-uvm"));
        CdiPublisher publisher = publisher(host);

        // When
        publisher.turn();

        // Then
        assertThat(publisher.status().error())
                .contains("/dev/nvidia-uvm does not exist")
                .contains("/proc/devices does not name nvidia-uvm");
        assertThat(root.resolve(SPEC)).doesNotExist();
    }

    @Test
    void aGpuWithoutItsNodeIsLeftOutAndSaid() throws IOException {
        // Given
        CdiPublisher publisher =
                publisher(HostTree.at(root).withDriver("", Snapshots.DRIVER).withNodes(7));

        // When
        publisher.turn();

        // Then
        assertThat(written(SPEC)).contains(Snapshots.uuid(6)).doesNotContain(Snapshots.uuid(7));
        assertThat(publisher.status().problems())
                .singleElement()
                .asString()
                .contains(Snapshots.uuid(7) + " is left out: /dev/nvidia7 does not exist");
    }

    @Test
    void whatIsAllRightIsLookedAtLessAndLessOften() throws IOException {
        // Given
        CdiPublisher publisher =
                publisher(HostTree.at(root).withDriver("", Snapshots.DRIVER).withNodes(8));

        // When
        List<Duration> pauses = pauses(publisher, 5);

        // Then
        assertThat(pauses)
                .containsExactly(
                        Duration.ofSeconds(30),
                        Duration.ofMinutes(1),
                        Duration.ofMinutes(2),
                        Duration.ofMinutes(2),
                        Duration.ofMinutes(2));
    }

    @Test
    void whereSomethingIsMissingTheLooksStayFrequent() throws IOException {
        // Given
        CdiPublisher publisher =
                publisher(HostTree.at(root).withDriver("", Snapshots.DRIVER).withNodes(7));

        // When
        List<Duration> pauses = pauses(publisher, 5);

        // Then
        assertThat(pauses).containsOnly(Duration.ofSeconds(30));
    }

    private List<Duration> pauses(CdiPublisher publisher, int looks) {
        List<Duration> pauses = new ArrayList<>();
        for (int i = 0; i < looks; i++) {
            Duration pause = publisher.turn();
            pauses.add(pause);
            time.advance(pause);
        }
        return pauses;
    }

    @Test
    void migDevicesBringTheirParentAndCapabilitiesThatAreMadeIfNeedBe() throws IOException {
        // Given
        HostTree host = HostTree.at(root)
                .withDriver("", Snapshots.DRIVER)
                .withNodes(8)
                .withMajors()
                .write("/proc/driver/nvidia/capabilities/gpu0/mig/gi7/access", "DeviceFileMode: 292\n");
        source.publish(node.mig(0, Snapshots.migDevice(0, 7, 0, "1g.10gb")).build());
        CdiPublisher publisher = publisher(host, "MIG_STRATEGY=mixed");

        // When
        publisher.turn();

        // Then
        assertThat(publisher.status().problems()).isEmpty();
        assertThat(publisher.status().names())
                .contains("nvidia.com/gpu=0:0")
                .doesNotContain("nvidia.com/gpu=0", SpecDirectory.PLUGIN_GPU + "=" + Snapshots.uuid(0));
        assertThat(host.nodes().devices).containsKeys(capability(100), capability(101));
        Golden.check("cdi-mig.json", written(SPEC));
    }

    @Test
    void aWholeGpuInMigModeIsADeviceWhereMigIsNotOffered() throws IOException {
        // Given
        HostTree host =
                HostTree.at(root).withDriver("", Snapshots.DRIVER).withNodes(8).withMajors();
        source.publish(node.mig(0, Snapshots.migDevice(0, 7, 0, "1g.10gb")).build());
        CdiPublisher publisher = publisher(host, "MIG_STRATEGY=none");

        // When
        publisher.turn();

        // Then
        assertThat(publisher.status().names()).contains(SpecDirectory.PLUGIN_GPU + "=" + Snapshots.uuid(0));
    }

    @Test
    void aMigDeviceWithoutCapabilityNodesIsLeftOutAndSaid() throws IOException {
        // Given: no nvidia-caps in /proc/devices, so the nodes cannot be made
        HostTree host = HostTree.at(root).withDriver("", Snapshots.DRIVER).withNodes(8);
        source.publish(node.mig(0, Snapshots.migDevice(0, 7, 0, "1g.10gb")).build());
        CdiPublisher publisher = publisher(host, "MIG_STRATEGY=mixed");

        // When
        publisher.turn();

        // Then
        assertThat(written(SPEC)).doesNotContain("MIG-");
        assertThat(publisher.status().problems())
                .singleElement()
                .asString()
                .contains("is left out: /dev/nvidia-caps/nvidia-cap100 does not exist")
                .contains("/proc/devices does not name nvidia-caps");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "cdiVersion: 0.5.0\nkind: nvidia.com/gpu # for podman\ndevices: []\n",
                "cdiVersion: 0.5.0\nkind: \"nvidia.com/gpu\"\n",
                "{\"cdiVersion\":\"0.5.0\",\"kind\":\"nvidia.com/gpu\",\"devices\":[]}",
                "{\n  \"kind\": \"nvidia.com/gpu\",\n  \"devices\": []\n}\n"
            })
    void nvidiaComGpuIsLeftToAnotherFileThatDescribesIt(String others) throws IOException {
        // Given
        CdiPublisher publisher = publisher();
        publisher.turn();
        HostTree.at(root).write("/etc/cdi/nvidia.yaml", others);
        time.advance(Duration.ofSeconds(30));

        // When
        publisher.turn();

        // Then
        assertThat(root.resolve("var/run/cdi/gpu-node-agent.nvidia.com-gpu.json"))
                .doesNotExist();
        assertThat(publisher.status().names()).doesNotContain("nvidia.com/gpu=all");
        assertThat(written(SPEC)).contains(Snapshots.uuid(0));
    }

    @Test
    void eachFeatureWithContentHasAFileOfItsOwn() throws IOException {
        // Given
        HostTree host = HostTree.at(root)
                .withDriver("", Snapshots.DRIVER)
                .withNodes(8)
                .withMajors()
                .with("/run/udev/control", "/etc/cufile.json")
                .node("/dev/gdrdrv", 235, 0)
                .node("/dev/nvidia-fs0", 236, 0)
                .node("/dev/nvidia-fs1", 236, 1)
                .node("/dev/infiniband/uverbs0", 231, 192)
                .node("/dev/infiniband/rdma_cm", 10, 58)
                .node("/dev/nvidia-caps-imex-channels/channel3", 512, 3);
        CdiPublisher publisher = publisher(host);

        // When
        publisher.turn();

        // Then
        StringBuilder all = new StringBuilder();
        for (String feature : List.of("gdrcopy", "gds", "imex-channel", "mofed")) {
            all.append(written(SPEC.resolveSibling("k8s.device-plugin.nvidia.com-" + feature + ".json")));
        }
        Golden.check("cdi-features.json", all.toString());
        assertThat(publisher.status().names())
                .contains("k8s.device-plugin.nvidia.com/gds=all", "k8s.device-plugin.nvidia.com/imex-channel=3");
    }

    @Test
    void anotherKindOfSomebodyElseDoesNotStandInTheWay() throws IOException {
        // Given
        CdiPublisher publisher = publisher();
        HostTree.at(root)
                .write("/etc/cdi/other.yaml", "kind: nvidia.com/gpu-dir\nannotations: {kind: nvidia.com/gpu}\n");

        // When
        publisher.turn();

        // Then
        assertThat(publisher.status().names()).contains("nvidia.com/gpu=all");
    }

    @Test
    void nodesThatAreNotBelowTheDeviceRootAreTakenFromTheHosts() throws IOException {
        // Given: a driver in a container, which has only a part of /dev
        HostTree host = HostTree.at(root)
                .withDriver("/run/nvidia/driver", Snapshots.DRIVER)
                .withNodes(8)
                .node("/run/nvidia/driver/dev/nvidia0", 195, 0);
        CdiPublisher publisher = publisher(host, "NVIDIA_DRIVER_ROOT=/run/nvidia/driver");

        // When
        publisher.turn();

        // Then
        assertThat(publisher.status().problems()).isEmpty();
        assertThat(written(SPEC))
                .contains("\"hostPath\": \"/run/nvidia/driver/dev/nvidia0\"")
                .contains("\"path\": \"/dev/nvidia1\",\n            \"type\"");
    }

    @Test
    void aFeatureThatHasGoneTakesItsFileWithIt() throws IOException {
        // Given
        HostTree host =
                HostTree.at(root).withDriver("", Snapshots.DRIVER).withNodes(8).node("/dev/gdrdrv", 235, 0);
        CdiPublisher publisher = publisher(host);
        publisher.turn();
        Files.delete(root.resolve("dev/gdrdrv"));
        time.advance(Duration.ofSeconds(30));

        // When
        publisher.turn();

        // Then
        assertThat(root.resolve("var/run/cdi/k8s.device-plugin.nvidia.com-gdrcopy.json"))
                .doesNotExist();
        assertThat(publisher.status().names()).noneMatch(name -> name.contains("gdrcopy"));
    }

    @Test
    void hooksOfNvidiaAreNamedWhereTheyAreAskedFor() throws IOException {
        // Given
        HostTree host =
                HostTree.at(root).withDriver("", Snapshots.DRIVER).withNodes(8).with("/usr/bin/nvidia-cdi-hook");
        CdiPublisher publisher = publisher(
                host,
                "GPU_NODE_AGENT_CDI_HOOKS=nvidia",
                "NVIDIA_CDI_HOOK_PATH=/usr/bin/nvidia-cdi-hook",
                "CDI_DISABLE_HOOKS=update-application-profile");

        // When
        publisher.turn();

        // Then
        Golden.check("cdi-hooks.json", written(SPEC));
    }

    @Test
    void hooksWithoutTheirProgramAreNoSpecification() throws IOException {
        // Given
        HostTree host = HostTree.at(root).withDriver("", Snapshots.DRIVER).withNodes(8);
        CdiPublisher publisher = publisher(host, "GPU_NODE_AGENT_CDI_HOOKS=nvidia");

        // When
        publisher.turn();

        // Then
        assertThat(publisher.status().error())
                .contains("/usr/bin/nvidia-ctk does not exist")
                .contains("cdi.hooks");
        assertThat(root.resolve(SPEC)).doesNotExist();
    }

    @Test
    void everyNodeIsLinkedByItsNumber() throws IOException {
        // Given
        HostTree host = HostTree.at(root).withDriver("", Snapshots.DRIVER).withNodes(8);
        CdiPublisher publisher = publisher(host);

        // When
        publisher.turn();

        // Then
        assertThat(host.nodes().links)
                .containsEntry(Path.of("/dev/char/195:7"), Path.of("../nvidia7"))
                .containsEntry(Path.of("/dev/char/510:0"), Path.of("../nvidia-uvm"))
                .hasSize(12);
    }

    @Test
    void theGroupOfAGpusNodeIsSaidAndThatOfAGraphicsNodeIsNot() throws IOException {
        // Given
        HostTree host = HostTree.at(root)
                .withDriver("", Snapshots.DRIVER)
                .withNodes(8)
                .with("/sys/bus/pci/devices/0000:1b:00.0/drm/card1/dev")
                .node("/dev/dri/card1", 226, 1);
        host.nodes().devices.put(Path.of("/dev/nvidia3"), new CharacterDevice(195, 3, 0660, 0, 44));
        host.nodes().devices.put(Path.of("/dev/dri/card1"), new CharacterDevice(226, 1, 0660, 0, 39));
        CdiPublisher publisher = publisher(host);

        // When
        publisher.turn();

        // Then
        assertThat(written(SPEC)).contains("\"gid\": 44").doesNotContain("\"gid\": 39", "\"gid\": 0");
    }

    @Test
    void nvidiaComGpuIsLeftToAnotherFileAmongManyOthers() throws IOException {
        // Given
        HostTree host = HostTree.at(root).withDriver("", Snapshots.DRIVER).withNodes(8);
        for (int i = 0; i < 300; i++) {
            host.write("/etc/cdi/a" + i + ".json", "{\"kind\":\"vendor.com/nic\"}");
        }
        host.write("/etc/cdi/nvidia.yaml", "kind: nvidia.com/gpu\n");
        CdiPublisher publisher = publisher(host);

        // When
        publisher.turn();

        // Then
        assertThat(publisher.status().names()).doesNotContain("nvidia.com/gpu=all");
    }

    @Test
    void anotherFileOfUnlikelyLengthIsNotTakenIntoMemory() throws IOException {
        // Given
        HostTree host = HostTree.at(root).withDriver("", Snapshots.DRIVER).withNodes(8);
        host.write("/etc/cdi/nvidia.yaml", "kind: nvidia.com/gpu\n" + "#".repeat(512 << 10));
        CdiPublisher publisher = publisher(host);

        // When
        publisher.turn();

        // Then
        assertThat(publisher.status().names()).contains("nvidia.com/gpu=all");
    }

    @Test
    void aPlaceThatIsNoDirectoryIsPassedOverAndSaid() throws IOException {
        // Given
        HostTree host =
                HostTree.at(root).withDriver("", Snapshots.DRIVER).withNodes(8).with("/usr/lib64");
        CdiPublisher publisher = publisher(host);

        // When
        publisher.turn();

        // Then
        assertThat(written(SPEC)).contains("libcuda.so." + Snapshots.DRIVER);
        assertThat(publisher.status().problems())
                .singleElement()
                .asString()
                .contains("/usr/lib64 cannot be read")
                .contains("NotDirectoryException");
    }

    @Test
    void aLinkThatCannotBeMadeLeavesTheOthersToBeMade() throws IOException {
        // Given
        HostTree host = HostTree.at(root).withDriver("", Snapshots.DRIVER).withNodes(8);
        host.nodes().refuseLink("/dev/char/195:254");
        CdiPublisher publisher = publisher(host);

        // When
        publisher.turn();

        // Then
        assertThat(host.nodes().links).hasSize(11).containsKey(Path.of("/dev/char/195:7"));
        assertThat(publisher.status().problems())
                .singleElement()
                .asString()
                .contains("/dev/char/195:254 cannot be made");
    }

    @Test
    void theModesetNodeIsMadeWhereOnlyTheNameOfTheDriverFrontendIsKnown() throws IOException {
        // Given
        HostTree host = HostTree.at(root)
                .withDriver("", Snapshots.DRIVER)
                .withNodes(8)
                .write("/proc/devices", "Character devices:\n195 nvidia-frontend\n510 nvidia-uvm\n")
                .with("/sys/module/nvidia_modeset/refcnt");
        Files.delete(root.resolve("dev/nvidia-modeset"));
        host.nodes().devices.remove(Path.of("/dev/nvidia-modeset"));
        CdiPublisher publisher = publisher(host);

        // When
        publisher.turn();

        // Then
        assertThat(host.nodes().devices)
                .containsEntry(Path.of("/dev/nvidia-modeset"), new CharacterDevice(195, 254, 0666, 0, 0));
        assertThat(written(SPEC)).contains("\"/dev/nvidia-modeset\"");
    }

    @Test
    void linksThatCannotBeMadeAreSaidOnce() throws IOException {
        // Given
        HostTree host = HostTree.at(root).withDriver("", Snapshots.DRIVER).withNodes(8);
        host.nodes().refuse("Read-only file system");
        CdiPublisher publisher = publisher(host);

        // When
        publisher.turn();

        // Then
        assertThat(publisher.status().problems())
                .singleElement()
                .asString()
                .contains("/dev/char/")
                .contains("Read-only file system")
                .contains("cdi.devCharLinks");
    }

    @Test
    void aNodeOfADriverThatWasLoadedAnewIsReplaced() throws IOException {
        // Given: nvidia-uvm had another major before
        HostTree host = HostTree.at(root)
                .withDriver("", Snapshots.DRIVER)
                .withNodes(8)
                .withMajors()
                .node("/dev/nvidia-uvm", 237, 0);
        CdiPublisher publisher = publisher(host);

        // When
        publisher.turn();

        // Then
        assertThat(host.nodes().devices)
                .containsEntry(Path.of("/dev/nvidia-uvm"), new CharacterDevice(510, 0, 0666, 0, 0));
        assertThat(publisher.status().problems()).isEmpty();
    }

    @Test
    void aNodeThatCannotBeMadeIsGivenByItsNumbersAndSaid() throws IOException {
        // Given
        HostTree host =
                HostTree.at(root).withDriver("", Snapshots.DRIVER).withNodes(7).withMajors();
        host.nodes().refuse("mknod: Operation not permitted");
        CdiPublisher publisher = publisher(host, "GPU_NODE_AGENT_CDI_DEV_CHAR_LINKS=false");

        // When
        publisher.turn();

        // Then
        assertThat(written(SPEC)).contains(Snapshots.uuid(7));
        assertThat(publisher.status().problems())
                .singleElement()
                .asString()
                .contains("/dev/nvidia7 does not exist and is not made")
                .contains("mknod -m 666 /dev/nvidia7 c 195 7");
    }

    private static Path capability(int number) {
        return Path.of("/dev/nvidia-caps/nvidia-cap" + number);
    }
}
