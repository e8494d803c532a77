package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gpunode.agent.model.PciAddress;
import io.gpunode.agent.os.FakeKernelModules;
import io.gpunode.agent.os.FakeKernelModules.Installed;
import io.gpunode.agent.os.KernelValues;
import io.gpunode.agent.os.LoadedModule;
import io.gpunode.agent.os.ModuleToLoad;
import io.gpunode.agent.os.SystemHostFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(10)
class NouveauReleaseTest {
    private static final Duration LIMIT = Duration.ofSeconds(1);
    private static final List<PciAddress> BOUND = List.of(PciAddress.parse("0000:18:00.0"));

    @TempDir
    private Path root;

    private final FakeKernelModules modules = new FakeKernelModules();
    private Path console;

    @BeforeEach
    void setUp() throws IOException {
        modules.install(new Installed("nouveau", List.of(), "", ""));
        modules.load(ModuleToLoad.named("nouveau"), LIMIT);
        console = Files.createDirectories(root.resolve("sys/class/vtconsole/vtcon1"))
                .resolve("bind");
        Files.writeString(console, "1\n");
    }

    private List<String> release(Nouveau nouveau) throws Exception {
        SystemHostFiles files = new SystemHostFiles(root);
        return new NouveauRelease(modules, new KernelValues(files), files).release(nouveau, LIMIT);
    }

    private Nouveau seen(boolean blacklisted) throws IOException {
        return new Nouveau(modules.loaded(), BOUND, List.of("vtcon1"), blacklisted);
    }

    @Test
    void theConsoleLetsGoTheModuleGoesAndDoesNotComeBack() throws Exception {
        // When
        List<String> notes = release(seen(false));

        // Then
        assertThat(modules.loaded()).isEmpty();
        assertThat(console).hasContent("0");
        assertThat(root.resolve("etc/modprobe.d/gpu-node-agent-nouveau.conf"))
                .content()
                .contains("blacklist nouveau");
        assertThat(notes).singleElement().asString().contains("initial RAM disk");
    }

    @Test
    void whatIsKeptOutAlreadyIsLeftAsItIs() throws Exception {
        // When
        List<String> notes = release(seen(true));

        // Then
        assertThat(notes).isEmpty();
        assertThat(root.resolve("etc")).doesNotExist();
    }

    @Test
    void aModuleThatStaysGetsItsConsoleBackAndTheNextStepIsSaid() throws Exception {
        // Given
        modules.hold("nouveau");
        Nouveau nouveau = seen(false);

        // When / Then
        assertThatThrownBy(() -> release(nouveau))
                .isInstanceOf(DriverStepException.class)
                .hasMessageContaining("nouveau cannot be unloaded: it is in use")
                .hasMessageContaining("reboot");
        assertThat(console).hasContent("1");
        assertThat(modules.loaded()).extracting(LoadedModule::name).containsExactly("nouveau");
    }

    @Test
    void aConsoleThatDoesNotLetGoLeavesTheModuleAlone() throws Exception {
        // Given
        Nouveau nouveau = new Nouveau(modules.loaded(), BOUND, List.of("vtcon1", "vtcon7"), true);

        // When / Then
        assertThatThrownBy(() -> release(nouveau))
                .isInstanceOf(DriverStepException.class)
                .hasMessageContaining("console");
        assertThat(console).hasContent("1");
        assertThat(modules.loaded()).hasSize(1);
    }

    @Test
    void aDriverThatIsBuiltInNeedsAReboot() {
        // Given
        Nouveau nouveau = new Nouveau(List.of(), BOUND, List.of(), true);

        // When / Then
        assertThatThrownBy(() -> release(nouveau))
                .isInstanceOf(DriverStepException.class)
                .hasMessageContaining("built into the kernel")
                .hasMessageContaining("reboot");
    }

    @Test
    void aReadOnlyConfigurationIsToldAndKeepsNobodyFromLoading() throws Exception {
        // Given
        Files.writeString(root.resolve("etc"), "not a directory");

        // When
        List<String> notes = release(seen(false));

        // Then
        assertThat(modules.loaded()).isEmpty();
        assertThat(notes).singleElement().asString().contains("cannot be written");
    }
}
