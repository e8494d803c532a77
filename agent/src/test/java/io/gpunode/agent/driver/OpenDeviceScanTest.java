package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.driver.Holder.Through;
import io.gpunode.agent.os.ContainerCgroup;
import io.gpunode.agent.os.LoadedModule;
import io.gpunode.agent.os.LoadedModule.Phase;
import io.gpunode.agent.os.OpenDevices;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.time.SystemTime;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(10)
class OpenDeviceScanTest {
    private static final String UID = "8c1b64a6-8f56-4fd5-b35f-0b3c7a3a5f21";
    private static final String ID = "4f".repeat(32);

    @TempDir
    private Path root;

    private DriverHost host;
    private final Processes processes = new Processes();

    /** Processes with devices, as they were told; looks for no others. */
    private static final class Processes implements OpenDevices {
        private final List<DeviceHolder> holders = new ArrayList<>();
        private final List<Suspect> suspects = new ArrayList<>();
        private final List<String> blind = new ArrayList<>();
        private boolean suspected;

        @Override
        public Look look(Wanted wanted) {
            List<DeviceHolder> found = new ArrayList<>();
            for (DeviceHolder holder : holders) {
                List<OpenDevice> devices = holder.devices().stream()
                        .filter(device -> wanted.wants(device.major(), device.minor()))
                        .toList();
                if (!devices.isEmpty()) {
                    found.add(new DeviceHolder(holder.process(), devices));
                }
            }
            return new Look(found, holders.size(), 100, blind);
        }

        @Override
        public List<Suspect> suspects() {
            suspected = true;
            return suspects;
        }
    }

    @BeforeEach
    void setUp() throws IOException {
        host = new DriverHost(root);
    }

    private HolderTable scan(LoadedModule... modules) {
        SystemHostFiles files = new SystemHostFiles(root);
        return new OpenDeviceScan(files, files, processes, SystemTime.monotonic())
                .scan(ModuleGraph.of(List.of(modules)));
    }

    private static OpenDevices.SeenProcess process(int pid, String unit, ContainerCgroup container) {
        return new OpenDevices.SeenProcess(pid, 1_000L * pid, "S", "/usr/bin/program" + pid, unit, container);
    }

    private static OpenDevices.OpenDevice fd(int major, int minor, int count) {
        return new OpenDevices.OpenDevice(major, minor, false, count);
    }

    private static LoadedModule module(String name, int references, String... holders) {
        return new LoadedModule(name, 1, references, List.of(holders), Phase.LIVE, "", "", "");
    }

    @ParameterizedTest
    @CsvSource({
        "195, 0, nvidia, /dev/nvidia0",
        "195, 254, nvidia_modeset, /dev/nvidia-modeset",
        "195, 255, nvidia, /dev/nvidiactl",
        "510, 0, nvidia_uvm, /dev/nvidia-uvm",
        "510, 1, nvidia_uvm, /dev/nvidia-uvm-tools",
        "236, 12, nvidia, /dev/nvidia-caps/nvidia-cap12",
        "237, 3, nvidia, /dev/nvidia-caps-imex-channels/channel3",
        "238, 255, nvidia, /dev/nvidia-nvswitchctl",
        "238, 2, nvidia, /dev/nvidia-nvswitch2",
        "239, 0, nvidia, /dev/nvidia-nvlink",
        "240, 1, nvidia_fs, /dev/nvidia-fs1",
        "241, 0, gdrdrv, /dev/gdrdrv",
        "226, 128, nvidia_drm, /dev/dri/renderD128",
    })
    void aDeviceIsToldByItsNumbers(int major, int minor, String module, String device) throws IOException {
        // Given
        host.write("/proc/devices", """
                Character devices:
                195 nvidia
                236 nvidia-caps
                237 nvidia-caps-imex-channels
                238 nvidia-nvswitch
                239 nvidia-nvlink
                240 nvidia-fs
                241 gdrdrv
                226 drm
                510 nvidia-uvm
                """);
        host.write("/sys/class/drm/renderD128/dev", "226:128");
        Files.createDirectories(root.resolve("sys/class/drm/renderD128/device"));
        Files.createSymbolicLink(
                root.resolve("sys/class/drm/renderD128/device/driver"), Path.of("/sys/bus/pci/drivers/nvidia"));
        host.write("/sys/class/drm/renderD129/dev", "226:129");
        processes.holders.add(new OpenDevices.DeviceHolder(
                process(7, "a.service", ContainerCgroup.NONE),
                List.of(fd(major, minor, 2), fd(1, 3, 1), fd(226, 129, 1))));

        // When
        HolderTable table = scan(module("nvidia", 2));

        // Then
        assertThat(table.holders())
                .filteredOn(holder -> holder.pid() != 0)
                .containsExactly(new Holder(
                        module,
                        device,
                        7,
                        7_000,
                        "/usr/bin/program7",
                        HolderPlace.ofUnit("a.service"),
                        Through.FD,
                        2,
                        "S"));
    }

    @Test
    void aPodIsToldByItsNames() throws IOException {
        // Given
        Files.createDirectories(root.resolve("var/log/pods/team-a_train-0_" + UID));
        Files.createDirectories(root.resolve("var/log/containers"));
        Files.writeString(root.resolve("var/log/containers/train-0_team-a_main-" + ID + ".log"), "");
        processes.holders.add(new OpenDevices.DeviceHolder(
                process(7, "cri-containerd-" + ID + ".scope", new ContainerCgroup(UID, ID)), List.of(fd(195, 0, 1))));
        processes.holders.add(new OpenDevices.DeviceHolder(
                process(8, "", new ContainerCgroup(UID, "00".repeat(32))), List.of(fd(195, 0, 1))));
        processes.holders.add(new OpenDevices.DeviceHolder(
                process(9, "", new ContainerCgroup("", "ab".repeat(32))), List.of(fd(195, 0, 1))));

        // When
        HolderTable table = scan();

        // Then
        assertThat(table.holders())
                .extracting(holder -> holder.place().text())
                .containsExactly("team-a/train-0/main", "team-a/train-0", "container abababababab");
    }

    @Test
    void aReferenceThatNobodyExplainsIsHeldInTheKernelAndHasSuspects() {
        // Given
        processes.holders.add(new OpenDevices.DeviceHolder(
                process(7, "a.service", ContainerCgroup.NONE), List.of(fd(195, 255, 1), fd(195, 0, 1))));
        processes.suspects.add(new OpenDevices.Suspect(
                process(9, "", ContainerCgroup.NONE), "it is in uninterruptible sleep in nv_x"));

        // When
        HolderTable table = scan(module("nvidia", 4, "nvidia_uvm"), module("nvidia_uvm", 0));

        // Then
        assertThat(table.holders())
                .filteredOn(holder -> holder.through() == Through.KERNEL)
                .singleElement()
                .satisfies(holder -> {
                    assertThat(holder.module()).isEqualTo("nvidia");
                    assertThat(holder.count()).isEqualTo(1);
                });
        assertThat(table.suspects())
                .singleElement()
                .satisfies(suspect -> assertThat(suspect.why()).contains("nv_x"));
    }

    @Test
    void nobodyIsSuspectedWhenEverythingIsExplained() {
        // Given
        processes.holders.add(
                new OpenDevices.DeviceHolder(process(7, "a.service", ContainerCgroup.NONE), List.of(fd(195, 255, 3))));

        // When
        HolderTable table = scan(module("nvidia", 2));

        // Then
        assertThat(table.holders()).hasSize(1);
        assertThat(processes.suspected).isFalse();
        assertThat(table.without(7).isEmpty()).isTrue();
    }

    @Test
    void whatCouldNotBeSeenIsPassedOn() {
        // Given
        processes.blind.add("2 processes may not be looked at");

        // When
        HolderTable table = scan();

        // Then
        assertThat(table.blind()).containsExactly("2 processes may not be looked at");
    }

    @Test
    void aKernelThatTellsNoDeviceNumbersLeavesNothingToLookFor() throws IOException {
        // Given
        host.remove("/proc/devices");
        Files.createDirectories(root.resolve("proc/devices"));

        // When
        HolderTable table = scan(module("nvidia", 1));

        // Then
        assertThat(table.blind())
                .singleElement()
                .satisfies(text -> assertThat(text).contains("device numbers"));
    }
}
