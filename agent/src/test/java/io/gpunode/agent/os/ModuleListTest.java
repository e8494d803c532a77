package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.os.LoadedModule.Phase;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(10)
class ModuleListTest {
    @Test
    void aLineTellsUsersPhaseAndTaint() {
        // When
        List<LoadedModule> modules = ModuleList.parse("""
                nvidia 62144512 29 nvidia_uvm,nvidia_modeset, Live 0xffffffffc0a00000 (POE)
                nvidia_uvm 4874240 2 - Live 0x0000000000000000 (POE)
                """);

        // Then
        assertThat(modules.getFirst())
                .isEqualTo(new LoadedModule(
                        "nvidia", 62_144_512, 29, List.of("nvidia_modeset", "nvidia_uvm"), Phase.LIVE, "", "", "POE"));
        assertThat(modules.getFirst().externalReferences()).isEqualTo(27);
        assertThat(modules.get(1).holders()).isEmpty();
    }

    @Test
    void aModuleOnItsWayInOrOutSaysSo() {
        // When
        List<LoadedModule> modules =
                ModuleList.parse("nvidia 1 -1 - Unloading 0x0 (OE-)\nnvidia_uvm 1 1 - Loading 0x0 (OE+)\n");

        // Then
        assertThat(modules).extracting(LoadedModule::phase).containsExactly(Phase.GOING, Phase.COMING);
        assertThat(modules).extracting(LoadedModule::taint).containsExactly("OE", "OE");
    }

    @Test
    void aKernelWithoutUnloadingCountsNothing() {
        // When
        LoadedModule module = ModuleList.parse("nvidia 8000000 - - Live 0x0\n").getFirst();

        // Then
        assertThat(module.references()).isEqualTo(LoadedModule.NOT_COUNTED);
        assertThat(module.externalReferences()).isZero();
    }
}
