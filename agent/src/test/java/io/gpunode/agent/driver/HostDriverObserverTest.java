package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.driver.ObservedDriver.DriverNode;
import io.gpunode.agent.driver.ObservedDriver.NodeState;
import io.gpunode.agent.driver.ObservedDriver.RunningDriver;
import io.gpunode.agent.model.DriverVersion;
import io.gpunode.agent.model.PciAddress;
import io.gpunode.agent.os.FakeKernelModules;
import io.gpunode.agent.os.KernelHeaders;
import io.gpunode.agent.os.LoadedModule;
import io.gpunode.agent.os.SystemCommandRunner;
import io.gpunode.agent.os.SystemDeviceNodes;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.os.SystemKernelModules;
import io.gpunode.agent.testing.Configs;
import io.gpunode.agent.time.SystemTime;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(10)
class HostDriverObserverTest {
    private static final String PROPRIETARY = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.261.03  Tue Jun";

    @TempDir
    private Path root;

    private DriverHost host;

    @BeforeEach
    void setUp() throws IOException {
        host = new DriverHost(root);
    }

    private ObservedDriver observe() {
        SystemHostFiles files = new SystemHostFiles(root);
        return new HostDriverObserver(
                        files,
                        new SystemKernelModules(
                                files,
                                files,
                                new SystemCommandRunner(),
                                () -> {
                                    throw new FileNotFoundException("/dev/kmsg");
                                },
                                SystemTime.monotonic()),
                        new SystemDeviceNodes(files),
                        Path.of("/"))
                .observe();
    }

    private List<String> remarks() {
        ObservedDriver observed = observe();
        DriverWish wish = new DriverWish(
                Configs.defaults().driver(),
                observed.gpus().stream().map(ObservedDriver.BusGpu::device).toList());
        return DriverRemark.of(observed, wish).stream().map(DriverRemark::text).toList();
    }

    @Test
    void aLoadedDriverIsSeen() {
        // When
        ObservedDriver observed = observe();

        // Then
        assertThat(observed.unreadable()).isEmpty();
        assertThat(observed.running()).contains(new RunningDriver(new DriverVersion("580.65.06"), ModuleType.OPEN));
        assertThat(observed.modules().unloadOrder())
                .containsExactly("nvidia_drm", "nvidia_modeset", "nvidia_uvm", "nvidia");
        assertThat(observed.modules().find("nvidia_uvm").orElseThrow())
                .returns("580.65.06", LoadedModule::version)
                .returns("0123456789ABCDEF0123456", LoadedModule::sourceVersion);
        assertThat(observed.libraries()).containsExactly(new DriverVersion("580.65.06"));
        assertThat(observed.parameters()).containsEntry("DeviceFileMode", "438").containsEntry("RegistryDwords", "");
        assertThat(observed.gpus()).hasSize(2).allSatisfy(gpu -> {
            assertThat(gpu.driver()).isEqualTo("nvidia");
            assertThat(gpu.device()).isEqualTo("2330");
        });
        assertThat(observed.nodes()).contains(new DriverNode(Path.of("/dev/nvidia-uvm"), 510, 0, NodeState.MISSING));
        assertThat(observed.headers())
                .returns(true, KernelHeaders::usable)
                .returns("gcc-12 (Debian 12.2.0-14) 12.2.0", KernelHeaders::compiler);
        assertThat(observed.nouveau()).isEqualTo(Nouveau.ABSENT);
    }

    @Test
    void theProprietaryModulesAreToldFromTheOpenOnes() throws IOException {
        // Given
        host.version(PROPRIETARY);

        // When
        Optional<RunningDriver> running = observe().running();

        // Then
        assertThat(running).contains(new RunningDriver(new DriverVersion("535.261.03"), ModuleType.PROPRIETARY));
    }

    @ParameterizedTest
    @CsvSource({"POE, PROPRIETARY", "OE, OPEN"})
    void withoutTheDriversOwnFileTheModuleTellsItsVersionAndTheKernelItsLicence(String taint, ModuleType type)
            throws IOException {
        // Given
        host.remove("/proc/driver/nvidia/version");
        host.write("/sys/module/nvidia/taint", taint);

        // When
        Optional<RunningDriver> running = observe().running();

        // Then
        assertThat(running).contains(new RunningDriver(new DriverVersion("580.65.06"), type));
    }

    @Test
    void aNodeWithoutDriverAndGpuHasNothing() throws IOException {
        // Given
        Path bare = Files.createDirectory(root.resolve("bare"));
        root = bare;

        // When
        ObservedDriver observed = observe();

        // Then
        assertThat(observed.loaded()).isFalse();
        assertThat(observed.running()).isEmpty();
        assertThat(observed.gpus()).isEmpty();
        assertThat(observed.nodes()).isEmpty();
        assertThat(observed.headers().directory()).isEmpty();
        assertThat(observed.unreadable()).isEmpty();
    }

    @Test
    void whatCannotBeReadIsSaidAndHidesNothingElse() {
        // Given
        FakeKernelModules modules = FakeKernelModules.withDriver("580.65.06");
        modules.unreadable(new IOException("Permission denied"));
        SystemHostFiles files = new SystemHostFiles(root);

        // When
        ObservedDriver observed =
                new HostDriverObserver(files, modules, new SystemDeviceNodes(files), Path.of("/")).observe();

        // Then
        assertThat(observed.unreadable()).containsExactly("the kernel's modules cannot be read: Permission denied");
        assertThat(observed.gpus()).hasSize(2);
    }

    @Test
    void nouveauIsSeenWithItsGpusAndConsoles() throws IOException {
        // Given
        host.write("/proc/cmdline", "quiet");
        host.modules("nouveau 2000000 3 - Live 0x0\n");
        host.gpu("0000:18:00.0", "nouveau");
        host.write("/sys/class/vtconsole/vtcon0/name", "(S) dummy device");
        host.write("/sys/class/vtconsole/vtcon0/bind", "0");
        host.write("/sys/class/vtconsole/vtcon1/name", "(M) frame buffer device");
        host.write("/sys/class/vtconsole/vtcon1/bind", "1");
        Files.createDirectories(root.resolve("sys/class/graphics/fb0/device"));
        Files.createSymbolicLink(
                root.resolve("sys/class/graphics/fb0/device/driver"), Path.of("/sys/bus/pci/drivers/nouveau"));

        // When
        Nouveau nouveau = observe().nouveau();

        // Then
        assertThat(nouveau.inTheWay()).isTrue();
        assertThat(nouveau.bound()).containsExactly(PciAddress.parse("0000:18:00.0"));
        assertThat(nouveau.consoles()).containsExactly("vtcon1");
        assertThat(nouveau.blacklisted()).isFalse();
        assertThat(nouveau.modules()).extracting(LoadedModule::name).containsExactly("nouveau");
    }

    @ParameterizedTest
    @CsvSource({
        "/etc/modprobe.d/a.conf, blacklist nouveau, true",
        "/usr/lib/modprobe.d/a.conf, install nouveau /bin/false, true",
        "/etc/modprobe.d/a.conf, # blacklist nouveau, false",
        "/etc/modprobe.d/a.conf, options nouveau modeset=0, false",
        "/etc/modprobe.d/a.txt, blacklist nouveau, false",
        "/proc/cmdline, 'quiet modprobe.blacklist=nova_core,nouveau', true",
        "/proc/cmdline, quiet rd.driver.blacklist=nouveau, false",
        "/proc/cmdline, quiet module_blacklist=nouveau, true",
    })
    void nouveauIsKeptOutByModprobesConfigurationOrTheKernelsCommandLine(String file, String text, boolean keptOut)
            throws IOException {
        // Given
        host.write("/proc/cmdline", "quiet");
        host.write(file, text);

        // When
        Nouveau nouveau = observe().nouveau();

        // Then
        assertThat(nouveau.blacklisted()).isEqualTo(keptOut);
    }

    @Test
    void aFileThatAnotherOfItsNameHidesKeepsNothingOut() throws IOException {
        // Given
        host.write("/proc/cmdline", "quiet");
        host.write("/usr/lib/modprobe.d/nvidia.conf", "blacklist nouveau");
        host.write("/etc/modprobe.d/nvidia.conf", "# not here");

        // When
        Nouveau nouveau = observe().nouveau();

        // Then
        assertThat(nouveau.blacklisted()).isFalse();
    }

    @Test
    void theHeadersAreFoundWhereverTheDistributionPutsThem() throws IOException {
        // Given headers that are not complete in one place, and whole ones in another
        host.remove("/lib/modules/6.1.0-18-amd64/build/Module.symvers");
        String source = "/usr/src/kernels/6.1.0-18-amd64/";
        for (String needed : List.of(
                "Makefile",
                "Module.symvers",
                "include/config/auto.conf",
                "scripts/basic/fixdep",
                "scripts/mod/modpost")) {
            host.write(source + needed, "");
        }

        // When
        KernelHeaders headers = observe().headers();

        // Then
        assertThat(headers.directory()).contains(Path.of("/usr/src/kernels/6.1.0-18-amd64"));
        assertThat(headers.usable()).isTrue();
    }

    @Test
    void headersOfAnotherKernelAreNotUsable() throws IOException {
        // Given
        host.write("/lib/modules/6.1.0-18-amd64/build/include/config/kernel.release", "6.1.0-17-amd64");

        // When
        KernelHeaders headers = observe().headers();

        // Then
        assertThat(headers.usable()).isFalse();
        assertThat(headers.release()).isEqualTo("6.1.0-17-amd64");
    }

    @Test
    void whatIsNotAsItShouldBeIsRemarked() throws IOException {
        // Given
        host.write("/proc/cmdline", "quiet");
        host.gpu("0000:3b:00.0", "vfio-pci");
        host.modules("""
                nvidia_uvm 1 0 - Live 0x0
                vendor 1 0 - Live 0x0
                nvidia 1 2 nvidia_uvm,vendor, Unloading 0x0
                """);
        host.write("/sys/module/nvidia_uvm/version", "570.10");
        host.remove("/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.580.65.06");
        host.write("/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.590.1", "");

        // When
        List<String> remarks = remarks();

        // Then
        assertThat(remarks)
                .contains(
                        "version 580.65.06 is loaded and the libraries are of 590.1: an upgrade was not finished",
                        "module nvidia is still on its way out",
                        "module vendor uses the driver and is not a part of it: the driver is not unloaded while it is there",
                        "module nvidia_uvm is of version 570.10 and nvidia of 580.65.06",
                        "the driver vfio-pci holds GPU 0000:3b:00.0",
                        "/dev/nvidiactl and 3 more device nodes are missing",
                        "nouveau is not kept out: it may take the GPUs at the next boot");
    }
}
